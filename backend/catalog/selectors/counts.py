"""Count published products. The cost of a count is bounded, however large the shop is.

Counts up to `EXACT_COUNT_LIMIT` are exact. A larger one is cached in Redis for `CATALOG_CACHE_SECONDS`, and
counted once for all processes when the cached one expires. Without Redis, every count is exact.
"""

import hashlib
from collections.abc import Collection, Mapping

from django.conf import settings
from django.db.models import Count, QuerySet

from backend.catalog.models import ListingEntry
from backend.core.cache import compute_once

EXACT_COUNT_LIMIT = 10_000


def count_entries(entries: "QuerySet[ListingEntry]") -> int:
    """Count listing entries in one query, and in a second one if there are many and no count is cached."""
    count = _count_up_to_limit(entries)
    if count <= EXACT_COUNT_LIMIT:
        return count
    digest = hashlib.sha256(repr(entries.query.sql_with_params()).encode()).hexdigest()
    total: int = compute_once(
        f"catalog:total:{digest}", entries.count, seconds=settings.CATALOG_CACHE_SECONDS
    )
    return total


def count_products(category_ids: Collection[int] | None = None) -> Mapping[int, int]:
    """Count the products of categories, subcategories included, in two queries.

    The counts are exact if their sum is at most `EXACT_COUNT_LIMIT`. Otherwise those of all categories are
    cached together.

    Args:
        category_ids: None counts for all categories.

    Returns:
        Counts by category id. Categories without products can be missing, others can be included.
    """
    entries = ListingEntry.objects.all()
    if category_ids is not None:
        entries = entries.filter(ancestor_id__in=category_ids)
    if _count_up_to_limit(entries) <= EXACT_COUNT_LIMIT:
        return dict(_count_by_category(entries))
    return dict(
        compute_once(
            "catalog:product-counts",
            lambda: _count_by_category(ListingEntry.objects.all()),
            seconds=settings.CATALOG_CACHE_SECONDS,
        )
    )


def _count_up_to_limit(entries: "QuerySet[ListingEntry]") -> int:
    # Only columns of the index are selected, so that the table is not read.
    return entries.values("product_id")[: EXACT_COUNT_LIMIT + 1].count()


def _count_by_category(entries: "QuerySet[ListingEntry]") -> list[tuple[int, int]]:
    return list(entries.order_by().values_list("ancestor_id").annotate(count=Count("*")))
