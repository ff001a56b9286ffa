"""RSS 2.0 and Atom feeds, read item by item in constant memory."""

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from backend.feeds.cells import format_list
from backend.feeds.raw_rows import FeedUnreadable, Row, RowRefused

_CHUNK = 64 * 1024
MAX_ITEM = 500_000
_ATOM = "{http://www.w3.org/2005/Atom}"
_GOOGLE = "{http://base.google.com/"
_LISTS = {"additional_image_link", "product_detail"}
_ITEMS = {"item", "entry"}
# Atom's own elements under the names that RSS has for them.
_SYNONYMS = {"summary": "description", "content": "description"}
_PARTS = ("section_name", "attribute_name", "attribute_value")
# Elements of XHTML that stand on lines of their own.
_BLOCKS = {"p", "div", "br", "ul", "ol", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6"}


class _Target:
    """What the parser calls; collects finished items, and of every item no more than its texts.

    A field's text is all that stands in it, whatever markup parts it.
    """

    def __init__(self) -> None:
        self.parser: DefusedXMLParser | None = None
        self.finished: list[Row] = []
        self.root = ""
        self._depth = 0
        self._item_depth = 0
        self._line = 0
        self._fields: dict[str, list[str]] = {}
        self._google: set[str] = set()
        self._parts: dict[str, str] = {}
        self._part_start = 0
        self._text: list[str] = []
        self._length = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        name = _local(tag)
        if self._depth == 1:
            self.root = name
        if not self._item_depth:
            if name in _ITEMS:
                self._item_depth = self._depth
                self._line = self.parser.parser.CurrentLineNumber if self.parser else 0
                self._fields, self._google, self._length = {}, set(), 0
        elif self._depth == self._item_depth + 1:
            self._text, self._parts = [], {}
            if tag == f"{_ATOM}link" and attributes.get("rel", "alternate") == "alternate":
                self._text = [attributes.get("href", "")]
        else:
            if self._depth == self._item_depth + 2:
                self._part_start = len(self._text)
            self._break_line(name)

    def data(self, text: str) -> None:
        self._length += len(text)
        if self._item_depth and self._length <= MAX_ITEM:
            self._text.append(text)

    def end(self, tag: str) -> None:
        name = _local(tag)
        if self._item_depth == self._depth:
            self._item_depth = 0
            self.finished.append(self._row())
        elif self._item_depth and self._depth == self._item_depth + 1:
            self._end_field(tag, "".join(self._text))
        elif self._item_depth:
            if self._depth == self._item_depth + 2 and name in _PARTS:
                self._parts[name] = "".join(self._text[self._part_start :])
            self._break_line(name)
        self._depth -= 1

    def _break_line(self, name: str) -> None:
        if name in _BLOCKS and self._text and not self._text[-1].endswith("\n"):
            self._text.append("\n")

    def close(self) -> None:
        """Called by the parser at the end of the document."""

    def _end_field(self, tag: str, text: str) -> None:
        name = _local(tag)
        if tag.startswith(_ATOM):
            name = _SYNONYMS.get(name, name)
        if name == "product_detail" and self._parts:
            parts = [self._parts.get(part, "").strip() for part in _PARTS]
            # Always quoted, so that a name or value with colons and commas stays what it is.
            text = ":".join('"' + part.replace('"', '""') + '"' for part in parts)
        elif name in ("additional_image_link", "product_type"):
            text = format_list([text.strip()]) if text.strip() else ""
        # Google's element counts where the feed's own format has one of the same name, such as id.
        if tag.startswith(_GOOGLE):
            if name not in self._google:
                self._fields.pop(name, None)
            self._google.add(name)
        elif name in self._google:
            return
        self._fields.setdefault(name, []).append(text)

    def _row(self) -> Row:
        if self._length > MAX_ITEM:
            return self._line, {}, RowRefused("", f"is longer than {MAX_ITEM:,} characters")
        cells = {}
        for name, values in self._fields.items():
            filled = [value for value in values if value.strip()]
            cells[name] = ",".join(filled) if name in _LISTS else (filled or [""])[0]
        return self._line, cells, None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def read_items(file: BinaryIO) -> Iterator[Row]:
    """Yield the items of an RSS or Atom feed with the lines they begin at.

    Raises:
        FeedUnreadable: the XML is broken (what came before has been yielded), declares a DTD or
            entities, or is no feed.
    """
    target = _Target()
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.parser = parser
    any_item = False
    try:
        while chunk := file.read(_CHUNK):
            parser.feed(chunk)
            any_item = any_item or bool(target.finished)
            yield from target.finished
            target.finished.clear()
        parser.close()
    except DefusedXmlException as error:
        raise FeedUnreadable(f"the XML has a DTD or entities, which are not accepted: {error}") from error
    except ParseError as error:
        yield from target.finished
        raise FeedUnreadable(f"the XML is broken: {error}") from error
    if not any_item and target.root not in ("rss", "feed", "RDF"):
        raise FeedUnreadable(f"this is no product feed: the root element is <{target.root}>")
