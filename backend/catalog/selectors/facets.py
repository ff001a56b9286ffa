"""Count the facets of a product list: the values by which it can be filtered further."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby, islice

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, F, Max, Min, Q, QuerySet

from backend.catalog.models import CharacteristicValue, ListingEntry
from backend.catalog.selectors.categories import read_category_children, read_category_tree
from backend.catalog.selectors.listing import ProductList
from backend.catalog.selectors.rows import BRAND_COLUMNS, BrandRow, CategoryRow
from backend.core.compiled_query import EqualsAny

MAX_FACET_VALUES = 50
# Over all characteristics. Bounds the response in a shop where most values occur once.
MAX_FACET_ROWS = 2000


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a characteristic, and the number of products that filtering by it would list."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class CharacteristicFacet:
    """A characteristic with its most frequent values, at most `MAX_FACET_VALUES`."""

    name: str
    unit: str
    values: Sequence[FacetValue]


@dataclass(frozen=True, slots=True)
class CategoryFacet:
    """A direct subcategory of the listed category, and the number of listed products in it."""

    category: CategoryRow
    count: int


@dataclass(frozen=True, slots=True)
class BrandFacet:
    """A brand, and the number of products that filtering by it would list."""

    brand: BrandRow
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The facets of a list. Each one applies all filters of the list except its own."""

    characteristics: Sequence[CharacteristicFacet]
    price_min: Decimal | None
    price_max: Decimal | None
    on_sale_count: int
    categories: Sequence[CategoryFacet]
    brands: Sequence[BrandFacet]


def read_facets(products: ProductList) -> Facets:
    """Count the facets of a list in six queries, independent of its size."""
    price = (
        replace(products, price_min=None, price_max=None)
        .select_entries()
        .aggregate(lowest=Min("price"), highest=Max("price"))
    )
    return Facets(
        characteristics=_count_characteristics(products),
        price_min=price["lowest"],
        price_max=price["highest"],
        on_sale_count=replace(products, on_sale=True).select_entries().count(),
        categories=_count_categories(products),
        brands=_count_brands(products),
    )


def _count_characteristics(products: ProductList) -> list[CharacteristicFacet]:
    """Count values in one query. Filters by a characteristic do not apply to its own values.

    The query has a branch for the unfiltered characteristics, and one for each set of own filters.
    """
    filters = products.characteristics
    own_filters: dict[int, list[int]] = {}
    for index, filter in enumerate(filters):
        for pk in filter.characteristic_ids:
            own_filters.setdefault(pk, []).append(index)
    groups: dict[tuple[int, ...], list[int]] = {}
    for pk, own in own_filters.items():
        groups.setdefault(tuple(own), []).append(pk)
    branches = [_count_values(products, ~Q(characteristic_id__in=own_filters))]
    for own_indexes, ids in groups.items():
        others = [filter for index, filter in enumerate(filters) if index not in own_indexes]
        branches.append(
            _count_values(replace(products, characteristics=others), Q(characteristic_id__in=ids))
        )
    rows = branches[0].union(*branches[1:], all=True) if filters else branches[0]
    ordered = sorted(rows, key=lambda row: (*row[:4], -row[5], row[4]))
    facets = []
    for (_, name, unit, _), group in groupby(ordered, key=lambda row: row[:4]):
        values = [FacetValue(value, count) for *_, value, count in islice(group, MAX_FACET_VALUES)]
        facets.append(CharacteristicFacet(name, unit, values))
    return facets


def _count_values(products: ProductList, which: Q) -> "QuerySet[CharacteristicValue, tuple]":
    """Return the most frequent values as rows of position, name, unit, id, value and count."""
    # An array, so that PostgreSQL reads the values by product. It keeps no statistics of a table as small as
    # that of the characteristics, and would look each value of the whole shop up in a subquery.
    listed = ArraySubquery(products.select_entries().values("product_id"))
    return (
        CharacteristicValue.objects.filter(
            which, EqualsAny(F("product_id"), listed), characteristic__is_facet=True
        )
        .values_list(
            "characteristic__position",
            "characteristic__name",
            "characteristic__unit",
            "characteristic_id",
            "value",
        )
        .annotate(count=Count("*"))
        .order_by("-count", "characteristic_id", "value")[:MAX_FACET_ROWS]
    )


def _count_categories(products: ProductList) -> list[CategoryFacet]:
    """Count listed products in each direct subcategory, by its own listing entries."""
    if products.category:
        children = read_category_children([products.category.id])[products.category.id]
    else:
        children = read_category_tree(depth=1)
    matching = replace(products, include_subcategories=True).select_entries().values("product_id")
    counts = dict(
        ListingEntry.objects.filter(ancestor_id__in=[child.id for child in children], product_id__in=matching)
        .order_by()
        .values_list("ancestor_id")
        .annotate(count=Count("*"))
    )
    return [CategoryFacet(child, counts[child.id]) for child in children if child.id in counts]


def _count_brands(products: ProductList) -> list[BrandFacet]:
    """Count the products of the most frequent brands, at most `MAX_FACET_VALUES`."""
    rows = (
        replace(products, brand_ids=())
        .select_entries()
        .filter(product__brand__isnull=False)
        .order_by()
        .values_list(*(f"product__brand__{name}" for name in BRAND_COLUMNS))
        .annotate(count=Count("*"))
        .order_by("-count", "product__brand__name")[:MAX_FACET_VALUES]
    )
    return [BrandFacet(BrandRow(*brand), count) for *brand, count in rows]
