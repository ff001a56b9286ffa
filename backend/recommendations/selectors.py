"""Read lists of recommended products that are published and in stock.

A list starts with the recommendations of the table. Short lists are filled up with the next best products:
similar ones, then best sellers of the same category, then best sellers of the shop, or the newest products
where nothing has been sold. The cache holds only product ids, keyed by the version of the recommendations, so
that prices and stock are always current and a new version is visible at once.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from django.db.models import F, Q, QuerySet, Subquery, Sum, Window, prefetch_related_objects
from django.db.models.functions import RowNumber

from backend.carts.models import CartLine
from backend.catalog.models import WHOLE_SHOP, ListingEntry, Product
from backend.core.cache import cache_maximum, read_cached, write_cached
from backend.core.errors import OutOfRange
from backend.core.viewer import Viewer
from backend.orders.models import Order, OrderLine
from backend.recommendations.models import ModelVersion, Recommendation

Kind = Recommendation.Kind

MAX_FIRST = 50
# The number of the viewer's latest order lines that recommendations are based on.
MAX_HISTORY_LINES = 50
# The maximum number of categories whose best sellers fill up short lists.
MAX_CATEGORIES = 100
# The number of additional products that are cached for each list. They replace products that have sold out.
SPARE_PRODUCTS = 5
CACHE_SECONDS = 600
VERSION_KEY = "recommendations:version"
_LIST_KEY_PREFIX = "recommendations:lists:"
_VERSION = Subquery(ModelVersion.objects.values("version")[:1])

# The kinds that make up a list, in this order.
_SOURCES = {Kind.SIMILAR: (Kind.SIMILAR,), Kind.BOUGHT_TOGETHER: (Kind.BOUGHT_TOGETHER, Kind.SIMILAR)}

# Lists of recommended products by kind and product id.
Lists = dict[tuple[Kind, int], list[Product]]


def read_related(kinds: Sequence[Kind], products: Sequence[Product], first: int) -> Lists:
    """Return the recommendations for some products.

    Takes one query for all lists, one more if some lists are short, and one for the pictures.

    Args:
        kinds: SIMILAR, BOUGHT_TOGETHER or both.
        first: the length of each list, 1 to `MAX_FIRST`. Lists are shorter only if the shop has fewer
            products.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    sources = sorted({source for kind in kinds for source in _SOURCES[kind]})
    recommended = _read_lists(
        sources, [product.pk for product in products], first + min(first, SPARE_PRODUCTS)
    )
    lists = {
        (kind, product.pk): _take_distinct(
            (other for source in _SOURCES[kind] for other in recommended[source, product.pk]),
            {product.pk},
            first,
        )
        for kind in kinds
        for product in products
    }
    short = {pk for (_, pk), others in lists.items() if len(others) < first}
    if short:
        categories = {product.pk: product.category_id for product in products}
        popular = _read_popular({categories[pk] for pk in short}, 2 * first + 1)
        for (kind, pk), others in lists.items():
            same_category = (other for other in popular if other.category_id == categories[pk])
            lists[kind, pk] = _take_distinct(chain(others, same_category, popular), {pk}, first)
    _load_pictures(chain.from_iterable(lists.values()))
    return lists


def suggest_for_cart(lines: Sequence[CartLine], first: int) -> list[Product]:
    """Return products that complement the published products in a cart, without those that are in it.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    # What complements an unpublished product would reveal how staff have edited it.
    present = sorted(line.product_id for line in lines if line.product.is_published)
    if not present:
        return _fill_with_popular([], first)
    digest = hashlib.sha256(repr(present).encode()).hexdigest()
    version = _read_cached_version()
    key = f"{version}:cart:{digest}:{first}"
    cached = _read_cached_ids([key]) if version is not None else {}
    if key in cached:
        suggested = _load_products(cached[key])
    else:
        suggested = list(_query_complements(present).annotate(version=_VERSION)[:first])
        if suggested:
            version = suggested[0].version  # type: ignore[attr-defined]
        _write_cached_ids({f"cart:{digest}:{first}": suggested}, version)
    return _fill_with_popular(suggested, first, exclude=Product.objects.filter(pk__in=present))


def recommend(viewer: Viewer, first: int) -> list[Product]:
    """Return products that complement the viewer's latest orders, or best sellers, or the newest products.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    if viewer.user_id is None:
        return _fill_with_popular([], first)
    lines = OrderLine.objects.filter(order__user_id=viewer.user_id, product__isnull=False).exclude(
        order__status=Order.Status.CANCELLED
    )
    # A subquery of the two queries below instead of a query of its own. Its LIMIT makes PostgreSQL evaluate
    # it only once in each of them.
    bought = lines.order_by("-id").values("product_id")[:MAX_HISTORY_LINES]
    return _fill_with_popular(list(_query_complements(bought)[:first]), first, exclude=bought)


def _query_available() -> "QuerySet[Product]":
    """Return the products that are published and in stock."""
    products = Product.objects.filter(is_published=True, stock__gt=0)
    return products.select_related("category").defer("search_vector")


def _read_lists(kinds: Sequence[Kind], subjects: Sequence[int], count: int) -> Lists:
    """Return the first `count` recommendations of every list, from the cache or in one query."""
    version = _read_cached_version()
    names = {
        (kind, subject): f"{kind}:{subject}:{count}" for kind in kinds for subject in dict.fromkeys(subjects)
    }
    if version is not None:
        keys = {place: f"{version}:{name}" for place, name in names.items()}
        cached = _read_cached_ids(keys.values())
        if len(cached) == len(keys):
            products = {
                product.pk: product for product in _load_products(chain.from_iterable(cached.values()))
            }
            return {
                place: [products[pk] for pk in cached[key] if pk in products] for place, key in keys.items()
            }
    lists: Lists = {place: [] for place in names}
    rank = Window(
        RowNumber(), partition_by=[F("kind"), F("subject_id")], order_by=[F("score").desc(), F("other_id")]
    )
    rows = (
        Recommendation.objects.filter(
            kind__in=kinds, subject_id__in=subjects, other__is_published=True, other__stock__gt=0
        )
        .annotate(rank=rank, version=_VERSION)
        .filter(rank__lte=count)
        .order_by("rank")
        .select_related("other__category")
        .defer("other__search_vector")
    )
    for row in rows:
        # Read in the same statement as the row, unlike the version from the cache.
        version = row.version
        lists[Kind(row.kind), row.subject_id].append(row.other)
    _write_cached_ids({name: lists[place] for place, name in names.items()}, version)
    return lists


def _query_complements(subjects: "Sequence[int] | QuerySet[Any, Any]") -> "QuerySet[Product]":
    """Return the complements of some products, then similar products, without these products."""

    def total(kind: Kind) -> Sum:
        return Sum("recommended__score", filter=Q(recommended__kind=kind))

    return (
        _query_available()
        .filter(recommended__kind__in=[Kind.COMPLEMENT, Kind.SIMILAR], recommended__subject_id__in=subjects)
        .exclude(pk__in=subjects)
        .annotate(complement=total(Kind.COMPLEMENT), similarity=total(Kind.SIMILAR))
        .order_by(F("complement").desc(nulls_last=True), F("similarity").desc(nulls_last=True), "pk")
    )


def _read_cached_version() -> int | None:
    return read_cached([VERSION_KEY]).get(VERSION_KEY)


def _read_cached_ids(keys: Iterable[str]) -> dict[str, list[int]]:
    """Return the cached lists of product ids. Keys that are not cached are missing."""
    names = {f"{_LIST_KEY_PREFIX}{key}": key for key in keys}
    return {names[name]: ids for name, ids in read_cached(names).items()}


def _write_cached_ids(lists: Mapping[str, Sequence[Product]], version: int | None) -> None:
    """Cache the product ids of some lists under the version that they were read from."""
    if version is None:
        return
    cache_maximum(VERSION_KEY, version, seconds=CACHE_SECONDS)
    ids = {
        f"{_LIST_KEY_PREFIX}{version}:{name}": [product.pk for product in products]
        for name, products in lists.items()
    }
    write_cached(ids, seconds=CACHE_SECONDS)


def _read_popular(
    category_ids: Iterable[int | None], count: int, exclude: "QuerySet[Any, Any] | None" = None
) -> list[Product]:
    """Return the `count` best-selling or newest products of each category and of the whole shop."""
    entries = ListingEntry.objects.filter(in_stock=True).order_by("-popularity", "-product_id")
    if exclude is not None:
        entries = entries.exclude(product_id__in=exclude)
    ancestors = [WHOLE_SHOP, *sorted({pk for pk in category_ids if pk is not None})[:MAX_CATEGORIES]]
    first, *others = [entries.filter(ancestor_id=pk).values("product_id")[:count] for pk in ancestors]
    product_ids = first.union(*others, all=True) if others else first
    return list(_query_available().filter(pk__in=product_ids).order_by("-popularity", "-pk"))


def _fill_with_popular(
    products: Sequence[Product], first: int, exclude: "QuerySet[Any, Any] | None" = None
) -> list[Product]:
    """Return the products with pictures, filled up with best sellers that are not in `exclude`."""
    filled = list(products)
    if len(filled) < first:
        filled = _take_distinct(chain(filled, _read_popular([], first + len(filled), exclude)), set(), first)
    _load_pictures(filled)
    return filled


def _load_products(ids: Iterable[int]) -> list[Product]:
    """Return the available products among `ids`, in the same order."""
    wanted = list(dict.fromkeys(ids))
    products = {product.pk: product for product in _query_available().filter(pk__in=wanted)}
    return [products[pk] for pk in wanted if pk in products]


def _take_distinct(products: Iterable[Product], exclude_ids: set[int], first: int) -> list[Product]:
    distinct: dict[int, Product] = {}
    for product in products:
        if product.pk not in exclude_ids:
            distinct.setdefault(product.pk, product)
    return list(distinct.values())[:first]


def _load_pictures(products: Iterable[Product]) -> None:
    prefetch_related_objects(list(products), "images")


def _check_first(first: int) -> None:
    if not 1 <= first <= MAX_FIRST:
        raise OutOfRange(
            f"The number of products must be between 1 and {MAX_FIRST}, not {first}.", field="first"
        )
