"""Reader of delimited tables, in which a broken row does not affect the others."""

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from django.utils.translation import gettext as _

from backend.core.bounded_lines import BoundedLines
from backend.core.text import clean_line
from backend.feeds.cells import COLUMNS, is_utf_8
from backend.feeds.markup import decode_field
from backend.feeds.raw_rows import MAX_COLUMN_NAME, MAX_COLUMNS, MAX_ROW, FeedUnreadable, RawRow

# Google accepts these in several columns of one feed.
REPEATABLE_COLUMNS = {"additional_image_link", "product_detail", "product_type"}
# Lines in which the header is searched. Templates and exports have comments above it.
MAX_HEADER_LINE = 10
_DELIMITERS = "\t,;|"
# Excel's hint, which is not a row.
_SEPARATOR_HINT = re.compile(r'"?sep=([\t,;|])"?', re.IGNORECASE)
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

    def read_header_line(self) -> str:
        """Return the next line, or "" at the end of the file.

        Raises:
            FeedUnreadable: it is too long or not UTF-8.
        """
        self.start_row()
        try:
            line = next(self, "")
        except csv.Error as error:
            raise FeedUnreadable(
                _("the header (line %(line)s) is longer than %(maximum)s bytes")
                % {"line": self.number, "maximum": f"{MAX_ROW:,}"}
            ) from error
        if not is_utf_8(line):
            raise FeedUnreadable(
                _("the header (line %(line)s) is not UTF-8; save the feed as UTF-8") % {"line": self.number}
            )
        return line

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
                _(
                    "line %(line)s: too many quotation marks are not closed; double the quotation marks "
                    "inside quoted cells"
                )
                % {"line": self.number}
            )
        return first

    def _read_next_line(self) -> bytes:
        return self._waiting.popleft() if self._waiting else super()._read_next_line()


def read_table(file: BinaryIO) -> tuple[list[str], Iterator[RawRow]]:
    """Return the columns of a table and an iterator of its rows.

    Raises:
        FeedUnreadable: none of the first `MAX_HEADER_LINE` lines is a header with an "id" column, or the
            header is above a limit or has a supported column more than once.
    """
    lines = _Lines(file)
    columns, delimiter = _find_header(lines)
    header_line = lines.number
    while not columns[-1]:
        columns.pop()
    if len(columns) > MAX_COLUMNS:
        raise FeedUnreadable(
            _("the header (line %(line)s) has %(count)s columns; the limit is %(maximum)s")
            % {"line": header_line, "count": f"{len(columns):,}", "maximum": f"{MAX_COLUMNS:,}"}
        )
    if any(len(name) > MAX_COLUMN_NAME for name in columns):
        raise FeedUnreadable(
            _("the header (line %(line)s) has a column name of more than %(maximum)s characters")
            % {"line": header_line, "maximum": f"{MAX_COLUMN_NAME:,}"}
        )
    counts = Counter(name for name in columns if name in COLUMNS and name not in REPEATABLE_COLUMNS)
    repeated = sorted(name for name in counts if counts[name] > 1)
    if repeated:
        raise FeedUnreadable(
            _("the header (line %(line)s) has columns more than once: %(names)s")
            % {"line": header_line, "names": ", ".join(repeated)}
        )
    return columns, _read_rows(lines, columns, delimiter)


def _find_header(lines: _Lines) -> tuple[list[str], str]:
    """Return the columns and the delimiter of the first line with an "id" column."""
    hint, reason = "", ""
    while lines.number < MAX_HEADER_LINE and (line := lines.read_header_line()):
        separator = _SEPARATOR_HINT.fullmatch(line.rstrip("\r\n"))
        if separator:
            hint = separator[1]
            continue
        for delimiter in dict.fromkeys([hint or _find_most_frequent(line), _find_most_frequent(line)]):
            lines.put_back_all_but_first()
            try:
                # Quoted cells of the header, and of comments above it, can span lines.
                names = next(csv.reader(chain([line], lines), delimiter=delimiter, strict=True), [])
            except csv.Error as error:
                lines.put_back_all_but_first()
                reason = reason or _("the header (line %(line)s) cannot be read: %(error)s") % {
                    "line": lines.number,
                    "error": error,
                }
                continue
            if not all(map(is_utf_8, names)):
                raise FeedUnreadable(
                    _("the header (line %(line)s) is not UTF-8; save the feed as UTF-8")
                    % {"line": lines.number}
                )
            columns = [_normalize_column(name) for name in names]
            if "id" in columns:
                return columns, delimiter
            if any(columns):
                reason = reason or (
                    _(
                        "this is not a product feed: line %(line)s is neither XML nor a header with an "
                        '"id" column (its columns: %(columns)s)'
                    )
                    % {"line": lines.number, "columns": ", ".join(columns)[:200]}
                )
    raise FeedUnreadable(reason or _('this is not a product feed: no line is a header with an "id" column'))


def _find_most_frequent(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _normalize_column(name: str) -> str:
    return clean_line(name).lower().removeprefix("g:").replace(" ", "_")


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
            yield RawRow.from_cells(line, _group_by_column(columns, values))


def _fit_or_recover(
    lines: _Lines, columns: list[str], delimiter: str, values: list[str] | None, reason: str
) -> tuple[list[str] | None, str]:
    """Return one value per column, or None and the reason. A short row is padded with empty cells.

    If the row could not be read, the lines after its first one are put back. In a tab-separated table,
    the first line is then split without quoting, so that a stray quotation mark is plain text.
    """
    if values is not None:
        values = _drop_empty_cells(values, len(columns))
        missing = len(columns) - len(values)
        if missing == 0 or (missing > 0 and not _contains_rows(values, columns, delimiter)):
            return values + [""] * missing, ""
        reason = _("has %(count)s columns where the header has %(expected)s") % {
            "count": len(values),
            "expected": len(columns),
        }
    line = lines.put_back_all_but_first()
    if lines.is_too_long(line):
        return None, _("is longer than %(maximum)s bytes") % {"maximum": f"{MAX_ROW:,}"}
    if delimiter == "\t":
        text = line.decode("utf-8", "surrogateescape")
        unquoted = _drop_empty_cells(text.rstrip("\r\n").split(delimiter), len(columns))
        missing = len(columns) - len(unquoted)
        if missing == 0 or (missing > 0 and not any(map(_is_unclosed, unquoted))):
            return unquoted + [""] * missing, ""
    if values is None:
        reason = _("cannot be read: %(reason)s") % {"reason": reason}
    return None, reason


def _contains_rows(values: list[str], columns: list[str], delimiter: str) -> bool:
    """Return whether a cell of a short row seems to contain other rows, after a stray quotation mark."""
    required = max(columns.index(name) for name in ("id", "title", "price") if name in columns)
    return any(
        line.count(delimiter) >= max(required, 1) for value in values for line in value.split("\n")[1:]
    )


def _is_unclosed(cell: str) -> bool:
    """Return whether a cell begins with a quotation mark and does not end with another one."""
    return cell.startswith('"') and cell.count('"') % 2 == 1


def _drop_empty_cells(values: list[str], width: int) -> list[str]:
    """Drop empty cells after the last column, which spreadsheets write."""
    if len(values) > width and not any(values[width:]):
        return values[:width]
    return values


def _group_by_column(columns: list[str], values: list[str]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for column, value in zip(columns, values, strict=True):
        if column not in COLUMNS:
            continue
        text = decode_field(column, value)
        if column not in cells or not cells[column]:
            cells[column] = text
        elif text and column != "product_type":
            # The other repeatable columns contain lists, which can be joined.
            cells[column] += "," + text
    return cells
