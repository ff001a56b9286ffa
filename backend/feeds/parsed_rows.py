"""Validation of raw rows and their conversion to typed values."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from django.utils import timezone
from django.utils.translation import gettext as _

from backend.catalog.models import Category, Characteristic, CharacteristicValue, Product, ProductImage
from backend.core.text import clean_line, clean_text
from backend.feeds.amounts import parse_price, parse_quantity
from backend.feeds.cells import (
    ATTRIBUTES,
    COLUMNS,
    Detail,
    parse_details,
    parse_list,
    parse_path,
)
from backend.feeds.product_links import find_slug
from backend.feeds.raw_rows import RawRow, RowRefused
from backend.feeds.sales import is_in_effect

MAX_CATEGORY_DEPTH = 10
MAX_PICTURES = 50
MAX_DETAILS = 1000

# A row is refused if one of these columns is in the feed and its cell is empty or unreadable. Another
# unreadable cell is reported, and counts as a missing column.
REQUIRED_COLUMNS = ("id", "title", "price")

# Spellings in lower case, without spaces, hyphens, underscores and the address of schema.org.
_IN_STOCK = (
    "instock available availablefororder onlineonly limitedavailability limitedstock lowstock "
    "true yes y 1 вналичии естьвналичии есть да"
)
_OUT_OF_STOCK = (
    "outofstock soldout unavailable notavailable notinstock discontinued preorder presale backorder "
    "madetoorder reserved instoreonly false no n 0 нетвналичии нет отсутствует распродано подзаказ предзаказ "
    "ожидается снятспродажи снятспроизводства"
)
_AVAILABILITY = dict.fromkeys(_IN_STOCK.split(), True) | dict.fromkeys(_OUT_OF_STOCK.split(), False)
_SCHEMA_ORG = re.compile(r"https?://(?:www\.)?schema\.org/|schema:", re.IGNORECASE)
_STATUS = {"active": True, "published": True, "archived": False, "hidden": False}

Value = TypeVar("Value")


def _get_max_length(
    model: type[Product | Category | Characteristic | CharacteristicValue | ProductImage], name: str
) -> int:
    return int(model._meta.get_field(name).max_length)  # type: ignore[union-attr, arg-type]


_MAX_SKU = _get_max_length(Product, "sku")
_MAX_NAME = _get_max_length(Product, "name")
_MAX_DESCRIPTION = _get_max_length(Product, "description")
_MAX_CATEGORY = _get_max_length(Category, "name")
_MAX_CHARACTERISTIC = _get_max_length(Characteristic, "name")
_MAX_VALUE = _get_max_length(CharacteristicValue, "value")
_MAX_ALT = _get_max_length(ProductImage, "alt")


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """The typed values of a row. None means that the feed has no value and the product keeps its own.

    Attributes:
        slug: the last step of the link, if it is a valid slug.
        price: the price while there is no sale.
        is_on_sale: whether `sale_price` is in effect.
        sale_price: the price of the sale; None without one.
        category: names from the root; empty for no category.
        attributes: (name, value) of the characteristics with columns of their own. An empty value clears.
        details: (name, unit, value) of the characteristics in `product_detail`.
        pictures: links in display order.
        alts: alternative texts of the pictures.
        problems: (column, reason) of the values that are ignored.
    """

    line: int
    sku: str
    name: str | None = None
    description: str | None = None
    slug: str | None = None
    price: Decimal | None = None
    is_on_sale: bool | None = None
    sale_price: Decimal | None = None
    in_stock: bool | None = None
    quantity: int | None = None
    category: tuple[str, ...] | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    details: tuple[Detail, ...] | None = None
    pictures: tuple[str, ...] | None = None
    alts: tuple[str, ...] | None = None
    is_published: bool | None = None
    problems: tuple[tuple[str, str], ...] = ()


def parse_row(
    raw: RawRow, *, currency: str, accept_currency: str = "", now: datetime | None = None
) -> ParsedRow:
    """Validate a raw row and convert it to typed values.

    Args:
        currency: the shop's currency, ISO 4217.
        accept_currency: another currency whose prices are taken unconverted.
        now: the time at which sales are or are not in effect; the current time by default.

    Raises:
        RowRefused: the row could not be read, or a required value is missing, too long or invalid.
    """
    if raw.refusal:
        raise raw.refusal
    return _RowParser(raw, currency, accept_currency, now or timezone.now()).parse()


class _RowParser:
    """Parser of one row, which collects the problems of its optional cells."""

    def __init__(self, raw: RawRow, currency: str, accept_currency: str, now: datetime) -> None:
        self._line = raw.line
        self._currency = currency
        self._accept_currency = accept_currency
        self._now = now
        self._problems: list[tuple[str, str]] = []
        unreadable = {name: reason for name, reason in raw.unreadable.items() if name in COLUMNS}
        self._cells: dict[str, str] = {}
        for name, text in raw.cells.items():
            if name in COLUMNS:
                reason = _check_text(text)
                if reason:
                    unreadable[name] = reason
                else:
                    self._cells[name] = text
        for name, reason in unreadable.items():
            if name in REQUIRED_COLUMNS:
                raise RowRefused(name, reason)
            self._problems.append((name, reason))
        if "sale_price_effective_date" in unreadable:
            self._cells.pop("sale_price", None)

    def parse(self) -> ParsedRow:
        sku = self._parse_required("id", _MAX_SKU)
        if sku is None:
            raise RowRefused("id", _("is missing"))
        name = self._parse_required("title", _MAX_NAME)
        price, is_on_sale, sale_price = self._parse_prices()
        return ParsedRow(
            line=self._line,
            sku=sku,
            name=name,
            description=self._parse_optional("description", _parse_description),
            slug=find_slug(self._cells.get("link", "")),
            price=price,
            is_on_sale=is_on_sale,
            sale_price=sale_price,
            in_stock=self._parse_optional("availability", _parse_availability),
            quantity=self._parse_quantity(),
            category=self._parse_optional("product_type", _parse_category),
            attributes=self._parse_attributes(),
            details=self._parse_optional("product_detail", self._parse_details),
            pictures=self._parse_pictures(),
            alts=self._parse_optional("image_alt", _parse_alts),
            is_published=self._parse_optional("status", _parse_status),
            problems=tuple(self._problems),
        )

    def _parse_required(self, name: str, limit: int) -> str | None:
        if name not in self._cells:
            return None
        value = clean_line(self._cells[name])
        if not value:
            raise RowRefused(name, _("is missing"))
        _check_length(name, value, limit)
        return value

    def _parse_optional(self, name: str, parse: Callable[[str], Value]) -> Value | None:
        """Return the parsed cell. If it is missing or unreadable, report that and return None."""
        if name not in self._cells:
            return None
        try:
            return parse(self._cells[name])
        except ValueError as error:
            self._problems.append((name, str(error)))
        except RowRefused as error:
            self._problems.append((name, error.reason))
        return None

    def _is_empty(self, name: str) -> bool:
        return not clean_line(self._cells.get(name, ""))

    def _parse_price(self, text: str) -> Decimal:
        return parse_price(text, currency=self._currency, accept_currency=self._accept_currency)

    def _parse_prices(self) -> tuple[Decimal | None, bool | None, Decimal | None]:
        """Return the price without a sale, whether there is a sale, and its price."""
        price = None
        if "price" in self._cells:
            if self._is_empty("price"):
                raise RowRefused("price", _("is missing"))
            try:
                price = self._parse_price(self._cells["price"])
            except ValueError as error:
                raise RowRefused("price", str(error)) from error
        if "sale_price" in self._cells:
            return price, *self._parse_sale(price)
        if price is None or "oldprice" not in self._cells:
            return price, None, None
        if self._is_empty("oldprice"):
            return price, False, None
        old_price = self._parse_optional("oldprice", self._parse_price)
        if old_price is None:
            return price, None, None
        if old_price > price:
            return old_price, True, price
        if old_price < price:
            self._problems.append(("oldprice", _("must be above the price, %(price)s") % {"price": price}))
        return price, False, None

    def _parse_sale(self, price: Decimal | None) -> tuple[bool | None, Decimal | None]:
        """Return whether there is a sale, and its price."""
        if self._is_empty("sale_price"):
            return False, None
        sale_price = self._parse_optional("sale_price", self._parse_price)
        in_effect: bool | None = True
        if not self._is_empty("sale_price_effective_date"):
            in_effect = self._parse_optional("sale_price_effective_date", self._is_in_effect)
        if sale_price is None or in_effect is None:
            return None, None
        if not in_effect or sale_price == price:
            return False, None
        if sale_price == 0 or (price is not None and sale_price > price):
            reason = (
                _("must be above 0 and below the price")
                if price is None
                else _("must be above 0 and below the price, %(price)s") % {"price": price}
            )
            self._problems.append(("sale_price", reason))
            return False, None
        return True, sale_price

    def _is_in_effect(self, period: str) -> bool:
        return is_in_effect(clean_line(period), self._now)

    def _parse_quantity(self) -> int | None:
        quantity = None if self._is_empty("quantity") else self._parse_optional("quantity", parse_quantity)
        if quantity is not None and quantity < 0:
            self._problems.append(
                ("quantity", _("%(quantity)s is below 0; the stock is set to 0") % {"quantity": quantity})
            )
            return 0
        return quantity

    def _parse_attributes(self) -> tuple[tuple[str, str], ...]:
        values = [
            (name, self._parse_optional(column, _parse_attribute)) for column, name in ATTRIBUTES.items()
        ]
        return tuple((name, value) for name, value in values if value is not None)

    def _parse_details(self, cell: str) -> tuple[Detail, ...]:
        """Return the valid details, each name once, and report the others."""
        first: dict[tuple[str, str], Detail] = {}
        for name, unit, value in parse_details(cell):
            if not value:
                continue
            try:
                _check_detail(name, value)
            except RowRefused as error:
                self._problems.append((error.field, error.reason))
                continue
            detail = first.setdefault((name, unit), (name, unit, value))
            if detail[2] != value:
                self._problems.append(
                    (
                        "product_detail",
                        _("%(name)r occurs more than once; the first value counts") % {"name": name},
                    )
                )
        if len(first) > MAX_DETAILS:
            raise ValueError(
                _("has %(count)s names; the limit is %(maximum)s")
                % {"count": f"{len(first):,}", "maximum": f"{MAX_DETAILS:,}"}
            )
        return tuple(first.values())

    def _parse_pictures(self) -> tuple[str, ...] | None:
        if "image_link" not in self._cells and "additional_image_link" not in self._cells:
            return None
        links = parse_list(self._cells.get("additional_image_link", ""))
        links.insert(0, clean_line(self._cells.get("image_link", "")))
        unique = tuple(dict.fromkeys(link for link in links if link))
        if len(unique) > MAX_PICTURES:
            self._problems.append(
                (
                    "additional_image_link",
                    _("has %(count)s pictures; the first %(maximum)s count")
                    % {"count": len(unique), "maximum": MAX_PICTURES},
                )
            )
        return unique[:MAX_PICTURES]


def _check_text(text: str) -> str:
    """Return why a text cannot be read, or ""."""
    if "\0" in text:
        return _("contains a NUL character, which is not accepted")
    if not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text):
        return _("is not valid UTF-8")
    return ""


def _check_length(name: str, text: str, limit: int, subject: str = "") -> None:
    if len(text) > limit:
        reason = _("is %(length)s characters long; the limit is %(maximum)s")
        lengths = {"length": f"{len(text):,}", "maximum": f"{limit:,}"}
        raise RowRefused(name, f"{subject} {reason % lengths}".lstrip())


def _check_detail(name: str, value: str) -> None:
    if not name:
        raise RowRefused("product_detail", _("the value %(value)r has no name") % {"value": value[:40]})
    _check_length("product_detail", name, _MAX_CHARACTERISTIC, _("a name"))
    _check_length("product_detail", value, _MAX_VALUE, _("the value of %(name)r") % {"name": name})


def _parse_description(cell: str) -> str:
    text = clean_text(cell)
    _check_length("description", text, _MAX_DESCRIPTION)
    return text


def _parse_attribute(cell: str) -> str:
    text = clean_line(cell)
    _check_length("", text, _MAX_VALUE)
    return text


def _parse_availability(cell: str) -> bool | None:
    value = clean_line(cell)
    if not value:
        return None
    in_stock = _AVAILABILITY.get(re.sub("[ _-]", "", _SCHEMA_ORG.sub("", value)).lower())
    if in_stock is None:
        raise ValueError(
            _("%(value)r must be one of %(accepted)s")
            % {"value": value[:40], "accepted": "in_stock, out_of_stock, preorder, backorder"}
        )
    return in_stock


def _parse_status(cell: str) -> bool | None:
    value = clean_line(cell).lower()
    if not value:
        return None
    if value not in _STATUS:
        raise ValueError(
            _("%(value)r must be one of %(accepted)s") % {"value": value[:40], "accepted": ", ".join(_STATUS)}
        )
    return _STATUS[value]


def _parse_category(cell: str) -> tuple[str, ...]:
    path = parse_path(cell)
    if len(path) > MAX_CATEGORY_DEPTH:
        raise ValueError(
            _("is %(depth)s levels deep; the limit is %(maximum)s")
            % {"depth": len(path), "maximum": MAX_CATEGORY_DEPTH}
        )
    for name in path:
        _check_length("product_type", name, _MAX_CATEGORY, _("a category name"))
    return path


def _parse_alts(cell: str) -> tuple[str, ...]:
    alts = tuple(clean_line(alt) for alt in parse_list(cell))
    for alt in alts:
        _check_length("image_alt", alt, _MAX_ALT, _("a text"))
    return alts
