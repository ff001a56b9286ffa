"""What a list of products could be narrowed by, with how many products each choice would leave."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby, islice

from django.db.models import Count, Max, Min, Q, QuerySet

from backend.catalog.models import Category, CharacteristicValue, ListingEntry
from backend.catalog.selectors.listing import ProductList

MAX_FACET_VALUES = 50
# Over all characteristics; a shop whose values hardly repeat is not sent whole.
MAX_FACET_ROWS = 2000


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a characteristic, and how many products choosing it would list."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class CharacteristicFacet:
    """The values of one characteristic, the most frequent first, at most `MAX_FACET_VALUES`."""

    name: str
    unit: str
    values: Sequence[FacetValue]


@dataclass(frozen=True, slots=True)
class CategoryFacet:
    """A category right below the listed one, and how many of the products are in it."""

    category: Category
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Each facet honours every filter of the list but its own."""

    characteristics: Sequence[CharacteristicFacet]
    price_min: Decimal | None
    price_max: Decimal | None
    categories: Sequence[CategoryFacet]


def read_facets(products: ProductList) -> Facets:
    """Count the facets of a list in four queries, whatever it holds."""
    price = (
        replace(products, price_min=None, price_max=None)
        .entries()
        .aggregate(lowest=Min("price"), highest=Max("price"))
    )
    return Facets(
        characteristics=_characteristics(products),
        price_min=price["lowest"],
        price_max=price["highest"],
        categories=_categories(products),
    )


def _characteristics(products: ProductList) -> list[CharacteristicFacet]:
    """One branch of a union for the characteristics nobody filters by, and one for each filtered."""
    chosen = products.characteristics
    filtered = [pk for wanted in chosen for pk in wanted.characteristic_ids]
    branches = [_count_values(products, ~Q(characteristic_id__in=filtered))]
    for wanted in chosen:
        others = replace(products, characteristics=[other for other in chosen if other != wanted])
        branches.append(_count_values(others, Q(characteristic_id__in=wanted.characteristic_ids)))
    rows = branches[0].union(*branches[1:], all=True) if chosen else branches[0]
    ordered = sorted(rows, key=lambda row: (*row[:4], -row[5], row[4]))
    facets = []
    for (_, name, unit, _), group in groupby(ordered, key=lambda row: row[:4]):
        values = [FacetValue(value, count) for *_, value, count in islice(group, MAX_FACET_VALUES)]
        facets.append(CharacteristicFacet(name, unit, values))
    return facets


def _count_values(products: ProductList, which: Q) -> "QuerySet[CharacteristicValue, tuple]":
    """Count the most frequent values in rows of position, name, unit, identifier, value and count."""
    return (
        CharacteristicValue.objects.filter(
            which, characteristic__is_facet=True, product_id__in=products.entries().values("product_id")
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


def _categories(products: ProductList) -> list[CategoryFacet]:
    """Count over the listing entries of the subcategories themselves."""
    category = products.category
    siblings = Category.objects.filter(parent=category).order_by("tree_id", "lft")
    matching = replace(products, include_subcategories=True).entries().values("product_id")
    counts = dict(
        ListingEntry.objects.filter(ancestor_id__in=siblings.values("pk"), product_id__in=matching)
        .order_by()
        .values_list("ancestor_id")
        .annotate(count=Count("*"))
    )
    return [CategoryFacet(child, counts[child.pk]) for child in siblings if child.pk in counts]
