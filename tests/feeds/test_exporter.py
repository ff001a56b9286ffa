"""Importing an export changes nothing, and restores an empty shop."""

import gzip
import hashlib
from decimal import Decimal
from io import StringIO
from pathlib import Path
from unittest import mock

import pytest
from django.core.management import CommandError, call_command

from backend.catalog.models import Category, Product, ProductImage
from backend.feeds import exported_products
from backend.feeds.exporter import FORMATS, Format, export_feed
from backend.feeds.importer import import_feed
from tests.catalog.derived import assert_characteristics_are_right
from tests.catalog.factories import make_brand, make_category, make_image, make_product
from tests.feeds.helpers import FeedTestCase, counts

NASTY = "Tab\there, \"quotes\", 'single', colon: comma, <b>&amp;</b> ёЁ 漢字 🫖\nline\r\nwindows \\ back > >"


def snapshot() -> dict[str, list[object]]:
    """Return all rows of the catalogue, including modification times."""
    return {
        "products": list(Product.objects.order_by("pk").values()),
        "images": list(ProductImage.objects.order_by("pk").values()),
        "categories": list(Category.objects.order_by("pk").values()),
    }


def digest(image: ProductImage) -> str:
    """Return the digest of a picture's content."""
    return hashlib.sha256(image.file.read()).hexdigest()


class RoundTripTest(FeedTestCase):
    def setUp(self) -> None:
        super().setUp()
        root = make_category('Tea, "fine" > loose')
        leaf = make_category("A\\B", root)
        make_category("Nothing in here", root)
        first = make_product(
            name=NASTY.replace("\n", " ").replace("\r", " "),
            category=leaf,
            description=NASTY + "\n\n  indented\x0bvertical tab ",
            price=Decimal("9999999999.99"),
            stock=7,
            brand=make_brand("Quoted"),
            characteristics={
                "Height (cm)": "3, about: 4",
                "Color": NASTY[:200],
                "Brand": '"Quoted"',
                "Size": "",
                'Odd, name: "x"': "\\",
            },
        )
        make_image(first, alt="Second, by number", position=5)
        make_image(first, alt="First", position=2)
        make_product(category=root, is_published=False, stock=0, price=Decimal("0.00"))
        make_product(
            brand=make_brand("B"),
            characteristics={"Brand": "B", "Height (cm)": "1"},
            price=Decimal("80.00"),
            compare_at_price=Decimal("100.00"),
        )
        bare = make_product(name="=1+1", description="", category=None)
        make_image(bare)

    def test_import_into_the_same_shop_changes_nothing(self) -> None:
        before = snapshot()
        for format in FORMATS:
            with self.subTest(format=format):
                path = self.exported(format)
                report = import_feed(path)
                assert report.problems == []
                assert counts(report) == (0, 0, 4, 0)
                assert snapshot() == before

    def test_import_into_an_empty_shop_restores_the_products(self) -> None:
        for format in FORMATS:
            with self.subTest(format=format):
                if format == "yml":  # It has no alternative texts.
                    ProductImage.objects.update(alt="")
                path = self.exported(format, "--with-pictures")
                first = "".join(export_feed(Product.objects.all(), image_link=digest))
                ProductImage.objects.all().delete()
                Product.objects.all().delete()
                Category.objects.filter(level=1).delete()
                Category.objects.all().delete()
                report = import_feed(path)
                assert report.problems == []
                assert counts(report) == (4, 0, 0, 0)
                second = "".join(export_feed(Product.objects.all(), image_link=digest))
                assert second == first
                assert_characteristics_are_right()

    def test_links_with_url_prefixes_are_recognized(self) -> None:
        path = self.exported(
            "tsv", "--link-prefix=https://shop.example/p/", "--image-prefix=https://cdn.example/m/"
        )
        assert "https://shop.example/p/product-" in path.read_text()
        assert "https://cdn.example/m/products/tiny" in path.read_text()
        report = import_feed(path)
        assert report.problems == []
        assert counts(report) == (0, 0, 4, 0)

    def exported(self, format: Format, *options: str) -> Path:
        path = self.folder / f"out.{format}"
        call_command("export_products", f"--format={format}", f"--output={path}", *options, stdout=StringIO())
        return path

    def test_gzipped_file_equals_standard_output(self) -> None:
        out = StringIO()
        call_command("export_products", stdout=out)
        path = self.folder / "out.tsv.gz"
        call_command("export_products", f"--output={path}", stdout=StringIO())
        assert gzip.decompress(path.read_bytes()).decode() == out.getvalue()
        assert counts(import_feed(path)) == (0, 0, 4, 0)

    def test_failed_export_keeps_the_old_file(self) -> None:
        path = self.folder / "out.tsv"
        path.write_text("before")
        with pytest.raises(CommandError, match="cannot be written"):
            call_command("export_products", f"--output={self.folder / 'absent' / 'out.tsv'}")
        with pytest.raises(CommandError, match="requires --output"):
            call_command("export_products", "--with-pictures")
        assert path.read_text() == "before"
        assert list(self.folder.iterdir()) == [path]

    def test_missing_picture_file_is_reported_and_the_export_completes(self) -> None:
        image = ProductImage.objects.get(alt="First")
        image.file.storage.delete(image.file.name)
        out = StringIO()
        call_command("export_products", f"--output={self.folder / 'out.tsv'}", "--with-pictures", stdout=out)
        assert f"picture not copied: {image.file.name}" in out.getvalue()
        assert counts(import_feed(self.folder / "out.tsv")) == (0, 0, 4, 0)


class ConcurrentEditTest(FeedTestCase):
    """Staff edit the category tree during a download."""

    def test_category_added_during_the_export_is_exported(self) -> None:
        make_product(category=make_category("Tea"))
        second = make_product()
        with mock.patch.object(exported_products, "BATCH_SIZE", 1):
            lines = export_feed(Product.objects.all())
            text = next(lines) + next(lines)
            second.category = make_category("Cups", make_category("Dishes"))
            second.save()
            text += "".join(lines)
        assert "\tDishes > Cups\t" in text
        assert counts(self.run_import(text.encode())) == (0, 0, 2, 0)

    def test_product_moved_from_a_deleted_category_is_exported_with_the_new_one(self) -> None:
        """The product is read before the edit and the tree after it."""
        cups = make_category("Cups")
        product = make_product(category=cups)
        read_tree = exported_products._read_category_paths
        trees = [{None: []}]

        def read_late() -> dict[int | None, list[str]]:
            if trees:
                return trees.pop()
            if Category.objects.filter(name="Cups"):
                Product.objects.filter(pk=product.pk).update(category=make_category("Mugs"))
                cups.delete()
            return read_tree()

        with mock.patch.object(exported_products, "_read_category_paths", read_late):
            text = "".join(export_feed(Product.objects.all()))
        assert "\tMugs\t" in text
