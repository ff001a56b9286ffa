"""Build the recommendations and update them with new orders.

The table is replaced in one transaction, so that readers see the previous recommendations until then. Writers
lock the row of `ModelVersion` first: without the lock, concurrent builds would insert duplicate rows.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

import numpy as np
from django.db import transaction
from django.db.models import F, Subquery
from django.utils import timezone

from backend.core.cache import cache_maximum
from backend.core.db import copy_rows
from backend.core.response_cache import mark_catalogue_changed
from backend.orders.models import Order, OrderLine
from backend.recommendations.basket_model import MATRIX_WIDTH, compute_basket_scores, score_bought_together
from backend.recommendations.baskets import Baskets, collect_baskets
from backend.recommendations.content_similarity import find_similar_products
from backend.recommendations.models import ModelVersion, Recommendation
from backend.recommendations.score_matrix import iterate_scores
from backend.recommendations.selectors import CACHE_SECONDS, VERSION_KEY
from backend.recommendations.training_data import (
    get_newest_order_day,
    read_product_contents,
    read_purchases,
    read_purchases_of_products,
)

Kind = Recommendation.Kind
# Kind, product id, recommended product id and score.
Row = tuple[str, int, int, float]
ProgressCallback = Callable[[str, int], None]
T = TypeVar("T")

# With more new orders than this, the model is rebuilt.
MAX_NEW_ORDERS = 2000
# The maximum number of products that an update handles, of orders that it reads for each of them, and of
# recent orders that it reads to estimate the popularity of all products.
MAX_UPDATED_PRODUCTS = 100
ORDERS_PER_PRODUCT = 300
RECENT_ORDERS = 3000

_ROWS_PER_PROGRESS_REPORT = 20_000


@dataclass(slots=True)
class BuildReport:
    """The result of a build.

    Attributes:
        rows: the number of recommendations of each kind.
        seconds: the duration of each step.
    """

    version: int = 0
    orders: int = 0
    products: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def build_model(*, on_progress: ProgressCallback | None = None) -> BuildReport:
    """Compute all recommendations from orders and products, and replace the existing ones.

    Args:
        on_progress: called with the name of the current step and the number of rows done.
    """
    report, report_progress = BuildReport(), on_progress or (lambda step, count: None)
    # Read before the orders: orders placed from now on are left to the next update.
    last_order_id = Order.objects.order_by("-id").values_list("id", flat=True).first() or 0
    today = get_newest_order_day()
    start = time.monotonic()
    purchases = read_purchases(today) if today else iter(())
    baskets = collect_baskets(_iterate_with_progress(purchases, "reading orders", report_progress))
    start = _record_duration(report, "reading orders", start)

    report_progress("scoring products bought together", 0)
    scores = compute_basket_scores(baskets, today.toordinal() if today else 0)
    start = _record_duration(report, "scoring products bought together", start)

    report_progress("comparing products", 0)
    contents = read_product_contents()
    similar = find_similar_products(contents, width=MATRIX_WIDTH)
    report.orders, report.products = len(baskets.days), len(contents)
    start = _record_duration(report, "comparing products", start)

    ids = [int(item) for item in baskets.items]
    rows = chain(
        _to_rows(Kind.SIMILAR, similar),
        _to_rows(Kind.BOUGHT_TOGETHER, iterate_scores(scores.bought_together, ids)),
        _to_rows(Kind.COMPLEMENT, iterate_scores(scores.complements, ids)),
    )
    counted = _count_by_kind(rows, report.rows)
    report.version = replace_model(
        rows=_iterate_with_progress(counted, "writing", report_progress), last_order_id=last_order_id
    )
    _record_duration(report, "writing", start)
    return report


def replace_model(*, rows: Iterable[Row], last_order_id: int) -> int:
    """Replace all recommendations and return the new version.

    Uses DELETE, because TRUNCATE would block readers, and COPY, because there are more than a hundred rows
    for each product.

    Args:
        rows: without duplicates.
        last_order_id: the id of the newest order that the rows account for.
    """
    with transaction.atomic():
        current = _lock_version()
        Recommendation.objects.all().delete()
        _copy_rows(rows)
        return _increment_version(current, last_order_id)


def update_model() -> int | None:
    """Update the bought-together recommendations of products in new orders.

    The work of one call is bounded; further calls do the rest. If there are no new orders, a call takes one
    query. If there is no model yet, or there are more than MAX_NEW_ORDERS new orders, everything is rebuilt.

    Returns:
        the number of updated products, or None after a rebuild.
    """
    state = (
        ModelVersion.objects.annotate(newest=Subquery(Order.objects.order_by("-id").values("id")[:1]))
        .values_list("last_order_id", "newest")
        .first()
    )
    if state is None:
        build_model()
        return None
    last_order_id, newest_order_id = state
    if newest_order_id is None or newest_order_id <= last_order_id:
        return 0
    new_orders = Order.objects.filter(id__gt=last_order_id).order_by()
    if new_orders[: MAX_NEW_ORDERS + 1].count() > MAX_NEW_ORDERS:
        build_model()
        return None
    return _update_products_of_new_orders()


def _update_products_of_new_orders() -> int:
    with transaction.atomic():
        current = ModelVersion.objects.select_for_update(skip_locked=True).first()
        if current is None:
            # Another process is writing. The next call handles the new orders.
            return 0
        product_ids, last_order_id = _find_new_products(current.last_order_id)
        if not product_ids:
            ModelVersion.objects.update(last_order_id=last_order_id)
            return 0
        purchases = read_purchases_of_products(
            product_ids, orders_per_product=ORDERS_PER_PRODUCT, recent_orders=RECENT_ORDERS
        )
        rows = list(_compute_bought_together(collect_baskets(purchases), product_ids))
        Recommendation.objects.filter(kind=Kind.BOUGHT_TOGETHER, subject_id__in=product_ids).delete()
        _copy_rows(rows)
        _increment_version(current, last_order_id)
        return len(product_ids)


def _find_new_products(last_order_id: int) -> tuple[list[int], int]:
    """Return up to MAX_UPDATED_PRODUCTS products of the next orders and the id of the last of them."""
    product_ids: dict[int, None] = {}
    orders = Order.objects.filter(id__gt=last_order_id).order_by("id").values_list("id", "status")
    for order_id, status in orders[:MAX_UPDATED_PRODUCTS]:
        last_order_id = order_id
        if status != Order.Status.CANCELLED:
            lines = OrderLine.objects.filter(
                order_id=order_id, product__isnull=False, cancelled_quantity__lt=F("quantity")
            )
            product_ids.update(dict.fromkeys(lines.values_list("product_id", flat=True)))
        if len(product_ids) >= MAX_UPDATED_PRODUCTS:
            break
    return list(product_ids)[:MAX_UPDATED_PRODUCTS], last_order_id


def _compute_bought_together(baskets: Baskets, product_ids: Iterable[int]) -> Iterator[Row]:
    """Yield the bought-together rows of these products."""
    ids = [int(item) for item in baskets.items]
    columns = {pk: column for column, pk in enumerate(ids)}
    known = [pk for pk in product_ids if pk in columns]
    today = int(baskets.days.max(initial=0))
    wanted = np.array([columns[pk] for pk in known], dtype=np.intp)
    for pk, (others, scores) in zip(known, score_bought_together(baskets, today, wanted), strict=True):
        for other, score in zip(others, scores, strict=True):
            yield Kind.BOUGHT_TOGETHER, pk, ids[other], float(score)


def _lock_version() -> ModelVersion:
    """Lock out other writers until commit."""
    ModelVersion.objects.bulk_create([ModelVersion()], ignore_conflicts=True)
    return ModelVersion.objects.select_for_update().get()


def _copy_rows(rows: Iterable[Row]) -> None:
    copy_rows(Recommendation._meta.db_table, ("kind", "subject_id", "other_id", "score"), rows)


def _increment_version(current: ModelVersion, last_order_id: int) -> int:
    current.version += 1
    current.built_at = timezone.now()
    current.last_order_id = last_order_id
    current.save()
    version = current.version
    transaction.on_commit(lambda: cache_maximum(VERSION_KEY, version, seconds=CACHE_SECONDS), robust=True)
    # After the call above, so that no response is computed from the old lists and cached as a new one.
    mark_catalogue_changed()
    return version


def _to_rows(kind: Kind, scores: Iterable[tuple[int, int, float]]) -> Iterator[Row]:
    return ((kind.value, subject, other, score) for subject, other, score in scores)


def _count_by_kind(rows: Iterable[Row], counts: dict[str, int]) -> Iterator[Row]:
    for row in rows:
        counts[row[0]] = counts.get(row[0], 0) + 1
        yield row


def _iterate_with_progress(rows: Iterable[T], step: str, report_progress: ProgressCallback) -> Iterator[T]:
    count = 0
    for count, row in enumerate(rows, 1):
        if count % _ROWS_PER_PROGRESS_REPORT == 0:
            report_progress(step, count)
        yield row
    report_progress(step, count)


def _record_duration(report: BuildReport, step: str, start: float) -> float:
    """Record the duration of a step and return the start of the next one."""
    now = time.monotonic()
    report.seconds[step] = now - start
    return now
