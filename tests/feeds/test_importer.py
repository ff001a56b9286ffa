"""Import of rows into products, categories and characteristics."""

from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.catalog.models import Category, Characteristic, Product
from backend.core.errors import Invalid
from backend.feeds import category_paths, importer, parsed_rows, raw_rows
from backend.feeds.raw_rows import FeedUnreadable
from tests.catalog.derived import assert_listing_is_right, assert_tree_is_valid
from tests.feeds.helpers import FeedTestCase, Row, counts, product_row, table

FULL = product_row(
    "A-1",
    title="Чашка «Утро»",
    description="Белая.",
    link="https://shop.example/p/utro?utm=1",
    price="28.99 RUB",
    availability="in_stock",
    quantity="7",
    product_type="Дом > Посуда > Чашки",
    brand="Глинянка",
    color="белый",
    product_detail='Размеры:Объём (мл):350,Уход:Мойка:"да, любая"',
    status="active",
    shipping="x",
)
SHOWN = [
    ["Brand", "Глинянка", ""],
    ["Color", "белый", ""],
    ["Объём", "350", "мл"],
    ["Мойка", "да, любая", ""],
]


class MappingTest(FeedTestCase):
    def test_all_columns_are_imported(self) -> None:
        report = self.run_import(FULL)
        assert counts(report) == (1, 0, 0, 0)
        assert report.ignored_columns == ["shipping"]
        assert report.categories_created == 3
        product = Product.objects.get(sku="A-1")
        assert (product.name, product.description, product.slug) == ("Чашка «Утро»", "Белая.", "utro")
        assert (product.price, product.stock, product.is_published) == (Decimal("28.99"), 7, True)
        assert product.category is not None
        assert [category.name for category in product.category.get_ancestors(include_self=True)] == [
            "Дом",
            "Посуда",
            "Чашки",
        ]
        assert product.characteristics == SHOWN
        assert_listing_is_right()
        assert_tree_is_valid()

    def test_minimal_row_creates_a_product_with_defaults(self) -> None:
        self.run_import(product_row("A-1", title="Чашка", price="5"))
        product = Product.objects.get()
        assert (product.slug, product.price, product.stock) == ("chashka", 5, 10)
        assert (product.category, product.characteristics, product.description) == (None, [], "")

    def test_repeated_import_writes_nothing(self) -> None:
        self.run_import(FULL, FULL | {"id": "A-2", "link": ""})
        before = list(Product.objects.order_by("pk").values())
        with CaptureQueriesContext(connection) as queries:
            report = self.run_import(FULL, FULL | {"id": "A-2", "link": ""})
        assert counts(report) == (0, 0, 2, 0)
        assert [query["sql"][:60] for query in queries if not query["sql"].startswith("SELECT")] == []
        assert list(Product.objects.order_by("pk").values()) == before

    def test_only_changed_products_are_written(self) -> None:
        self.run_import(FULL, FULL | {"id": "A-2", "link": "other"})
        before = {product.sku: product.updated_at for product in Product.objects.all()}
        report = self.run_import(
            FULL | {"price": "30 RUB", "color": "синий"}, FULL | {"id": "A-2", "link": "other"}
        )
        assert counts(report) == (0, 1, 1, 0)
        assert [change.fields for change in report.changes] == [("price", "characteristics")]
        after = {product.sku: product for product in Product.objects.all()}
        assert after["A-1"].updated_at > before["A-1"]
        assert after["A-2"].updated_at == before["A-2"]
        assert after["A-1"].price == 30
        assert after["A-1"].characteristics == [SHOWN[0], ["Color", "синий", ""], *SHOWN[2:]]
        assert_listing_is_right()

    def test_missing_columns_keep_the_values(self) -> None:
        self.run_import(FULL)
        report = self.run_import({"id": "A-1", "price": "1.50"})
        assert counts(report) == (0, 1, 0, 0)
        product = Product.objects.get()
        assert (product.price, product.name, product.stock, product.slug) == (
            Decimal("1.50"),
            "Чашка «Утро»",
            7,
            "utro",
        )
        assert product.category is not None
        assert product.characteristics == SHOWN

    def test_empty_cells_clear_the_values(self) -> None:
        self.run_import(FULL)
        self.run_import({"id": "A-1", "description": "", "product_type": "", "brand": "", "link": ""})
        product = Product.objects.get()
        assert (product.description, product.category, product.slug) == ("", None, "utro")
        assert product.characteristics == SHOWN[1:]
        self.run_import({"id": "A-1", "product_detail": ""})
        product.refresh_from_db()
        assert product.characteristics == SHOWN[1:2]

    def test_dry_run_writes_nothing_and_reports_the_same(self) -> None:
        rows = [FULL, FULL | {"id": "A-2", "product_type": "Дом > Сад"}, product_row("A-3") | {"price": "x"}]
        rows[2] = FULL | {"id": "A-3", "price": "x"}
        preview = self.run_import(*rows, dry_run=True)
        assert not Product.objects.exists()
        assert not Category.objects.exists()
        assert not Characteristic.objects.exists()
        assert preview == self.run_import(*rows)

    def test_batches_give_the_same_result_as_one_transaction(self) -> None:
        rows = [FULL | {"id": f"A-{number}", "link": "", "title": "The same"} for number in range(25)]
        assert counts(self.run_import(*rows, batch_size=4)) == (25, 0, 0, 0)
        assert counts(self.run_import(*rows, batch_size=7)) == (0, 0, 25, 0)
        assert Product.objects.values("slug").distinct().count() == 25
        assert Category.objects.count() == 3


class StockTest(FeedTestCase):
    def stock(self, start: int | None = None, **cells: str) -> int:
        Product.objects.all().delete()
        if start is not None:
            Product.objects.create(sku="A-1", slug="a", name="A", price=1, stock=start)
        self.run_import(product_row(**cells), default_stock=10)
        return Product.objects.get().stock

    def test_stock_of_new_products(self) -> None:
        assert self.stock() == 10
        assert self.stock(availability="in stock") == 10
        assert self.stock(availability="in_stock", quantity="3") == 3
        assert self.stock(quantity="0") == 0
        for availability in ("out_of_stock", "preorder", "backorder"):
            assert self.stock(availability=availability, quantity="3") == 0

    def test_stock_of_existing_products(self) -> None:
        assert self.stock(4) == 4
        assert self.stock(4, availability="in_stock") == 4
        assert self.stock(0, availability="in_stock") == 0
        assert self.stock(4, availability="in_stock", quantity="") == 4
        assert self.stock(4, availability="out_of_stock") == 0
        assert self.stock(4, quantity="9") == 9
        assert self.stock(0, availability="in_stock", quantity="9") == 9

    def test_repeated_import_does_not_refill_sold_out_products(self) -> None:
        row = product_row(availability="in_stock")
        self.run_import(row)
        Product.objects.update(stock=0)
        report = self.run_import(row)
        assert (counts(report), report.problems) == ((0, 0, 1, 0), [])
        assert Product.objects.get().stock == 0


class SlugTest(FeedTestCase):
    def slugs(self) -> dict[str, str]:
        return dict(Product.objects.values_list("sku", "slug"))

    def test_links_without_a_valid_slug_give_slugs_from_names(self) -> None:
        rows = [
            product_row("A-1", title="Чашка", link="/чашка"),
            product_row("A-2", title="Чашка", link=""),
            product_row("A-3", title="Чашка", link="http://[broken"),
            product_row("A-4", title="???", link="x" * 300),
        ]
        expected = {"A-1": "chashka", "A-2": "chashka-a-2", "A-3": "chashka-a-3", "A-4": "a-4"}
        for _ in range(2):
            self.run_import(*rows)
            assert self.slugs() == expected

    def test_query_strings_that_identify_the_product_leave_no_slug(self) -> None:
        for number, (link, slug) in enumerate(
            [
                ("https://shop.example/ru/?p=3", None),
                ("https://shop.example/ru/?anything=3", None),
                ("https://shop.example/product?id=3", None),
                ("https://shop.example/product?product_id=3&utm_source=x", None),
                ("https://shop.example/catalog?goods=3", None),
                ("https://shop.example/?cup", None),
                ("https://shop.example/shop/#!/cup", None),
                ("https://shop.example/shop#/cup", None),
                ("https://shop.example/p/red-cup?variant=1", "red-cup"),
                ("https://shop.example/p/blue-cup/?utm_source=x&utm_medium=y&gclid=5", "blue-cup"),
                ("https://shop.example/p/green-cup/", "green-cup"),
                ("https://shop.example/p/old-cup?tab=reviews#top", "old-cup"),
            ]
        ):
            sku = f"A-{number}"
            with self.subTest(link=link):
                self.run_import(product_row(sku, title=f"Name {number}", link=link))
                assert self.slugs()[sku] == (slug or f"name-{number}")

    def test_taken_slug_is_reported_and_replaced(self) -> None:
        Product.objects.create(sku="OLD", slug="cup", name="Old", price=1)
        for number in range(2):
            report = self.run_import(product_row("A-1", link="cup"))
            assert [str(problem) for problem in report.problems] == [
                "line 2 [A-1] link: 'cup' is already the slug of product 'OLD'"
            ]
            assert counts(report)[number * 2] == 1
        assert self.slugs() == {"OLD": "cup", "A-1": "product-a-1"}

    def test_two_rows_with_one_link_get_different_slugs(self) -> None:
        """The second row gets a slug from its name, which is taken too."""
        Product.objects.create(sku="OLD", slug="chashka", name="Old", price=1)
        report = self.run_import(
            product_row("A-1", link="cup"), product_row("A-2", link="cup", title="Чашка")
        )
        assert counts(report) == (2, 0, 0, 0)
        assert self.slugs() == {"OLD": "chashka", "A-1": "cup", "A-2": "chashka-a-2"}

    def test_slugs_take_a_fixed_number_of_queries(self) -> None:
        taken = []
        for size in (2, 30):
            rows = [product_row(f"S{size}-{number}", title="The same", link="") for number in range(size)]
            with CaptureQueriesContext(connection) as queries:
                assert counts(self.run_import(*rows)) == (size, 0, 0, 0)
            taken.append(len(queries))
        assert taken[0] == taken[1]

    def test_new_link_changes_the_slug(self) -> None:
        self.run_import(product_row("A-1", link="cup"))
        self.run_import(product_row("A-1", link="mug"))
        assert self.slugs() == {"A-1": "mug"}


class SpellingsTest(FeedTestCase):
    def test_spellings_of_a_category_path_are_one_category(self) -> None:
        spellings = [
            "Чай и кофе > Чайники",
            "Ча\u0438\u0306\u00a0и  кофе>Ча\u0438\u0306ники >",
            "Чай\u202fи кофе > Чай\u200bники\u00ad",
            "Чай &nbsp;и кофе &gt; Чайники",
        ]
        report = self.run_import(
            *(product_row(f"A-{number}", product_type=cell) for number, cell in enumerate(spellings))
        )
        assert (report.problems, report.categories_created) == ([], 2)
        assert [category.name for category in Category.objects.all()] == ["Чай и кофе", "Чайники"]
        assert Product.objects.values("category").distinct().count() == 1

    def test_existing_category_is_found_in_another_spelling(self) -> None:
        tea = Category.objects.create(name="Ча\u0438\u0306 \u00a0зелёный", slug="tea")
        report = self.run_import(product_row(product_type="Чай зелёный"))
        assert report.categories_created == 0
        assert Product.objects.get().category == tea

    def test_character_references_are_decoded_once(self) -> None:
        row = product_row(
            title="Tom &amp; Co &quot;L&quot; caf&eacute; &#8470;5 &amp;amp; R&D &copy=1",
            description="<p>One<br/>Two &amp; &lt;three&gt;</p>",
            product_type="A &gt; B &amp;gt; C",
            brand="H&amp;M",
            product_detail="S:Screen:5&quot;,S:Use &amp; care:&amp;lt;",
        )
        self.run_import(row)
        product = Product.objects.get()
        assert product.name == 'Tom & Co "L" café №5 &amp; R&D &copy=1'
        assert product.description == "One\nTwo & <three>"
        assert product.category is not None
        assert product.category.name == "B &gt; C"
        assert product.characteristics == [
            ["Brand", "H&M", ""],
            ["Screen", '5"', ""],
            ["Use & care", "&lt;", ""],
        ]

    def test_availability_in_all_spellings(self) -> None:
        in_stock = (
            "in stock,In Stock,instock,InStock,in_stock,in-stock, in_stock ,IN\u00a0STOCK,available,"
            "available for order,true,TRUE,1,yes,https://schema.org/InStock,http://schema.org/InStock,"
            "limited availability,LimitedAvailability,в наличии,Есть в наличии,есть"
        )
        out_of_stock = (
            "out of stock,OutOfStock,out-of-stock,https://schema.org/OutOfStock,sold out,discontinued,"
            "pre-order,preorder,PreOrder,back order,backorder,false,0,no,нет в наличии,под заказ,Нет"
        )
        for stock, spellings in [(10, in_stock), (0, out_of_stock)]:
            for spelling in spellings.split(","):
                with self.subTest(spelling=spelling):
                    Product.objects.all().delete()
                    report = self.run_import(product_row(availability=spelling), default_stock=10)
                    assert report.problems == []
                    assert Product.objects.get().stock == stock


class SaleTest(FeedTestCase):
    def prices(self, **cells: str) -> tuple[Decimal, Decimal | None]:
        """Import a row and return the price and the compare-at price."""
        row = {"id": "A-1", "title": "A"} | cells
        self.report = self.run_import(row)
        assert not self.report.refused
        assert counts(self.run_import(row)) == (0, 0, 1, 0)
        return Product.objects.values_list("price", "compare_at_price").get()

    def test_sale_price_becomes_the_price(self) -> None:
        assert self.prices(price="100", sale_price="80 RUB") == (80, 100)
        assert self.prices(price="100", sale_price="70,50 ₽") == (Decimal("70.50"), 100)
        assert self.prices(price="100", sale_price="") == (100, None)

    def test_sale_price_is_in_effect_from_its_start_to_its_end(self) -> None:
        def moment(seconds: int) -> str:
            return (timezone.now() + timedelta(seconds=seconds)).isoformat(timespec="seconds")

        for period, price in [
            (f"{moment(-60)}/{moment(60)}", 80),
            (f"{moment(-120)} / {moment(-60)}", 100),
            (f"{moment(60)}/{moment(120)}", 100),
            ("2020-01-01/2099-12-31", 80),
            ("2020-01-01T00:00-0800/2020-12-31T23:59-0800", 100),
            ("2098-01-01T00:00Z/2099-12-31T23:59Z", 100),
        ]:
            with self.subTest(period=period):
                expected = (price, 100 if price == 80 else None)
                cells = {"price": "100", "sale_price": "80", "sale_price_effective_date": period}
                assert self.prices(**cells) == expected
                assert self.report.problems == []

    def test_sale_with_an_unreadable_period_is_ignored(self) -> None:
        for period in (
            "soon",
            "2026-05-01",
            "2026-05-01/",
            "2026-05-31/2026-05-01",
            "1/2/3",
            "2026-13-01/2027-01-01",
        ):
            with self.subTest(period=period):
                Product.objects.all().delete()
                cells = {"price": "100", "sale_price": "80", "sale_price_effective_date": period}
                assert self.prices(**cells) == (100, None)
                (problem,) = self.report.problems
                assert (problem.field, problem.refused) == ("sale_price_effective_date", False)

    def test_sale_price_that_is_not_lower_is_ignored(self) -> None:
        for sale_price, problems in [
            ("100", []),
            ("100.01", ["must be above 0 and below the price, 100.00"]),
            ("0", ["must be above 0 and below the price, 100.00"]),
            ("1,234", ["'1,234' can mean 1234 or 1.234; write thousands as 1000.00, or two decimal places"]),
        ]:
            with self.subTest(sale_price=sale_price):
                assert self.prices(price="100", sale_price=sale_price) == (100, None)
                assert [problem.reason for problem in self.report.problems] == problems
        assert self.prices(price="100", sale_price="99.99") == (Decimal("99.99"), 100)

    def test_feed_without_sale_columns_keeps_a_higher_compare_at_price(self) -> None:
        self.prices(price="100", sale_price="80")
        assert self.prices(quantity="1") == (80, 100)
        assert self.prices(price="99.99") == (Decimal("99.99"), 100)
        assert self.prices(price="100") == (100, None)

    def test_feed_of_sale_prices_alone_keeps_the_regular_price(self) -> None:
        self.prices(price="100")
        assert self.prices(sale_price="80") == (80, 100)
        assert self.prices(sale_price="70") == (70, 100)
        assert self.prices(sale_price="") == (100, None)
        assert self.prices(sale_price="100") == (100, None)


class CharacteristicsTest(FeedTestCase):
    def shown(self, **cells: str) -> list[list[str]]:
        report = self.run_import(product_row(**cells))
        assert not report.refused
        assert counts(self.run_import(product_row(**cells))) == (0, 0, 1, 0)
        return Product.objects.get().characteristics

    def test_details_replace_all_but_attributes_without_a_column(self) -> None:
        self.shown(brand="B", color="red", product_detail="S:Height (cm):3,S:Care:dry")
        assert self.shown(color="blue", product_detail="S:Care:wet") == [
            ["Brand", "B", ""],
            ["Color", "blue", ""],
            ["Care", "wet", ""],
        ]

    def test_attribute_columns_replace_single_values_in_place(self) -> None:
        self.shown(product_detail="S:Care:dry,S:Color:red,S:Height (cm):3")
        assert self.shown(color="blue", brand="B") == [
            ["Care", "dry", ""],
            ["Color", "blue", ""],
            ["Height", "3", "cm"],
            ["Brand", "B", ""],
        ]

    def test_details_determine_the_order_of_their_entries(self) -> None:
        assert self.shown(brand="B", color="red", product_detail="S:Care:dry,S:Color:blue") == [
            ["Brand", "B", ""],
            ["Care", "dry", ""],
            ["Color", "red", ""],
        ]

    def test_repeated_detail_is_reported_and_the_first_value_counts(self) -> None:
        report = self.run_import(product_row(product_detail="S:Use:home,S:Use:office,S:Use:home,S:Use (h):2"))
        assert [problem.reason for problem in report.problems] == [
            "'Use' occurs more than once; the first value counts"
        ]
        assert Product.objects.get().characteristics == [["Use", "home", ""], ["Use", "2", "h"]]

    def test_gtin_is_not_offered_as_a_filter(self) -> None:
        self.run_import(product_row(gtin="4006381333931", brand="B"))
        assert dict(Characteristic.objects.values_list("name", "is_facet")) == {"GTIN": False, "Brand": True}


class RefusalTest(FeedTestCase):
    def refusal(self, **cells: str) -> str:
        """Import a bad row between two good ones, and return the reason in the report."""
        good = dict.fromkeys(cells, "") | product_row("GOOD-1")
        rows: list[Row] = [good, good | product_row("BAD") | cells, good | product_row("GOOD-2")]
        report = self.run_import(*rows)
        assert report.refused == 1
        assert report.created + report.updated + report.unchanged == 2
        assert not Product.objects.exclude(sku__startswith="GOOD").exists()
        problem = next(problem for problem in report.problems if problem.refused)
        assert problem.line == 3
        return f"{problem.field}: {problem.reason}"

    def test_invalid_rows_are_refused_with_a_reason(self) -> None:
        for cells, reason in [
            ({"id": " "}, "id: is missing"),
            ({"title": ""}, "title: is missing"),
            ({"price": ""}, "price: is missing"),
            ({"price": "-1 RUB"}, "price: must be between 0 and 9,999,999,999.99"),
            ({"price": "free"}, "price: 'free' is not a price such as \"28.99 RUB\""),
            ({"price": "1e5"}, "price: '1e5' is not a price"),
            ({"price": "NaN"}, "price: 'NaN' is not a price"),
            ({"price": "٣"}, "price: '٣' is not a price"),
            ({"price": "10000000000"}, "price: must be between 0 and 9,999,999,999.99"),
            ({"price": "1234.005"}, "price: '1234.005' has more than two decimal places"),
            (
                {"price": "1,234 RUB"},
                "price: '1,234 RUB' can mean 1234 or 1.234; write thousands as 1000.00, or two decimal",
            ),
            (
                {"price": "1 USD"},
                "price: is in USD but the shop's currency is RUB; --accept-currency USD takes",
            ),
            ({"id": "x" * 65}, "id: is 65 characters long; the limit is 64"),
            ({"title": "x" * 256}, "title: is 256 characters long; the limit is 255"),
            ({"title": "a\0b"}, "title: contains a NUL character"),
            ({"id": "GOOD-1"}, "id: occurs in line 2 already; the first row counts"),
        ]:
            with self.subTest(cells=cells):
                assert self.refusal(**cells).startswith(reason)

    def test_unreadable_optional_cell_is_ignored(self) -> None:
        """The row is imported, and the product keeps the value that it has."""
        before = FULL | {"image_alt": ""}
        self.run_import(before)
        values = Product.objects.values(
            "name", "description", "stock", "category", "is_published", "characteristics"
        )
        expected = values.get() | {"name": "New"}
        for column, text, reason in [
            ("description", "x" * 20_001, "is 20,001 characters long; the limit is 20,000"),
            ("description", "a\0b", "contains a NUL character, which is not accepted"),
            ("brand", "x" * 256, "is 256 characters long; the limit is 255"),
            ("product_type", "A > " + "x" * 201, "a category name is 201 characters long; the limit is 200"),
            ("product_type", " > ".join("x" * 11), "is 11 levels deep; the limit is 10"),
            ("product_detail", "words", "'words' is not Section:Name:Value"),
            ("quantity", "1.5", "'1.5' is not a whole number from 0 to 2,147,483,647"),
            ("quantity", "2147483648", "'2147483648' is not a whole number from 0 to 2,147,483,647"),
            ("quantity", "1,000", "'1,000' can mean 1000 or 1.000; write it without a separator"),
            ("availability", "maybe", "'maybe' must be one of in_stock, out_of_stock, preorder, backorder"),
            ("status", "maybe", "'maybe' must be one of active, published, archived, hidden"),
            ("image_alt", "x" * 256, "a text is 256 characters long; the limit is 255"),
        ]:
            with self.subTest(column=column, text=text[:20]):
                Product.objects.update(name="Old")
                report = self.run_import(before | {"title": "New", column: text})
                assert [str(problem) for problem in report.problems] == [f"line 2 [A-1] {column}: {reason}"]
                assert counts(report) == (0, 1, 0, 0)
                assert values.get() == expected

    def test_longest_texts_are_imported(self) -> None:
        row = product_row(
            "x" * 64,
            title="x" * 255,
            description="x" * 20_000,
            brand="x" * 255,
            product_type=" > ".join(["x" * 200] * 10),
            product_detail=f"S:{'n' * 100}:{'v' * 255}",
            quantity="2147483647",
        )
        report = self.run_import(row)
        assert (counts(report), report.problems) == ((1, 0, 0, 0), [])

    def test_bad_detail_is_ignored_and_the_others_are_imported(self) -> None:
        bad = "S:" + "x" * 101 + ":1,S::1,S:N:" + "x" * 256
        report = self.run_import(product_row(product_detail=f"S:A:1,{bad},S:B:2"))
        assert [problem.reason for problem in report.problems] == [
            "a name is 101 characters long; the limit is 100",
            "the value '1' has no name",
            "the value of 'N' is 256 characters long; the limit is 255",
        ]
        assert Product.objects.get().characteristics == [["A", "1", ""], ["B", "2", ""]]

    def test_negative_quantity_is_reported_and_counts_as_zero(self) -> None:
        report = self.run_import(product_row(quantity="-2", availability="in_stock"))
        assert [problem.reason for problem in report.problems] == ["-2 is below 0; the stock is set to 0"]
        assert Product.objects.get().stock == 0

    def test_pictures_are_limited_in_number(self) -> None:
        for count in (parsed_rows.MAX_PICTURES, parsed_rows.MAX_PICTURES + 1):
            links = [f"{number}.jpg" for number in range(count)]
            row = parsed_rows.parse_row(
                raw_rows.RawRow(2, product_row(image_link=links[0], additional_image_link=",".join(links))),
                currency="RUB",
            )
            assert row.pictures == tuple(links[: parsed_rows.MAX_PICTURES])
            assert len(row.problems) == count - parsed_rows.MAX_PICTURES

    def test_ignored_columns_are_not_validated(self) -> None:
        feed = table(product_row("A-1", tax="x"), product_row("A-2", tax="TAX"))
        report = self.run_import(feed.replace(b"TAX", b"\xff\0" + b"x" * 200_000))
        assert (counts(report), report.problems) == ((2, 0, 0, 0), [])

    def test_refused_category_refuses_the_row(self) -> None:
        create = category_paths.create_category

        def refuse_b(*, name: str, parent_id: int | None) -> Category:
            if name == "B":
                raise Invalid("B is reserved.", field="name")
            return create(name=name, parent_id=parent_id)

        with mock.patch.object(category_paths, "create_category", refuse_b):
            report = self.run_import(product_row(product_type="A > B > C"))
        assert str(report.problems[0]) == (
            "line 2 [A-1] product_type: the category 'A > B > C' could not be created: "
            "B is reserved. (row refused)"
        )
        assert [category.name for category in Category.objects.all()] == ["A"]

    def test_row_with_invalid_utf_8_is_refused(self) -> None:
        feed = table(product_row("A-1"), product_row("A-2", title="CAFE"), product_row("A-3"))
        report = self.run_import(feed.replace(b"CAFE", "Café".encode("latin-1")))
        assert counts(report) == (2, 0, 0, 1)
        assert str(report.problems[0]) == "line 3 [A-2] title: is not valid UTF-8 (row refused)"

    def test_new_product_requires_title_and_price(self) -> None:
        Product.objects.create(sku="OLD", slug="old", name="Old", price=1)
        report = self.run_import({"id": "NEW", "quantity": "1"}, {"id": "OLD", "quantity": "1"})
        assert counts(report) == (0, 1, 0, 1)
        assert report.problems[0].reason == "is missing; a new product needs it"

    def test_product_details_are_limited_in_number(self) -> None:
        with mock.patch.object(parsed_rows, "MAX_DETAILS", 3):
            report = self.run_import(product_row("A-4", product_detail="S:A:1,S:B:2,S:C:3,S:D:4"))
            assert [str(problem) for problem in report.problems] == [
                "line 2 [A-4] product_detail: has 4 names; the limit is 3"
            ]
            assert Product.objects.get().characteristics == []
            assert counts(self.run_import(product_row(product_detail="S:A:1,S:B:2,S:C:3,S:A:4"))) == (
                1,
                0,
                0,
                0,
            )

    def test_accepted_currency_is_taken_unconverted(self) -> None:
        report = self.run_import(product_row(price="28.99 USD"), accept_currency="usd")
        assert counts(report) == (1, 0, 0, 0)
        assert Product.objects.get().price == Decimal("28.99")

    def test_missing_file_and_other_formats_are_unreadable(self) -> None:
        with pytest.raises(FeedUnreadable, match="cannot be read: No such file"):
            importer.import_feed(self.folder / "absent.tsv")
        with pytest.raises(FeedUnreadable, match='with an "id" column'):
            self.run_import(b"hello\n")


class FaultTest(FeedTestCase):
    """Failures of the database. A constraint added by the test makes it refuse a row."""

    def forbid(self, sku: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE catalog_product ADD CONSTRAINT forbidden CHECK (sku <> %s)", [sku])

    def test_row_refused_by_the_database_is_skipped(self) -> None:
        self.forbid("A-5")
        report = self.run_import(*(product_row(f"A-{number}", brand="B") for number in range(12)))
        assert counts(report) == (11, 0, 0, 1)
        assert (report.problems[0].line, report.problems[0].sku) == (7, "A-5")
        assert "the database refuses it" in report.problems[0].reason
        assert_listing_is_right()

    def test_failing_database_stops_the_import_at_the_batch(self) -> None:
        rows = [product_row(f"A-{number}") for number in range(6)]
        load_batch = importer.load_batch

        def fail_later(batch: list[importer.ParsedRow]) -> object:
            if batch[0].sku == "A-4":
                raise OperationalError("the connection is gone")
            return load_batch(batch)

        with mock.patch.object(importer, "load_batch", fail_later):
            report = self.run_import(*rows, batch_size=2)
        assert counts(report) == (4, 0, 0, 0)
        assert report.stopped.startswith(
            "The database failed at the batch that begins in line 6: the connection is gone"
        )
        assert counts(self.run_import(*rows)) == (2, 0, 4, 0)

    def test_number_of_products_is_limited(self) -> None:
        rows = [product_row(f"A-{number}") for number in range(4)]
        with mock.patch.object(importer, "MAX_PRODUCTS", 3):
            report = self.run_import(*rows[:3], rows[0])
            assert (counts(report), report.stopped) == ((3, 0, 0, 1), "")
            report = self.run_import(*rows, batch_size=2)
        assert counts(report) == (0, 0, 3, 0)
        assert report.stopped == (
            "The rest of the feed cannot be read: line 5: a feed can have at most 3 products; split it"
        )
        assert not Product.objects.filter(sku="A-3").exists()

    def test_broken_feed_is_imported_up_to_the_break(self) -> None:
        items = "".join(f"<item><id>A-{n}</id><title>T</title><price>1</price></item>" for n in range(3))
        report = self.run_import(f"<rss><channel>{items}<item>".encode())
        assert counts(report) == (3, 0, 0, 0)
        assert "The rest of the feed cannot be read: the XML is not well-formed" in report.stopped


class EncodingTest(FeedTestCase):
    def test_refusal_of_an_id_with_invalid_utf_8_can_be_printed(self) -> None:
        report = self.run_import(
            table(product_row("Ж-1", title="Чашка", price="5")).decode().encode("cp1251")
        )
        assert counts(report) == (0, 0, 0, 1)
        str(report.problems[0]).encode()
