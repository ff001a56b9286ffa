"""Tab-, comma- and semicolon-separated feeds, read so that one bad row costs one row."""

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from backend.feeds.cells import is_utf_8
from backend.feeds.raw_rows import FeedUnreadable, Row, RowRefused

MAX_LINE = 500_000
# Google lets these stand in several columns of one feed.
REPEATABLE = {"additional_image_link", "product_detail", "product_type"}
# A quotation mark that is never closed would otherwise swallow the rest of the feed.
_MAX_RECORD_LINES = 2000


class _Lines:
    """The lines of a file, with their numbers; what a broken record took too much of can be put back."""

    def __init__(self, file: BinaryIO) -> None:
        # Undecodable bytes arrive as lone surrogates, so that the cell that holds them can be named.
        self._file = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="\n")
        self._waiting: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) > _MAX_RECORD_LINES:
            raise csv.Error("a quotation mark is opened and not closed")
        line = self._waiting.popleft() if self._waiting else self._read_line()
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        if len(line) > MAX_LINE:
            raise csv.Error("a line is too long")
        return line

    def _read_line(self) -> str:
        """The next line; of one that is too long, its beginning."""
        line = self._file.readline(MAX_LINE)
        if len(line) == MAX_LINE and not line.endswith("\n"):
            while (rest := self._file.readline(MAX_LINE)) and not rest.endswith("\n"):
                pass
            line += "\n"
        return line

    def put_back_all_but_first(self) -> None:
        self._waiting.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]

    def detach(self) -> None:
        self._file.detach()


def read_table(file: BinaryIO) -> tuple[list[str], Iterator[Row]]:
    """Return the columns of a table and the stream of its rows, with their line numbers.

    Raises:
        FeedUnreadable: the first line is no header with an "id" column.
    """
    lines = _Lines(file)
    try:
        header = next(lines, "")
    except csv.Error as error:
        raise FeedUnreadable("this is no product feed: its first line is too long") from error
    if not is_utf_8(header):
        raise FeedUnreadable("the header (line 1) is not UTF-8; save the feed as UTF-8")
    delimiter = max("\t,;", key=header.count)
    try:
        names = next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise FeedUnreadable(f"the header (line 1) cannot be read: {error}") from error
    columns = [_column(name) for name in names]
    while columns and not columns[-1]:
        columns.pop()
    if "id" not in columns:
        raise FeedUnreadable(
            'this is no product feed: line 1 is neither XML nor a header with an "id" column '
            f"(it has {', '.join(columns)[:200] or 'no columns'})"
        )
    twice = {name for name in columns if columns.count(name) > 1 and name not in REPEATABLE}
    if twice:
        raise FeedUnreadable(f"the header (line 1) has these columns twice: {', '.join(sorted(twice))}")
    return columns, _rows(lines, columns, delimiter)


def _column(name: str) -> str:
    return name.strip().lower().removeprefix("g:").replace(" ", "_")


def _rows(lines: _Lines, columns: list[str], delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    try:
        while True:
            lines.taken.clear()
            values, reason = None, ""
            try:
                values = next(csv.reader(lines, delimiter=delimiter, strict=True), None)
            except csv.Error as error:
                reason = str(error)
            if not lines.taken:
                return
            if values is not None and not any(values):
                continue
            values, reason = _recovered(lines, columns, delimiter, values, reason)
            line = lines.number - len(lines.taken) + 1
            if values is None:
                yield line, {}, RowRefused("", reason)
            else:
                yield line, _by_column(columns, values), None
    finally:
        # The file belongs to whoever opened it and must not be closed with this wrapper.
        lines.detach()


def _recovered(
    lines: _Lines, columns: list[str], delimiter: str, values: list[str] | None, reason: str
) -> tuple[list[str] | None, str]:
    """Return the row's values, or None and why there are none.

    A row that went wrong is read again as its first line alone; in a table parted by tabs without
    any quoting, as which a stray quotation mark is plain text.
    """
    if values is not None:
        values = _fitted(values, len(columns))
        if len(values) == len(columns):
            return values, ""
        reason = f"has {len(values)} columns where the header has {len(columns)}"
    lines.put_back_all_but_first()
    line = lines.taken[0]
    if len(line) > MAX_LINE:
        return None, f"is longer than {MAX_LINE:,} characters"
    if delimiter == "\t":
        plain = _fitted(line.rstrip("\r\n").split(delimiter), len(columns))
        if len(plain) == len(columns):
            return plain, ""
    if values is None:
        reason = f"cannot be read: {reason}"
    return None, reason


def _fitted(values: list[str], width: int) -> list[str]:
    """Drop empty cells behind the last column: spreadsheets write them."""
    if len(values) > width and not any(values[width:]):
        return values[:width]
    return values


def _by_column(columns: list[str], values: list[str]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for column, value in zip(columns, values, strict=True):
        if column not in cells or not cells[column]:
            cells[column] = value
        elif value and column != "product_type":
            # Both hold lists, and a list cell may simply be continued.
            cells[column] += "," + value
    return cells
