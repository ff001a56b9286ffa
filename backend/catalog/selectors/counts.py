"""Count published products. The cost of a count is bounded, however large the shop is.

Counts up to `EXACT_COUNT_LIMIT` are exact. A larger one is cached in Redis for `CATALOG_CACHE_SECONDS`, and
counted once for all processes when the cached one expires. A cached response with that count can be as old
again. Without Redis, every count is exact.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.conf import settings
from django.db.models import Count, F, QuerySet

from backend.catalog.models import WHOLE_SHOP, ListingEntry
from backend.core.cache import compute_once
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param

# Reading as many index entries takes PostgreSQL 0.1 ms.
EXACT_COUNT_LIMIT = 1_000

_ANCESTORS = CompiledQuery(
    lambda: ListingEntry.objects.filter(ancestor_id__gt=WHOLE_SHOP).values_list("ancestor_id")[
        : EXACT_COUNT_LIMIT + 1
    ]
)
_ANCESTORS_AMONG = CompiledQuery(
    lambda: ListingEntry.objects.filter(EqualsAny(F("ancestor_id"), Param("ids"))).values_list("ancestor_id")[
        : EXACT_COUNT_LIMIT + 1
    ]
)

_BRANDS_AMONG = CompiledQuery(
    lambda: ListingEntry.objects.filter(
        EqualsAny(F("product__brand_id"), Param("ids")), ancestor_id=WHOLE_SHOP
    ).values_list("product__brand_id")[: EXACT_COUNT_LIMIT + 1]
)


def select_up_to_limit(entries: "QuerySet[ListingEntry]") -> "QuerySet[ListingEntry, tuple[Any, ...]]":
    """Select at most one entry more than are counted exactly."""
    # Only a column of the index is selected, so that the table is not read.
    return entries.order_by().values_list("product_id")[: EXACT_COUNT_LIMIT + 1]


def count_up_to_limit(entries: "QuerySet[ListingEntry]") -> int:
    """Count entries. More than `EXACT_COUNT_LIMIT` of them are counted as one more than it."""
    return select_up_to_limit(entries).count()


def read_large_total(key: Any, count: Callable[[], int]) -> int:
    """Return the cached number of entries, or count and cache it.

    Args:
        key: describes the conditions of the entries; its `repr` identifies them.
        count: counts the entries. Not called if their number is cached, since building its query takes longer
            than reading the cache.
    """
    total: int = _compute_cached("total", key, count)
    return total


def count_products(category_ids: Collection[int] | None = None) -> Mapping[int, int]:
    """Count the products of categories, subcategories included, in one query.

    The counts are exact if their sum is at most `EXACT_COUNT_LIMIT`. Otherwise they are cached together, and
    a second query counts them if they are not cached.

    Args:
        category_ids: None counts for all categories.

    Returns:
        Counts by category id, without categories that have no products.
    """
    rows = _ANCESTORS.run() if category_ids is None else _ANCESTORS_AMONG.run(ids=list(category_ids))
    if len(rows) <= EXACT_COUNT_LIMIT:
        return Counter(ancestor for (ancestor,) in rows)
    key = None if category_ids is None else sorted(category_ids)
    ids, counts = _compute_cached("product-counts", key, lambda: _count_by_category(category_ids))
    return dict(zip(ids, counts, strict=True))


def count_brand_products(brand_ids: Collection[int]) -> Mapping[int, int]:
    """Count the products of brands, with the cost and the precision of `count_products`.

    Returns:
        Counts by brand id, without brands that have no products.
    """
    rows = _BRANDS_AMONG.run(ids=list(brand_ids)) if brand_ids else []
    if len(rows) <= EXACT_COUNT_LIMIT:
        return Counter(brand for (brand,) in rows)
    ids, counts = _compute_cached("brand-counts", sorted(brand_ids), lambda: _count_by_brand(brand_ids))
    return dict(zip(ids, counts, strict=True))


def _count_by_brand(brand_ids: Collection[int]) -> tuple[list[int], list[int]]:
    entries = ListingEntry.objects.filter(ancestor_id=WHOLE_SHOP, product__brand_id__in=brand_ids)
    counts = dict(entries.order_by().values_list("product__brand_id").annotate(count=Count("*")))
    return list(counts), list(counts.values())


def _count_by_category(category_ids: Collection[int] | None) -> tuple[list[int], list[int]]:
    entries = ListingEntry.objects.filter(ancestor_id__gt=WHOLE_SHOP)
    if category_ids is not None:
        entries = entries.filter(ancestor_id__in=category_ids)
    # Two lists of numbers are decoded faster than a JSON object.
    counts = dict(entries.order_by().values_list("ancestor_id").annotate(count=Count("*")))
    return list(counts), list(counts.values())


def _compute_cached(kind: str, key: Any, compute: Callable[[], Any]) -> Any:
    digest = hashlib.sha256(repr(key).encode()).hexdigest()
    return compute_once(f"catalog:{kind}:{digest}", compute, seconds=settings.CATALOG_CACHE_SECONDS)
