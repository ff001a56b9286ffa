"""Items of RSS 2.0 and Atom feeds with the elements of Google Merchant Center."""

from backend.feeds.cells import format_list
from backend.feeds.markup import decode_field, decode_references
from backend.feeds.raw_rows import RawRow
from backend.feeds.xml_elements import XmlField, XmlItem

_DETAIL_PARTS = ("section_name", "attribute_name", "attribute_value")
_LISTS = {"additional_image_link", "product_detail"}
# RSS names of Atom elements.
_SYNONYMS = {"summary": "description", "content": "description"}


class GoogleItems:
    """The format of Google Merchant Center for the XML parser."""

    items = frozenset({"item", "entry"})
    roots = frozenset({"rss", "feed", "RDF"})
    preamble_elements: frozenset[str] = frozenset()
    attributes = frozenset({"href", "rel"})
    parts = frozenset(_DETAIL_PARTS)

    def add_preamble_element(self, element: XmlField) -> None:
        """Do nothing. The format has no `preamble_elements`."""

    def to_row(self, item: XmlItem) -> RawRow:
        """Convert an item to a row.

        If elements of several namespaces have the same name, such as id, Google's take precedence, then
        those of RSS and Atom. Empty elements count only if there are no others.
        """
        fields: dict[str, dict[int, list[str]]] = {}
        for element in item.fields:
            name = _SYNONYMS.get(element.name, element.name) if element.is_atom else element.name
            rank = 0 if element.is_google else 1 if element.is_own else 2
            fields.setdefault(name, {}).setdefault(rank, []).append(_read_text(name, element))
        cells = {}
        for name, ranked in fields.items():
            values = next(
                (filled for rank in sorted(ranked) if (filled := list(filter(str.strip, ranked[rank])))), [""]
            )
            cells[name] = ",".join(values) if name in _LISTS else values[0]
        return RawRow.from_cells(item.line, cells)


def _read_text(name: str, element: XmlField) -> str:
    if name == "product_detail" and element.parts:
        parts = [decode_references(element.parts.get(part, "")).strip() for part in _DETAIL_PARTS]
        # Quotes preserve commas and colons in the parts.
        return ":".join('"' + part.replace('"', '""') + '"' for part in parts)
    text = decode_field(name, element.text)
    if element.is_atom and name == "link":
        is_page = element.attributes.get("rel", "alternate") == "alternate"
        return decode_references(element.attributes.get("href", "")) + text if is_page else text
    if name in ("additional_image_link", "product_type"):
        return format_list([text.strip()]) if text.strip() else ""
    return text
