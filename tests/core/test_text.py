"""The stored form of text, and the folded form for comparison."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.core.text import clean_line, clean_text, fold_text, split_words

# Characters that clean_line and fold_text treat specially, and characters beside them.
SPECIAL = (
    "aé ÉйЁё\u0301\u0306\u0308 \t\n\r\u2028\xa0\u3000\xad\u200b\u200c\u200d\u200e\u2066"
    "\ufe0f\u180b\ufeff\x00\x1f\ud800©1#\u20e3❤👩🏽💻🏴\U000e0067\U000e007fसक\u094d\u093fمی\u064bשׁ一ﬁﾞｶＡﻻ½²™ßİΣς-\u2010\u2011.,'/_"
)
texts = st.text(st.sampled_from(SPECIAL) | st.characters())


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("  plain  text ", "plain text"),
        ("Cafe\u0301", "Café"),
        ("Чаи\u0306ник", "Чайник"),
        ("10\xa0000\u202f₽", "10 000 ₽"),
        ("tab\tand\r\nbreak\u2028", "tab and break"),
        ("ideographic\u3000space", "ideographic space"),
        ("ex\xadtra\u200bor\u2060di\ufeffnary", "extraordinary"),
        ("\u202bsigned\u202c \u2067left\u2069\u200e", "signed left"),
        ("null\x00bell\x07del\x7f", "nullbelldel"),
        ("lone\ud800", "lone"),
        ("hidden\U000e0041\U000e0042", "hidden"),
        ("\u3164", ""),
        ("ﬁne ＵＳＢ３", "fine USB3"),
        ("ｶﾞﾗｽ", "ガラス"),
        ("T\u2011shirt", "T-shirt"),
        ("½ m² Lavka™ №5 Ⅳ", "½ m² Lavka™ №5 Ⅳ"),
        ("（全角）「括弧」", "（全角）「括弧」"),
        ("joined\u200d Latin\u200cword", "joined Latinword"),
        ("x\ufe0f", "x"),
    ],
)
def test_text_is_stored_in_one_form(text: str, stored: str) -> None:
    assert clean_line(text) == stored


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d💻 👩🏽\u200d💻 ❤\ufe0f\u200d🔥 🏳\ufe0f\u200d🌈 1\ufe0f\u20e3 ©\ufe0f",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "می\u200cخواهم",  # Persian, with a non-joiner
        "क्\u200dष श्री\u200c",  # Hindi: the joiner has an effect, the non-joiner at the end has none
        "葛\U000e0100",  # an ideographic variation
        "\u1820\u180b",  # a Mongolian variation
    ],
)
def test_invisible_characters_with_an_effect_stay(text: str) -> None:
    assert clean_line(text) == text.removesuffix("\u200c")


def test_lines_of_a_long_text_stay() -> None:
    assert (
        clean_text(" one  two \r\n\r\n\tthree\xa0 four\rfive\u2029six \n")
        == "one two\n\nthree four\nfive\nsix"
    )
    assert clean_text("plain") == "plain"


@given(texts)
@example("\u0627\u0301\u064b\u200d\u0628")
def test_cleaning_is_stable_and_composed(text: str) -> None:
    for clean in (clean_line, clean_text):
        cleaned = clean(text)
        assert clean(cleaned) == cleaned
        assert unicodedata.is_normalized("NFC", cleaned)
        assert cleaned == cleaned.strip()
        assert "  " not in cleaned
    assert clean_line(clean_text(text)) == clean_line(text)


@given(st.text(st.characters(codec="utf-8")))
def test_compositions_of_a_text_are_equal(text: str) -> None:
    for function in (clean_line, clean_text, fold_text):
        assert function(unicodedata.normalize("NFD", text)) == function(text)


@given(texts)
def test_stored_text_folds_like_the_given_text(text: str) -> None:
    assert fold_text(clean_line(text)) == fold_text(text) == fold_text(fold_text(text))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Зелёная ЁЛКА", "зеленая елка"),
        ("за́мок Чайный", "замок чайный"),
        ("Café Łódź Straße Ærø", "cafe lodz strasse aero"),
        ("cotton/linen, red,blue; USB_C (A4-paper) men's", "cotton linen red blue usb c a4 paper men s"),
        ("ＵＳＢ ﬁlter Lavka™ м² ½", "usb filter lavka м2 1 2"),
        ("ex\xadtra 👩\u200d💻 ❤\ufe0f 1\ufe0f\u20e3", "extra 1"),
        ("हिन्दी ภาษาไทย שָׁלוֹם مُحَمَّد می\u200cخواهم", "हिन्दी ภาษาไทย שלום محمد میخواهم"),
        ("Ὀδυσσεύς ΣΊΣΥΦΟΣ", "οδυσσευσ σισυφοσ"),
    ],
)
def test_text_is_folded_into_words(text: str, folded: str) -> None:
    assert fold_text(text) == folded


def test_decimal_numbers_stay_whole_words() -> None:
    assert split_words("1,5 л ＝ 1.5л; 2.10.3, 4") == ["1.5", "л", "1.5л", "2.10.3", "4"]
    assert split_words("a.5 5.b 1..2") == ["a", "5", "5", "b", "1", "2"]
