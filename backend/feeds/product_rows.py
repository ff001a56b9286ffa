"""Validation of raw rows and their conversion to typed values."""

import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from django.core.validators import slug_re

from backend.catalog.models import (
    MAX_PRICE,
    Category,
    Characteristic,
    CharacteristicValue,
    Product,
    ProductImage,
)
from backend.core.text import clean_text
from backend.feeds.cells import ATTRIBUTES, Detail, parse_details, parse_list, parse_path
from backend.feeds.raw_rows import RawRow, RowRefused

MAX_QUANTITY = 2_147_483_647
MAX_CATEGORY_DEPTH = 10
MAX_PICTURES = 50
MAX_DETAILS = 1000

_AVAILABILITY = {"in_stock": True, "out_of_stock": False, "preorder": False, "backorder": False}
_STATUS = {"active": True, "published": True, "archived": False, "hidden": False}
_PRICE = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?: ?([A-Za-z]{3}))?")


def _max_length(
    model: type[Product | Category | Characteristic | CharacteristicValue | ProductImage], name: str
) -> int:
    return int(model._meta.get_field(name).max_length)  # type: ignore[union-attr, arg-type]


_MAX_LENGTHS = {
    "id": _max_length(Product, "sku"),
    "title": _max_length(Product, "name"),
    "description": _max_length(Product, "description"),
}
_MAX_SLUG = _max_length(Product, "slug")
_MAX_CATEGORY = _max_length(Category, "name")
_MAX_CHARACTERISTIC = _max_length(Characteristic, "name")
_MAX_VALUE = _max_length(CharacteristicValue, "value")
_MAX_ALT = _max_length(ProductImage, "alt")


@dataclass(frozen=True, slots=True)
class ProductRow:
    """The typed values of a row. None means that the feed has no value and the product keeps its own.

    Attributes:
        slug: the last step of the link, if it is a valid slug.
        category: names from the root; empty for no category.
        attributes: (name, value) of the characteristics with columns of their own. An empty value clears.
        details: (name, unit, value) of the characteristics in `product_detail`.
        pictures: links in display order.
        alts: alternative texts of the pictures.
        repeated: names in `product_detail` that occur again with another value.
    """

    line: int
    sku: str
    name: str | None = None
    description: str | None = None
    slug: str | None = None
    price: Decimal | None = None
    in_stock: bool | None = None
    quantity: int | None = None
    category: tuple[str, ...] | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    details: tuple[Detail, ...] | None = None
    pictures: tuple[str, ...] | None = None
    alts: tuple[str, ...] | None = None
    is_published: bool | None = None
    repeated: tuple[str, ...] = ()


def parse_row(raw: RawRow, *, currency: str, accept_currency: str = "") -> ProductRow:
    """Validate a raw row and convert it to typed values.

    Args:
        currency: the shop's currency, ISO 4217.
        accept_currency: another currency whose prices are taken unconverted.

    Raises:
        RowRefused: the row could not be read, or a value is missing, too long or invalid.
    """
    if raw.refusal:
        raise raw.refusal
    cells = raw.cells
    _check_text(cells)
    for name, limit in _MAX_LENGTHS.items():
        _check_length(name, clean_text(cells.get(name, "")), limit)
    sku = clean_text(cells.get("id", ""))
    if not sku:
        raise RowRefused("id", "is missing")
    details, repeated = _details(cells)
    return ProductRow(
        line=raw.line,
        sku=sku,
        name=_required(cells, "title"),
        description=clean_text(cells["description"]) if "description" in cells else None,
        slug=_slug(cells.get("link", "")),
        price=_price(cells, currency, accept_currency),
        in_stock=_availability(cells.get("availability", "")),
        quantity=_quantity(cells.get("quantity", "")),
        category=_category(cells),
        attributes=_attributes(cells),
        details=details,
        pictures=_pictures(cells),
        alts=_alts(cells),
        is_published=_status(cells.get("status", "")),
        repeated=repeated,
    )


def _check_text(cells: dict[str, str]) -> None:
    for name, text in cells.items():
        if "\0" in text:
            raise RowRefused(name, "contains a NUL character, which is not accepted")
        if not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text):
            raise RowRefused(name, "is not valid UTF-8")


def _check_length(name: str, text: str, limit: int, subject: str = "") -> None:
    if len(text) > limit:
        raise RowRefused(name, f"{subject}is {len(text):,} characters long; the limit is {limit:,}")


def _required(cells: dict[str, str], name: str) -> str | None:
    if name not in cells:
        return None
    value = clean_text(cells[name])
    if not value:
        raise RowRefused(name, "is missing")
    return value


def _slug(link: str) -> str | None:
    try:
        slug = urlsplit(clean_text(link)).path.rstrip("/").rpartition("/")[2]
    except ValueError:
        return None
    return slug if len(slug) <= _MAX_SLUG and slug_re.fullmatch(slug) else None


def _price(cells: dict[str, str], currency: str, accept_currency: str) -> Decimal | None:
    text = _required(cells, "price")
    if text is None:
        return None
    match = _PRICE.fullmatch(text)
    if not match:
        raise RowRefused("price", f'{text[:40]!r} is not a price such as "28.99 {currency}"')
    sign, units, fraction, given = match.groups()
    if given and given.upper() not in (currency, accept_currency.upper()):
        raise RowRefused(
            "price",
            f"is in {given.upper()} but the shop's currency is {currency}; "
            f"--accept-currency {given.upper()} takes the numbers unconverted",
        )
    price = Decimal(f"{units}.{fraction or '0'}")
    if (sign and price) or price > MAX_PRICE:
        raise RowRefused("price", f"must be between 0 and {MAX_PRICE:,}")
    if price != round(price, 2):
        raise RowRefused("price", f"{text[:40]!r} has more than two decimal places")
    return round(price, 2)


def _availability(cell: str) -> bool | None:
    value = clean_text(cell).lower().replace(" ", "_")
    if not value:
        return None
    if value not in _AVAILABILITY:
        raise RowRefused("availability", f"{value[:40]!r} must be one of {', '.join(_AVAILABILITY)}")
    return _AVAILABILITY[value]


def _quantity(cell: str) -> int | None:
    value = clean_text(cell)
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) > MAX_QUANTITY:
        raise RowRefused("quantity", f"{value[:40]!r} is not a whole number from 0 to {MAX_QUANTITY:,}")
    return int(value)


def _status(cell: str) -> bool | None:
    value = clean_text(cell).lower()
    if not value:
        return None
    if value not in _STATUS:
        raise RowRefused("status", f"{value[:40]!r} must be one of {', '.join(_STATUS)}")
    return _STATUS[value]


def _category(cells: dict[str, str]) -> tuple[str, ...] | None:
    if "product_type" not in cells:
        return None
    path = parse_path(cells["product_type"])
    if len(path) > MAX_CATEGORY_DEPTH:
        raise RowRefused("product_type", f"is {len(path)} levels deep; the limit is {MAX_CATEGORY_DEPTH}")
    for name in path:
        _check_length("product_type", name, _MAX_CATEGORY, "a category name ")
    return path


def _attributes(cells: dict[str, str]) -> tuple[tuple[str, str], ...]:
    attributes = []
    for column, name in ATTRIBUTES.items():
        if column in cells:
            value = clean_text(cells[column])
            _check_length(column, value, _MAX_VALUE)
            attributes.append((name, value))
    return tuple(attributes)


def _details(cells: dict[str, str]) -> tuple[tuple[Detail, ...] | None, tuple[str, ...]]:
    """Return the details with each name once, and the names that occur again with another value."""
    if "product_detail" not in cells:
        return None, ()
    try:
        details = parse_details(cells["product_detail"])
    except ValueError as error:
        raise RowRefused("product_detail", str(error)) from error
    first: dict[tuple[str, str], Detail] = {}
    repeated = []
    for name, unit, value in details:
        if not value:
            continue
        if not name:
            raise RowRefused("product_detail", f"the value {value[:40]!r} has no name")
        _check_length("product_detail", name, _MAX_CHARACTERISTIC, "a name ")
        _check_length("product_detail", value, _MAX_VALUE, f"the value of {name} ")
        if (name, unit) not in first:
            first[name, unit] = (name, unit, value)
        elif first[name, unit][2] != value:
            repeated.append(name)
    if len(first) > MAX_DETAILS:
        raise RowRefused("product_detail", f"has {len(first):,} names; the limit is {MAX_DETAILS:,}")
    return tuple(first.values()), tuple(repeated)


def _pictures(cells: dict[str, str]) -> tuple[str, ...] | None:
    if "image_link" not in cells and "additional_image_link" not in cells:
        return None
    links = [clean_text(cells.get("image_link", "")), *parse_list(cells.get("additional_image_link", ""))]
    unique = tuple(dict.fromkeys(link for link in links if link))
    if len(unique) > MAX_PICTURES:
        raise RowRefused("additional_image_link", f"has {len(unique)} pictures; the limit is {MAX_PICTURES}")
    return unique


def _alts(cells: dict[str, str]) -> tuple[str, ...] | None:
    if "image_alt" not in cells:
        return None
    alts = tuple(clean_text(alt) for alt in parse_list(cells["image_alt"]))
    for alt in alts:
        _check_length("image_alt", alt, _MAX_ALT, "a text ")
    return alts
