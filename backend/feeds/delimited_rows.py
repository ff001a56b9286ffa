"""Reader of tab-, comma- and semicolon-separated tables, in which a broken row does not affect the others."""

import csv
from collections import Counter, deque
from collections.abc import Iterator
from typing import BinaryIO

from backend.core.bounded_lines import BoundedLines
from backend.feeds.cells import is_utf_8
from backend.feeds.raw_rows import MAX_COLUMN_NAME, MAX_COLUMNS, MAX_ROW, FeedUnreadable, RawRow

# Google accepts these in several columns of one feed.
REPEATABLE_COLUMNS = {"additional_image_link", "product_detail", "product_type"}
# Lines that the quoted cells of one row can span. An unclosed quotation mark would take the whole feed.
MAX_ROW_LINES = 2000
# A broken row is read again without the lines that its quoted cell took. All rows together may read this
# many bytes again, and this many times the bytes read, so that the time stays linear.
MAX_REREAD_BYTES = 20_000_000
MAX_REREAD_RATIO = 4


class _Lines(BoundedLines):
    """The lines of a table. Those of a broken row can be put back and are then read again."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, max_bytes=MAX_ROW, max_lines=MAX_ROW_LINES, errors="surrogateescape")
        self._waiting: deque[bytes] = deque()
        self._bytes_put_back = 0

    def read_header(self) -> str:
        """Return the first line.

        Raises:
            FeedUnreadable: it is too long or not UTF-8.
        """
        try:
            header = next(self, "")
        except csv.Error as error:
            raise FeedUnreadable(f"the header (line 1) is longer than {MAX_ROW:,} bytes") from error
        if not is_utf_8(header):
            raise FeedUnreadable("the header (line 1) is not UTF-8; save the feed as UTF-8")
        return header

    def put_back_all_but_first(self) -> bytes:
        """Put back the lines of the row after the first one, which is returned.

        Raises:
            FeedUnreadable: too many lines were read again; the quoting of the feed is broken.
        """
        first, *others = self.row
        self._waiting.extendleft(reversed(others))
        self.number -= len(others)
        del self.row[1:]
        self._bytes_put_back += sum(map(len, others))
        if self._bytes_put_back > MAX_REREAD_BYTES + MAX_REREAD_RATIO * self.bytes_read:
            raise FeedUnreadable(
                f"line {self.number}: too many quotation marks are not closed; "
                "double the quotation marks inside quoted cells"
            )
        return first

    def _next_line(self) -> bytes:
        return self._waiting.popleft() if self._waiting else super()._next_line()


def read_table(file: BinaryIO) -> tuple[list[str], Iterator[RawRow]]:
    """Return the columns of a table and an iterator of its rows.

    Raises:
        FeedUnreadable: the first line is not a header with an "id" column, or is above a limit.
    """
    lines = _Lines(file)
    header = lines.read_header()
    delimiter = max("\t,;", key=header.count)
    try:
        names = next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise FeedUnreadable(f"the header (line 1) cannot be read: {error}") from error
    columns = [_normalize_column(name) for name in names]
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MAX_COLUMNS:
        raise FeedUnreadable(
            f"the header (line 1) has {len(columns):,} columns; the limit is {MAX_COLUMNS:,}"
        )
    if any(len(name) > MAX_COLUMN_NAME for name in columns):
        raise FeedUnreadable(
            f"the header (line 1) has a column name of more than {MAX_COLUMN_NAME:,} characters"
        )
    if "id" not in columns:
        raise FeedUnreadable(
            'this is not a product feed: line 1 is neither XML nor a header with an "id" column '
            f"(its columns: {', '.join(columns)[:200] or 'none'})"
        )
    counts = Counter(columns)
    repeated = sorted(name for name in counts if counts[name] > 1 and name not in REPEATABLE_COLUMNS)
    if repeated:
        raise FeedUnreadable(f"the header (line 1) has columns more than once: {', '.join(repeated)[:200]}")
    return columns, _read_rows(lines, columns, delimiter)


def _normalize_column(name: str) -> str:
    return name.strip().lower().removeprefix("g:").replace(" ", "_")


def _read_rows(lines: _Lines, columns: list[str], delimiter: str) -> Iterator[RawRow]:
    # The limit is global. The default, 131,072 characters, would refuse cells before `MAX_CELL` is checked.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))
    while True:
        lines.start_row()
        values, reason = None, ""
        try:
            values = next(csv.reader(lines, delimiter=delimiter, strict=True), None)
        except csv.Error as error:
            reason = str(error)
        if not lines.row:
            return
        if values is not None and not any(values):
            continue
        values, reason = _fit_or_recover(lines, columns, delimiter, values, reason)
        line = lines.number - len(lines.row) + 1
        if values is None:
            yield RawRow.refuse(line, reason)
        else:
            yield RawRow.from_cells(line, _by_column(columns, values))


def _fit_or_recover(
    lines: _Lines, columns: list[str], delimiter: str, values: list[str] | None, reason: str
) -> tuple[list[str] | None, str]:
    """Return one value per column, or None and the reason.

    If the row could not be read, the lines after its first one are put back. In a tab-separated table,
    the first line is then split without quoting, so that a stray quotation mark is plain text.
    """
    if values is not None:
        values = _drop_empty_cells(values, len(columns))
        if len(values) == len(columns):
            return values, ""
        reason = f"has {len(values)} columns where the header has {len(columns)}"
    line = lines.put_back_all_but_first()
    if lines.is_too_long(line):
        return None, f"is longer than {MAX_ROW:,} bytes"
    if delimiter == "\t":
        text = line.decode("utf-8", "surrogateescape")
        unquoted = _drop_empty_cells(text.rstrip("\r\n").split(delimiter), len(columns))
        if len(unquoted) == len(columns):
            return unquoted, ""
    if values is None:
        reason = f"cannot be read: {reason}"
    return None, reason


def _drop_empty_cells(values: list[str], width: int) -> list[str]:
    """Drop empty cells after the last column, which spreadsheets write."""
    if len(values) > width and not any(values[width:]):
        return values[:width]
    return values


def _by_column(columns: list[str], values: list[str]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for column, value in zip(columns, values, strict=True):
        if column not in cells or not cells[column]:
            cells[column] = value
        elif value and column != "product_type":
            # The other repeatable columns contain lists, which can be joined.
            cells[column] += "," + value
    return cells
