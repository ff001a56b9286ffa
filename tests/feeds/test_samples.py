"""The sample catalogue in samples/: a feed, its pictures and the command that imports them."""

import csv
import re
from collections import Counter, defaultdict
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from PIL import Image
from pytest_django import Settings

from backend.catalog.models import Category, Product, ProductImage
from backend.feeds.importer import BATCH_SIZE
from tests.support.clients import GraphQLClient

FOLDER: Path = settings.SAMPLES_DIR
FEED = FOLDER / "products.tsv"
MAX_BYTES = 3_000_000
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
CHARACTERISTIC_NAME = re.compile(r"(?P<name>[^()]+?)(?: \((?P<unit>[^()]+)\))?")
SALE = """{
  products(filter: {onSale: true}, sortBy: DISCOUNT, first: 100) {
    nodes { sku price compareAtPrice isOnSale } totalCount facets { onSaleCount }
  }
}"""

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    with FEED.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def picture_names(row: Row) -> list[str]:
    """Return the file names of a product's pictures, the main one first."""
    return [row["image_link"], *filter(None, row["additional_image_link"].split(","))]


def parse_price(text: str) -> Decimal:
    """Return the amount of a price in roubles."""
    assert re.fullmatch(r"\d+\.\d{2} RUB", text)
    return Decimal(text.split()[0])


def characteristics(row: Row) -> list[tuple[str, str | None, str]]:
    """Return a product's characteristics as (name, unit, value), as the importer reads them."""
    triples = []
    for part in row["product_detail"].split(","):
        section, label, value = part.split(":")
        match = CHARACTERISTIC_NAME.fullmatch(label)
        assert match, part
        assert section.strip(), part
        assert value.strip(), part
        triples.append((match["name"], match["unit"], value))
    return triples


# The feed


def test_every_line_has_every_column_and_no_quotes(rows: list[Row]) -> None:
    text = FEED.read_text(encoding="utf-8")

    assert '"' not in text
    assert {line.count("\t") for line in text.splitlines()} == {len(rows[0]) - 1}
    for row in rows:
        for column in ("id", "title", "description", "link", "image_link", "brand"):
            assert row[column], (row["id"], column)
            assert row[column] == row[column].strip()


def test_identifying_columns_are_unique(rows: list[Row]) -> None:
    assert len(rows) >= 150
    for column in ("id", "link", "title", "description"):
        counts = Counter(row[column] for row in rows)
        assert [value for value, count in counts.items() if count > 1] == [], column
    for row in rows:
        assert re.fullmatch(r"[A-Z]{3}-\d{3}", row["id"])
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row["link"])


def test_feed_fits_one_import_batch(rows: list[Row]) -> None:
    # The first run relies on it: an interrupted import must leave no products.
    assert len(rows) <= BATCH_SIZE


def test_categories_are_three_levels_deep_and_each_product_is_in_one_language(rows: list[Row]) -> None:
    languages = Counter[bool]()
    for row in rows:
        levels = row["product_type"].split(" > ")
        assert len(levels) == 3, row["id"]
        is_russian = bool(CYRILLIC.search(levels[0]))
        languages[is_russian] += 1
        for text in (*levels, row["title"], row["description"]):
            assert bool(CYRILLIC.search(text)) == is_russian, (row["id"], text)
    assert min(languages.values()) > len(rows) * 0.4


def test_prices_are_roubles_from_90_to_90000_and_some_are_equal(rows: list[Row]) -> None:
    prices = [parse_price(row["price"]) for row in rows]
    assert (min(prices), max(prices)) == (Decimal("90.00"), Decimal("90000.00"))
    assert len(prices) > len(set(prices))


def test_availability_agrees_with_quantity(rows: list[Row]) -> None:
    for row in rows:
        assert row["availability"] == ("in_stock" if int(row["quantity"]) > 0 else "out_of_stock"), row["id"]
    assert {row["availability"] for row in rows} == {"in_stock", "out_of_stock"}


def test_each_product_has_four_to_nine_distinct_characteristics(rows: list[Row]) -> None:
    for row in rows:
        names = [name for name, _, _ in characteristics(row)]
        names += [column for column in ("brand", "color", "material") if row[column]]
        assert len(names) == len(set(names)), row["id"]
        assert 4 <= len(names) <= 9, (row["id"], names)


def test_characteristic_with_a_unit_has_one_unit_and_numeric_values(rows: list[Row]) -> None:
    units: defaultdict[str, set[str | None]] = defaultdict(set)
    for row in rows:
        for name, unit, value in characteristics(row):
            units[name].add(unit)
            if unit:
                assert re.fullmatch(r"\d+(\.\d+)?", value), (row["id"], name)
    assert {name: found for name, found in units.items() if len(found) > 1} == {}


def test_root_categories_share_facet_values(rows: list[Row]) -> None:
    roots: defaultdict[str, Counter[tuple[str, str | None, str]]] = defaultdict(Counter)
    for row in rows:
        root = row["product_type"].split(" > ")[0]
        roots[root].update([("brand", None, row["brand"]), *characteristics(row)])
    for root, counts in roots.items():
        assert len([value for value, count in counts.items() if count >= 3]) >= 5, root


def test_a_tenth_of_the_products_is_on_sale(rows: list[Row]) -> None:
    sales = [row for row in rows if row["sale_price"]]
    for row in sales:
        assert (
            Decimal("0.5") < parse_price(row["sale_price"]) / parse_price(row["price"]) < Decimal("0.95")
        ), row["id"]
    assert len(sales) == round(len(rows) / 10)
    assert {row["availability"] for row in sales} == {"in_stock", "out_of_stock"}
    assert len({row["product_type"].split(" > ")[0] for row in sales}) > 3


# The pictures


def test_folder_holds_exactly_the_pictures_of_the_feed(rows: list[Row]) -> None:
    linked = [name for row in rows for name in picture_names(row)]
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}

    assert found == {*linked, FEED.name}
    assert len(linked) == len(set(linked))
    assert any(row["additional_image_link"] for row in rows)


def test_pictures_are_800_pixel_webp_files() -> None:
    for path in FOLDER.rglob("*.webp"):
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.mode, picture.size) == ("WEBP", "RGB", (800, 800)), path


def test_pictures_within_a_category_differ(rows: list[Row]) -> None:
    owners: defaultdict[tuple[str, bytes], list[str]] = defaultdict(list)
    for row in rows:
        for name in picture_names(row):
            owners[row["product_type"], (FOLDER / name).read_bytes()].append(name)
    assert [names for names in owners.values() if len(names) > 1] == []


def test_feed_and_pictures_stay_small_enough_for_the_repository() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= MAX_BYTES


# The command


@pytest.fixture
def shop(db: None, settings: Settings, tmp_path: Path) -> Settings:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.SHOP_CURRENCY = "EUR"
    return settings


def load() -> str:
    output = StringIO()
    call_command("load_sample_catalogue", stdout=output)
    return output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_command_imports_every_product_and_picture_and_resets_them(shop: Settings, rows: list[Row]) -> None:
    count, pictures = len(rows), sum(len(picture_names(row)) for row in rows)

    assert load().startswith(f"{count} created, 0 updated, 0 unchanged, 0 refused")
    assert Product.objects.count() == count
    assert ProductImage.objects.count() == pictures
    assert Category.objects.filter(level=2).exists()
    assert load().startswith(f"0 created, 0 updated, {count} unchanged, 0 refused")
    Product.objects.filter(sku=rows[0]["id"]).update(name="Renamed", stock=0)
    assert load().startswith(f"0 created, 1 updated, {count - 1} unchanged, 0 refused")
    product = Product.objects.get(sku=rows[0]["id"])
    assert (product.name, product.stock) == (rows[0]["title"], int(rows[0]["quantity"]))


@pytest.mark.django_db(transaction=True)
def test_products_on_sale_are_listed_counted_and_sorted(shop: Settings, rows: list[Row]) -> None:
    sales = {row["id"]: row for row in rows if row["sale_price"]}
    load()

    products = GraphQLClient().data(SALE)["products"]
    listed = {node["sku"]: node for node in products["nodes"]}
    assert products["totalCount"] == products["facets"]["onSaleCount"] == len(sales)
    assert listed.keys() == sales.keys()
    for sku, node in listed.items():
        assert node["isOnSale"]
        assert Decimal(node["price"]) == parse_price(sales[sku]["sale_price"])
        assert Decimal(node["compareAtPrice"]) == parse_price(sales[sku]["price"])
    rates = [Decimal(node["price"]) / Decimal(node["compareAtPrice"]) for node in listed.values()]
    assert rates == sorted(rates)


def test_command_fails_when_the_feed_is_missing(shop: Settings, tmp_path: Path) -> None:
    shop.SAMPLES_DIR = tmp_path

    with pytest.raises(CommandError, match=r"products\.tsv"):
        load()
    assert not Product.objects.exists()
