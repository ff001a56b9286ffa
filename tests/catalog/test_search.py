"""Full-text search in two languages, with misspelt words."""

import unicodedata
import unittest
from collections.abc import Iterable

import pytest
from django.test import TestCase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from backend.catalog.models import Brand, Product
from backend.catalog.selectors import ProductSort, list_products
from backend.catalog.selectors.search import parse_words
from backend.core.errors import Invalid, TooLong
from backend.core.pagination import Window
from tests.catalog.factories import make_category, make_product


class ParseWordsTest(unittest.TestCase):
    def test_text_is_split_into_words(self) -> None:
        assert parse_words(" Ёлочный  T-shirt, 2.5 л/100 & <b>") == [
            "елочный",
            "t",
            "shirt",
            "2.5",
            "л",
            "100",
            "b",
        ]
        assert parse_words("Café 1,5 л") == ["cafe", "1.5", "л"]

    def test_query_operators_are_plain_text(self) -> None:
        assert parse_words("a:* | !b <-> 'c' \\ (d") == list("abcd")

    def test_length_is_limited(self) -> None:
        assert len(parse_words("x" * 1000)) == 1
        with pytest.raises(TooLong):
            parse_words("x" * 1001)
        for text in ("", " ", "!?", "_", "\u200b"):
            with pytest.raises(Invalid):
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
        page = products.read_page(None, Window.from_arguments())
        assert [product.name for product in page.items] == list(expected)
        assert products.count_total() == len(expected)

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
        assert (
            products.read_page(None, Window.from_arguments()).items[0].name == "Openwork V-Neck Slit Cover-Up"
        )

    def test_misspelt_words_find_similar_names(self) -> None:
        self.assert_found("платте", "Летнее платье")
        for search in ("елкаа", "зеленаяя", "зелёнаяя"):
            self.assert_found(search, "Зелёная ёлка")
        self.assert_found("headfones", "Wireless headphones WH-1000")
        self.assert_found("runing shoess", "Running shoes")

    def test_one_wrong_missing_surplus_or_transposed_letter_is_forgiven(self) -> None:
        make_product("Кружка керамическая", characteristics={"Цвет": "синий"})
        make_product("Lamp")
        for search in ("крушка", "кржука", "рукжка", "кружк а", "кружкка", "кружа", "керамичесакя крушка"):
            self.assert_found(search, "Кружка керамическая")
        for search in ("lapm", "lmap", "lanp", "lamm", "llamp"):
            self.assert_found(search, "Lamp")

    def test_misspelt_word_is_found_beside_a_word_of_another_text(self) -> None:
        make_product("Кружка керамическая", characteristics={"Цвет": "синий"})
        self.assert_found("синяя крушка", "Кружка керамическая")
        self.assert_found("красная крушка")

    def test_query_without_similar_names_finds_nothing(self) -> None:
        self.assert_found("велосипед")
        self.assert_found("zzz")

    def test_stop_words_do_not_prevent_a_match(self) -> None:
        self.assert_found("summer in the city", "Summer in the city")
        self.assert_found("the summer of cities", "Summer in the city")

    def test_stop_words_alone_are_found_in_names(self) -> None:
        make_product("Он и она")
        for search in ("он", "она", "он и она"):
            self.assert_found(search, "Он и она")

    def test_pasted_title_finds_its_product(self) -> None:
        title = (
            "Чайник электрический Lavka «Утро» 1,7 л, 2200 Вт, сталь/пластик, фильтр, подсветка, таймер"
            " и автоотключение (LT-17), очень белый цвет"
        )
        make_product(title, sku="KETTLE-17")
        make_product("Чайник электрический Lavka «Вечер»")
        assert len(parse_words(title)) == 20
        for search in (title, title.upper(), title + " купить в Москве", "  ".join([title] * 7)):
            self.assert_found(search, title)

    def test_only_the_first_twelve_words_count(self) -> None:
        make_product(" ".join(f"word{number}" for number in range(12)))
        name = " ".join(f"word{number}" for number in range(12))
        self.assert_found(f"{name} missing", name)
        self.assert_found(name.replace("word11", "missing1"))

    def test_decimal_comma_and_point_are_equal(self) -> None:
        make_product("Бутылка 1,5 л")
        make_product("Бутылка 1.5 л, синяя")
        make_product("Бутылка 15 л и 5 пробок")
        make_product("Графин", characteristics={"Объём (л)": "1,5"})
        for search in ("1,5 л", "1.5 л"):
            self.assert_found(search, "Бутылка 1,5 л", "Бутылка 1.5 л, синяя", "Графин")
        self.assert_found("1.55 л")

    def test_spellings_of_the_same_text_find_each_other(self) -> None:
        for composed, other in [
            ("Café crème", "Cafe\u0301 cre\u0300me"),
            ("Чайный столик", "Чаи\u0306ныи\u0306 столик"),
            ("Waterproof", "Water\xadproof"),
            ("Настольная", "На\u0301стольная"),
            ("Filter", "ﬁlter"),
            ("USB3", "ＵＳＢ３"),
            ("می‌خواهم", "میخواهم"),
        ]:
            with self.subTest(composed):
                one = make_product(composed)
                two = make_product(other)
                for search in (composed, other):
                    found = list_products(search=search).read_page(None, Window.from_arguments()).items
                    assert {one.pk, two.pk} <= {product.pk for product in found}

    def test_words_with_combining_vowel_signs_stay_whole(self) -> None:
        for name in ("हिन्दी किताब", "ภาษาไทย", "שָׁלוֹם עולם", "مُحَمَّد", "தமிழ் நூல்", "ខ្មែរ"):
            make_product(name)
        for search, name in [
            ("हिन्दी", "हिन्दी किताब"),
            ("किताब", "हिन्दी किताब"),
            ("ภาษาไทย", "ภาษาไทย"),
            ("שלום", "שָׁלוֹם עולם"),
            ("محمد", "مُحَمَّد"),
            ("நூல்", "தமிழ் நூல்"),
            ("ខ្មែរ", "ខ្មែរ"),
        ]:
            self.assert_found(search, name)
        # The part of a word behind a vowel sign is no word.
        assert not list_products(search="न्दी").search.is_exact

    def test_product_with_the_sku_ranks_first(self) -> None:
        make_product("SKU 777 and SKU 7777", sku="SKU-7777")
        make_product("Lamp", sku="SKU-777")
        make_product("Sku777", sku="X")
        for search in ("SKU-777", "sku777", "sku 777", "Sku_777"):
            products = list_products(search=search).read_page(None, Window.from_arguments()).items
            assert products[0].name == "Lamp"

    def test_name_of_a_brand_finds_its_products(self) -> None:
        make_product("Straw hat", brand=Brand.objects.create(name="Bergmann & Söhne", slug="b"))
        make_product("Hat", brand=Brand.objects.create(name="Bergmann", slug="c"))
        make_product("Belt", brand=Brand.objects.create(name="Hidden", slug="d"), is_published=False)

        self.assert_found("Straw hat Bergmann & Söhne", "Straw hat")
        self.assert_found("bergmann sohne", "Straw hat")
        self.assert_found("HAT by Bergmann", "Hat")
        self.assert_found("Bergmann shoes")
        self.assert_found("hidden belt")
        # With a misspelt word, and beside a product whose text has the name.
        self.assert_found("bergmann sohne starw", "Straw hat")
        make_product("Catalogue of Bergmann & Söhne", self.books)
        self.assert_found("bergmann & sohne", "Catalogue of Bergmann & Söhne", "Straw hat")
        self.assert_found("bergmann sohne", "Catalogue of Bergmann & Söhne", category=self.books.pk)
        assert list_products(search="bergmann sohne").count_total() == 2

    def test_search_within_a_category(self) -> None:
        self.assert_found("summer", "Summer in the city", category="books")
        self.assert_found("платье", category="books")

    def test_pages_by_relevance_have_no_gaps(self) -> None:
        for number in range(7):
            make_product(f"Зонт {number}", description="зонт " * (number % 3))
        products = list_products(search="зонт")
        whole = [product.name for product in products.read_page(None, Window.from_arguments()).items]
        walked: list[str] = []
        cursor = None
        while True:
            page = products.read_page(ProductSort.RELEVANCE, Window.from_arguments(first=2, after=cursor))
            walked += [product.name for product in page.items]
            cursor = page.cursors[-1]
            if not page.has_next:
                break
        assert walked == whole
        assert len(walked) == 7


# Every punctuation mark, and every symbol that is no letter in another form.
SIGNS = [
    chr(code)
    for code in range(33, 0x3100)
    if unicodedata.category(chr(code))[0] in "PS"
    and not any(map(str.isalnum, unicodedata.normalize("NFKC", chr(code)).strip("\u0345")))
]
WORDS = [
    "cotton",
    "linen",
    "happy",
    "red",
    "хлопок",
    "синий",
    "ёлка",
    "a4",
    "usb",
    "c",
    "12",
    "5",
    "7e3",
    "the",
    "и",
]
words = st.sampled_from(WORDS)
signs = st.sampled_from("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") | st.sampled_from(SIGNS)


@st.composite
def joined_words(draw: st.DrawFn, max_words: int = 4) -> tuple[str, list[str]]:
    """Draw a text of words joined by signs, perhaps with signs around it, and its words."""
    chosen = draw(st.lists(words, min_size=1, max_size=max_words))
    text = draw(st.just("") | signs)
    for word in chosen:
        text += word + draw(signs)
    return text[: None if draw(st.booleans()) else -1], chosen


class GluedWordsTest(HypothesisTestCase):
    """Words are found whatever sign joins them, although other products have the same words."""

    @classmethod
    def setUpTestData(cls) -> None:
        for word in WORDS:
            make_product(f"Other {word}", sku=f"OTHER.{word}/1", description=f"{word} {word}")
        make_product(" ".join(WORDS), characteristics={"Material": "-".join(WORDS)})

    def found(self, search: str) -> list[int]:
        return [
            product.pk
            for product in list_products(search=search)
            .read_page(None, Window.from_arguments(first=100))
            .items
        ]

    def check(self, product: Product, searches: Iterable[str]) -> None:
        for search in searches:
            assert product.pk in self.found(search), ascii(search)

    @settings(max_examples=150, deadline=None)
    @given(joined_words(), st.sampled_from(["name", "characteristic", "description"]))
    def test_each_word_of_a_text_is_found(self, joined: tuple[str, list[str]], field: str) -> None:
        text, chosen = joined
        match field:
            case "name":
                product = make_product(text)
            case "characteristic":
                product = make_product("Plain", characteristics={"Kind": text})
            case _:
                product = make_product("Plain", description=text)
                # Stop words of descriptions are not indexed.
                chosen = [word for word in chosen if word not in ("the", "c", "и")]
        self.check(product, [*chosen, *([text] if chosen else ())])

    @settings(max_examples=150, deadline=None)
    @given(joined_words(), st.data())
    def test_sku_is_found_whole_and_by_its_beginning(
        self, joined: tuple[str, list[str]], data: st.DataObject
    ) -> None:
        sku, chosen = joined
        beginning = sku[: data.draw(st.integers(1, len(sku)))]
        product = make_product("Plain", sku=sku)
        self.check(product, chosen)
        assert self.found(sku)[0] == product.pk, ascii(sku)
        assert self.found("".join(chosen))[0] == product.pk
        if any(map(str.isalnum, beginning)):
            self.check(product, [beginning])
