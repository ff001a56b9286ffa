"""The small languages inside a feed's cells, each with its writer: lists, details, paths, units."""

import re

# Feed column -> name of the characteristic, in the order in which a product shows them.
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
# Every column that a feed can have here, in the order in which they are exported.
COLUMNS = (
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
    "product_type",
    *ATTRIBUTES,
    "product_detail",
    "status",
)
MAX_UNIT = 20
# Google wants a section before every detail; the shop has none.
SECTION = "General"
_DETAIL_SPECIAL = '",:'

# What XML 1.0 cannot carry. Removed from every text on both sides of a comparison, so that a product
# which holds some (pasted from a word processor) is not taken for changed by its own export.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_LIST_TOKEN = re.compile(r'\s*"((?:[^"]|"")*+)"\s*(?=,|\Z)|([^,]*)')
_DETAIL_TOKEN = re.compile(r'\s*"((?:[^"]|"")*+)"\s*(?=[,:]|\Z)|([^,:]*)')
_PART_TOKEN = re.compile(r'\s*"((?:[^"]|"")*+)"\s*(?=:|\Z)|([^:]*)')
_PATH_STEP = re.compile(r"(?:\\[\\>]|[^>])+")
_LABEL = re.compile(r"(.*\S) \(((?:[^()\\]|\\[()\\])*)\)", re.DOTALL)

Detail = tuple[str, str, str]


def clean(text: str) -> str:
    """Return the text without surrounding white space and without control characters."""
    return _UNPRINTABLE.sub("", text).strip()


def _tokens(text: str, token: re.Pattern[str]) -> list[tuple[str, bool, str]]:
    """Cut a text into (content, whether it was quoted, the separator after it)."""
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


def _quoted(text: str, special: str) -> str:
    if any(character in text for character in special) or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def parse_list(cell: str) -> list[str]:
    """Return the items of a comma-separated cell; an empty cell has none."""
    return [content.strip() for content, _, _ in _tokens(cell, _LIST_TOKEN)] if cell.strip() else []


def format_list(items: list[str]) -> str:
    """Write items as `parse_list` reads them."""
    return ",".join(_quoted(item, '",') for item in items)


def parse_details(cell: str) -> list[Detail]:
    """Return the (name, unit, value) entries of a `product_detail` cell.

    What lacks its two colons continues the value before it: feeds forget to quote commas.

    Raises:
        ValueError: the cell does not begin with Section:Name:Value.
    """
    items: list[list[str]] = []
    if not cell.strip():
        return []
    parts: list[str] = []
    for content, quoted, separator in _tokens(cell, _DETAIL_TOKEN):
        parts.append(content)
        if separator == ":":
            continue
        if quoted and len(parts) == 1:  # Google's other way: the quotes around the whole item
            parts = [inner for inner, _, _ in _tokens(content, _PART_TOKEN)]
        if len(parts) >= 3:
            items.append([parts[0], parts[1], ":".join(parts[2:])])
        elif not any(part.strip() for part in parts):
            pass
        elif items:
            items[-1][2] += "," + ":".join(parts)
        else:
            raise ValueError(f"{':'.join(parts)[:60]!r} is not Section:Name:Value")
        parts = []
    return [(*parse_label(clean(name)), clean(value)) for _, name, value in items]


def format_details(details: list[Detail]) -> str:
    """Write entries as `parse_details` reads them."""
    return ",".join(
        f"{SECTION}:{_quoted(format_label(name, unit), _DETAIL_SPECIAL)}:{_quoted(value, _DETAIL_SPECIAL)}"
        for name, unit, value in details
    )


def parse_label(label: str) -> tuple[str, str]:
    """Split "Volume (ml)" into name and unit; the unit is empty when there is none, or when what
    stands in the parentheses is too long for one."""
    match = _LABEL.fullmatch(label)
    if not match:
        return label, ""
    unit = re.sub(r"\\([()\\])", r"\1", match[2])
    return (match[1], unit) if len(unit) <= MAX_UNIT else (label, "")


def _escape_unit(unit: str) -> str:
    return re.sub(r"([()\\])", r"\\\1", unit)


def format_label(name: str, unit: str) -> str:
    """Write a name and unit as `parse_label` reads them; "()" marks a name that only looks like both."""
    if unit:
        return f"{name} ({_escape_unit(unit)})"
    return name if parse_label(name) == (name, "") else f"{name} ()"


def parse_path(cell: str) -> tuple[str, ...]:
    """Return the category names of a `product_type` cell, root first. Of several quoted types the
    first counts; commas without quotes belong to the names, as Google's own categories have them."""
    if cell.lstrip().startswith('"'):
        cell = next((content for content, quoted, _ in _tokens(cell, _LIST_TOKEN) if quoted), cell)
    steps = (clean(re.sub(r"\\([\\>])", r"\1", step)) for step in _PATH_STEP.findall(cell))
    return tuple(step for step in steps if step)


def path_text(names: list[str]) -> str:
    """Return category names as one text, in which ">" is escaped where it belongs to a name."""
    return " > ".join(re.sub(r"([\\>])", r"\\\1", name) for name in names)


def format_path(names: list[str]) -> str:
    """Write category names as `parse_path` reads them."""
    return _quoted(path_text(names), '",')


def is_text(text: str) -> bool:
    """Say whether a text was UTF-8 as a whole; undecodable bytes stand in it as lone surrogates."""
    return text.isprintable() or not any("\ud800" <= character <= "\udfff" for character in text)


def printable(text: str) -> str:
    """Return a text that can be shown anywhere, with a question mark for what was not UTF-8."""
    return text.encode("utf-8", "replace").decode()
