"""Full-text search in two languages, with misspelt words."""

import unittest

from django.test import TestCase

from backend.catalog.selectors import ProductSort, list_products
from backend.catalog.selectors.search import parse_words
from backend.core.errors import Invalid, TooLong
from backend.core.pagination import Window
from tests.catalog.factories import make_category, make_product


class ParseWordsTest(unittest.TestCase):
    def test_text_is_split_into_words(self) -> None:
        self.assertEqual(
            parse_words(" Ёлочный  T-shirt, 2.5 л/100 & <b>"),
            ["елочный", "t", "shirt", "2.5", "л", "100", "b"],
        )

    def test_query_operators_are_plain_text(self) -> None:
        self.assertEqual(parse_words("a:* | !b <-> 'c' \\ (d"), list("abcd"))

    def test_length_and_word_limits(self) -> None:
        self.assertEqual(len(parse_words("x" * 200)), 1)
        self.assertEqual(len(parse_words("a " * 12)), 12)
        for text in ("x" * 201, "a " * 13):
            with self.assertRaises(TooLong):
                parse_words(text)
        for text in ("", " ", "!?", "_"):
            with self.assertRaises(Invalid):
                parse_words(text)


class SearchTest(TestCase):
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

    def test_grammatical_forms_match(self) -> None:
        for search in ("платье", "платья", "ПЛАТЬЯМИ", "летние платья"):
            self.assert_found(search, "Летнее платье")
        for search in ("shoe", "runs", "running shoes"):
            self.assert_found(search, "Running shoes")

    def test_prefixes_match(self) -> None:
        self.assert_found("headph", "Wireless headphones WH-1000")
        self.assert_found("елк", "Зелёная ёлка")

    def test_yo_and_ye_are_equal(self) -> None:
        for search in ("зеленая елка", "зелёная ёлка", "ЗЕЛЁНАЯ"):
            self.assert_found(search, "Зелёная ёлка")

    def test_every_text_of_a_product_is_searched(self) -> None:
        self.assert_found("карманы", "Летнее платье")
        self.assert_found("из пластика", "Зелёная ёлка")
        self.assert_found("dr-77", "Летнее платье")
        self.assert_found("77", "Летнее платье")
        self.assert_found("blue", "Running shoes")
        self.assert_found("wh 1000", "Wireless headphones WH-1000")

    def test_name_ranks_above_description(self) -> None:
        self.assert_found("summer", "Summer in the city", "Running shoes")

    def test_exact_name_ranks_first(self) -> None:
        for name in ("Openwork V-Neck Slit Cover-Up Dress", "V-Neck Slit Openwork Cover-Up Set"):
            make_product(name, description="openwork slit cover-up v-neck " * 3)
        make_product("Openwork V-Neck Slit Cover-Up")
        products = list_products(search="Openwork V-Neck Slit Cover-Up")
        self.assertEqual(products.page(None, Window.of()).items[0].name, "Openwork V-Neck Slit Cover-Up")

    def test_misspelt_words_find_similar_names(self) -> None:
        self.assert_found("платте", "Летнее платье")
        for search in ("елкаа", "зеленаяя", "зелёнаяя"):
            self.assert_found(search, "Зелёная ёлка")
        self.assert_found("headfones", "Wireless headphones WH-1000")
        self.assert_found("runing shoess", "Running shoes")

    def test_query_without_similar_names_finds_nothing(self) -> None:
        self.assert_found("велосипед")
        self.assert_found("zzz")

    def test_stop_words_do_not_prevent_a_match(self) -> None:
        self.assert_found("summer in the city", "Summer in the city")

    def test_search_within_a_category(self) -> None:
        self.assert_found("summer", "Summer in the city", category="books")
        self.assert_found("платье", category="books")

    def test_pages_by_relevance_have_no_gaps(self) -> None:
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
