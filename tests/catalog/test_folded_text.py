"""The database functions that fold text and compute sort keys."""

import itertools
import random
import unicodedata
from collections.abc import Iterable

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from pyuca import Collator

from backend.core.text import clean_line, fold_text

pytestmark = pytest.mark.django_db

COLLATOR = Collator()
# Letters of several alphabets. Hangul is left out: the collation sorts it before Chinese characters.
LETTERS = "aAbzéÉñøØłŁßæđðəŋþйЙиИіїјеЕёЁєґгдђжзѕклљнњоөтћуўүүхһчџшьѣяαάωςσאبक一"
names = st.lists(st.text(st.sampled_from(LETTERS), min_size=1, max_size=4), min_size=1, max_size=3).map(
    " ".join
)


def call(function: str, texts: Iterable[str]) -> list[str]:
    """Return the results of a database function for several texts."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {function}(value) FROM unnest(%s::text[]) WITH ORDINALITY AS t(value, n) ORDER BY n",
            [list(texts)],
        )
        return [row[0] for row in cursor.fetchall()]


def sorted_by_key(texts: Iterable[str]) -> list[str]:
    texts = list(texts)
    return [text for _, text in sorted(zip(call("catalog_name_key", texts), texts, strict=True))]


def primary_weights(text: str) -> tuple[int, ...]:
    """Return the weights of a text in the Unicode collation that ignore accents and case."""
    return tuple(itertools.takewhile(bool, COLLATOR.sort_key(text)))


def test_database_folds_every_character_like_python() -> None:
    characters = [
        chr(code)
        for code in range(1, 0x20000)
        if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co") and clean_line(chr(code))
    ]
    texts = [f"a{character}B" for character in characters]
    folded = call("catalog_fold_text", texts)
    expected = [fold_text(text) for text in texts]
    assert [
        (text, one, two) for text, one, two in zip(texts, folded, expected, strict=True) if one != two
    ] == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cn"])), max_size=20))
def test_database_folds_stored_text_like_python(texts: list[str]) -> None:
    stored = [clean_line(text) for text in texts]
    assert call("catalog_fold_text", stored) == [fold_text(text) for text in texts]


def test_names_sort_by_letter_number_and_accent() -> None:
    ordered = [
        "2 mats", "2,5 mats", "2.75 mats", "10 mats", "ábaco", "Apple", "Ärmel", "banana", "Éclair 2",
        "Éclair 10",
        "elan", "élan", "elans", "L'amie", "Lamp 1", "Lamp 1л", "lamp 1.5", "Łódź", "Oak", "O'Brien", "Zebra",
        "«Абрикос»", "Абрикосы", "Ёж", "Ель", "Жук", "игра", "йод", "как", "これ", "한국",
    ]  # fmt: skip
    shuffled = ordered.copy()
    random.Random(1).shuffle(shuffled)
    assert sorted_by_key(shuffled) == ordered


def test_names_that_differ_in_quotes_or_case_are_equal() -> None:
    for group in (
        ["«Абрикос» коврик", "Абрикос коврик", "“Абрикос”  КОВРИК!"],
        ["T-shirt", "t‑shirt", "Tshirt"],
        ["Café", "Cafe\u0301"],
        ["Route 007", "route 7"],
    ):
        assert len(set(call("catalog_name_key", group))) == 1, group


@settings(max_examples=300, deadline=None)
@given(st.lists(names, min_size=2, max_size=8))
def test_names_sort_by_the_unicode_collation(texts: list[str]) -> None:
    weights = [primary_weights(text) for text in sorted_by_key(texts)]
    assert weights == sorted(weights)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**48 - 1) | st.decimals(0, 10**6, places=3), min_size=2, max_size=8))
def test_numbers_in_names_sort_by_value(numbers: list) -> None:
    texts = [
        f"Lamp {number:f} W" if not isinstance(number, int) else f"Lamp {number} W" for number in numbers
    ]
    values = [float(text.split()[1]) for text in sorted_by_key(texts)]
    assert values == sorted(values)


def test_words_with_one_typo_share_a_key() -> None:
    (keys,) = call("catalog_typo_keys", ["Кружка 12, red A4"])
    assert {"кружка", "кржка", "ружка"} <= set(keys)
    # Words of three letters or with digits have none.
    assert not {"red", "ed", "12", "a4"} & set(keys)
    (keys,) = call("catalog_typo_keys", [f"{'a' * 40} {'b' * 41} {'c' * 4}"])
    assert set(keys) == {"a" * 40, "a" * 39, "cccc", "ccc"}
    assert call("catalog_typo_keys", ["", "12"]) == [[], []]
