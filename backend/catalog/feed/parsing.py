"""What a row of a feed says, as typed values, or why it cannot be said."""

import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from django.core.validators import slug_re

from backend.catalog.feed.cells import ATTRIBUTES, Detail, clean, parse_details, parse_list, parse_path
from backend.catalog.feed.reading import RawRow
from backend.catalog.feed.report import RowRefused
from backend.catalog.models import (
    MAX_PRICE,
    Category,
    Characteristic,
    CharacteristicValue,
    Product,
    ProductImage,
)

MAX_QUANTITY = 2_147_483_647
MAX_CATEGORY_DEPTH = 10
MAX_PICTURES = 50

_AVAILABILITY = {"in_stock": True, "out_of_stock": False, "preorder": False, "backorder": False}
_STATUS = {"active": True, "published": True, "archived": False, "hidden": False}
_PRICE = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?: ?([A-Za-z]{3}))?")


def _limit(
    model: type[Product | Category | Characteristic | CharacteristicValue | ProductImage], name: str
) -> int:
    return int(model._meta.get_field(name).max_length)  # type: ignore[union-attr, arg-type]


_MAX_LENGTH = {
    "id": _limit(Product, "sku"),
    "title": _limit(Product, "name"),
    "description": _limit(Product, "description"),
}
_MAX_SLUG = _limit(Product, "slug")
_MAX_CATEGORY = _limit(Category, "name")
_MAX_CHARACTERISTIC = _limit(Characteristic, "name")
_MAX_VALUE = _limit(CharacteristicValue, "value")
_MAX_ALT = _limit(ProductImage, "alt")


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A row that can be imported. None stands for "the feed does not say": the product keeps what it has.

    `attributes` has the characteristics that stand in columns of their own, those with an empty cell too.
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
    """Return what a raw row says.

    Args:
        raw: as it was read.
        currency: of the shop, ISO 4217.
        accept_currency: another one whose numbers are taken as they are, unconverted.

    Raises:
        RowRefused: a value is missing, too long or not of its kind.
    """
    if raw.refused:
        raise raw.refused
    cells = raw.cells
    _check_text(cells)
    for name, limit in _MAX_LENGTH.items():
        _check_length(name, clean(cells.get(name, "")), limit)
    sku = clean(cells.get("id", ""))
    if not sku:
        raise RowRefused("id", "is missing")
    details, repeated = _details(cells)
    return ProductRow(
        line=raw.line,
        sku=sku,
        name=_required(cells, "title"),
        description=clean(cells["description"]) if "description" in cells else None,
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
            raise RowRefused(name, "has a NUL character")
        if not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text):
            raise RowRefused(name, "is not valid UTF-8")


def _check_length(name: str, text: str, limit: int, what: str = "") -> None:
    if len(text) > limit:
        raise RowRefused(name, f"{what}is {len(text):,} characters long; the limit is {limit:,}")


def _required(cells: dict[str, str], name: str) -> str | None:
    if name not in cells:
        return None
    value = clean(cells[name])
    if not value:
        raise RowRefused(name, "is missing")
    return value


def _slug(link: str) -> str | None:
    """The last step of a link's path, when it can be a slug."""
    try:
        slug = urlsplit(clean(link)).path.rstrip("/").rpartition("/")[2]
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
            f"is in {given.upper()} and the shop sells in {currency}; "
            f"--accept-currency {given.upper()} takes the numbers as they are",
        )
    price = Decimal(f"{units}.{fraction or '0'}")
    if sign and price:
        raise RowRefused("price", "is negative")
    if price > MAX_PRICE:
        raise RowRefused("price", f"is above {MAX_PRICE:,}")
    if price != round(price, 2):
        raise RowRefused("price", f"{text[:40]!r} has more than two decimal places")
    return round(price, 2)


def _availability(cell: str) -> bool | None:
    value = clean(cell).lower().replace(" ", "_")
    if not value:
        return None
    if value not in _AVAILABILITY:
        raise RowRefused("availability", f"{value[:40]!r} is none of {', '.join(_AVAILABILITY)}")
    return _AVAILABILITY[value]


def _quantity(cell: str) -> int | None:
    value = clean(cell)
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) > MAX_QUANTITY:
        raise RowRefused("quantity", f"{value[:40]!r} is not a whole number from 0 to {MAX_QUANTITY:,}")
    return int(value)


def _status(cell: str) -> bool | None:
    value = clean(cell).lower()
    if not value:
        return None
    if value not in _STATUS:
        raise RowRefused("status", f"{value[:40]!r} is none of {', '.join(_STATUS)}")
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
    given = []
    for column, name in ATTRIBUTES.items():
        if column in cells:
            value = clean(cells[column])
            _check_length(column, value, _MAX_VALUE)
            given.append((name, value))
    return tuple(given)


def _details(cells: dict[str, str]) -> tuple[tuple[Detail, ...] | None, tuple[str, ...]]:
    """The details, each name once, and the labels of those that came again."""
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
    return tuple(first.values()), tuple(repeated)


def _pictures(cells: dict[str, str]) -> tuple[str, ...] | None:
    if "image_link" not in cells and "additional_image_link" not in cells:
        return None
    links = [clean(cells.get("image_link", "")), *parse_list(cells.get("additional_image_link", ""))]
    unique = tuple(dict.fromkeys(link for link in links if link))
    if len(unique) > MAX_PICTURES:
        raise RowRefused("additional_image_link", f"has {len(unique)} pictures; the limit is {MAX_PICTURES}")
    return unique


def _alts(cells: dict[str, str]) -> tuple[str, ...] | None:
    if "image_alt" not in cells:
        return None
    alts = tuple(clean(alt) for alt in parse_list(cells["image_alt"]))
    for alt in alts:
        _check_length("image_alt", alt, _MAX_ALT, "a text ")
    return alts
