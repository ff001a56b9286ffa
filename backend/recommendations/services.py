"""Building the model and keeping it up with the orders.

The table is replaced inside one transaction, so readers see the old model until the new one is whole.
Whoever writes it holds the row of `ModelVersion`: two at once would put their rows in side by side.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

import numpy as np
from django.db import transaction
from django.db.models import Subquery
from django.utils import timezone

from backend.core.cache import raise_cached
from backend.core.copying import copy_rows
from backend.orders.models import Order, OrderLine
from backend.recommendations.log import Baskets, collect_baskets
from backend.recommendations.model import TABLE_WIDTH, bought_together_rows, build_tables
from backend.recommendations.models import ModelVersion, Recommendation
from backend.recommendations.purchases import (
    newest_day,
    read_contents,
    read_purchases,
    read_purchases_of,
)
from backend.recommendations.selectors import CACHE_SECONDS, VERSION_KEY
from backend.recommendations.similar import find_similar
from backend.recommendations.tables import table_rows

Kind = Recommendation.Kind
Row = tuple[str, int, int, float]
T = TypeVar("T")

# After more new orders than this the model is built anew.
MAX_NEW_ORDERS = 2000
# How many products an update renews, from how many orders of each, and of the shop for what is popular now.
MAX_UPDATED_PRODUCTS = 100
ORDERS_PER_PRODUCT = 300
RECENT_ORDERS = 3000

_PROGRESS_EVERY = 20_000


@dataclass(slots=True)
class BuildReport:
    """What a build learnt from and wrote.

    Attributes:
        rows: how many recommendations there are of each kind.
        seconds: how long each step took.
    """

    version: int = 0
    orders: int = 0
    products: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def build_model(*, on_progress: Callable[[str, int], None] | None = None) -> BuildReport:
    """Build the whole model from the orders and products, and put it in the place of the last one.

    Args:
        on_progress: called with the step at work and how many rows it has done.
    """
    report, tell = BuildReport(), on_progress or (lambda step, count: None)
    # Read first: an order that is placed from now on is left for the next update.
    last_order_id = Order.objects.order_by("-id").values_list("id", flat=True).first() or 0
    today = newest_day()
    start = time.monotonic()
    purchases = read_purchases(today) if today else iter(())
    baskets = collect_baskets(_counted("reading orders", purchases, tell))
    start = _note(report, "reading orders", start)

    tell("learning what sells together", 0)
    tables = build_tables(baskets, today.toordinal() if today else 0)
    start = _note(report, "learning what sells together", start)

    tell("comparing products", 0)
    contents = read_contents()
    similar = find_similar(contents, width=TABLE_WIDTH)
    report.orders, report.products = len(baskets.days), len(contents)
    start = _note(report, "comparing products", start)

    ids = [int(item) for item in baskets.items]
    rows = chain(
        _rows(Kind.SIMILAR, similar),
        _rows(Kind.BOUGHT_TOGETHER, table_rows(tables.bought_together, ids)),
        _rows(Kind.COMPLEMENT, table_rows(tables.complements, ids)),
    )
    written = _counted("writing", _counting(rows, report.rows), tell)
    report.version = replace_model(rows=written, last_order_id=last_order_id)
    _note(report, "writing", start)
    return report


def replace_model(*, rows: Iterable[Row], last_order_id: int) -> int:
    """Put a model in the place of the last one and return its version.

    Rows are deleted and copied in: TRUNCATE would empty the table for those who read it now, and make
    them wait. COPY, since there are a hundred rows and more for each product.

    Args:
        rows: kind, product, other and score; none twice.
        last_order_id: up to which order it knows them.
    """
    with transaction.atomic():
        current = _lock_version()
        Recommendation.objects.all().delete()
        _insert(rows)
        return _raise_version(current, last_order_id)


def update_model() -> int | None:
    """Renew what is bought together with the products of new orders; build what was never built.

    Does a bounded amount of work: what it leaves, the next call does. One query if there is nothing new.

    Returns:
        How many products were renewed; None if the model was built instead.
    """
    state = (
        ModelVersion.objects.annotate(newest=Subquery(Order.objects.order_by("-id").values("id")[:1]))
        .values_list("last_order_id", "newest")
        .first()
    )
    if state is None:
        build_model()
        return None
    last, newest = state
    if newest is None or newest <= last:
        return 0
    if Order.objects.filter(id__gt=last).order_by()[: MAX_NEW_ORDERS + 1].count() > MAX_NEW_ORDERS:
        build_model()
        return None
    return _update()


def _update() -> int:
    with transaction.atomic():
        current = ModelVersion.objects.select_for_update(skip_locked=True).first()
        if current is None:
            # Somebody else is writing: what is new will be seen next time.
            return 0
        product_ids, last_order_id = _new_products(current.last_order_id)
        if not product_ids:
            ModelVersion.objects.update(last_order_id=last_order_id)
            return 0
        purchases = read_purchases_of(product_ids, newest=ORDERS_PER_PRODUCT, recent=RECENT_ORDERS)
        rows = list(_together(collect_baskets(purchases), product_ids))
        Recommendation.objects.filter(kind=Kind.BOUGHT_TOGETHER, subject_id__in=product_ids).delete()
        _insert(rows)
        _raise_version(current, last_order_id)
        return len(product_ids)


def _new_products(last_order_id: int) -> tuple[list[int], int]:
    """Return the products of some of the orders after one, and the last of these orders."""
    found: dict[int, None] = {}
    orders = Order.objects.filter(id__gt=last_order_id).order_by("id").values_list("id", "status")
    for order_id, status in orders[:MAX_UPDATED_PRODUCTS]:
        last_order_id = order_id
        if status != Order.Status.CANCELLED:
            lines = OrderLine.objects.filter(order_id=order_id, product__isnull=False)
            found.update(dict.fromkeys(lines.values_list("product_id", flat=True)))
        if len(found) >= MAX_UPDATED_PRODUCTS:
            break
    return list(found)[:MAX_UPDATED_PRODUCTS], last_order_id


def _together(baskets: Baskets, product_ids: Iterable[int]) -> Iterator[Row]:
    """Yield what is bought together with some products of these baskets."""
    ids = [int(item) for item in baskets.items]
    columns = {pk: column for column, pk in enumerate(ids)}
    known = [pk for pk in product_ids if pk in columns]
    today = int(baskets.days.max(initial=0))
    wanted = np.array([columns[pk] for pk in known], dtype=np.intp)
    for pk, (others, scores) in zip(known, bought_together_rows(baskets, today, wanted), strict=True):
        for other, score in zip(others, scores, strict=True):
            yield Kind.BOUGHT_TOGETHER, pk, ids[other], float(score)


def _lock_version() -> ModelVersion:
    """Keep other writers of the model away until commit."""
    ModelVersion.objects.bulk_create([ModelVersion()], ignore_conflicts=True)
    return ModelVersion.objects.select_for_update().get()


def _insert(rows: Iterable[Row]) -> None:
    copy_rows(Recommendation._meta.db_table, ("kind", "subject_id", "other_id", "score"), rows)


def _raise_version(current: ModelVersion, last_order_id: int) -> int:
    current.version += 1
    current.built_at = timezone.now()
    current.last_order_id = last_order_id
    current.save()
    version = current.version
    transaction.on_commit(lambda: raise_cached(VERSION_KEY, version, seconds=CACHE_SECONDS), robust=True)
    return version


def _rows(kind: Kind, scores: Iterable[tuple[int, int, float]]) -> Iterator[Row]:
    return ((kind.value, subject, other, score) for subject, other, score in scores)


def _counting(rows: Iterable[Row], counts: dict[str, int]) -> Iterator[Row]:
    for row in rows:
        counts[row[0]] = counts.get(row[0], 0) + 1
        yield row


def _counted(step: str, rows: Iterable[T], tell: Callable[[str, int], None]) -> Iterator[T]:
    count = 0
    for count, row in enumerate(rows, 1):
        if count % _PROGRESS_EVERY == 0:
            tell(step, count)
        yield row
    tell(step, count)


def _note(report: BuildReport, step: str, start: float) -> float:
    now = time.monotonic()
    report.seconds[step] = now - start
    return now
