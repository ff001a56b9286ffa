"""Elements of an XML feed as the parser passes them to the format of the feed."""

import re
from dataclasses import dataclass, field

_ATOM = "{http://www.w3.org/2005/Atom}"
# Feeds spell the namespace with https, with a slash at its end, and with other version numbers.
_GOOGLE = re.compile(r"\{\s*(?:https?:)?//(?:www\.)?base\.google\.com(?:/[^}]*)?\}", re.IGNORECASE)
# RSS 1.0 has a namespace of its own.
_OWN = ("{http://purl.org/rss/1.0/}", _ATOM)


@dataclass(slots=True)
class XmlField:
    """A child element of an item.

    Attributes:
        tag: the name, with its namespace in braces.
        attributes: those that the format reads.
        text: all text inside, regardless of markup.
        parts: texts of the child elements that the format reads.
    """

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name without the namespace."""
        return get_local_name(self.tag)

    @property
    def is_google(self) -> bool:
        return _GOOGLE.match(self.tag) is not None

    @property
    def is_atom(self) -> bool:
        return self.tag.startswith(_ATOM)

    @property
    def is_own(self) -> bool:
        """True for elements of RSS and Atom, as opposed to extensions such as Media RSS."""
        return not self.tag.startswith("{") or self.tag.startswith(_OWN)


@dataclass(slots=True)
class XmlItem:
    """An item, entry or offer.

    Attributes:
        line: the line at which it begins.
        attributes: those that the format reads.
    """

    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    fields: list[XmlField] = field(default_factory=list)


def get_local_name(tag: str) -> str:
    """Return an element's name without its namespace."""
    return tag.rpartition("}")[2]
