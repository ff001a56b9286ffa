"""Character references and markup in texts."""

import time

from django.test import SimpleTestCase
from hypothesis import given
from hypothesis import strategies as st

from backend.feeds.markup import decode_field, encode_field, html_to_text

PIECES = [
    "&amp;",
    "&",
    "amp;",
    "&#38;",
    "#38;",
    "<b>",
    "<p",
    ">",
    "</p>",
    "<br/>",
    "<!--",
    "-->",
    "\n",
    "  ",
    "ы",
    "<script>",
    "lt;",
    "&lt",
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


class MarkupTest(SimpleTestCase):
    @given(TEXT, st.sampled_from(["title", "description"]))
    def test_encoded_texts_decode_to_themselves(self, text: str, name: str) -> None:
        assert decode_field(name, encode_field(name, text)) == text

    def test_plain_texts_are_encoded_as_they_are(self) -> None:
        for text in ("Tom & Co", "5 < 6 > 4", "AT&T; R&D", "a<b and c>d", "line\nbreak"):
            assert encode_field("description", text) == text

    def test_references_are_decoded_once(self) -> None:
        for text, decoded in [
            ("&lt;b&gt; &amp;lt;", "<b> &lt;"),
            ("caf&eacute; &#233; &#xE9;", "café é é"),
            ("&unknown; &copy=1 &notit; &", "&unknown; &copy=1 &notit; &"),
            ("&#0; &#xD800;", "\ufffd \ufffd"),
        ]:
            with self.subTest(text=text):
                assert decode_field("title", text) == decoded

    def test_markup_of_descriptions_becomes_lines(self) -> None:
        for text, expected in [
            ("<p>One<br/>Two &nbsp; three</p>", "One\nTwo \xa0 three"),
            ("\n  <h3>A</h3>\n  <ul>\n <li>b <b>c</b></li><LI class='x'>d</LI></ul>", "A\nb c\nd"),
            ('<a href="/?a=1&b=2">x</a><!-- <p> --> y', "x y"),
            ("a<script>var a = '<p>x</p>';</script>b<style>p {}</style>c", "abc"),
            ("weight <5kg and >3kg, a<b and c>d", "weight <5kg and >3kg, a<b and c>d"),
            ("a <!-- b", "a"),
        ]:
            with self.subTest(text=text):
                assert html_to_text(text) == expected
        assert decode_field("title", "<b>x</b>") == "<b>x</b>"

    def test_time_is_linear(self) -> None:
        size = 100_000
        for unit in (
            "<!--",
            "<p a=a ",
            '<p a="',
            "<p",
            "&#",
            "<script>",
            "&a",
            "<p a='\"",
            "<p " + "a=a " * 50,
        ):
            started = time.process_time()
            html_to_text(unit * (size // len(unit)))
            html_to_text("<p " + "a=a " * (size // 4))
            assert time.process_time() - started < 2, unit
