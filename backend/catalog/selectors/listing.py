"""Lists of products: filtered, sorted and paged over the listing index."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable

from backend.catalog.models import (
    MAX_PRICE,
    WHOLE_SHOP,
    Category,
    Characteristic,
    CharacteristicValue,
    ListingEntry,
    Product,
)
from backend.catalog.selectors.search import Search, read_search
from backend.core.errors import Invalid, NotFound, OutOfRange, TooLong
from backend.core.identifiers import parse_id
from backend.core.pagination import Page, SortOrder, Window, parse_moment, read_page

MAX_CHARACTERISTICS = 20
MAX_CHARACTERISTIC_VALUES = 50


class ProductSort(StrEnum):
    """The orders a list of products can have; ties go by the age of the product's record."""

    PRICE_ASC = "PRICE_ASC"
    PRICE_DESC = "PRICE_DESC"
    NAME = "NAME"
    NEWEST = "NEWEST"
    POPULAR = "POPULAR"
    RELEVANCE = "RELEVANCE"


def _parse_number(text: str) -> Decimal:
    if not re.fullmatch(r"\d{1,10}(\.\d{1,6})?", text, re.ASCII):
        raise ValueError(text)
    return Decimal(text)


def _parse_name(text: str) -> str:
    text.encode()
    if "\0" in text:
        raise ValueError(text)
    return text


def _parse_count(text: str) -> int:
    count = int(text)
    if not 0 <= count < 2**31:
        raise ValueError(text)
    return count


_ORDERS = {
    sort: SortOrder(sort.value, key, "product_id", descending, parse)
    for sort, key, descending, parse in [
        (ProductSort.PRICE_ASC, "price", False, _parse_number),
        (ProductSort.PRICE_DESC, "price", True, _parse_number),
        (ProductSort.NAME, "name_key", False, _parse_name),
        (ProductSort.NEWEST, "created_at", True, parse_moment),
        (ProductSort.POPULAR, "popularity", True, _parse_count),
        (ProductSort.RELEVANCE, "relevance", True, _parse_number),
    ]
}


@dataclass(frozen=True, slots=True)
class WantedValues:
    """Values of which a product must have one, of a characteristic: several where units differ."""

    characteristic_ids: tuple[int, ...]
    values: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ProductList:
    """A list of products as it was asked for, every part of it checked; read by pages.

    Attributes:
        category: whose products are listed, or None for the whole shop.
        include_subcategories: whether products below the category are listed too.
        search: what to look for; None lists everything.
        price_min, price_max: inclusive bounds.
        in_stock: True for what can be bought now, False for what is sold out, None for both.
        characteristics: of each of these, one of the values must be present.
    """

    category: Category | None = None
    include_subcategories: bool = True
    search: Search | None = None
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    in_stock: bool | None = None
    characteristics: Sequence[WantedValues] = ()

    def entries(self) -> "QuerySet[ListingEntry]":
        """Return the listing entries that match, in no order."""
        return self._matching()[0]

    def page(self, sort: ProductSort | None, window: Window) -> Page[Product]:
        """Read a page in two queries.

        Args:
            sort: the order; None is by relevance when searching, else newest first.

        Raises:
            Invalid: relevance is asked for without a search.
            InvalidCursor: the window's cursor is not one of this order.
        """
        sort = sort or (ProductSort.RELEVANCE if self.search else ProductSort.NEWEST)
        entries, relevance = self._matching()
        if sort is ProductSort.RELEVANCE:
            if relevance is None:
                raise Invalid("Only a search can be sorted by relevance.", field="sort")
            entries = entries.annotate(relevance=relevance)
        page = read_page(
            entries.select_related("product__category")
            .defer("product__search_vector")
            .prefetch_related("product__images"),
            _ORDERS[sort],
            window,
        )
        return Page(
            items=[entry.product for entry in page.items],
            cursors=page.cursors,
            has_next=page.has_next,
            has_previous=page.has_previous,
        )

    def total(self) -> int:
        """Count the products in one query."""
        return self.entries().count()

    def _matching(self) -> tuple["QuerySet[ListingEntry]", Combinable | None]:
        entries = ListingEntry.objects.filter(ancestor_id=self.category.pk if self.category else WHOLE_SHOP)
        if self.category and not self.include_subcategories:
            entries = entries.filter(product__category_id=self.category.pk)
        if self.price_min is not None:
            entries = entries.filter(price__gte=self.price_min)
        if self.price_max is not None:
            entries = entries.filter(price__lte=self.price_max)
        if self.in_stock is not None:
            entries = entries.filter(in_stock=self.in_stock)
        for wanted in self.characteristics:
            entries = entries.filter(
                Exists(
                    CharacteristicValue.objects.filter(
                        product_id=OuterRef("product_id"),
                        characteristic_id__in=wanted.characteristic_ids,
                        value__in=wanted.values,
                    )
                )
            )
        return self.search.among(entries) if self.search else (entries, None)


def list_products(
    *,
    category: int | str | None = None,
    include_subcategories: bool = True,
    search: str | None = None,
    price_min: Decimal | None = None,
    price_max: Decimal | None = None,
    in_stock: bool | None = None,
    characteristics: Mapping[str, Sequence[str]] | None = None,
) -> ProductList:
    """Check what is asked for and return the list, of which nothing has been read yet.

    Args:
        category: a number is an identifier, a text a slug; None lists the whole shop.
        include_subcategories: whether the products below the category count as its own.
        search: words in Russian or English; typing errors are forgiven.
        price_min, price_max: inclusive bounds in the shop's currency.
        in_stock: keep what can be bought now (True) or what is sold out (False).
        characteristics: accepted values by "Name" or "Name (unit)": AND between names, OR within one.

    Raises:
        NotFound: the category or a characteristic does not exist.
        OutOfRange: a price is negative or too long on either side of the point, or the bounds are crossed.
        TooLong, Invalid: see `read_search`; or too many characteristics, or one without a value.
    """
    price_min = _check_price(price_min, field="price_min")
    price_max = _check_price(price_max, field="price_max")
    if price_min is not None and price_max is not None and price_min > price_max:
        raise OutOfRange(
            f"The lowest price, {price_min}, is above the highest, {price_max}.", field="price_min"
        )
    return ProductList(
        category=_find_category(category) if category is not None else None,
        include_subcategories=include_subcategories,
        search=read_search(search) if search is not None else None,
        price_min=price_min,
        price_max=price_max,
        in_stock=in_stock,
        characteristics=_find_characteristics(characteristics or {}),
    )


def _find_category(key: int | str) -> Category:
    named = Q(pk=parse_id(key)) if isinstance(key, int) else Q(slug=key.replace("\0", ""))
    category: Category | None = Category.objects.filter(named).first()
    if category is None:
        raise NotFound(f"There is no category {str(key)[:100]!r}.", field="category")
    return category


def _check_price(price: Decimal | None, *, field: str) -> Decimal | None:
    if price is None:
        return None
    if not (price.is_finite() and 0 <= price <= MAX_PRICE):
        raise OutOfRange(f"A price is between 0 and {MAX_PRICE}.", field=field)
    if price != round(price, 2):
        raise OutOfRange("A price has at most two decimals.", field=field)
    return round(price, 2)


def _find_characteristics(wanted: Mapping[str, Sequence[str]]) -> list[WantedValues]:
    if not wanted:
        return []
    if len(wanted) > MAX_CHARACTERISTICS:
        raise TooLong(f"At most {MAX_CHARACTERISTICS} characteristics.", field="characteristics")
    for name, values in wanted.items():
        if not values:
            raise Invalid(f"The characteristic {name[:100]!r} needs a value.", field="characteristics")
        if len(values) > MAX_CHARACTERISTIC_VALUES:
            raise TooLong(
                f"At most {MAX_CHARACTERISTIC_VALUES} values of a characteristic.", field="characteristics"
            )
        if "\0" in name or any("\0" in value for value in values):
            raise Invalid("A text has no null characters.", field="characteristics")
    by_label: dict[str, list[int]] = {}
    names = {name.rpartition(" (")[0] for name in wanted} | set(wanted)
    for characteristic in Characteristic.objects.filter(name__in=names):
        by_label.setdefault(characteristic.name, []).append(characteristic.pk)
        if characteristic.unit:
            label = f"{characteristic.name} ({characteristic.unit})"
            by_label.setdefault(label, []).append(characteristic.pk)
    for name in wanted:
        if name not in by_label:
            raise NotFound(f"There is no characteristic {name[:100]!r}.", field="characteristics")
    return [WantedValues(tuple(by_label[name]), values) for name, values in wanted.items()]
