"""Reader of RSS 2.0 and Atom feeds, one item at a time."""

from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from backend.feeds.cells import format_list
from backend.feeds.raw_rows import MAX_COLUMN_NAME, MAX_COLUMNS, MAX_ROW, FeedUnreadable, RawRow

# Bytes before the first item.
MAX_PREAMBLE = 1_000_000
# Levels of nested elements. Expat allocates memory for every open element.
MAX_DEPTH = 100

_CHUNK = 64 * 1024
_ATOM = "{http://www.w3.org/2005/Atom}"
_GOOGLE = "{http://base.google.com/"
_LISTS = {"additional_image_link", "product_detail"}
_ITEMS = {"item", "entry"}
# RSS names of Atom elements.
_SYNONYMS = {"summary": "description", "content": "description"}
_DETAIL_PARTS = ("section_name", "attribute_name", "attribute_value")
# XHTML elements that begin a new line.
_BLOCKS = {"p", "div", "br", "ul", "ol", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6"}


class _ItemCollector:
    """Parser target that collects the fields of finished items.

    The value of a field is all text inside it, regardless of markup.

    Attributes:
        root: local name of the root element.
        has_items: whether any item has begun.
    """

    def __init__(self) -> None:
        self.parser = DefusedXMLParser(target=self, forbid_dtd=True)
        self.root = ""
        self.has_items = False
        self._finished: list[RawRow] = []
        # Expat and ElementTree keep every name until the end, so their number is limited.
        self._names: set[str] = set()
        self._depth = 0
        self._item_depth = 0
        self._line = 0
        self._size = 0
        self._fields: dict[str, list[str]] = {}
        self._google: set[str] = set()
        self._parts: dict[str, str] = {}
        self._part_start = 0
        self._text: list[str] = []

    @property
    def expat(self) -> Any:
        return self.parser.parser

    def take_finished(self) -> list[RawRow]:
        """Return the items finished since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def start_ns(self, prefix: str, uri: str) -> None:
        self._check_name(prefix)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse_feed(f"elements are nested more than {MAX_DEPTH:,} levels deep")
        for name in (tag, *attributes):
            self._check_name(name)
        name = _local_name(tag)
        if self._depth == 1:
            self.root = name
        if not self._item_depth:
            if name in _ITEMS:
                self.has_items = True
                self._item_depth = self._depth
                self._line = self.expat.CurrentLineNumber
                self._fields, self._google, self._size = {}, set(), 0
            return
        self._size += 2 * len(name) + len("<></>")
        if self._depth == self._item_depth + 1:
            self._text, self._parts = [], {}
            if tag == f"{_ATOM}link" and attributes.get("rel", "alternate") == "alternate":
                self._append(attributes.get("href", ""))
        else:
            if self._depth == self._item_depth + 2:
                self._part_start = len(self._text)
            self._break_line(name)

    def data(self, text: str) -> None:
        if self._item_depth:
            self._append(text)

    def end(self, tag: str) -> None:
        name = _local_name(tag)
        if self._item_depth == self._depth:
            self._item_depth = 0
            self._finished.append(self._to_row())
        elif self._item_depth and self._size <= MAX_ROW:
            if self._depth == self._item_depth + 1:
                self._end_field(tag, "".join(self._text))
            else:
                if self._depth == self._item_depth + 2 and name in _DETAIL_PARTS:
                    self._parts[name] = "".join(self._text[self._part_start :])
                self._break_line(name)
        self._depth -= 1

    def close(self) -> None:
        """Do nothing. The parser requires the method."""

    def _refuse_feed(self, reason: str) -> None:
        raise FeedUnreadable(f"line {self.expat.CurrentLineNumber}: {reason}")

    def _check_name(self, name: str) -> None:
        if name in self._names:
            return
        self._names.add(name)
        if len(self._names) > MAX_COLUMNS:
            self._refuse_feed(f"elements and attributes have more than {MAX_COLUMNS:,} different names")
        if len(name) > MAX_COLUMN_NAME:
            self._refuse_feed(f"a name with its namespace has more than {MAX_COLUMN_NAME:,} characters")

    def _append(self, text: str) -> None:
        self._size += len(text)
        if self._size <= MAX_ROW:
            self._text.append(text)

    def _break_line(self, name: str) -> None:
        if name in _BLOCKS and self._text and not self._text[-1].endswith("\n"):
            self._text.append("\n")

    def _end_field(self, tag: str, text: str) -> None:
        name = _local_name(tag)
        if tag.startswith(_ATOM):
            name = _SYNONYMS.get(name, name)
        if name == "product_detail" and self._parts:
            parts = [self._parts.get(part, "").strip() for part in _DETAIL_PARTS]
            # Quotes preserve commas and colons in the parts.
            text = ":".join('"' + part.replace('"', '""') + '"' for part in parts)
        elif name in ("additional_image_link", "product_type"):
            text = format_list([text.strip()]) if text.strip() else ""
        # Google's elements take precedence over those of RSS and Atom with the same name, such as id.
        if tag.startswith(_GOOGLE):
            if name not in self._google:
                self._fields.pop(name, None)
            self._google.add(name)
        elif name in self._google:
            return
        self._fields.setdefault(name, []).append(text)

    def _to_row(self) -> RawRow:
        if self._size > MAX_ROW:
            return RawRow.refuse(self._line, f"is longer than {MAX_ROW:,} characters")
        cells = {}
        for name, values in self._fields.items():
            filled = [value for value in values if value.strip()]
            cells[name] = ",".join(filled) if name in _LISTS else (filled or [""])[0]
        return RawRow.from_cells(self._line, cells)


def _local_name(tag: str) -> str:
    return tag.rpartition("}")[2]


def read_items(file: BinaryIO) -> Iterator[RawRow]:
    """Yield the items of an RSS or Atom feed.

    Raises:
        FeedUnreadable: the XML is not well-formed, declares a DTD or entities, is above a limit, or is not
            a feed. Earlier items have been yielded.
    """
    collector = _ItemCollector()
    size = 0
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        error = _parse(collector, chunk) or _check_position(collector, size)
        yield from collector.take_finished()
        if error:
            raise error
    error = _parse(collector, None)
    if error:
        raise error
    if not collector.has_items and collector.root not in ("rss", "feed", "RDF"):
        raise FeedUnreadable(f"this is not a product feed: the root element is <{collector.root}>")


def _parse(collector: _ItemCollector, chunk: bytes | None) -> FeedUnreadable | None:
    """Parse a chunk, or the end of the document if it is None, and return the error, if any."""
    try:
        if chunk is None:
            collector.parser.close()
        else:
            collector.parser.feed(chunk)
    except FeedUnreadable as error:
        return error
    except DefusedXmlException as error:
        return FeedUnreadable(f"the XML has a DTD or entities, which are not accepted: {error}")
    except ParseError as error:
        return FeedUnreadable(f"the XML is not well-formed: {error}")
    return None


def _check_position(collector: _ItemCollector, size: int) -> FeedUnreadable | None:
    """Return an error if the parser waits for the end of a tag or comment, or for an item, for too long.

    Expat buffers an unfinished tag, comment or declaration as a whole, but passes text on in pieces.

    Args:
        size: the bytes parsed so far.
    """
    if size - collector.expat.CurrentByteIndex > MAX_ROW:
        return FeedUnreadable(
            f"line {collector.expat.CurrentLineNumber}: "
            f"a tag, comment or declaration is longer than {MAX_ROW:,} bytes"
        )
    if not collector.has_items and size > MAX_PREAMBLE:
        return FeedUnreadable(f"no <item> or <entry> begins in the first {MAX_PREAMBLE:,} bytes")
    return None
