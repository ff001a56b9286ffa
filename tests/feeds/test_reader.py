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
        for delimiter in "\t,;|":
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

    def test_row_with_more_columns_is_refused(self) -> None:
        rows = read(b"id\ttitle\tprice\n2\ta\t1\tx\n3\ta\t1\t\t\n")
        assert str(rows[0].refusal) == "has 4 columns where the header has 3"
        assert rows[1].cells == {"id": "3", "title": "a", "price": "1"}

    def test_short_rows_are_padded_with_empty_cells(self) -> None:
        for delimiter in "\t,;":
            table = "id,title,price,brand,color\n1,a,10\n2,b,20,B\n3\n4,d,40,D,red\n"
            rows = read(table.replace(",", delimiter).encode())
            assert [(row.line, row.refusal) for row in rows] == [(2, None), (3, None), (4, None), (5, None)]
            assert rows[0].cells == {"id": "1", "title": "a", "price": "10", "brand": "", "color": ""}
            assert rows[1].cells["brand"] == "B"
            assert rows[2].cells == {"id": "3", "title": "", "price": "", "brand": "", "color": ""}

    def test_short_row_of_several_lines_is_padded(self) -> None:
        (row,) = read(b'id,title,price,description,brand\n1,a,10,"One, two.\nThree"\n')
        assert row.cells["description"] == "One, two.\nThree"
        assert row.cells["brand"] == ""

    def test_short_row_that_contains_other_rows_is_refused(self) -> None:
        """The quotation mark before "open" is not closed until two rows later."""
        header = b"id,title,price,brand\n"
        rows = read(header + b'1,"open,10,B\n2,b,20,B\n3,c"\n4,d,40,D\n')
        assert [(row.line, bool(row.refusal), row.cells.get("id")) for row in rows] == [
            (2, True, None),
            (3, False, "2"),
            (4, False, "3"),
            (5, False, "4"),
        ]

    def test_short_row_with_a_stray_quotation_mark_is_padded_between_tabs(self) -> None:
        rows = read(b'id\ttitle\tprice\tbrand\n1\t"Best" pan\t10\n2\t"open\t20\n3\tc\t30\tC\n')
        assert rows[0].cells == {"id": "1", "title": '"Best" pan', "price": "10", "brand": ""}
        assert str(rows[1].refusal).startswith("cannot be read")
        assert rows[2].cells["brand"] == "C"

    def test_ignored_columns_can_repeat_and_lack_a_name(self) -> None:
        rows = read(b"id,,title,shipping,,shipping\n1,x,a,RU:100,y,KZ:300\n2,,b\n")
        assert [row.cells for row in rows] == [{"id": "1", "title": "a"}, {"id": "2", "title": "b"}]

    def test_supported_columns_cannot_repeat(self) -> None:
        with pytest.raises(FeedUnreadable, match="columns more than once: price, title"):
            read(b"id,price,title,title,price,x,x\n")

    def test_lines_above_the_header_are_skipped(self) -> None:
        for above in [
            b"# Required | A unique content ID,# Required | Title\n",
            b'"# The ID, unique\nin the feed","# Title"\n',
            b"\r\n\r\n",
            b"Products of 2026-05-01,\n",
            b"sep=,\n",
            b'"sep=,"\r\n',
        ]:
            for mark in (b"", b"\xef\xbb\xbf"):
                with self.subTest(above=above, mark=mark):
                    (row,) = read(mark + above + b"id,title\n1,a\n")
                    assert row == RawRow(above.count(b"\n") + 2, {"id": "1", "title": "a"})

    def test_header_can_have_cells_of_several_lines(self) -> None:
        (row,) = read(b'"Title\n(required)","Image\nLink",title,id\n"x\ny",a.jpg,a,1\n')
        assert row == RawRow(4, {"id": "1", "title": "a", "image_link": "a.jpg"})

    def test_line_above_the_header_with_an_unclosed_quotation_mark_is_skipped(self) -> None:
        (row,) = read(b'"Products, of May\nid,title\n1,a\n')
        assert row == RawRow(3, {"id": "1", "title": "a"})
        with pytest.raises(FeedUnreadable, match=r"the header \(line 1\) cannot be read"):
            read(b'id,"title\n1,a\n')

    def test_separator_hint_overrides_the_most_frequent_delimiter(self) -> None:
        (row,) = read(b'sep=;\n"id";"a,b,c";title\n1;x;a\n')
        assert row.cells == {"id": "1", "title": "a"}

    def test_header_is_searched_in_a_limited_number_of_lines(self) -> None:
        comments = b"# comment\n" * (delimited_rows.MAX_HEADER_LINE - 1)
        assert len(read(comments + b"id,title\n1,a\n")) == 1
        with pytest.raises(FeedUnreadable, match="line 1 is neither XML nor a header"):
            read(comments + b"# comment\nid,title\n1,a\n")

    def test_repeated_columns_are_joined(self) -> None:
        rows = read(b"id\tadditional_image_link\tadditional_image_link\n1\ta.jpg\tb.jpg\n")
        assert rows[0].cells["additional_image_link"] == "a.jpg,b.jpg"

    def test_other_files_are_unreadable(self) -> None:
        for data, message in [
            (b"", "is empty"),
            (b"  \n", "is empty"),
            (b"name,price\n1,2\n", 'with an "id" column'),
            (b"id\tid\n", "columns more than once: id"),
            ('name,"x\n'.encode("utf-16"), "cannot be read"),
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
        for feed in (bomb, bomb.replace(b"x [", b"yml_catalog [")):
            with pytest.raises(FeedUnreadable, match="a DTD or entities"):
                read(feed)

    def test_google_namespace_is_recognized_in_any_spelling(self) -> None:
        for namespace in [
            "http://base.google.com/ns/1.0",
            "https://base.google.com/ns/1.0",
            "http://base.google.com/ns/1.0/",
            "HTTPS://BASE.GOOGLE.COM/NS/1.0/",
            "http://www.base.google.com/ns/1.0",
        ]:
            for title in (
                "<title>RSS</title><g:title>Google</g:title>",
                "<g:title>Google</g:title><title>RSS</title>",
            ):
                feed = f'<rss xmlns:g="{namespace}"><item><id>tag:1</id><g:id>1</g:id>{title}</item></rss>'
                with self.subTest(feed=feed):
                    assert read(feed.encode())[0].cells == {"id": "1", "title": "Google"}

    def test_elements_of_other_namespaces_count_last(self) -> None:
        (row,) = read(
            b"""<rss xmlns:g="http://base.google.com/ns/1.0" xmlns:media="http://search.yahoo.com/mrss/"
            xmlns:atom="http://www.w3.org/2005/Atom"><item><media:title>Media</media:title><title>RSS</title>
            <g:title/><media:id>5</media:id><atom:id>1</atom:id><media:price>3</media:price></item></rss>"""
        )
        assert row.cells == {"title": "RSS", "id": "1", "price": "3"}

    def test_utf_16_and_windows_1251_are_read(self) -> None:
        feed = "<rss><item><id>1</id><title>Чашка</title></item></rss>"
        for data in [
            feed.encode("utf-16"),
            '<?xml version="1.0" encoding="utf-16"?>'.encode("utf-16") + feed.encode("utf-16-le"),
            b'<?xml version="1.0" encoding="windows-1251"?>' + feed.encode("cp1251"),
            b"\xef\xbb\xbf" + feed.encode(),
        ]:
            assert read(data)[0].cells["title"] == "Чашка"

    def test_broken_xml_is_read_up_to_the_break(self) -> None:
        rows, message = read_until_broken(RSS.encode()[:-40])
        assert "not well-formed" in message
        assert [row.cells["id"] for row in rows][:1] == ["1"]


class EncodingTest(SimpleTestCase):
    TABLE = 'id\ttitle\r\n1\t"Чашка\n🫖"\r\n2\tb\r\n'
    ROWS = (RawRow(2, {"id": "1", "title": "Чашка\n🫖"}), RawRow(4, {"id": "2", "title": "b"}))

    def test_utf_16_is_read_with_and_without_byte_order_mark(self) -> None:
        for data in [
            self.TABLE.encode("utf-16"),
            b"\xfe\xff" + self.TABLE.encode("utf-16-be"),
            self.TABLE.encode("utf-16-le"),
            self.TABLE.encode("utf-16-be"),
            # A line feed of one byte at the end.
            self.TABLE.encode("utf-16") + b"\n",
        ]:
            for feed in (data, gzip.compress(data)):
                with self.subTest(data=feed[:10]):
                    assert read(feed) == list(self.ROWS)

    def test_row_with_invalid_utf_16_is_refused_alone(self) -> None:
        for title in ("\ud800", "\udc00"):
            data = f"id\ttitle\n1\t{title}\n2\tb\n".encode("utf-16", "surrogatepass")
            broken, intact = read(data)
            assert any("\udc80" <= character <= "\udcff" for character in broken.cells["title"])
            assert intact.cells == {"id": "2", "title": "b"}
        *_, last = read("id\ttitle\n1\ta\n2\tb".encode("utf-16")[:-1])
        assert last.cells["title"] == "\udcff"

    def test_utf_16_is_read_across_chunks(self) -> None:
        rows = "".join(f"{number}\tЧашка 🫖 {number}\n" for number in range(30_000))
        data = ("id\ttitle\n" + rows).encode("utf-16")
        for start in (0, 1):
            # The table begins with a comment of one more character, so that chunks end inside characters.
            feed = data[:2] + "#\n"[: start * 2].encode("utf-16-le") + data[2:]
            found = read(feed)
            assert len(found) == 30_000
            assert all(row.cells["title"] == f"Чашка 🫖 {row.cells['id']}" for row in found)

    def test_carriage_returns_alone_end_lines(self) -> None:
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            for table in ("id,title\r1,Чашка\r2,b\r", '\r"a\nb",id,title\r"x",1,Чашка\r,2,b'):
                with self.subTest(encoding=encoding, table=table):
                    rows = read(table.encode(encoding))
                    assert [row.cells for row in rows] == [
                        {"id": "1", "title": "Чашка"},
                        {"id": "2", "title": "b"},
                    ]

    def test_header_in_another_encoding_is_unreadable(self) -> None:
        for header in ("id\tназвание\tprice\n".encode("cp1251"), b"\x89PNG\r\n\x1a\n\xff"):
            with self.assertRaises(FeedUnreadable) as raised:
                read(header)
            assert "UTF-8" in str(raised.exception)
            str(raised.exception).encode()


def read_error(data: bytes) -> str:
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
                        assert read_error(mark + fits + line_break) == ""
                        assert read_error(mark + fits + b"x" + line_break) == (
                            "the header (line 1) is longer than 13 bytes"
                        )

    def test_header_is_limited_in_columns(self) -> None:
        with mock.patch.object(delimited_rows, "MAX_COLUMNS", 3):
            assert read_error(b"id,a,b\n") == ""
            assert read_error(b"id,a,b,c\n") == "the header (line 1) has 4 columns; the limit is 3"

    def test_column_name_is_limited_in_characters(self) -> None:
        with mock.patch.object(delimited_rows, "MAX_COLUMN_NAME", 5):
            assert read_error(b"id,price\n") == ""
            assert read_error(b"id,prices\n") == (
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
            assert fits.unreadable == {}
            assert exceeds == RawRow(
                3, {"id": "1"}, None, {"title": "is 100,001 characters long; the limit is 100,000"}
            )

    def test_joined_cells_of_repeated_columns_are_limited(self) -> None:
        half = "x" * (raw_rows.MAX_CELL // 2)
        header = "id\tproduct_detail\tproduct_detail\n"
        fits, exceeds = read(f"{header}1\t{half}\t{half[1:]}\n2\t{half}\t{half}\n".encode())
        assert fits.unreadable == {}
        assert "is 100,001 characters long" in exceeds.unreadable["product_detail"]

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
        assert self.item(f"<title>{text}</title>").unreadable == {}
        unreadable = self.item(f"<title>{text}ы</title>").unreadable
        assert unreadable == {"title": "is 100,001 characters long; the limit is 100,000"}

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
        assert (
            read_error(preamble + comment * 10)
            == "none of these elements begins in the first 1,000,000 bytes: <item>, <entry>"
        )

    def test_comments_between_items_are_not_limited(self) -> None:
        comment = b"<!-- %s -->" % (b"x" * 99_991)
        item = b"<item><id>1</id></item>"
        assert len(read(b"<rss>" + item + comment * 20 + item + b"</rss>")) == 2

    def test_depth_is_limited(self) -> None:
        for extra, message in [(0, ""), (1, "line 1: elements are nested more than 100 levels deep")]:
            depth = xml_items.MAX_DEPTH - 3 + extra
            field = "<id>" + "<b>" * depth + "x" + "</b>" * depth + "</id>"
            assert read_error(f"<rss><item>{field}</item></rss>".encode()) == message

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
                    assert read_error(feed.encode()).removeprefix("line 1: ") == message

    def test_name_is_limited_in_characters(self) -> None:
        name = "a" * xml_items.MAX_COLUMN_NAME
        assert read_error(f"<rss><item><{name}/></item></rss>".encode()) == ""
        assert read_error(f"<rss><item><{name}a/></item></rss>".encode()) == (
            "line 1: a name with its namespace has more than 500 characters"
        )
