"""Property tests: formatted feed cells parse to the same values."""

import pytest
from django.test import SimpleTestCase
from hypothesis import given
from hypothesis import strategies as st

from backend.catalog.labels import format_label, parse_label
from backend.core.text import clean_line
from backend.feeds.cells import (
    format_details,
    format_list,
    format_path,
    parse_details,
    parse_list,
    parse_path,
)

TEXT = st.text('abЁ ,:;"\\>()\t\n', max_size=12).map(clean_line)
FILLED = TEXT.filter(bool)
UNIT = st.text('cm,:"\\>()/', max_size=6).map(clean_line)


class CellsTest(SimpleTestCase):
    @given(st.lists(TEXT, min_size=2, max_size=5))
    def test_formatted_lists_parse_to_the_same_items(self, items: list[str]) -> None:
        assert parse_list(format_list(items)) == items

    @given(st.lists(st.tuples(FILLED, UNIT, FILLED), max_size=5))
    def test_formatted_details_parse_to_the_same_entries(self, details: list[tuple[str, str, str]]) -> None:
        assert parse_details(format_details(details)) == details

    @given(FILLED, UNIT)
    def test_formatted_labels_parse_to_the_same_name_and_unit(self, name: str, unit: str) -> None:
        assert parse_label(format_label(name, unit)) == (name, unit)

    @given(st.lists(FILLED.map(clean_line), max_size=5))
    def test_formatted_paths_parse_to_the_same_names(self, names: list[str]) -> None:
        assert parse_path(format_path(names)) == tuple(names)

    def test_unquoted_commas_continue_the_value(self) -> None:
        cell = "General:Material:62% polyester, 32% cotton,Style:Ratio:3:4,"
        assert parse_details(cell) == [("Material", "", "62% polyester, 32% cotton"), ("Ratio", "", "3:4")]

    def test_details_can_be_quoted_as_a_whole(self) -> None:
        assert parse_details('"General:Fit:slim, long",:Cut:low') == [
            ("Fit", "", "slim, long"),
            ("Cut", "", "low"),
        ]

    def test_text_without_colons_is_not_a_detail(self) -> None:
        with pytest.raises(ValueError, match="'just words' is not Section:Name:Value"):
            parse_details("just words")

    def test_short_parentheses_at_the_end_of_a_label_are_the_unit(self) -> None:
        assert parse_label("Объём (мл)") == ("Объём", "мл")
        assert parse_label("Size (as printed on the label)") == ("Size (as printed on the label)", "")
        assert parse_label("(x)") == ("(x)", "")

    def test_unquoted_commas_belong_to_category_names(self) -> None:
        assert parse_path("Food, Drinks & Co > Tea >  > Black ") == ("Food, Drinks & Co", "Tea", "Black")
        assert parse_path('"A, b > C","D > E"') == ("A, b", "C")
        assert parse_path(" > ") == ()

    def test_spellings_of_a_path_are_one_path(self) -> None:
        path = ("Чай и кофе", "Чайники")
        for cell in [
            "Чай и кофе > Чайники",
            "Чай\u00a0и  кофе>Чайники >",
            "Чай\u202fи кофе > Чайники\u200b",
            "Ча\u0438\u0306 и кофе > Ча\u0438\u0306ники",
            "\ufeffЧай и\tкофе\u00ad > \u200eЧай\u2060ники\u200d",
        ]:
            with self.subTest(cell=cell.encode()):
                assert parse_path(cell) == path

    def test_joiners_are_kept_where_they_belong_to_the_spelling(self) -> None:
        for name in ("می\u200cخواهم", "क्\u200dष", "👩\u200d🔬 Lab"):
            assert clean_line(name) == name
