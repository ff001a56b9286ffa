"""Formats of feed cells: lists, product details, labels with units, and category paths.

Every `format_…` function writes what the matching `parse_…` function reads.
"""

import re

from django.utils.translation import gettext as _

from backend.catalog.labels import format_label, parse_label
from backend.core.text import clean_line

# Characteristic names by feed column, in the display order of a product.
ATTRIBUTES = {
    "brand": "Brand",
    "gtin": "GTIN",
    "mpn": "MPN",
    "condition": "Condition",
    "color": "Color",
    "material": "Material",
    "pattern": "Pattern",
    "size": "Size",
    "size_type": "Size type",
    "size_system": "Size system",
    "gender": "Gender",
    "age_group": "Age group",
    "energy_efficiency_class": "Energy efficiency class",
}
# The characteristic whose column is also that of the brand of the product.
BRAND = ATTRIBUTES["brand"]
# All exported columns in order.
EXPORTED_COLUMNS = (
    "id",
    "title",
    "description",
    "link",
    "image_link",
    "additional_image_link",
    "image_alt",
    "availability",
    "quantity",
    "price",
    "sale_price",
    "product_type",
    *ATTRIBUTES,
    "product_detail",
    "status",
)
# All supported columns. `oldprice` is the crossed-out price in Yandex's format.
COLUMNS = frozenset({*EXPORTED_COLUMNS, "sale_price_effective_date", "oldprice"})
# Google requires a section name before every detail. The shop has no sections.
SECTION = "General"
_DETAIL_SPECIAL = '",:'

_LIST_TOKEN = re.compile(r'\s*"((?:[^"]|"")*+)"\s*(?=,|\Z)|([^,]*)')
_DETAIL_TOKEN = re.compile(r'\s*"((?:[^"]|"")*+)"\s*(?=[,:]|\Z)|([^,:]*)')
_PART_TOKEN = re.compile(r'\s*"((?:[^"]|"")*+)"\s*(?=:|\Z)|([^:]*)')
_PATH_STEP = re.compile(r"(?:\\[\\>]|[^>])+")

Detail = tuple[str, str, str]


def _split_tokens(text: str, token: re.Pattern[str]) -> list[tuple[str, bool, str]]:
    """Split a text into (content, whether it was quoted, separator after it)."""
    found, position = [], 0
    while True:
        match = token.match(text, position)
        assert match, "the second branch matches everything"
        quoted = match[1] is not None
        content = match[1].replace('""', '"') if quoted else match[2]
        position = match.end() + 1
        separator = text[match.end() : position]
        found.append((content, quoted, separator))
        if not separator:
            return found


def _quote(text: str, special: str) -> str:
    if any(character in text for character in special) or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def parse_list(cell: str) -> list[str]:
    """Parse a comma-separated cell. An empty cell has no items."""
    return [content.strip() for content, _, _ in _split_tokens(cell, _LIST_TOKEN)] if cell.strip() else []


def format_list(items: list[str]) -> str:
    """Format items as a comma-separated cell."""
    return ",".join(_quote(item, '",') for item in items)


def parse_details(cell: str) -> list[Detail]:
    """Parse a `product_detail` cell into (name, unit, value) entries.

    An item without two colons continues the value before it, because feeds often leave commas unquoted.

    Raises:
        ValueError: the cell does not begin with Section:Name:Value.
    """
    if not cell.strip():
        return []
    # Pairs of a label and the pieces of its value.
    items: list[tuple[str, list[str]]] = []
    parts: list[str] = []
    for content, quoted, separator in _split_tokens(cell, _DETAIL_TOKEN):
        parts.append(content)
        if separator == ":":
            continue
        if quoted and len(parts) == 1:  # Google also accepts quotes around the whole item.
            parts = [inner for inner, _, _ in _split_tokens(content, _PART_TOKEN)]
        if len(parts) >= 3:
            items.append((parts[1], [":".join(parts[2:])]))
        elif not any(part.strip() for part in parts):
            pass
        elif items:
            items[-1][1].append(":".join(parts))
        else:
            raise ValueError(_("%(text)r is not Section:Name:Value") % {"text": ":".join(parts)[:60]})
        parts = []
    return [(*parse_label(clean_line(label)), clean_line(",".join(pieces))) for label, pieces in items]


def format_details(details: list[Detail]) -> str:
    """Format (name, unit, value) entries as a `product_detail` cell."""
    return ",".join(
        f"{SECTION}:{_quote(format_label(name, unit), _DETAIL_SPECIAL)}:{_quote(value, _DETAIL_SPECIAL)}"
        for name, unit, value in details
    )


def parse_path(cell: str) -> tuple[str, ...]:
    """Parse a `product_type` cell into category names, root first.

    If the cell has several quoted types, the first one counts. Unquoted commas belong to the names, as in
    Google's own taxonomy.
    """
    if cell.lstrip().startswith('"'):
        cell = next((content for content, quoted, _ in _split_tokens(cell, _LIST_TOKEN) if quoted), cell)
    steps = (clean_line(re.sub(r"\\([\\>])", r"\1", step)) for step in _PATH_STEP.findall(cell))
    return tuple(step for step in steps if step)


def join_path(names: list[str]) -> str:
    """Join category names with ">", which is escaped inside names."""
    return " > ".join(re.sub(r"([\\>])", r"\\\1", name) for name in names)


def format_path(names: list[str]) -> str:
    """Format category names as a `product_type` cell."""
    return _quote(join_path(names), '",')


def is_utf_8(text: str) -> bool:
    """Return whether a text has no lone surrogates, which stand for bytes that are not UTF-8."""
    return text.isprintable() or not any("\ud800" <= character <= "\udfff" for character in text)


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which cannot be encoded, with question marks."""
    return text.encode("utf-8", "replace").decode()
