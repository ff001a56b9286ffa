"""Full-text search in two languages, and what it forgives."""

import unittest

from django.test import TestCase

from backend.catalog.selectors import ProductSort, list_products
from backend.catalog.selectors.search import parse_words
from backend.core.errors import Invalid, TooLong
from backend.core.pagination import Window
from tests.catalog.factories import make_category, make_product


class ParseWords(unittest.TestCase):
    def test_words(self) -> None:
        self.assertEqual(
            parse_words(" Ёлочный  T-shirt, 2.5 л/100 & <b>"),
            ["елочный", "t", "shirt", "2.5", "л", "100", "b"],
        )

    def test_operators_are_text(self) -> None:
        self.assertEqual(parse_words("a:* | !b <-> 'c' \\ (d"), list("abcd"))

    def test_both_sides_of_the_limits(self) -> None:
        self.assertEqual(len(parse_words("x" * 200)), 1)
        self.assertEqual(len(parse_words("a " * 12)), 12)
        for text in ("x" * 201, "a " * 13):
            with self.assertRaises(TooLong):
                parse_words(text)
        for text in ("", " ", "!?", "_"):
            with self.assertRaises(Invalid):
                parse_words(text)


class Search(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.books = make_category("Books")
        make_product("Летнее платье", description="Лёгкое, с карманами", sku="DR-77")
        make_product("Зелёная ёлка", characteristics={"Материал": "пластик"})
        make_product("Running shoes", description="For the summer", characteristics={"Color": "red/blue"})
        make_product("Wireless headphones WH-1000", cls.books)
        make_product("Summer in the city", cls.books, description="A novel")
        make_product("Скрытое платье", is_published=False)

    def assert_found(self, search: str, *expected: str, **arguments: object) -> None:
        products = list_products(search=search, **arguments)
        page = products.page(None, Window.of())
        self.assertEqual([product.name for product in page.items], list(expected))
        self.assertEqual(products.total(), len(expected))

    def test_word_forms(self) -> None:
        for search in ("платье", "платья", "ПЛАТЬЯМИ", "летние платья"):
            self.assert_found(search, "Летнее платье")
        for search in ("shoe", "runs", "running shoes"):
            self.assert_found(search, "Running shoes")

    def test_beginnings(self) -> None:
        self.assert_found("headph", "Wireless headphones WH-1000")
        self.assert_found("елк", "Зелёная ёлка")

    def test_yo_is_ye(self) -> None:
        for search in ("зеленая елка", "зелёная ёлка", "ЗЕЛЁНАЯ"):
            self.assert_found(search, "Зелёная ёлка")

    def test_everything_told_of_a_product_is_searched(self) -> None:
        self.assert_found("карманы", "Летнее платье")
        self.assert_found("из пластика", "Зелёная ёлка")
        self.assert_found("dr-77", "Летнее платье")
        self.assert_found("77", "Летнее платье")
        self.assert_found("blue", "Running shoes")
        self.assert_found("wh 1000", "Wireless headphones WH-1000")

    def test_the_name_weighs_more_than_the_description(self) -> None:
        self.assert_found("summer", "Summer in the city", "Running shoes")

    def test_a_name_that_was_typed_whole_comes_first(self) -> None:
        for name in ("Openwork V-Neck Slit Cover-Up Dress", "V-Neck Slit Openwork Cover-Up Set"):
            make_product(name, description="openwork slit cover-up v-neck " * 3)
        make_product("Openwork V-Neck Slit Cover-Up")
        products = list_products(search="Openwork V-Neck Slit Cover-Up")
        self.assertEqual(products.page(None, Window.of()).items[0].name, "Openwork V-Neck Slit Cover-Up")

    def test_typing_errors(self) -> None:
        self.assert_found("платте", "Летнее платье")
        for search in ("елкаа", "зеленаяя", "зелёнаяя"):
            self.assert_found(search, "Зелёная ёлка")
        self.assert_found("headfones", "Wireless headphones WH-1000")
        self.assert_found("runing shoess", "Running shoes")

    def test_nothing_alike(self) -> None:
        self.assert_found("велосипед")
        self.assert_found("zzz")

    def test_words_that_the_language_ignores(self) -> None:
        self.assert_found("summer in the city", "Summer in the city")

    def test_a_category_narrows_a_search(self) -> None:
        self.assert_found("summer", "Summer in the city", category="books")
        self.assert_found("платье", category="books")

    def test_pages_by_relevance_join(self) -> None:
        for number in range(7):
            make_product(f"Зонт {number}", description="зонт " * (number % 3))
        products = list_products(search="зонт")
        whole = [product.name for product in products.page(None, Window.of()).items]
        walked: list[str] = []
        cursor = None
        while True:
            page = products.page(ProductSort.RELEVANCE, Window.of(first=2, after=cursor))
            walked += [product.name for product in page.items]
            cursor = page.cursors[-1]
            if not page.has_next:
                break
        self.assertEqual(walked, whole)
        self.assertEqual(len(walked), 7)
