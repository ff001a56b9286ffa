"""Opening of feed files of any supported format as a stream of raw rows."""

import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backend.feeds.delimited_rows import read_table
from backend.feeds.raw_rows import FeedUnreadable, RawRow
from backend.feeds.recoding import detect_utf_16, ends_lines_with_carriage_returns, recode
from backend.feeds.xml_items import read_items

GZIP_MAGIC = b"\x1f\x8b"
DOUBLE_GZIP = gettext_lazy("the feed is compressed twice; decompress it once")

_HEAD_BYTES = 64 * 1024


@dataclass(slots=True)
class OpenFeed:
    """A feed that is being read.

    Attributes:
        raw: the file, compressed or not.
        size: the size of the file in bytes.
        columns: the columns of a table; empty for XML, in which every item has its own.
    """

    rows: Generator[RawRow, None, None]
    raw: BinaryIO
    size: int
    columns: list[str] = field(default_factory=list)

    @property
    def position(self) -> int:
        """The number of bytes read from the file so far."""
        return self.raw.tell()


@contextmanager
def open_feed(source: Path | BinaryIO) -> Iterator[OpenFeed]:
    """Open a feed: a table, RSS 2.0, Atom or Yandex YML, plain or gzipped.

    A table is separated by tabs, commas, semicolons or vertical bars, and encoded in UTF-8 or UTF-16. The
    format is detected from the content. Memory use does not depend on the size of the file.

    Args:
        source: a path, or a seekable binary file, which the caller closes.

    Raises:
        FeedUnreadable: the file does not exist or is not a feed. Iterating over the rows raises it too.
    """
    if not isinstance(source, Path):
        with _close_rows(_open(source)) as feed:
            yield feed
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise FeedUnreadable(
            _("%(name)s cannot be read: %(error)s") % {"name": source, "error": error.strerror or error}
        ) from error
    with file, _close_rows(_open(file)) as feed:
        yield feed


@contextmanager
def _close_rows(feed: OpenFeed) -> Iterator[OpenFeed]:
    """Close the row generator before the file, even if not all rows were read."""
    try:
        yield feed
    finally:
        feed.rows.close()


def _open(raw: BinaryIO) -> OpenFeed:
    size = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    is_gzip = raw.read(2) == GZIP_MAGIC
    raw.seek(0)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_gzip else raw
    with _translate_errors():
        head = stream.read(_HEAD_BYTES)
    # Rewinding a gzip file decompresses only the head again.
    stream.seek(0)
    if is_gzip and head.startswith(GZIP_MAGIC):
        # Limits apply to the content of one decompression.
        raise FeedUnreadable(DOUBLE_GZIP)
    if not head.strip():
        raise FeedUnreadable(
            _("the feed is empty")
            if len(head) < _HEAD_BYTES
            else _("the feed begins with %(size)s bytes of white space") % {"size": f"{_HEAD_BYTES:,}"}
        )
    if head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\0\xff\xfe \t\r\n").startswith(b"<"):
        # The XML parser decodes UTF-16 itself.
        return OpenFeed(_translate_row_errors(read_items(stream)), raw, size)
    codec = detect_utf_16(head)
    start = head.decode(codec, "ignore").encode() if codec else head
    convert = ends_lines_with_carriage_returns(start)
    if codec or convert:
        stream = recode(stream, codec, convert_carriage_returns=convert)
    with _translate_errors():
        columns, rows = read_table(stream)
    return OpenFeed(_translate_row_errors(rows), raw, size, columns)


def _translate_row_errors(rows: Iterator[RawRow]) -> Generator[RawRow, None, None]:
    with _translate_errors():
        yield from rows


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise errors of the file and of decompression as FeedUnreadable."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FeedUnreadable(
            _("the gzip file is damaged or truncated: %(error)s") % {"error": error}
        ) from error
    except OSError as error:
        raise FeedUnreadable(
            _("the file cannot be read: %(error)s") % {"error": error.strerror or error}
        ) from error
