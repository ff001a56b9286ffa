"""Feeds of Yandex Market: reading, limits and export."""

import io
from decimal import Decimal
from unittest import mock
from xml.etree import ElementTree

import pytest
from django.test import SimpleTestCase, override_settings

from backend.catalog.models import Product
from backend.feeds import exported_products, xml_items, yml_offers
from backend.feeds.exporter import export_feed
from backend.feeds.raw_rows import FeedUnreadable, RawRow
from backend.feeds.reader import open_feed
from tests.catalog.factories import make_category, make_image, make_product
from tests.feeds.helpers import FeedTestCase, counts, picture

CATEGORIES = (
    '<category id="3" parentId="2">Чашки &amp; блюдца</category><category id="1">Дом</category>'
    '<category id="2" parentId="1">Посуда</category>'
)
SIMPLE = """<offer id="A-1" available="true" bid="80">
<url>https://shop.example/p/utro?utm_source=market</url>
<price>899.90</price><oldprice>1200</oldprice><currencyId>RUR</currencyId><categoryId>3</categoryId>
<picture>a.jpg</picture><picture>b, c.jpg</picture>
<delivery>true</delivery><name>Чашка &quot;Утро&quot;</name>
<vendor>Глинянка</vendor><vendorCode>GL-1</vendorCode><barcode>4006381333931</barcode>
<description><![CDATA[<h3>Белая</h3><p>Объём 350&nbsp;мл &amp; ручка.</p>]]></description>
<param name="Объём" unit="мл">350</param><param name="Цвет">белый</param><param name="Вес (г)">300</param>
<count>7</count></offer>"""
VENDOR_MODEL = """<offer id="B-2" type="vendor.model" available="false"><price>49900</price>
<currencyId>RUB</currencyId><categoryId>1</categoryId><typePrefix>Смартфон</typePrefix>
<vendor>Apple</vendor><model>iPhone 6S 128 ГБ</model></offer>"""


def feed(offers: str, *, categories: str = CATEGORIES, head: str = "") -> bytes:
    return (
        f'{head}<yml_catalog date="2026-05-01T12:00+03:00"><shop><name>Shop</name><company>Shop</company>'
        f'<url>https://shop.example</url><currencies><currency id="RUR" rate="1"/></currencies>'
        f"<categories>{categories}</categories><offers>{offers}</offers></shop></yml_catalog>"
    ).encode()


def read(data: bytes) -> list[RawRow]:
    with open_feed(io.BytesIO(data)) as opened:
        return list(opened.rows)


def read_error(data: bytes) -> str:
    try:
        read(data)
    except FeedUnreadable as error:
        return str(error)
    return ""


class ReadingTest(SimpleTestCase):
    def cells(self, elements: str, attributes: str = "", **options: str) -> dict[str, str]:
        (row,) = read(feed(f'<offer id="1" {attributes}>{elements}</offer>', **options))
        assert row.refusal is None
        return row.cells

    def test_simple_offer_is_read(self) -> None:
        (row,) = read(feed(SIMPLE))
        assert row.cells == {
            "id": "A-1",
            "title": 'Чашка "Утро"',
            "description": "Белая\nОбъём 350\xa0мл & ручка.",
            "link": "https://shop.example/p/utro?utm_source=market",
            "price": "899.90 RUR",
            "oldprice": "1200 RUR",
            "availability": "true",
            "quantity": "7",
            "product_type": "Дом > Посуда > Чашки & блюдца",
            "image_link": "a.jpg",
            "additional_image_link": '"b, c.jpg"',
            "brand": "Глинянка",
            "mpn": "GL-1",
            "gtin": "4006381333931",
            "product_detail": "General:Объём (мл):350,General:Цвет:белый,General:Вес (г):300",
            "delivery": "",
        }

    def test_vendor_model_offer_is_named_by_its_parts(self) -> None:
        (row,) = read(feed(VENDOR_MODEL))
        assert row.cells["title"] == "Смартфон Apple iPhone 6S 128 ГБ"
        assert (row.cells["brand"], row.cells["availability"]) == ("Apple", "false")
        assert self.cells("<vendor>V</vendor><model>M</model><name>Name</name>")["title"] == "Name"
        assert self.cells("<model>M</model>")["title"] == "M"
        assert self.cells("<model/>")["title"] == ""
        assert "title" not in self.cells("<price>1</price>")

    def test_missing_elements_leave_values_unchanged(self) -> None:
        assert self.cells("<url>x</url>") == {"id": "1", "link": "x"}
        assert self.cells("<price>5</price>") == {"id": "1", "price": "5 ", "oldprice": ""}
        assert self.cells("<picture/>") == {"id": "1", "image_link": "", "additional_image_link": ""}

    def test_stock_and_publication_elements_are_read(self) -> None:
        for elements, attributes, expected in [
            ("<count>5</count>", "", {"quantity": "5"}),
            ("<stock_quantity>5</stock_quantity>", "", {"quantity": "5"}),
            ("<count/><quantity_in_stock>5</quantity_in_stock>", "", {"quantity": "5"}),
            ("<available>false</available>", "", {"availability": "false"}),
            ("<available>false</available>", 'available="true"', {"availability": "true"}),
            ("<disabled>true</disabled>", "", {"status": "archived"}),
            ("<disabled>false</disabled>", "", {"status": "active"}),
        ]:
            with self.subTest(elements=elements):
                assert self.cells(elements, attributes) == {"id": "1"} | expected

    def test_google_columns_that_yml_does_not_have_are_not_read(self) -> None:
        """Yandex's <condition> has elements of its own, and <size> is a param."""
        cells = self.cells(
            '<condition type="used"><reason>x</reason></condition><size>5</size><brand>B</brand>'
        )
        assert cells == {"id": "1"}

    def test_unknown_and_circular_categories_are_unreadable_cells(self) -> None:
        categories = (
            '<category id="1" parentId="2">A</category><category id="2" parentId="1">B</category>'
            '<category id="3" parentId="9">C</category><category id="4" parentId="0">D</category>'
            '<category id="5" parentId="5">E</category><category>F</category>'
        )
        for category in ("1", "2", "3", "5", "9"):
            offer = f'<offer id="1"><categoryId>{category}</categoryId></offer>'
            (row,) = read(feed(offer, categories=categories))
            assert row.unreadable == {
                "product_type": f"{category!r} is not the id of a <category> above the offers"
            }
        assert self.cells("<categoryId>4</categoryId>", categories=categories)["product_type"] == "D"
        assert self.cells("<categoryId/>", categories=categories)["product_type"] == ""

    def test_categories_inside_offers_are_not_those_of_the_shop(self) -> None:
        offers = (
            '<offer id="1"><category id="7">X</category></offer>'
            '<offer id="2"><categoryId>7</categoryId></offer>'
        )
        assert [set(row.unreadable) for row in read(feed(offers))] == [set(), {"product_type"}]

    def test_param_without_a_name_is_reported(self) -> None:
        (row,) = read(feed('<offer id="1"><param>5</param><param name="A">1</param></offer>'))
        assert row.cells["product_detail"] == "General:A:1"
        assert row.unreadable == {"product_detail": "a <param> without a name is ignored"}

    def test_reference_to_the_dtd_and_other_encodings_are_accepted(self) -> None:
        doctype = '<!DOCTYPE yml_catalog SYSTEM "shops.dtd">'
        head = f'<?xml version="1.0" encoding="windows-1251"?>\n{doctype}\n'
        for data in [
            feed(SIMPLE, head=f'<?xml version="1.0" encoding="UTF-8"?>{doctype}'),
            feed(SIMPLE, head=head).decode().encode("cp1251"),
        ]:
            assert read(data)[0].cells["brand"] == "Глинянка"

    def test_other_document_types_and_entities_are_unreadable(self) -> None:
        for head, reference in [
            ('<!DOCTYPE rss SYSTEM "shops.dtd">', ""),
            ('<!DOCTYPE yml_catalog SYSTEM "shops.dtd" [<!ENTITY a "x">]>', "&a;"),
            ("<!DOCTYPE yml_catalog [<!ELEMENT a (b)>]>", ""),
            ('<!DOCTYPE yml_catalog [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>', ""),
        ]:
            with self.subTest(head=head), pytest.raises(FeedUnreadable, match="a DTD or entities"):
                read(feed(f'<offer id="{reference}"/>', head=head))
        with pytest.raises(FeedUnreadable, match="undefined entity"):
            read(feed("<offer>&nbsp;</offer>", head='<!DOCTYPE yml_catalog SYSTEM "shops.dtd">'))

    def test_feed_without_offers_is_a_feed(self) -> None:
        assert read(feed("")) == []


class LimitsTest(SimpleTestCase):
    def test_categories_are_limited_in_number(self) -> None:
        with mock.patch.object(yml_offers, "MAX_CATEGORIES", 3):
            assert read_error(feed(SIMPLE)) == ""
            assert read_error(feed(SIMPLE, categories=CATEGORIES + '<category id="4">x</category>')) == (
                "the feed has more than 3 categories"
            )

    def test_categories_are_limited_in_characters(self) -> None:
        # Ids, the parent's id and names.
        categories = '<category id="1">abc</category><category id="2" parentId="1">de</category>'
        for limit, message in [(8, ""), (7, "the categories have more than 7 characters altogether")]:
            with mock.patch.object(yml_offers, "MAX_CATEGORY_CHARACTERS", limit):
                assert read_error(feed("", categories=categories)) == message

    def test_category_is_limited_in_characters(self) -> None:
        with mock.patch.object(xml_items, "MAX_ROW", 1000):
            for length, message in [
                (999, ""),
                (1000, "line 1: <category> is longer than 1,000 characters"),
            ]:
                categories = f'<category id="1">{"x" * length}</category>'
                assert read_error(feed("", categories=categories)) == message

    def test_attributes_count_for_the_size_of_an_offer(self) -> None:
        with mock.patch.object(xml_items, "MAX_ROW", 1000):
            for length, reason in [(1000 - 16, "None"), (1001 - 16, "is longer than 1,000 characters")]:
                offer = f'<offer id="1"><param name="{"x" * length}"/></offer>'
                (row,) = read(feed(offer))
                assert str(row.refusal) == reason

    def test_many_categories_can_precede_the_first_offer(self) -> None:
        """The limit before the first offer applies to what is between two categories."""
        categories = "".join(f'<category id="{n}">{"x" * 60}</category>' for n in range(20_000))
        assert len(categories) > xml_items.MAX_PREAMBLE
        assert len(read(feed(SIMPLE, categories=categories))) == 1
        comments = "<!-- x -->" * (xml_items.MAX_PREAMBLE // 10 + 20_000)
        assert read_error(feed(SIMPLE, categories=CATEGORIES + comments)) == (
            "none of these elements begins in the first 1,000,000 bytes: <offer>"
        )


class ImportTest(FeedTestCase):
    def test_offers_become_products(self) -> None:
        (self.folder / "a.jpg").write_bytes(picture())
        (self.folder / "b, c.jpg").write_bytes(picture("blue"))
        data = feed(SIMPLE + VENDOR_MODEL)
        report = self.run_import(data)
        assert (counts(report), report.problems) == ((2, 0, 0, 0), [])
        assert report.ignored_columns == ["delivery"]
        assert (report.categories_created, report.pictures_added) == (3, 2)
        cup, phone = Product.objects.order_by("sku")
        assert (cup.slug, cup.price, cup.compare_at_price, cup.stock) == ("utro", Decimal("899.90"), 1200, 7)
        assert cup.category is not None
        assert cup.category.name == "Чашки & блюдца"
        assert cup.characteristics == [
            ["Brand", "Глинянка", ""],
            ["GTIN", "4006381333931", ""],
            ["MPN", "GL-1", ""],
            ["Объём", "350", "мл"],
            ["Цвет", "белый", ""],
            ["Вес", "300", "г"],
        ]
        assert (phone.name, phone.stock) == ("Смартфон Apple iPhone 6S 128 ГБ", 0)
        assert counts(self.run_import(data)) == (0, 0, 2, 0)

    def test_old_price_that_is_not_higher_is_reported(self) -> None:
        for old_price, prices, problems in [
            ("1000.01", (1000, Decimal("1000.01")), []),
            ("1000", (1000, None), []),
            ("999.99", (1000, None), ["must be above the price, 1000.00"]),
            ("0", (1000, None), ["must be above the price, 1000.00"]),
            ("?", (1000, None), ["'? RUR' is not a price such as \"28.99 RUB\""]),
        ]:
            with self.subTest(old_price=old_price):
                Product.objects.all().delete()
                offer = SIMPLE.replace("899.90", "1000").replace(">1200<", f">{old_price}<")
                report = self.run_import(
                    feed(offer.replace("<picture>a.jpg</picture><picture>b, c.jpg</picture>", ""))
                )
                assert [problem.reason for problem in report.problems] == problems
                assert Product.objects.values_list("price", "compare_at_price").get() == prices

    def test_offer_without_an_old_price_ends_the_sale(self) -> None:
        offer = '<offer id="1"><name>A</name><price>{}</price></offer>'
        self.run_import(feed(offer.format("80</price><oldprice>100</oldprice><price>")))
        assert Product.objects.get().compare_at_price == 100
        self.run_import(feed(offer.format("90")))
        assert Product.objects.values_list("price", "compare_at_price").get() == (90, None)

    def test_unknown_category_is_ignored(self) -> None:
        report = self.run_import(feed(VENDOR_MODEL.replace(">1<", ">77<")))
        assert counts(report) == (1, 0, 0, 0)
        assert [str(problem) for problem in report.problems] == [
            "line 1 [B-2] product_type: '77' is not the id of a <category> above the offers"
        ]
        assert Product.objects.get().category is None

    def test_other_currency_is_refused(self) -> None:
        data = feed(VENDOR_MODEL.replace(">RUB<", ">USD<"))
        assert counts(self.run_import(data)) == (0, 0, 0, 1)
        assert counts(self.run_import(data, accept_currency="USD")) == (1, 0, 0, 0)

    def test_broken_feed_is_imported_up_to_the_break(self) -> None:
        report = self.run_import(
            feed(VENDOR_MODEL + "<offer>").removesuffix(b"</offers></shop></yml_catalog>")
        )
        assert counts(report) == (1, 0, 0, 0)
        assert "The rest of the feed cannot be read: the XML is not well-formed" in report.stopped


class ExportTest(FeedTestCase):
    def test_elements_of_an_offer(self) -> None:
        root = make_category("A & B")
        leaf = make_category("C", root)
        product = make_product(
            name="Cup <1>",
            sku='A"1',
            category=leaf,
            description="Line 1 <b>\nLine 2 ]]> end",
            price=Decimal("80.00"),
            compare_at_price=Decimal("100.00"),
            stock=7,
            characteristics={"Brand": "B", "Volume (ml)": "350", "Color": "red"},
        )
        make_image(product, alt="x")
        make_product(stock=0, is_published=False, description="", category=None)
        with override_settings(PUBLIC_URL="https://shop.example"):
            text = "".join(export_feed(Product.objects.all(), "yml", link_prefix="https://shop.example/p/"))
        catalog = ElementTree.fromstring(text)
        shop = catalog.find("shop")
        assert shop is not None
        assert shop.findtext("url") == "https://shop.example"
        assert [(c.attrib, c.text) for c in shop.iterfind("categories/category")] == [
            ({"id": str(root.pk)}, "A & B"),
            ({"id": str(leaf.pk), "parentId": str(root.pk)}, "C"),
        ]
        first, second = shop.iterfind("offers/offer")
        assert first.attrib == {"id": 'A"1', "available": "true"}
        assert [(e.tag, e.attrib, e.text) for e in first if e.tag != "picture"] == [
            ("url", {}, f"https://shop.example/p/{product.slug}"),
            ("price", {}, "80.00"),
            ("oldprice", {}, "100.00"),
            ("currencyId", {}, "RUB"),
            ("categoryId", {}, str(leaf.pk)),
            ("name", {}, "Cup <1>"),
            ("vendor", {}, "B"),
            ("description", {}, "Line 1 &lt;b>\nLine 2 ]]> end"),
            ("param", {"name": "Volume", "unit": "ml"}, "350"),
            ("param", {"name": "Color"}, "red"),
            ("count", {}, "7"),
        ]
        assert first.findtext("picture") == product.images.get().file.name
        assert second.attrib["available"] == "false"
        assert second.findtext("disabled") == "true"
        assert second.find("categoryId") is None

    def test_category_added_during_the_export_is_left_out(self) -> None:
        make_product(category=make_category("Tea"))
        late = make_product()
        with mock.patch.object(exported_products, "BATCH_SIZE", 1):
            pieces = export_feed(Product.objects.all(), "yml")
            text = ""
            while "<offer " not in text:
                text += next(pieces)
            late.category = make_category("Cups")
            late.save()
            text += "".join(pieces)
        report = self.run_import(text.encode())
        assert (counts(report), report.problems) == ((0, 0, 2, 0), [])
