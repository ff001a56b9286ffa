"""Reading of feed files in all formats, and the limits of their parts."""

import gzip
import io
from unittest import mock

import pytest
from django.test import SimpleTestCase

from backend.feeds import delimited_rows, raw_rows, xml_items
from backend.feeds.raw_rows import FeedUnreadable
from backend.feeds.reader import RawRow, open_feed

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item>
 <g:id>1</g:id><title>Plain</title><g:title>Чашка &amp; блюдце</g:title><link>https://shop/cup</link>
 <g:product_type>A, b &gt; C</g:product_type><g:product_type>Other</g:product_type>
 <g:additional_image_link>a,b.jpg</g:additional_image_link><g:additional_image_link>c.jpg</g:additional_image_link>
 <g:product_detail><g:section_name>S</g:section_name><g:attribute_name>N</g:attribute_name>
  <g:attribute_value>x, y:z</g:attribute_value></g:product_detail>
 <g:brand/>
</item>
<item><g:id>2</g:id></item></channel></rss>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
<entry><id>tag:1</id><g:id>1</g:id><title>Cup</title><link href="https://shop/cup"/><summary>Nice</summary></entry>
</feed>"""


def read(data: bytes) -> list[RawRow]:
    with open_feed(io.BytesIO(data)) as feed:
        return list(feed.rows)


def read_until_broken(data: bytes) -> tuple[list[RawRow], str]:
    """Return the rows before a feed breaks off, and the error message."""
    rows: list[RawRow] = []
    with open_feed(io.BytesIO(data)) as feed:
        try:
            rows.extend(feed.rows)
        except FeedUnreadable as error:
            return rows, str(error)
    raise AssertionError("the feed did not break off")


class TableTest(SimpleTestCase):
    def test_tabs_commas_and_semicolons_separate_columns(self) -> None:
        for delimiter in "\t,;":
            rows = read(f'ID{delimiter}g:Title\n1{delimiter}"a{delimiter}""b""\nc"\n'.encode())
            assert rows == [RawRow(2, {"id": "1", "title": f'a{delimiter}"b"\nc'})]

    def test_gzip_byte_order_mark_and_windows_line_breaks_are_read(self) -> None:
        rows = read(gzip.compress("\ufeffid\ttitle\r\n1\tЧашка\r\n\r\n2\tb\r\n".encode()))
        assert [(row.line, row.cells["title"]) for row in rows] == [(2, "Чашка"), (4, "b")]

    def test_stray_quotation_mark_is_text_between_tabs(self) -> None:
        rows = read(b'id\ttitle\n1\t"open\n2\t12" pan\n3\t"Best" pan\n4\ta\rb\n')
        assert [row.cells["title"] for row in rows] == ['"open', '12" pan', '"Best" pan', "a\rb"]

    def test_stray_quotation_mark_refuses_one_row_between_commas(self) -> None:
        rows = read(b'id,title\n1,"open\n2,b\n3,"c\nd"\n4,e\n')
        assert [row.line for row in rows if row.refusal] == [2]
        assert [row.cells["title"] for row in rows if not row.refusal] == ["b", "c\nd", "e"]

    def test_row_with_another_number_of_columns_is_refused(self) -> None:
        rows = read(b"id\ttitle\tprice\n1\ta\n2\ta\t1\tx\n3\ta\t1\t\t\n")
        assert [str(row.refusal) for row in rows[:2]] == [
            "has 2 columns where the header has 3",
            "has 4 columns where the header has 3",
        ]
        assert rows[2].cells == {"id": "3", "title": "a", "price": "1"}

    def test_repeated_columns_are_joined(self) -> None:
        rows = read(b"id\tadditional_image_link\tadditional_image_link\n1\ta.jpg\tb.jpg\n")
        assert rows[0].cells["additional_image_link"] == "a.jpg,b.jpg"

    def test_other_files_are_unreadable(self) -> None:
        for data, message in [
            (b"", "is empty"),
            (b"  \n", "is empty"),
            (b"name,price\n1,2\n", 'with an "id" column'),
            (b"id\tid\n", "columns more than once: id"),
            ("id\ttitle\n".encode("utf-16"), "UTF-16"),
            (b"\x1f\x8bnot really", "gzip"),
            (gzip.compress(gzip.compress(b"id\n1\n")), "compressed twice"),
            (b"<html><body>Not found</body></html>", "the root element is <html>"),
        ]:
            with self.subTest(data=data), pytest.raises(FeedUnreadable, match=message):
                read(data)

    def test_truncated_gzip_file_is_read_up_to_the_break(self) -> None:
        packed = gzip.compress(
            b"id\ttitle\n" + b"".join(b"%d\tproduct %d\n" % (n, n * n) for n in range(50_000))
        )
        rows, message = read_until_broken(packed[: len(packed) // 2])
        assert "truncated" in message
        assert len(rows) > 1000
        assert rows[0].cells["id"] == "0"


class XmlTest(SimpleTestCase):
    def test_rss_items_are_read(self) -> None:
        first, second = read(RSS.encode())
        assert first.line == 3
        assert first.cells == {
            "id": "1",
            "title": "Чашка & блюдце",
            "link": "https://shop/cup",
            "product_type": '"A, b > C"',
            "additional_image_link": '"a,b.jpg",c.jpg',
            "product_detail": '"S":"N":"x, y:z"',
            "brand": "",
        }
        assert (second.line, second.cells) == (11, {"id": "2"})

    def test_atom_entries_are_read(self) -> None:
        assert read(ATOM.encode())[0].cells == {
            "id": "1",
            "title": "Cup",
            "link": "https://shop/cup",
            "description": "Nice",
        }

    def test_markup_inside_a_field_is_removed(self) -> None:
        """Only Atom allows markup, but many feeds have it. An empty cell would clear the value."""
        (row,) = read(
            b"""<rss xmlns:g="http://base.google.com/ns/1.0"><item><id>1</id>
            <title>A <b>bold <i>green</i></b> tea</title><g:color><![CDATA[red]]> &amp; <u>blue</u></g:color>
            <g:product_detail><g:section_name>S</g:section_name><g:attribute_name>N<b>m</b></g:attribute_name>
            <g:attribute_value>x <b>y</b> z</g:attribute_value></g:product_detail>
            <g:product_detail>S:Use:<b>home</b></g:product_detail></item></rss>"""
        )
        assert row.cells == {
            "id": "1",
            "title": "A bold green tea",
            "color": "red & blue",
            "product_detail": '"S":"Nm":"x y z",S:Use:home',
        }

    def test_xhtml_blocks_become_lines(self) -> None:
        text = b"<h2>Cup</h2><p>Holds <em>350</em> ml.</p><p>White.<br/>Big.</p>"
        (row,) = read(
            b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><content type="xhtml">'
            b'<div xmlns="http://www.w3.org/1999/xhtml">' + text + b"</div></content></entry></feed>"
        )
        assert row.cells["description"].strip() == "Cup\nHolds 350 ml.\nWhite.\nBig."

    def test_entities_are_unreadable(self) -> None:
        bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><rss><item><id>&b;</id></item></rss>'
        with pytest.raises(FeedUnreadable, match="a DTD or entities"):
            read(bomb)

    def test_broken_xml_is_read_up_to_the_break(self) -> None:
        rows, message = read_until_broken(RSS.encode()[:-40])
        assert "not well-formed" in message
        assert [row.cells["id"] for row in rows][:1] == ["1"]


class EncodingTest(SimpleTestCase):
    def test_header_in_another_encoding_is_unreadable(self) -> None:
        for header in ("id\tназвание\tprice\n".encode("cp1251"), b"\x89PNG\r\n\x1a\n\xff"):
            with self.assertRaises(FeedUnreadable) as raised:
                read(header)
            assert "UTF-8" in str(raised.exception)
            str(raised.exception).encode()


def error_of(data: bytes) -> str:
    """Return the error message of a feed that cannot be opened or breaks off; empty if it can be read."""
    try:
        read(data)
    except FeedUnreadable as error:
        return str(error)
    return ""


class TableLimitsTest(SimpleTestCase):
    def test_header_is_limited_in_bytes(self) -> None:
        fits = "id\tназва".encode()
        with mock.patch.object(delimited_rows, "MAX_ROW", len(fits)):
            for line_break in (b"\n", b"\r\n", b""):
                for mark in (b"", b"\xef\xbb\xbf"):
                    with self.subTest(line_break=line_break, mark=mark):
                        assert error_of(mark + fits + line_break) == ""
                        assert error_of(mark + fits + b"x" + line_break) == (
                            "the header (line 1) is longer than 13 bytes"
                        )

    def test_header_is_limited_in_columns(self) -> None:
        with mock.patch.object(delimited_rows, "MAX_COLUMNS", 3):
            assert error_of(b"id,a,b\n") == ""
            assert error_of(b"id,a,b,c\n") == "the header (line 1) has 4 columns; the limit is 3"

    def test_column_name_is_limited_in_characters(self) -> None:
        with mock.patch.object(delimited_rows, "MAX_COLUMN_NAME", 5):
            assert error_of(b"id,price\n") == ""
            assert error_of(b"id,prices\n") == (
                "the header (line 1) has a column name of more than 5 characters"
            )

    def test_line_is_limited_in_bytes(self) -> None:
        with mock.patch.object(delimited_rows, "MAX_ROW", 20):
            for line_break in (b"\n", b"\r\n"):
                fits, exceeds = b"1," + b"x" * 18 + line_break, b"2," + b"x" * 19 + line_break
                rows = read(b"id,title\n" + fits + exceeds + b"3," + b"x" * 200_000 + b"\n4,b\n")
                assert [(row.line, str(row.refusal)) for row in rows] == [
                    (2, "None"),
                    (3, "is longer than 20 bytes"),
                    (4, "is longer than 20 bytes"),
                    (5, "None"),
                ]

    def test_last_line_without_a_line_break_is_limited(self) -> None:
        with mock.patch.object(delimited_rows, "MAX_ROW", 20):
            assert read(b"id,title\n1," + b"x" * 18)[0].refusal is None
            assert str(read(b"id,title\n1," + b"x" * 19)[0].refusal) == "is longer than 20 bytes"

    def test_quoted_row_is_limited_in_lines(self) -> None:
        with mock.patch.object(delimited_rows, "MAX_ROW_LINES", 3):
            (row,) = read(b'id,title\n1,"a\nb\nc"\n')
            assert row.cells["title"] == "a\nb\nc"
            rows = read(b'id,title\n1,"a\nb\nc\nd"\n2,e\n')
            assert (rows[0].line, str(rows[0].refusal)) == (
                2,
                "cannot be read: a quoted cell does not end within 3 lines and 500,000 bytes",
            )
            assert rows[-1].cells == {"id": "2", "title": "e"}

    def test_quoted_row_is_limited_in_bytes(self) -> None:
        with mock.patch.object(delimited_rows, "MAX_ROW", 20):
            # With its line breaks, the first row has 20 bytes and the second one 21.
            (row,) = read(b'id,title\n1,"' + b"x" * 10 + b"\n" + b"x" * 4 + b'"\n')
            assert row.refusal is None
            rows = read(b'id,title\n1,"' + b"x" * 10 + b"\n" + b"x" * 5 + b'"\n')
            assert "does not end within 2,000 lines and 20 bytes" in str(rows[0].refusal)

    def test_cell_is_limited_in_characters(self) -> None:
        for delimiter in ("\t", ","):
            texts = ["ы" * raw_rows.MAX_CELL, "ы" * (raw_rows.MAX_CELL + 1)]
            lines = [f"{number}{delimiter}{text}\n" for number, text in enumerate(texts)]
            fits, exceeds = read(f"id{delimiter}title\n{''.join(lines)}".encode())
            assert fits.refusal is None
            assert str(exceeds.refusal) == "title: is 100,001 characters long; the limit is 100,000"

    def test_joined_cells_of_repeated_columns_are_limited(self) -> None:
        half = "x" * (raw_rows.MAX_CELL // 2)
        header = "id\tproduct_detail\tproduct_detail\n"
        fits, exceeds = read(f"{header}1\t{half}\t{half[1:]}\n2\t{half}\t{half}\n".encode())
        assert fits.refusal is None
        assert "product_detail: is 100,001 characters long" in str(exceeds.refusal)

    def test_lines_that_are_read_again_are_limited(self) -> None:
        # Every line closes the quotation mark of the line before and opens another one.
        feed = b"id,title\n" + b'x","b\n' * 100
        with mock.patch.multiple(delimited_rows, MAX_ROW_LINES=11, MAX_REREAD_RATIO=0):
            with mock.patch.object(delimited_rows, "MAX_REREAD_BYTES", 100 * 11 * 6):
                assert len(read(feed)) == 100
            with mock.patch.object(delimited_rows, "MAX_REREAD_BYTES", 20 * 11 * 6):
                rows, message = read_until_broken(feed)
        assert len(rows) == 20
        assert message.startswith("line 22: too many quotation marks are not closed")


class XmlLimitsTest(SimpleTestCase):
    def item(self, content: str) -> RawRow:
        """Return the first of two items, after checking that the second one is read."""
        first, second = read(f"<rss><item>{content}</item><item><id>2</id></item></rss>".encode())
        assert second.cells == {"id": "2"}
        return first

    def test_item_is_limited_in_characters(self) -> None:
        with mock.patch.object(xml_items, "MAX_ROW", 1000):
            for content, size in [
                ("<id>{}</id>", 9),
                ("<id/>" * 50 + "<id>{}</id>", 51 * 9),
                ('<link xmlns="http://www.w3.org/2005/Atom" href="{}"/>', 13),
                ("<id>{}<b></b></id>", 9 + 7),
            ]:
                with self.subTest(content=content):
                    assert self.item(content.format("x" * (1000 - size))).refusal is None
                    refusal = self.item(content.format("x" * (1001 - size))).refusal
                    assert str(refusal) == "is longer than 1,000 characters"

    def test_fields_after_the_limit_are_not_collected(self) -> None:
        with mock.patch.object(xml_items, "MAX_ROW", 1000):
            assert self.item("<a/>" * 142).refusal is None
            assert "is longer than" in str(self.item("<a/>" * 143).refusal)

    def test_field_is_limited_in_characters(self) -> None:
        text = "ы" * raw_rows.MAX_CELL
        assert self.item(f"<title>{text}</title>").refusal is None
        refusal = self.item(f"<title>{text}ы</title>").refusal
        assert str(refusal) == "title: is 100,001 characters long; the limit is 100,000"

    def test_tags_and_comments_are_limited_in_bytes(self) -> None:
        # The position of the parser is checked once per chunk.
        most, above = xml_items.MAX_ROW, xml_items.MAX_ROW + xml_items._CHUNK
        for markup in ("<!--{}-->", '<id a="{}"/>', "<?target {}?>", "<a{}/>"):
            with self.subTest(markup=markup):
                feed = f"<rss>\n<item>{markup}<title>T</title></item></rss>"
                start = feed.index(markup)
                longest = "x" * (most - len(markup) - start)
                if markup == "<a{}/>":
                    longest = " " * len(longest)
                assert read(feed.format(longest).encode())[0].cells["title"] == "T"
                _, message = read_until_broken(feed.format("x" * above * 2).encode())
                assert message == "line 2: a tag, comment or declaration is longer than 500,000 bytes"

    def test_bytes_before_the_first_item_are_limited(self) -> None:
        comment = b"<!-- %s -->" % (b"x" * 9_991)
        preamble = b"<rss>" + comment * 99
        assert len(read(preamble + b"<item><id>1</id></item></rss>")) == 1
        assert error_of(preamble + comment * 10) == "no <item> or <entry> begins in the first 1,000,000 bytes"

    def test_comments_between_items_are_not_limited(self) -> None:
        comment = b"<!-- %s -->" % (b"x" * 99_991)
        item = b"<item><id>1</id></item>"
        assert len(read(b"<rss>" + item + comment * 20 + item + b"</rss>")) == 2

    def test_depth_is_limited(self) -> None:
        for extra, message in [(0, ""), (1, "line 1: elements are nested more than 100 levels deep")]:
            depth = xml_items.MAX_DEPTH - 3 + extra
            field = "<id>" + "<b>" * depth + "x" + "</b>" * depth + "</id>"
            assert error_of(f"<rss><item>{field}</item></rss>".encode()) == message

    def test_different_names_are_limited(self) -> None:
        for count, message in [
            # The elements rss, item and id are names too.
            (xml_items.MAX_COLUMNS - 3, ""),
            (xml_items.MAX_COLUMNS - 2, "elements and attributes have more than 1,000 different names"),
        ]:
            for name, names in [
                ("elements", "".join(f"<a{number}/>" for number in range(count))),
                ("attributes", "".join(f'<id a{number}=""/>' for number in range(count))),
                ("prefixes", "".join(f'<id xmlns:a{number}="urn:x"/>' for number in range(count))),
            ]:
                with self.subTest(name, count=count):
                    feed = f"<rss><item><id>1</id>{names}</item></rss>"
                    assert error_of(feed.encode()).removeprefix("line 1: ") == message

    def test_name_is_limited_in_characters(self) -> None:
        name = "a" * xml_items.MAX_COLUMN_NAME
        assert error_of(f"<rss><item><{name}/></item></rss>".encode()) == ""
        assert error_of(f"<rss><item><{name}a/></item></rss>".encode()) == (
            "line 1: a name with its namespace has more than 500 characters"
        )
