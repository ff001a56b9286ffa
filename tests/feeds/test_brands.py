"""The column of the brand sets the brand of a product and its characteristic, in every format."""

from io import BytesIO
from unittest import mock

from backend.catalog.bulk import get_or_create_brands
from backend.catalog.models import Brand, Product
from backend.core.errors import Conflict
from backend.feeds.exporter import FORMATS, export_feed
from backend.feeds.importer import import_feed
from tests.catalog.factories import make_brand, make_product
from tests.feeds.helpers import FeedTestCase, counts, product_row

YML = """<?xml version="1.0"?><yml_catalog><shop><offers><offer id="A-1"><name>Cup</name><price>10</price>
<currencyId>RUB</currencyId><vendor>{}</vendor></offer></offers></shop></yml_catalog>"""
RSS = """<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>A-1</g:id>
<title>Cup</title><g:price>10 RUB</g:price><g:brand>{}</g:brand></item></channel></rss>"""


def shown(sku: str = "A-1") -> tuple[str | None, list[list[str]]]:
    """Return the brand and the characteristics of a product."""
    product = Product.objects.select_related("brand").get(sku=sku)
    return product.brand.name if product.brand else None, product.characteristics


class ImportTest(FeedTestCase):
    def test_brand_is_created_once_and_changed(self) -> None:
        rows = [
            product_row("A-1", brand="Acme"),
            product_row("A-2", brand="ACME!"),
            product_row("A-3", brand=""),
        ]
        assert counts(self.run_import(*rows)) == (3, 0, 0, 0)
        assert Brand.objects.values_list("name", "slug").get() == ("ACME!", "acme")
        assert shown() == ("ACME!", [["Brand", "Acme", ""]])
        assert shown("A-2") == ("ACME!", [["Brand", "ACME!", ""]])
        assert shown("A-3") == (None, [])
        assert counts(self.run_import(*rows)) == (0, 0, 3, 0)
        report = self.run_import(product_row("A-1", brand="Zen"))
        assert counts(report) == (0, 1, 0, 0)
        assert report.changes[0].fields == ("brand", "characteristics")
        assert shown() == ("Zen", [["Brand", "Zen", ""]])

    def test_missing_column_keeps_the_brand_and_an_empty_cell_removes_it(self) -> None:
        self.run_import(product_row(brand="Acme"))
        self.run_import(product_row(title="New"))
        assert shown() == ("Acme", [["Brand", "Acme", ""]])
        self.run_import(product_row(brand=""))
        assert shown() == (None, [])

    def test_name_without_a_letter_or_digit_is_no_brand(self) -> None:
        self.run_import(product_row(brand="—"))
        assert shown() == (None, [["Brand", "—", ""]])
        assert not Brand.objects.exists()

    def test_name_with_an_unassigned_character_is_imported_again(self) -> None:
        # Python ignores the character, the database does not.
        rows = [product_row("A-1", brand="Acme\u0378"), product_row("A-2", brand="Acme")]
        assert counts(self.run_import(*rows)) == (2, 0, 0, 0)
        assert (shown("A-1")[0], shown("A-2")[0]) == ("Acme\u0378", "Acme")
        assert counts(self.run_import(*rows)) == (0, 0, 2, 0)
        ids = get_or_create_brands({"Acme\u0378", "Acme", "ACME"})
        assert ids["Acme"] == ids["ACME"] != ids["Acme\u0378"]

    def test_brands_that_are_deleted_again_and_again_are_a_conflict(self) -> None:
        with (
            mock.patch.object(Brand.objects, "bulk_create", autospec=True),
            self.assertRaisesMessage(Conflict, "Other requests are changing the brands. Try again."),
        ):
            get_or_create_brands({"Acme"})

    def test_name_of_255_characters_is_accepted(self) -> None:
        self.run_import(product_row("A-1", brand="x" * 255), product_row("A-2", brand="x" * 256))
        assert shown()[0] == "x" * 255
        assert shown("A-2")[0] is None

    def test_xml_formats_set_the_brand(self) -> None:
        for feed in (YML, RSS):
            import_feed(BytesIO(feed.format("Acme").encode()))
            assert shown() == ("Acme", [["Brand", "Acme", ""]])
            import_feed(BytesIO(feed.format("").encode()))
            assert shown() == (None, [])

    def test_products_imported_before_there_were_brands_get_them(self) -> None:
        make_product(sku="A-1", name="Product A-1", characteristics={"Brand": "Acme"})
        report = self.run_import(product_row(brand="Acme"))
        assert report.changes[0].fields == ("brand",)
        assert shown() == ("Acme", [["Brand", "Acme", ""]])

    def test_dry_run_creates_no_brand(self) -> None:
        assert counts(self.run_import(product_row(brand="Acme"), dry_run=True)) == (1, 0, 0, 0)
        assert not Brand.objects.exists()

    def test_query_count_is_the_same_for_one_and_many_brands(self) -> None:
        for number in (1, 20):
            # The folded names, the known brands, the used slugs, the new brands, and all of them again.
            with self.assertNumQueries(5):
                ids = get_or_create_brands({f"Brand {number} {n}" for n in range(number)})
            assert len(ids) == number

    def test_used_slugs_get_a_number(self) -> None:
        make_brand("Acme")
        get_or_create_brands({"Acme +1", "Acme 1", "Acme-1 (x)"})
        assert set(Brand.objects.values_list("slug", flat=True)) == {"acme", "acme-1", "acme-1-x"}
        get_or_create_brands({"Акме", "Akme"})
        assert set(Brand.objects.values_list("slug", flat=True)) > {"akme", "akme-2"}


class RoundTripTest(FeedTestCase):
    def test_import_of_an_export_changes_nothing(self) -> None:
        acme, zen = make_brand("Acme"), make_brand("Zen, “quoted”")
        make_product(brand=acme, characteristics={"Brand": "ACME", "Color": "red"})
        # Staff have chosen a brand without or beside the characteristic.
        make_product(brand=zen)
        make_product(brand=zen, characteristics={"Color": "red", "Brand": "Other"})
        make_product()
        before = list(Product.objects.order_by("pk").values())
        for format in FORMATS:
            with self.subTest(format):
                feed = "".join(export_feed(Product.objects.all(), format))
                report = import_feed(BytesIO(feed.encode()))
                assert (report.problems, counts(report)) == ([], (0, 0, 4, 0))
                assert list(Product.objects.order_by("pk").values()) == before

    def test_feed_changes_a_separate_brand_alone(self) -> None:
        make_product(sku="A-1", brand=make_brand("Acme"), characteristics={"Brand": "Other"})
        self.run_import(product_row(brand="Zen"))
        assert shown() == ("Zen", [["Brand", "Other", ""]])
        self.run_import(product_row(brand="Zen", product_detail="A:Color:red,A:Brand:Third"))
        assert shown() == ("Zen", [["Color", "red", ""], ["Brand", "Third", ""]])
