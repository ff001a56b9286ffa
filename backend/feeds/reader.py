"""A feed file as a stream of raw rows, whatever format it is in."""

import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from backend.feeds import delimited_rows, xml_items
from backend.feeds.raw_rows import FeedUnreadable, RawRow, Row

# What a gzip file begins with.
GZIP_MAGIC = b"\x1f\x8b"
DOUBLE_GZIP = "the feed is compressed twice; decompress it once"


@dataclass(slots=True)
class OpenFeed:
    """A feed being read. `position` bytes of `size` have been taken from the file so far."""

    rows: Generator[RawRow, None, None]
    raw: BinaryIO
    size: int
    # In a table the header says which columns there are; in XML every item says it for itself.
    columns: list[str] = field(default_factory=list)

    @property
    def position(self) -> int:
        return self.raw.tell()


@contextmanager
def open_feed(source: Path | BinaryIO) -> Iterator[OpenFeed]:
    """Open a feed: a table parted by tabs, commas or semicolons, RSS 2.0 or Atom, plain or gzipped.

    The format is found from the content.

    Args:
        source: a path, or a seekable binary file that stays the caller's to close.

    Raises:
        FeedUnreadable: there is no such file, or it is no feed; also while rows are being read.
    """
    if not isinstance(source, Path):
        with _closing_rows(_opened(source)) as feed:
            yield feed
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise FeedUnreadable(f"{source} cannot be read: {error.strerror or error}") from error
    with file, _closing_rows(_opened(file)) as feed:
        yield feed


@contextmanager
def _closing_rows(feed: OpenFeed) -> Iterator[OpenFeed]:
    """Let go of the file while it is still open, even if the feed was not read to its end."""
    try:
        yield feed
    finally:
        feed.rows.close()


def _opened(raw: BinaryIO) -> OpenFeed:
    size = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    packed = raw.read(2) == GZIP_MAGIC
    raw.seek(0)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
    with _reading_errors():
        head = stream.read(4096)
    # Rewinding is cheap here: what gzip unpacks again is these first few kilobytes.
    stream.seek(0)
    if packed and head.startswith(GZIP_MAGIC):
        # Who limits the size of a feed measures it unpacked, once.
        raise FeedUnreadable(DOUBLE_GZIP)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not head[2:].lstrip(b"\0 \r\n").startswith(b"<"):
        raise FeedUnreadable("the feed is in UTF-16; save it as UTF-8")
    if not head.strip():
        raise FeedUnreadable("the feed is empty")
    if head.removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").lstrip(b"\0 \t\r\n").startswith(b"<"):
        return OpenFeed(_guarded(xml_items.read_items(stream)), raw, size)
    with _reading_errors():
        columns, rows = delimited_rows.read_table(stream)
    return OpenFeed(_guarded(rows), raw, size, columns)


def _guarded(rows: Iterator[Row]) -> Generator[RawRow, None, None]:
    with _reading_errors():
        for line, cells, refused in rows:
            yield RawRow(line, cells, refused)


@contextmanager
def _reading_errors() -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FeedUnreadable(f"the gzip file is damaged or cut short: {error}") from error
    except OSError as error:
        raise FeedUnreadable(f"the file cannot be read: {error.strerror or error}") from error
