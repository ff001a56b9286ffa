"""The shop's own orders and products, as the model learns from them."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from backend.catalog.models import Category, Product
from backend.orders.models import Order, OrderLine
from backend.recommendations.log import Purchase
from backend.recommendations.similar import Content

# How far back from the newest order the model looks.
LEARNT_FROM = timedelta(days=3 * 365)
_CHUNK = 10_000


def newest_day() -> date | None:
    """Return the day of the newest order that counts, or None if there is no such order."""
    newest: datetime | None = _counted().order_by("-placed_at").values_list("placed_at", flat=True).first()
    return timezone.localdate(newest) if newest is not None else None


def read_purchases(today: date) -> Iterator[Purchase]:
    """Yield what the orders of the last three years held, as a stream. Cancelled orders do not count.

    Args:
        today: the day that the years end with.
    """
    start = timezone.make_aware(datetime.combine(today - LEARNT_FROM, datetime.min.time()))
    return _purchases(OrderLine.objects.filter(order__placed_at__gte=start))


def read_purchases_of(product_ids: Iterable[int], *, newest: int, recent: int) -> list[Purchase]:
    """Return the purchases of the newest orders that hold each of some products, and of the newest of all.

    Args:
        newest: how many orders of each product, at most.
        recent: how many orders of the shop, at most.
    """
    with connection.cursor() as cursor:
        # One index scan a product, which the ORM cannot say.
        cursor.execute(
            "SELECT DISTINCT line.order_id FROM unnest(%s::bigint[]) AS wanted (product_id)"
            " CROSS JOIN LATERAL (SELECT order_id FROM orders_orderline"
            " WHERE product_id = wanted.product_id ORDER BY id DESC LIMIT %s) AS line",
            [list(product_ids), newest],
        )
        order_ids = {order_id for (order_id,) in cursor.fetchall()}
    order_ids.update(_counted().order_by("-id").values_list("id", flat=True)[:recent])
    return list(_purchases(OrderLine.objects.filter(order_id__in=order_ids)))


def read_contents() -> list[Content]:
    """Return what is known of every published product, in the order of the primary keys."""
    above: dict[int, tuple[int, ...]] = {}
    for pk, parent_id in Category.objects.order_by("tree_id", "lft").values_list("pk", "parent_id"):
        above[pk] = (*above.get(parent_id, ()), pk)
    columns = ("pk", "name", "description", "category_id", "characteristics", "price")
    products = Product.objects.filter(is_published=True).order_by("pk").values_list(*columns)
    with transaction.atomic():
        return [
            Content(
                id=pk,
                name=name,
                description=description,
                category=above.get(category_id, ()),
                characteristics=tuple((title, value) for title, value, _ in characteristics),
                price=float(price),
            )
            for pk, name, description, category_id, characteristics, price in products.iterator(_CHUNK)
        ]


def _counted() -> "QuerySet[Order]":
    return Order.objects.exclude(status=Order.Status.CANCELLED)


def _purchases(lines: "QuerySet[OrderLine]") -> Iterator[Purchase]:
    rows: Any = (
        lines.filter(~Q(order__status=Order.Status.CANCELLED), product__isnull=False)
        .order_by()
        .values_list("order_id", "product_id", "name", "order__placed_at", "order__user_id")
    )
    # A cursor outside a transaction would first have the whole result kept on the server.
    with transaction.atomic():
        for order_id, product_id, name, placed_at, user_id in rows.iterator(_CHUNK):
            day = timezone.localdate(placed_at).toordinal()
            yield str(order_id), str(product_id), name, day, str(user_id or "")
