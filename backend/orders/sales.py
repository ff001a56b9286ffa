"""Sales by day, queues and totals of orders, for the admin."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from backend.orders.models import Order

REPORTED_DAYS = 30
# A count of more rows is shown as "more than".
MAX_COUNT = 1000


@dataclass(frozen=True, slots=True)
class DailySales:
    """The orders of a day in the currency of the shop, without cancelled ones."""

    day: date
    revenue: Decimal
    order_count: int


@dataclass(frozen=True, slots=True)
class OrderQueue:
    """The orders with a status, oldest first.

    Attributes:
        count: the number of all of them, at most `MAX_COUNT` + 1.
        oldest: the first ones.
    """

    count: int
    oldest: Sequence[Order]


@dataclass(frozen=True, slots=True)
class OrderTotals:
    """The totals of orders in the currency of the shop, without cancelled ones."""

    order_count: int
    revenue: Decimal


def read_daily_sales() -> list[DailySales]:
    """Return the sales of each of the last `REPORTED_DAYS` days, today included, oldest first."""
    today = timezone.localdate()
    days = [today - timedelta(days=number) for number in reversed(range(REPORTED_DAYS))]
    sales = {day: (revenue, count) for day, revenue, count in _group_by_day(get_start_of_day(days[0]))}
    return [DailySales(day, *sales.get(day, (Decimal(0), 0))) for day in days]


def get_start_of_day(day: date) -> datetime:
    """Return midnight in the time zone of the shop."""
    return timezone.make_aware(datetime.combine(day, time.min))


def _group_by_day(start: datetime) -> "QuerySet[Order, Any]":
    """Return the day, the revenue and the number of orders of each day with orders."""
    return (
        Order.objects.filter(placed_at__gte=start, currency=settings.SHOP_CURRENCY)
        .exclude(status=Order.Status.CANCELLED)
        .order_by()
        .values_list(TruncDate("placed_at"))
        .annotate(revenue=Sum("total"), count=Count("*"))
    )


def read_order_queue(status: Order.Status, limit: int) -> OrderQueue:
    """Return the number of orders with a status and the oldest of them, in two queries."""
    orders = Order.objects.filter(status=status)
    return OrderQueue(
        count=orders.order_by()[: MAX_COUNT + 1].count(),
        oldest=list(orders.order_by("placed_at", "id")[:limit]),
    )


def sum_orders(orders: "QuerySet[Order]", limit: int) -> OrderTotals:
    """Return the totals of the newest orders of a list, at most `limit`, in one query."""
    newest = orders.order_by("-placed_at", "-id").values("pk", "status", "currency", "total")[:limit]
    is_sold = Q(currency=settings.SHOP_CURRENCY) & ~Q(status=Order.Status.CANCELLED)
    sums = newest.aggregate(count=Count("pk", filter=is_sold), revenue=Sum("total", filter=is_sold))
    return OrderTotals(sums["count"], sums["revenue"] or Decimal(0))


def read_first_and_last_day() -> tuple[date, date]:
    """Return the days of the first and the last order, or twice today without orders."""
    days = Order.objects.aggregate(first=Min("placed_at"), last=Max("placed_at"))
    return timezone.localdate(days["first"]), timezone.localdate(days["last"])
