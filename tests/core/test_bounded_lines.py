"""Limits of lines and rows in bytes and lines."""

import csv
import gzip
import io
from typing import BinaryIO, cast

import pytest
from django.test import SimpleTestCase

from backend.core.bounded_lines import BoundedLines


def read(data: bytes, *, errors: str = "strict") -> list[list[str] | str]:
    """Read rows of at most 10 bytes and 3 lines; return the cells of each row, or its error."""
    lines = BoundedLines(io.BytesIO(data), max_bytes=10, max_lines=3, errors=errors)
    rows: list[list[str] | str] = []
    while True:
        lines.start_row()
        try:
            rows.append(next(csv.reader(lines, strict=True)))
        except StopIteration:
            return rows
        except csv.Error as error:
            rows.append(str(error))


class BoundedLinesTest(SimpleTestCase):
    def test_line_is_limited_without_its_line_break(self) -> None:
        for line_break in (b"\n", b"\r\n"):
            data = b"a" * 10 + line_break + b"b" * 11 + line_break + b"c" * 200_000 + line_break + b"d"
            assert read(data) == [
                ["a" * 10],
                "the line is longer than 10 bytes",
                "the line is longer than 10 bytes",
                ["d"],
            ]

    def test_last_line_is_limited_without_a_line_break(self) -> None:
        assert read(b"a" * 10) == [["a" * 10]]
        assert read(b"a" * 11) == ["the line is longer than 10 bytes"]

    def test_byte_order_mark_does_not_count(self) -> None:
        mark = b"\xef\xbb\xbf"
        assert read(mark + b"a" * 10 + b"\r\n") == [["a" * 10]]
        assert read(mark + b"a" * 11 + b"\r\n") == ["the line is longer than 10 bytes"]

    def test_row_is_limited_in_lines(self) -> None:
        assert read(b'"a\nb\nc"\nd\n') == [["a\nb\nc"], ["d"]]
        assert read(b'"\n\n\n"\n')[0] == "a quoted cell does not end within 3 lines and 10 bytes"

    def test_row_is_limited_in_bytes(self) -> None:
        assert read(b'"aaa\nbbb"\n') == [["aaa\nbbb"]]
        assert read(b'"aaa\nbbbb"\n')[0] == "a quoted cell does not end within 3 lines and 10 bytes"

    def test_error_handler_decides_about_invalid_utf_8(self) -> None:
        assert read(b"\xff\n", errors="surrogateescape") == [["\udcff"]]
        with pytest.raises(UnicodeDecodeError):
            read(b"\xff\n")

    def test_end_of_a_long_line_is_not_read_before_the_next_line(self) -> None:
        file = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"x" * 10_000_000 + b"\ny\n")))
        lines = BoundedLines(cast(BinaryIO, file), max_bytes=10, max_lines=1)
        with pytest.raises(csv.Error):
            next(lines)
        assert file.tell() == 15
        lines.start_row()
        assert next(lines) == "y\n"
        assert lines.number == 2
