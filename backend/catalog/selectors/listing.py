"""List products: filter, sort and page through the listing index."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Exists, Expression, F, OuterRef, QuerySet, Value
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

from backend.catalog.empty_searches import count_empty_search
from backend.catalog.models import (
    MAX_PRICE,
    WHOLE_SHOP,
    CharacteristicValue,
    ListingEntry,
    get_new_since,
)
from backend.catalog.selectors.brands import find_brand_ids
from backend.catalog.selectors.categories import get_category
from backend.catalog.selectors.characteristics import ValueFilter, WantedValues, find_value_filters
from backend.catalog.selectors.counts import (
    EXACT_COUNT_LIMIT,
    count_up_to_limit,
    read_large_total,
    select_up_to_limit,
)
from backend.catalog.selectors.rows import CategoryRow, ProductRow, make_product, select_products
from backend.catalog.selectors.search import Search, read_search
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param
from backend.core.errors import Invalid, NotFound, OutOfRange
from backend.core.identifiers import parse_id
from backend.core.pagination import (
    Page,
    SortOrder,
    Window,
    make_page,
    parse_text,
    parse_timestamp,
    read_position,
    select_page,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class ProductSort(StrEnum):
    """The sort orders of a product list. Ties are broken by product id."""

    PRICE_ASC = "PRICE_ASC"
    PRICE_DESC = "PRICE_DESC"
    NAME = "NAME"
    NEWEST = "NEWEST"
    POPULAR = "POPULAR"
    DISCOUNT = "DISCOUNT"
    RELEVANCE = "RELEVANCE"


def _parse_number(text: str) -> Decimal:
    if not re.fullmatch(r"\d{1,10}(\.\d{1,6})?", text, re.ASCII):
        raise ValueError(text)
    return Decimal(text)


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
        (ProductSort.NAME, "name_key", False, parse_text),
        (ProductSort.NEWEST, "created_at", True, parse_timestamp),
        (ProductSort.POPULAR, "popularity", True, _parse_count),
        (ProductSort.DISCOUNT, "discount_rate", True, _parse_count),
        (ProductSort.RELEVANCE, "relevance", True, _parse_number),
    ]
}


@dataclass(frozen=True, kw_only=True)
class ProductList:
    """A validated product list, read page by page.

    Attributes:
        category: None lists the whole shop.
        include_subcategories: whether to list products of subcategories too.
        search: None lists all products.
        price_min, price_max: inclusive bounds.
        in_stock: True lists products in stock, False those out of stock, None both.
        on_sale: True lists products with a compare-at price, False those without, None both.
        is_new: True lists products created in the last `NEW_PRODUCT_DAYS` days, False older ones, None both.
        brand_ids: products of any of these brands are listed; all products if there are none.
        characteristics: all of these conditions must hold.
    """

    category: CategoryRow | None = None
    include_subcategories: bool = True
    search: Search | None = None
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    in_stock: bool | None = None
    on_sale: bool | None = None
    is_new: bool | None = None
    brand_ids: tuple[int, ...] = ()
    characteristics: Sequence[ValueFilter] = ()

    def select_entries(self) -> "QuerySet[ListingEntry]":
        """Return the matching listing entries, unordered."""
        return self._select_matching()[0]

    def read_page(self, sort: ProductSort | None, window: Window) -> Page[ProductRow]:
        """Read a page in one query.

        Args:
            sort: None sorts by relevance if there is a search, else newest first.

        Raises:
            Invalid: the sort is by relevance and there is no search.
            InvalidCursor: the cursor of the window belongs to another sort order.
        """
        sort = sort or (ProductSort.RELEVANCE if self.search else ProductSort.NEWEST)
        if sort is ProductSort.RELEVANCE and not self.search:
            raise Invalid(_("Sorting by relevance requires a search."), field="sort")
        order = _ORDERS[sort]
        position = read_position(order, window)
        if self.search:
            # The SQL of a search depends on its words, so it is not compiled.
            entries, relevance = self._select_matching()
            if sort is ProductSort.RELEVANCE:
                entries = entries.annotate(relevance=relevance)
            rows = list(_select_page(entries, order, window, position))
            if not rows and position is None:
                self._count_empty_search(self.search)
        else:
            rows = self._run_compiled(order, window, position)
        return make_page(
            [make_product(row[2:]) for row in rows], [(row[0], row[1]) for row in rows], order, window
        )

    def count_total(self) -> int:
        """Count the products in one query, and in a second one if there are many and no total is cached."""
        if self.search:
            count = count_up_to_limit(self.select_entries())
        else:
            count = len(_compile_count(self._filters()).run(**self._list_params()))
        if count <= EXACT_COUNT_LIMIT:
            return count
        key = self._filters(), self._list_params(), self.search
        return read_large_total(key, lambda: self.select_entries().count())

    def _count_empty_search(self, search: Search) -> None:
        """Count the search for staff, unless a filter may be the reason that it has no results."""
        is_filtered = self.category is not None or self._filters() != ProductList()._filters()
        if not is_filtered and not search.may_be_personal:
            count_empty_search(" ".join(search.words))

    def _select_matching(self) -> tuple["QuerySet[ListingEntry]", Combinable | None]:
        """Return the matching entries, and their relevance if there is a search."""
        entries = _filter_entries(
            ancestor=self.category.pk if self.category else WHOLE_SHOP,
            own_category=None if self.include_subcategories or not self.category else self.category.pk,
            price_min=self.price_min,
            price_max=self.price_max,
            in_stock=self.in_stock,
            on_sale=self.on_sale,
            is_new=self.is_new,
            new_since=get_new_since(),
            brands=_make_array(self.brand_ids) if self.brand_ids else None,
            characteristics=[
                (_make_array(wanted.characteristic_ids), _make_array(wanted.values))
                for wanted in self.characteristics
            ],
        )
        return self.search.filter_entries(entries) if self.search else (entries, None)

    def _run_compiled(
        self, order: SortOrder, window: Window, position: tuple[Any, int] | None
    ) -> list[tuple[Any, ...]]:
        shape = _Shape(
            filters=self._filters(),
            sort=order.name,
            size=window.size,
            is_backward=window.backward,
            has_cursor=position is not None,
        )
        key, row_id = position or (None, None)
        return _compile_page(shape).run(**self._list_params(), key=key, row_id=row_id)

    def _filters(self) -> "_Filters":
        return _Filters(
            is_own_category=self.category is not None and not self.include_subcategories,
            has_price_min=self.price_min is not None,
            has_price_max=self.price_max is not None,
            has_stock=self.in_stock is not None,
            on_sale=self.on_sale,
            is_new=self.is_new,
            has_brands=bool(self.brand_ids),
            characteristics=len(self.characteristics),
        )

    def _list_params(self) -> dict[str, Any]:
        """Return the values of the placeholders in compiled queries."""
        params: dict[str, Any] = {
            "category": self.category.pk if self.category else WHOLE_SHOP,
            "price_min": self.price_min,
            "price_max": self.price_max,
            "in_stock": self.in_stock,
            "brands": list(self.brand_ids),
        }
        if self.is_new is not None:
            params["new_since"] = get_new_since()
        for number, wanted in enumerate(self.characteristics):
            params[f"ids{number}"] = list(wanted.characteristic_ids)
            params[f"values{number}"] = list(wanted.values)
        return params


class _Filters(NamedTuple):
    """Everything that determines the SQL of the conditions of a list, except its parameters."""

    is_own_category: bool
    has_price_min: bool
    has_price_max: bool
    has_stock: bool
    on_sale: bool | None
    is_new: bool | None
    has_brands: bool
    characteristics: int


class _Shape(NamedTuple):
    """Everything that determines the SQL of a page, except its parameters."""

    filters: _Filters
    sort: str
    size: int
    is_backward: bool
    has_cursor: bool


@lru_cache(maxsize=256)
def _compile_page(shape: _Shape) -> CompiledQuery[tuple[Any, ...]]:
    return CompiledQuery(
        lambda: _select_page(
            _filter_by_params(shape.filters),
            _ORDERS[ProductSort(shape.sort)],
            Window(shape.size, backward=shape.is_backward),
            (Param("key"), Param("row_id")) if shape.has_cursor else None,
        )
    )


@lru_cache(maxsize=256)
def _compile_count(filters: _Filters) -> CompiledQuery[tuple[Any, ...]]:
    return CompiledQuery(lambda: select_up_to_limit(_filter_by_params(filters)))


def _filter_by_params(filters: _Filters) -> "QuerySet[ListingEntry]":
    category = Param("category")
    return _filter_entries(
        ancestor=category,
        own_category=category if filters.is_own_category else None,
        price_min=Param("price_min") if filters.has_price_min else None,
        price_max=Param("price_max") if filters.has_price_max else None,
        in_stock=Param("in_stock") if filters.has_stock else None,
        on_sale=filters.on_sale,
        is_new=filters.is_new,
        new_since=Param("new_since"),
        brands=Param("brands") if filters.has_brands else None,
        characteristics=[
            (Param(f"ids{number}"), Param(f"values{number}")) for number in range(filters.characteristics)
        ],
    )


def _select_page(
    entries: "QuerySet[ListingEntry]", order: SortOrder, window: Window, position: tuple[Any, Any] | None
) -> "QuerySet[Any, Any]":
    return select_products(
        select_page(entries, order, window, position), order.key, "product_id", path="product__"
    )


def _filter_entries(
    *,
    ancestor: Any,
    own_category: Any,
    price_min: Any,
    price_max: Any,
    in_stock: Any,
    on_sale: bool | None,
    is_new: bool | None,
    new_since: Any,
    brands: Expression | None,
    characteristics: Iterable[tuple[Expression, Expression]],
) -> "QuerySet[ListingEntry]":
    """Filter the listing index by values or placeholders. None skips a filter."""
    entries = ListingEntry.objects.filter(ancestor_id=ancestor)
    if own_category is not None:
        entries = entries.filter(product__category_id=own_category)
    if price_min is not None:
        entries = entries.filter(price__gte=price_min)
    if price_max is not None:
        entries = entries.filter(price__lte=price_max)
    if in_stock is not None:
        entries = entries.filter(in_stock=in_stock)
    if on_sale is not None:
        entries = entries.filter(discount_rate__gt=0) if on_sale else entries.filter(discount_rate=0)
    if is_new is not None:
        created = {"created_at__gte": new_since} if is_new else {"created_at__lt": new_since}
        entries = entries.filter(**created)
    if brands is not None:
        entries = entries.filter(EqualsAny(F("product__brand_id"), brands))
    for ids, values in characteristics:
        entries = entries.filter(
            Exists(
                CharacteristicValue.objects.filter(
                    EqualsAny(F("characteristic_id"), ids),
                    EqualsAny(F("value"), values),
                    product_id=OuterRef("product_id"),
                )
            )
        )
    return entries


def _make_array(items: Sequence[Any]) -> Value:
    return Value(list(items))


def list_products(
    *,
    category: int | str | None = None,
    include_subcategories: bool = True,
    search: str | None = None,
    price_min: Decimal | None = None,
    price_max: Decimal | None = None,
    in_stock: bool | None = None,
    on_sale: bool | None = None,
    is_new: bool | None = None,
    brands: Sequence[int | str] = (),
    characteristics: WantedValues | None = None,
) -> ProductList:
    """Validate the parameters of a product list and return it. No product is read yet.

    Args:
        category: an id (number) or slug (text); None lists the whole shop.
        include_subcategories: whether to list products of subcategories too.
        search: words in Russian or English; misspelt words find similar ones.
        price_min, price_max: inclusive bounds in the currency of the shop.
        in_stock: True lists products in stock, False those out of stock, None both.
        on_sale: True lists products with a compare-at price, False those without, None both.
        is_new: True lists products created in the last `NEW_PRODUCT_DAYS` days, False older ones, None both.
        brands: ids or slugs, see `find_brand_ids`. A product must have one of them, unless there are none.
        characteristics: accepted values by name and unit, or by label; see `find_value_filters`. A product
            must have one of the values of each characteristic.

    Raises:
        NotFound: the category, a brand or a characteristic does not exist.
        OutOfRange: a price is not between 0 and `MAX_PRICE`, has more than two decimals, or `price_min`
            exceeds `price_max`.
        TooLong, Invalid: see `read_search`, `find_brand_ids` and `find_value_filters`.
    """
    price_min = _check_price(price_min, _("The lowest price"), field="price_min")
    price_max = _check_price(price_max, _("The highest price"), field="price_max")
    if price_min is not None and price_max is not None and price_min > price_max:
        raise OutOfRange(
            _("The lowest price (%(price_min)s) must not exceed the highest (%(price_max)s)."),
            field="price_min",
            params={"price_min": price_min, "price_max": price_max},
        )
    return ProductList(
        category=_find_category(category) if category is not None else None,
        include_subcategories=include_subcategories,
        search=read_search(search) if search is not None else None,
        price_min=price_min,
        price_max=price_max,
        in_stock=in_stock,
        on_sale=on_sale,
        is_new=is_new,
        brand_ids=find_brand_ids(brands),
        characteristics=find_value_filters(characteristics or {}),
    )


def _find_category(key: int | str) -> CategoryRow:
    category = get_category(id=parse_id(key)) if isinstance(key, int) else get_category(slug=key)
    if category is None:
        raise NotFound(
            _("Category %(key)r does not exist."), field="category", params={"key": str(key)[:100]}
        )
    return category


def _check_price(price: Decimal | None, name: "StrOrPromise", *, field: str) -> Decimal | None:
    if price is None:
        return None
    if not (price.is_finite() and 0 <= price <= MAX_PRICE):
        raise OutOfRange(
            _("%(name)s must be between 0 and %(maximum)s."),
            field=field,
            params={"name": name, "maximum": MAX_PRICE},
        )
    if price != round(price, 2):
        raise OutOfRange(_("%(name)s must have at most two decimals."), field=field, params={"name": name})
    return round(price, 2)
