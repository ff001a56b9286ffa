import gzip
import io

import pytest
from django.test import SimpleTestCase

from backend.feeds import delimited_rows, xml_items
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
    def test_tabs_commas_and_semicolons(self) -> None:
        for delimiter in "\t,;":
            rows = read(f'ID{delimiter}g:Title\n1{delimiter}"a{delimiter}""b""\nc"\n'.encode())
            assert rows == [RawRow(2, {"id": "1", "title": f'a{delimiter}"b"\nc'})]

    def test_gzip_byte_order_mark_and_windows_line_ends(self) -> None:
        rows = read(gzip.compress("\ufeffid\ttitle\r\n1\tЧашка\r\n\r\n2\tb\r\n".encode()))
        assert [(row.line, row.cells["title"]) for row in rows] == [(2, "Чашка"), (4, "b")]

    def test_a_stray_quotation_mark_costs_nothing_between_tabs(self) -> None:
        rows = read(b'id\ttitle\n1\t"open\n2\t12" pan\n3\t"Best" pan\n4\ta\rb\n')
        assert [row.cells["title"] for row in rows] == ['"open', '12" pan', '"Best" pan', "a\rb"]

    def test_a_stray_quotation_mark_costs_its_row_between_commas(self) -> None:
        rows = read(b'id,title\n1,"open\n2,b\n3,"c\nd"\n4,e\n')
        assert [row.line for row in rows if row.refusal] == [2]
        assert [row.cells["title"] for row in rows if not row.refusal] == ["b", "c\nd", "e"]

    def test_rows_of_another_width(self) -> None:
        rows = read(b"id\ttitle\tprice\n1\ta\n2\ta\t1\tx\n3\ta\t1\t\t\n")
        assert [str(row.refusal) for row in rows[:2]] == [
            "has 2 columns where the header has 3",
            "has 4 columns where the header has 3",
        ]
        assert rows[2].cells == {"id": "3", "title": "a", "price": "1"}

    def test_a_line_without_end(self) -> None:
        rows = read(b"id\ttitle\n1\t" + b"x" * delimited_rows.MAX_LINE * 3 + b"\n2\tb\n")
        assert "is longer than" in str(rows[0].refusal)
        assert (rows[1].line, rows[1].cells["id"]) == (3, "2")

    def test_repeated_columns(self) -> None:
        rows = read(b"id\tadditional_image_link\tadditional_image_link\n1\ta.jpg\tb.jpg\n")
        assert rows[0].cells["additional_image_link"] == "a.jpg,b.jpg"

    def test_what_is_no_feed(self) -> None:
        for data, message in [
            (b"", "is empty"),
            (b"  \n", "is empty"),
            (b"name,price\n1,2\n", 'with an "id" column'),
            (b"id\tid\n", "columns twice: id"),
            ("id\ttitle\n".encode("utf-16"), "UTF-16"),
            (b"\x1f\x8bnot really", "gzip"),
            (gzip.compress(gzip.compress(b"id\n1\n")), "compressed twice"),
            (b"<html><body>Not found</body></html>", "the root element is <html>"),
        ]:
            with self.subTest(data=data), pytest.raises(FeedUnreadable, match=message):
                read(data)

    def test_a_gzip_file_that_is_cut_short_gives_what_it_has(self) -> None:
        packed = gzip.compress(
            b"id\ttitle\n" + b"".join(b"%d\tproduct %d\n" % (n, n * n) for n in range(50_000))
        )
        rows, message = read_until_broken(packed[: len(packed) // 2])
        assert "cut short" in message
        assert len(rows) > 1000
        assert rows[0].cells["id"] == "0"


class XmlTest(SimpleTestCase):
    def test_rss(self) -> None:
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

    def test_atom(self) -> None:
        assert read(ATOM.encode())[0].cells == {
            "id": "1",
            "title": "Cup",
            "link": "https://shop/cup",
            "description": "Nice",
        }

    def test_markup_inside_a_field(self) -> None:
        """It is no part of any format but Atom's, and feeds have it; an empty cell would clear."""
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

    def test_xhtml_of_atom(self) -> None:
        text = b"<h2>Cup</h2><p>Holds <em>350</em> ml.</p><p>White.<br/>Big.</p>"
        (row,) = read(
            b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><content type="xhtml">'
            b'<div xmlns="http://www.w3.org/1999/xhtml">' + text + b"</div></content></entry></feed>"
        )
        assert row.cells["description"].strip() == "Cup\nHolds 350 ml.\nWhite.\nBig."

    def test_entities_are_refused(self) -> None:
        bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><rss><item><id>&b;</id></item></rss>'
        with pytest.raises(FeedUnreadable, match="a DTD or entities"):
            read(bomb)

    def test_broken_xml_gives_what_comes_before(self) -> None:
        rows, message = read_until_broken(RSS.encode()[:-40])
        assert "broken" in message
        assert [row.cells["id"] for row in rows][:1] == ["1"]

    def test_an_endless_item(self) -> None:
        text = "x" * (xml_items.MAX_ITEM + 1)
        rows = read(
            f"<rss><item><id>1</id><title>{text}</title></item><item><id>2</id></item></rss>".encode()
        )
        assert "is longer than" in str(rows[0].refusal)
        assert rows[1].cells == {"id": "2"}


class EncodingTest(SimpleTestCase):
    def test_a_header_that_is_not_utf_8_is_said(self) -> None:
        for header in ("id\tназвание\tprice\n".encode("cp1251"), b"\x89PNG\r\n\x1a\n\xff"):
            with self.assertRaises(FeedUnreadable) as raised:
                read(header)
            assert "UTF-8" in str(raised.exception)
            str(raised.exception).encode()
