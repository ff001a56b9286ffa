"""Normalization of text: one form for storage, one for comparison and search.

Stored text is in Unicode NFC, without invisible characters and with single spaces, so that texts that look
the same are the same. `CleanCharField` and `CleanTextField` apply it to every value and every lookup.
"""

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, models, transaction

# Visible ASCII with single spaces, which needs no cleaning.
_CLEAN_ASCII = re.compile(r"(?:[!-~]+(?: [!-~]+)*)?")

# Spaces within a line, with the blank Braille pattern, which looks like one.
_INLINE_SPACES = "\t\x1f \xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000"
_LINE_BREAKS = "\n\v\f\r\x1c-\x1e\x85\u2028\u2029"
_INLINE_SPACE_RUN = re.compile(f"[{_INLINE_SPACES}]+")
_SPACE_RUN = re.compile(f"[{_INLINE_SPACES}{_LINE_BREAKS}]+")
_LINE_BREAK = re.compile(f"[{_INLINE_SPACES}]*(?:\r\n|[{_LINE_BREAKS}])[{_INLINE_SPACES}]*")

# Control characters, lone surrogates, noncharacters, directional marks and other characters without a glyph.
# XML cannot represent some of them, so that a product would differ from its own export.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U000e0fff]"
)
# Characters that are invisible too, but change the glyphs beside them: variation selectors, tags and joiners.
_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]+|[\U000e0020-\U000e007f]+")
_JOINERS = re.compile("[\u200c\u200d]+")
# Pictographs, with skin tones and the emoji presentation selector. See UTS 51, section 1.4.
_PICTOGRAPH = re.compile("[\xa9\xae\u203c-\u3299\ufe0f\U0001f000-\U0001fbff]")
# Characters that a variation selector can follow: a pictograph, a keycap, an ideograph or a Mongolian letter.
_SELECTABLE = re.compile(
    f"{_PICTOGRAPH.pattern}|[#*0-9\u1800-\u18af\u2e80-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff]"
)
_BLACK_FLAG = "\U0001f3f4"
# The scripts that use joiners, from Arabic to Mongolian. See Unicode, section 23.2.
_JOINABLE = re.compile("[\u0600-\u109f\u1700-\u1c7f\ua800-\uabff\U00010a00-\U00011fff]")

# Ligatures, letters and digits of double or half width, and positional Arabic letters: they change how a text
# is drawn, not its meaning. Fractions, superscripts and signs such as ™ have a meaning of their own and stay.
_PRESENTATION_FORMS = re.compile(
    "[\ufb00-\ufb06\ufb13-\ufb17\ufb50-\ufbb1\ufe80-\ufefc\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f]+"
)
_HYPHENS = str.maketrans("\u2010\u2011", "--")

# Marks that search ignores: accents, and the vowel points of Hebrew and Arabic. й and ў keep their breve.
_ACCENTS = re.compile(
    "(?<![иу])\u0306|[\u0300-\u0305\u0307-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u0640\u064b-\u065f\u0670]"
)
# Signs that normalization would turn into letters: "Lavka™" contains the word "lavka", "№5" the word "5".
_SIGNS = str.maketrans(dict.fromkeys("™℠®©№", " "))
_FOLDED_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "ł": "l",
        "ħ": "h",
        "ŧ": "t",
        "ı": "i",
        "ς": "σ",
    }
)
# Characters that search removes before it separates words, such as selectors and the frames of keycaps.
_IGNORED = re.compile(
    f"{_INVISIBLE.pattern}|{_SELECTORS.pattern}|{_JOINERS.pattern}|[\u0488\u0489\u20dd-\u20e0\u20e2-\u20e4]"
)
_DECIMAL = re.compile(r"(?<=\d)[.,](?=\d)", re.ASCII)


def clean_line(text: str) -> str:
    """Return a text in its stored form, on one line.

    Spaces and line breaks of any kind become single spaces, invisible characters are removed, and letters are
    composed (NFC). The result is stable: cleaning it again changes nothing.
    """
    if _CLEAN_ASCII.fullmatch(text):
        return text
    return _SPACE_RUN.sub(" ", _clean_characters(text)).strip(" ")


def clean_text(text: str) -> str:
    r"""Return a text of several lines in its stored form. Line breaks of any kind become "\n".

    Lines have no spaces at their ends and single spaces inside; see `clean_line`.
    """
    if _CLEAN_ASCII.fullmatch(text):
        return text
    lines = _LINE_BREAK.sub("\n", _clean_characters(text))
    return _INLINE_SPACE_RUN.sub(" ", lines).strip(" \n")


def _clean_characters(text: str) -> str:
    """Remove invisible characters and compose letters, until nothing changes."""
    text = _INVISIBLE.sub("", text)
    if text.isascii():
        return text
    while True:
        cleaned = _PRESENTATION_FORMS.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
        cleaned = _SELECTORS.sub(_keep_selector, cleaned.translate(_HYPHENS))
        cleaned = unicodedata.normalize("NFC", _JOINERS.sub(_keep_joiner, cleaned))
        if cleaned == text:
            return text
        text = cleaned


def _keep_selector(run: re.Match[str]) -> str:
    """Return the variation selectors or tags of a run that have an effect."""
    before = run.string[: run.start()][-1:]
    if "\U000e0020" <= run[0][0] <= "\U000e007f":
        return run[0] if before == _BLACK_FLAG else ""
    return run[0][0] if _SELECTABLE.match(before) else ""


def _keep_joiner(run: re.Match[str]) -> str:
    """Return the joiner of a run if it has an effect: between letters that join, or in an emoji sequence."""
    before, after = run.string[: run.start()][-1:], run.string[run.end() :][:1]
    if _JOINABLE.match(before) and _JOINABLE.match(after):
        return run[0][0]
    return "\u200d" if _PICTOGRAPH.match(before) and _PICTOGRAPH.match(after) else ""


def fold_text(text: str) -> str:
    """Return the words of a text for comparison, in lower case and separated by single spaces.

    Compatibility forms, accents and case are folded, so ё equals е. Everything but letters, marks and digits
    separates words. The database function `catalog_fold_text` folds stored text in the same way.
    """
    return " ".join(_separate_words(_fold_characters(text)).split())


def split_words(text: str) -> list[str]:
    """Return the words of `fold_text`, but keep decimal numbers whole: "1,5 л" gives "1.5" and "л"."""
    return ".".join(map(_separate_words, _DECIMAL.split(_fold_characters(text)))).split()


def _fold_characters(text: str) -> str:
    text = _IGNORED.sub("", text).translate(_SIGNS)
    text = _ACCENTS.sub("", unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).lower()))
    return unicodedata.normalize("NFC", text).translate(_FOLDED_LETTERS)


def _separate_words(text: str) -> str:
    return "".join(character if unicodedata.category(character)[0] in "LMN" else " " for character in text)


class _CleanField(models.Field):
    """Clean values before they are validated, stored or looked up."""

    _clean_value: Callable[[str], str]

    def to_python(self, value: Any) -> Any:
        return self._clean(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return self._clean(super().get_prep_value(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = self._clean(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value

    def _clean(self, value: Any) -> Any:
        # Expressions and None stay as they are.
        return self._clean_value(value) if isinstance(value, str) else value


class CleanCharField(_CleanField, models.CharField):
    """A text of one line, stored and looked up in the form of `clean_line`."""

    _clean_value = staticmethod(clean_line)


class CleanTextField(_CleanField, models.TextField):
    """A text of several lines, stored and looked up in the form of `clean_text`."""

    _clean_value = staticmethod(clean_text)


def clean_rows(model: type[models.Model]) -> None:
    """Clean the rows of a model that were stored before its fields cleaned their values.

    A row stays as it is if the clean values would be refused: if another row has them, or if a required text
    has no visible character.
    """
    fields = [field for field in model._meta.concrete_fields if isinstance(field, _CleanField)]
    rows = model._base_manager.order_by("pk").values_list("pk", *(field.attname for field in fields))
    for pk, *values in rows.iterator():
        changed = {
            field.attname: field._clean(value)
            for field, value in zip(fields, values, strict=True)
            if field._clean(value) != value and (field.blank or field._clean(value))
        }
        if changed:
            with suppress(DatabaseError), transaction.atomic():
                model._base_manager.filter(pk=pk).update(**changed)
