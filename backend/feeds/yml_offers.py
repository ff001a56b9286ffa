"""Offers of Yandex Market feeds (YML).

https://yandex.ru/support/marketplace/assortment/fields/index.html
"""

from django.utils.translation import gettext as _

from backend.catalog.labels import parse_label
from backend.core.text import clean_line
from backend.feeds.cells import COLUMNS, format_details, format_list, join_path
from backend.feeds.markup import decode_field, decode_references
from backend.feeds.raw_rows import FeedUnreadable, RawRow
from backend.feeds.xml_elements import XmlField, XmlItem

# Categories are kept in memory, because offers refer to them by id.
MAX_CATEGORIES = 50_000
MAX_CATEGORY_CHARACTERS = 4_000_000

# Columns by element. Those of one column are alternatives, of which the first one with text counts.
_COLUMNS = {
    "name": "title",
    "title": "title",
    "description": "description",
    "url": "link",
    "price": "price",
    "oldprice": "oldprice",
    "vendor": "brand",
    "vendorCode": "mpn",
    "barcode": "gtin",
    "available": "availability",
    "count": "quantity",
    "stock_quantity": "quantity",
    "quantity_in_stock": "quantity",
}
_READ_ELEMENTS = {
    *_COLUMNS,
    "typePrefix",
    "model",
    "currencyId",
    "categoryId",
    "picture",
    "param",
    "disabled",
}
_TRUE = {"true", "1", "yes"}


class YmlOffers:
    """The format of Yandex Market for the XML parser."""

    items = frozenset({"offer"})
    roots = frozenset({"yml_catalog"})
    preamble_elements = frozenset({"category"})
    attributes = frozenset({"id", "parentId", "available", "disabled", "name", "unit"})
    parts: frozenset[str] = frozenset()

    def __init__(self) -> None:
        # Name and parent's id by id.
        self._categories: dict[str, tuple[str, str]] = {}
        self._category_characters = 0

    def add_preamble_element(self, element: XmlField) -> None:
        """Remember a category.

        Raises:
            FeedUnreadable: there are too many.
        """
        category, parent = (element.attributes.get(name, "").strip() for name in ("id", "parentId"))
        name = clean_line(decode_references(element.text))
        if not category:
            return
        self._categories[category] = (name, parent)
        self._category_characters += len(category) + len(parent) + len(name)
        if len(self._categories) > MAX_CATEGORIES:
            raise FeedUnreadable(
                _("the feed has more than %(maximum)s categories") % {"maximum": f"{MAX_CATEGORIES:,}"}
            )
        if self._category_characters > MAX_CATEGORY_CHARACTERS:
            raise FeedUnreadable(
                _("the categories have more than %(maximum)s characters altogether")
                % {"maximum": f"{MAX_CATEGORY_CHARACTERS:,}"}
            )

    def to_row(self, item: XmlItem) -> RawRow:
        """Convert an offer to a row with the columns of Google Merchant Center."""
        texts: dict[str, list[str]] = {}
        for element in item.fields:
            texts.setdefault(element.name, []).append(decode_field(element.name, element.text).strip())
        first = {name: next(filter(None, values), "") for name, values in texts.items()}
        cells = {name: "" for name in first if name not in _READ_ELEMENTS and name not in COLUMNS}
        for name, column in _COLUMNS.items():
            if name in first and not cells.get(column):
                cells[column] = first[name]
        for attribute, column in (("id", "id"), ("available", "availability")):
            if attribute in item.attributes:
                cells[column] = decode_references(item.attributes[attribute])
        if not cells.get("title"):
            title = " ".join(filter(None, (first.get(part) for part in ("typePrefix", "vendor", "model"))))
            if title or "model" in first:
                cells["title"] = title
        if "price" in cells:
            currency = first.get("currencyId", "")
            cells["price"] = f"{cells['price']} {currency}" if cells["price"] else ""
            # Without an old price, the product is not on sale.
            old_price = cells.get("oldprice", "")
            cells["oldprice"] = f"{old_price} {currency}" if old_price else ""
        disabled = first.get("disabled", item.attributes.get("disabled", ""))
        if disabled:
            cells["status"] = "archived" if disabled.strip().lower() in _TRUE else "active"
        if "picture" in texts:
            pictures = list(filter(None, texts["picture"]))
            cells["image_link"] = pictures[0] if pictures else ""
            cells["additional_image_link"] = format_list(pictures[1:])
        unreadable = {}
        if "param" in texts:
            details = [_read_detail(element) for element in item.fields if element.name == "param"]
            cells["product_detail"] = format_details([detail for detail in details if detail[0]])
            if not all(name for name, _, _ in details):
                unreadable["product_detail"] = _("a <param> without a name is ignored")
        if "categoryId" in first:
            path = self._find_path(first["categoryId"])
            if path is None:
                unreadable["product_type"] = _("%(value)r is not the id of a <category> above the offers") % {
                    "value": first["categoryId"][:40]
                }
            else:
                cells["product_type"] = join_path(path)
        row = RawRow.from_cells(item.line, cells)
        row.unreadable.update(unreadable)
        return row

    def _find_path(self, category: str) -> list[str] | None:
        """Return the names from the root to a category, or None if one is missing or its own ancestor."""
        path: list[str] = []
        seen = set()
        while category not in ("", "0"):
            if category not in self._categories or category in seen:
                return None
            seen.add(category)
            name, category = self._categories[category]
            path.append(name)
        return path[::-1]


def _read_detail(element: XmlField) -> tuple[str, str, str]:
    name = clean_line(decode_references(element.attributes.get("name", "")))
    unit = clean_line(decode_references(element.attributes.get("unit", "")))
    if not unit:
        name, unit = parse_label(name)
    return name, unit, decode_references(element.text).strip()
