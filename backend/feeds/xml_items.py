"""Streaming reader of XML feeds, one item at a time."""

from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException, DTDForbidden
from defusedxml.ElementTree import DefusedXMLParser
from django.utils.translation import gettext as _

from backend.feeds.google_items import GoogleItems
from backend.feeds.markup import BLOCKS
from backend.feeds.raw_rows import MAX_COLUMN_NAME, MAX_COLUMNS, MAX_ROW, FeedUnreadable, RawRow
from backend.feeds.xml_elements import XmlField, XmlItem, get_local_name
from backend.feeds.yml_offers import YmlOffers

# Bytes before the first item, and between two elements before it that the format reads.
MAX_PREAMBLE = 1_000_000
# Levels of nested elements. Expat allocates memory for every open element.
MAX_DEPTH = 100

_CHUNK = 64 * 1024
_YML_ROOT = "yml_catalog"


class _Parser(DefusedXMLParser):
    """A parser that refuses a DTD, but accepts a reference to one, which it does not load.

    Feeds of Yandex Market begin with `<!DOCTYPE yml_catalog SYSTEM "shops.dtd">`.
    """

    def defused_start_doctype_decl(
        self, name: str, sysid: str | None, pubid: str | None, has_internal_subset: bool
    ) -> None:
        if has_internal_subset or name != _YML_ROOT:
            raise DTDForbidden(name, sysid, pubid)


class _ItemCollector:
    """Parser target that collects finished items.

    Attributes:
        root: local name of the root element.
        has_items: whether any item has begun.
        preamble_start: the position after the last element before the first item that the format reads.
    """

    def __init__(self) -> None:
        self.parser = _Parser(target=self, forbid_dtd=True)
        self.root = ""
        self.format: GoogleItems | YmlOffers = GoogleItems()
        self.has_items = False
        self.preamble_start = 0
        self._finished: list[RawRow] = []
        # Expat and ElementTree keep every name until the end, so their number is limited.
        self._names: set[str] = set()
        self._depth = 0
        # The depth of the open item, or of the open element before the items; 0 if there is none.
        self._item_depth = 0
        self._preamble_depth = 0
        self._size = 0
        self._item = XmlItem(0)
        self._field = XmlField("")
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
            self._refuse_feed(
                _("elements are nested more than %(maximum)s levels deep") % {"maximum": f"{MAX_DEPTH:,}"}
            )
        for name in (tag, *attributes):
            self._check_name(name)
        name = get_local_name(tag)
        if self._depth == 1:
            self.root = name
            if name == _YML_ROOT:
                self.format = YmlOffers()
        if self._item_depth:
            self._size += 2 * len(name) + len("<></>")
            if self._depth == self._item_depth + 1:
                self._start_field(tag, attributes)
            else:
                if self._depth == self._item_depth + 2:
                    self._part_start = len(self._text)
                self._break_line(name)
        elif name in self.format.items:
            self.has_items = True
            self._item_depth = self._depth
            self._size = 0
            self._item = XmlItem(self.expat.CurrentLineNumber, self._keep(attributes))
        elif name in self.format.preamble_elements and not self.has_items and not self._preamble_depth:
            self._preamble_depth = self._depth
            self._size = 0
            self._start_field(tag, attributes)

    def data(self, text: str) -> None:
        if self._item_depth or self._preamble_depth:
            self._append(text)

    def end(self, tag: str) -> None:
        name = get_local_name(tag)
        if self._depth == self._preamble_depth:
            self._end_preamble_element()
        elif self._depth == self._item_depth:
            self._item_depth = 0
            self._finished.append(
                self.format.to_row(self._item)
                if self._size <= MAX_ROW
                else RawRow.refuse(
                    self._item.line, _("is longer than %(maximum)s characters") % {"maximum": f"{MAX_ROW:,}"}
                )
            )
            self._item = XmlItem(0)
        elif self._item_depth and self._size <= MAX_ROW:
            if self._depth == self._item_depth + 1:
                self._field.text = "".join(self._text)
                self._item.fields.append(self._field)
            else:
                if self._depth == self._item_depth + 2 and name in self.format.parts:
                    self._field.parts[name] = "".join(self._text[self._part_start :])
                self._break_line(name)
        self._depth -= 1

    def _start_field(self, tag: str, attributes: dict[str, str]) -> None:
        self._text = []
        self._field = XmlField(tag, self._keep(attributes))

    def _end_preamble_element(self) -> None:
        self._preamble_depth = 0
        self.preamble_start = self.expat.CurrentByteIndex
        if self._size > MAX_ROW:
            self._refuse_feed(
                _("<%(name)s> is longer than %(maximum)s characters")
                % {"name": self._field.name, "maximum": f"{MAX_ROW:,}"}
            )
        self._field.text = "".join(self._text)
        self.format.add_preamble_element(self._field)

    def _keep(self, attributes: dict[str, str]) -> dict[str, str]:
        """Return the attributes that the format reads, and count their size."""
        kept = {name: value for name, value in attributes.items() if name in self.format.attributes}
        self._size += sum(map(len, kept.values()))
        return kept if self._size <= MAX_ROW else {}

    def close(self) -> None:
        """Do nothing. The parser requires the method."""

    def _refuse_feed(self, reason: str) -> None:
        raise FeedUnreadable(
            _("line %(line)s: %(reason)s") % {"line": self.expat.CurrentLineNumber, "reason": reason}
        )

    def _check_name(self, name: str) -> None:
        if name in self._names:
            return
        self._names.add(name)
        if len(self._names) > MAX_COLUMNS:
            self._refuse_feed(
                _("elements and attributes have more than %(maximum)s different names")
                % {"maximum": f"{MAX_COLUMNS:,}"}
            )
        if len(name) > MAX_COLUMN_NAME:
            self._refuse_feed(
                _("a name with its namespace has more than %(maximum)s characters")
                % {"maximum": f"{MAX_COLUMN_NAME:,}"}
            )

    def _append(self, text: str) -> None:
        self._size += len(text)
        if self._size <= MAX_ROW:
            self._text.append(text)

    def _break_line(self, name: str) -> None:
        if name in BLOCKS and self._text and not self._text[-1].endswith("\n"):
            self._text.append("\n")


def read_items(file: BinaryIO) -> Iterator[RawRow]:
    """Yield the items of an RSS or Atom feed, or the offers of a YML feed.

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
    if not collector.has_items and collector.root not in collector.format.roots:
        raise FeedUnreadable(
            _("this is not a product feed: the root element is <%(name)s>") % {"name": collector.root}
        )


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
        return FeedUnreadable(
            _("the XML has a DTD or entities, which are not accepted: %(error)s") % {"error": error}
        )
    except ParseError as error:
        return FeedUnreadable(_("the XML is not well-formed: %(error)s") % {"error": error})
    return None


def _check_position(collector: _ItemCollector, size: int) -> FeedUnreadable | None:
    """Return an error if the parser waits for the end of a tag or comment, or for an item, for too long.

    Expat buffers an unfinished tag, comment or declaration as a whole, but passes text on in pieces.

    Args:
        size: the bytes parsed so far.
    """
    if size - collector.expat.CurrentByteIndex > MAX_ROW:
        return FeedUnreadable(
            _("line %(line)s: a tag, comment or declaration is longer than %(maximum)s bytes")
            % {"line": collector.expat.CurrentLineNumber, "maximum": f"{MAX_ROW:,}"}
        )
    if not collector.has_items and size - collector.preamble_start > MAX_PREAMBLE:
        names = ", ".join(f"<{name}>" for name in sorted(collector.format.items, reverse=True))
        return FeedUnreadable(
            _("none of these elements begins in the first %(maximum)s bytes: %(names)s")
            % {"maximum": f"{MAX_PREAMBLE:,}", "names": names}
        )
    return None
