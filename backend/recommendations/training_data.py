"""Read the purchases and products that recommendations are computed from."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from backend.catalog.models import Category, Product
from backend.orders.models import Order, OrderLine
from backend.orders.purchase_log import RejectedRow, read_purchase_log
from backend.recommendations.baskets import Purchase
from backend.recommendations.content_similarity import ProductContent

# The age of the oldest orders, counted from the newest.
TRAINING_PERIOD = timedelta(days=3 * 365)
_CHUNK_SIZE = 10_000


def get_newest_order_day() -> date | None:
    """Return the day of the newest order that is not cancelled, or None if there are no orders."""
    placed_at = _exclude_cancelled().order_by("-placed_at").values_list("placed_at", flat=True)
    newest: datetime | None = placed_at.first()
    return timezone.localdate(newest) if newest is not None else None


def read_purchases(today: date) -> Iterator[Purchase]:
    """Stream the purchases of the last three years, without cancelled orders and lines.

    Args:
        today: the last day of the three years.
    """
    start = timezone.make_aware(datetime.combine(today - TRAINING_PERIOD, datetime.min.time()))
    return _stream_purchases(OrderLine.objects.filter(order__placed_at__gte=start))


def read_purchases_of_products(
    product_ids: Iterable[int], *, orders_per_product: int, recent_orders: int
) -> list[Purchase]:
    """Return the purchases of the newest orders of each product and of the newest orders of the shop.

    Args:
        orders_per_product: the maximum number of orders of each product.
        recent_orders: the maximum number of orders of the shop.
    """
    with connection.cursor() as cursor:
        # One index scan for each product, which the ORM cannot express.
        cursor.execute(
            "SELECT DISTINCT line.order_id FROM unnest(%s::bigint[]) AS wanted (product_id)"
            " CROSS JOIN LATERAL (SELECT order_id FROM orders_orderline"
            " WHERE product_id = wanted.product_id ORDER BY id DESC LIMIT %s) AS line",
            [list(product_ids), orders_per_product],
        )
        order_ids = {order_id for (order_id,) in cursor.fetchall()}
    order_ids.update(_exclude_cancelled().order_by("-id").values_list("id", flat=True)[:recent_orders])
    return list(_stream_purchases(OrderLine.objects.filter(order_id__in=order_ids)))


def read_logged_purchases(path: Path, rejected: Counter[str] | None = None) -> Iterator[Purchase]:
    """Stream the purchases of known customers from a purchase log. One invoice is one basket.

    Args:
        path: see `read_purchase_log`.
        rejected: receives the number of rejected rows by reason.

    Raises:
        PurchaseLogError: the file is not a purchase log.
    """
    for row in read_purchase_log(path, timezone.get_default_timezone()):
        if isinstance(row, RejectedRow):
            if rejected is not None:
                rejected[row.reason] += 1
        elif row.customer:
            yield Purchase(row.invoice, row.sku, row.name, row.placed_at.toordinal(), row.customer)


def read_product_contents() -> list[ProductContent]:
    """Return the content of every published product, ordered by primary key."""
    category_paths: dict[int, tuple[int, ...]] = {}
    for pk, parent_id in Category.objects.order_by("tree_id", "lft").values_list("pk", "parent_id"):
        category_paths[pk] = (*category_paths.get(parent_id, ()), pk)
    columns = ("pk", "name", "description", "category_id", "characteristics", "price")
    products = Product.objects.filter(is_published=True).order_by("pk").values_list(*columns)
    with transaction.atomic():
        return [
            ProductContent(
                id=pk,
                name=name,
                description=description,
                category_path=category_paths.get(category_id, ()),
                characteristics=tuple((title, value) for title, value, _ in characteristics),
                price=float(price),
            )
            for pk, name, description, category_id, characteristics, price in products.iterator(_CHUNK_SIZE)
        ]


def _exclude_cancelled() -> "QuerySet[Order]":
    return Order.objects.exclude(status=Order.Status.CANCELLED)


def _stream_purchases(lines: "QuerySet[OrderLine]") -> Iterator[Purchase]:
    rows: Any = (
        lines.filter(
            ~Q(order__status=Order.Status.CANCELLED),
            product__isnull=False,
            cancelled_quantity__lt=F("quantity"),
        )
        .order_by()
        .values_list("order_id", "product_id", "name", "order__placed_at", "order__user_id")
    )
    # Outside a transaction, PostgreSQL would materialize the whole result for the server-side cursor.
    with transaction.atomic():
        for order_id, product_id, name, placed_at, user_id in rows.iterator(_CHUNK_SIZE):
            day = timezone.localdate(placed_at).toordinal()
            yield Purchase(str(order_id), str(product_id), name, day, str(user_id or ""))
