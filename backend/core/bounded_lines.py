"""Reading of delimited files with limits on the size of lines and rows.

`csv.reader` over a text file reads a whole line, and all lines of a quoted cell, into memory. A few megabytes
of gzip can unpack to a line of gigabytes.
"""

import csv
from collections.abc import Iterator
from typing import BinaryIO

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DISCARD_BYTES = 64 * 1024


class BoundedLines:
    """The lines of a UTF-8 file as an iterator for `csv.reader`, which fails with `csv.Error` above a limit.

    Call `start_row` before each row. Reading can continue after an error.

    Attributes:
        number: the number of the last line returned.
        row: the lines returned since `start_row`. Of a line that is too long, only the beginning.
        bytes_read: the size of all lines read, without the discarded ends.
    """

    def __init__(self, file: BinaryIO, *, max_bytes: int, max_lines: int, errors: str = "strict") -> None:
        """Read the lines of a file.

        Args:
            max_bytes: limit of a line without its line break, and of a row of several lines with them.
            max_lines: limit of a row.
            errors: the error handler of the decoder, such as "surrogateescape".
        """
        self.number = 0
        self.row: list[bytes] = []
        self.bytes_read = 0
        self._file = file
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._errors = errors
        self._row_bytes = 0
        self._is_truncated = False

    def start_row(self) -> None:
        self.row.clear()
        self._row_bytes = 0

    def is_too_long(self, line: bytes) -> bool:
        return len(line) > self._max_bytes and len(line.rstrip(b"\r\n")) > self._max_bytes

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._read_next_line()
        if not line:
            raise StopIteration
        self.number += 1
        self.row.append(line)
        self._row_bytes += len(line)
        if len(self.row) > 1 and (len(self.row) > self._max_lines or self._row_bytes > self._max_bytes):
            raise csv.Error(
                f"a quoted cell does not end within {self._max_lines:,} lines and {self._max_bytes:,} bytes"
            )
        if self.is_too_long(line):
            raise csv.Error(f"the line is longer than {self._max_bytes:,} bytes")
        return line.decode("utf-8", self._errors)

    def _read_next_line(self) -> bytes:
        if self._is_truncated:
            while (rest := self._file.readline(_DISCARD_BYTES)) and not rest.endswith(b"\n"):
                pass
        # The longest line can have a byte order mark before it and a line break of two bytes after it.
        mark = b"" if self.bytes_read else _BYTE_ORDER_MARK
        line = self._file.readline(len(mark) + self._max_bytes + 2)
        self.bytes_read += len(line)
        line = line.removeprefix(mark)
        self._is_truncated = self.is_too_long(line) and not line.endswith(b"\n")
        return line
