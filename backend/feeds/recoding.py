"""Conversion of a byte stream to UTF-8 with line feeds, in bounded memory."""

import codecs
import io
import re
from typing import BinaryIO, cast

_CHUNK = 64 * 1024
_QUOTED = re.compile(rb'"[^"]*"')


def detect_utf_16(head: bytes) -> str:
    """Return the codec of a text in UTF-16, or "" for another encoding.

    Without a byte order mark, the text must begin with two ASCII characters, as column names do.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return {"x0x0": "utf-16-le", "0x0x": "utf-16-be"}.get(_describe_zeros(head[:4]), "")


def _describe_zeros(data: bytes) -> str:
    return "".join("x" if byte else "0" for byte in data)


def ends_lines_with_carriage_returns(head: bytes) -> bool:
    """Return whether the first line of a text, apart from quoted cells, ends with a carriage return."""
    head = _QUOTED.sub(b"", head).lstrip(b"\r\n")
    line_break = re.search(rb"\r\n?|\n", head)
    # At the end of the head, a line feed can follow.
    return line_break is not None and line_break[0] == b"\r" and line_break.end() < len(head)


class _RecodedStream(io.RawIOBase):
    def __init__(self, file: BinaryIO, codec: str, *, convert_carriage_returns: bool) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(codec)("surrogatepass") if codec else None
        self._convert = convert_carriage_returns
        self._waiting = b""
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        while not self._waiting and not self._is_at_end:
            self._waiting = self._read_chunk()
        piece, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def _read_chunk(self) -> bytes:
        chunk = self._file.read(_CHUNK)
        self._is_at_end = not chunk
        if self._decoder:
            # Lone surrogates become bytes that are not valid UTF-8. The reader refuses only their rows.
            text = self._decoder.decode(chunk)
            unfinished = self._decoder.getstate()[0] if self._is_at_end else b""
            # Some programs end a UTF-16 file with a line feed of one byte.
            chunk = text.encode("utf-8", "surrogatepass") + (b"\xff" if unfinished.strip(b"\r\n\0") else b"")
        return chunk.replace(b"\r", b"\n") if self._convert else chunk


def recode(file: BinaryIO, codec: str = "", *, convert_carriage_returns: bool = False) -> BinaryIO:
    """Return a stream with the text of a file in UTF-8.

    Args:
        codec: the codec of the file; "" for UTF-8, which is passed on unchanged.
        convert_carriage_returns: whether carriage returns become line feeds.
    """
    stream = _RecodedStream(file, codec, convert_carriage_returns=convert_carriage_returns)
    return cast(BinaryIO, io.BufferedReader(stream, _CHUNK))
