"""Attribution of clicks and orders to lists of recommended products, without personal data.

A click is counted in Redis, by day and list, so that clicks do not wait for each other at a row of the
database. A task adds the counts to the database. Orders are attributed by their lines.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.db.models import Count, DecimalField, F, Func, Q, Subquery, Sum, Value
from django.utils import timezone
from redis import Redis

from backend.carts.models import RecommendationList
from backend.core.redis import PREFIX, redis_required, try_redis
from backend.orders.models import Order, OrderLine
from backend.orders.sales import get_start_of_day
from backend.recommendations.models import ClickCount

# A hash with a field for each day and list, like "2026-01-31 similar".
CLICKS_KEY = f"{PREFIX}recommendations:clicks"

_AMOUNT = DecimalField(max_digits=18, decimal_places=2)


@dataclass(slots=True)
class Attribution:
    """The clicks on the products of a kind of list, and the orders of products that were added from it.

    Attributes:
        orders: orders with at least one unit that is not cancelled.
        units: without cancelled ones.
        revenue: the totals of these units after the discount, in the currency of the shop.
    """

    recommended_by: RecommendationList
    clicks: int = 0
    orders: int = 0
    units: int = 0
    revenue: Decimal = Decimal(0)


def count_click(recommended_by: RecommendationList) -> None:
    """Count a click on a product of a list. It is not counted while Redis does not respond."""
    name = f"{timezone.localdate()} {recommended_by.value}"
    try_redis(lambda redis: redis.hincrby(CLICKS_KEY, name, 1))


def save_clicks() -> int:
    """Move the counted clicks from Redis to the database and return their number.

    If the database does not save them, or the process is told to end, they return to Redis.

    Raises:
        Unavailable: Redis does not respond.
    """
    with redis_required() as redis:
        taken = _take_clicks(redis)
        with ExitStack() as on_failure:
            on_failure.callback(_return_clicks, redis, taken)
            _add_clicks(taken)
            on_failure.pop_all()
    return sum(taken.values())


def read_attribution(days: int) -> list[Attribution]:
    """Return the attribution of each kind of list in one statement.

    Args:
        days: the number of days, today included. The statement reads an index of the orders of these days.
    """
    today = timezone.localdate()
    first_day = today - timedelta(days=days - 1)
    start = get_start_of_day(first_day)
    # Lines have no date. Without this bound, PostgreSQL reads the attributed lines of all times. With `+ 0`,
    # it looks for the smallest id among the orders of these days and not among all.
    first_order = Order.objects.filter(placed_at__gte=start).order_by()
    first_order_id = first_order.annotate(first=Func(F("pk") + 0, function="MIN")).values("first")
    lines = (
        OrderLine.objects.filter(~Q(recommended_by=""), order__placed_at__gte=start)
        .filter(order__gte=Subquery(first_order_id))
        .filter(order__currency=settings.SHOP_CURRENCY)
        .filter(~Q(order__status=Order.Status.CANCELLED), quantity__gt=F("cancelled_quantity"))
        .order_by()
        .values("recommended_by")
        .annotate(
            clicks=Value(0),
            orders=Count("order", distinct=True),
            units=Sum(F("quantity") - F("cancelled_quantity")),
            revenue=Sum(F("line_total") - F("discount"), output_field=_AMOUNT),
        )
    )
    clicks = (
        ClickCount.objects.filter(day__gte=first_day)
        .values("recommended_by")
        .annotate(
            clicks=Sum("clicks"),
            orders=Value(0),
            units=Value(0),
            revenue=Value(Decimal(0), output_field=_AMOUNT),
        )
    )
    found = {kind: Attribution(kind) for kind in RecommendationList}
    for row in lines.union(clicks, all=True):
        attribution = found[RecommendationList(row["recommended_by"])]
        attribution.clicks += row["clicks"]
        attribution.orders += row["orders"]
        attribution.units += row["units"]
        attribution.revenue += row["revenue"]
    return list(found.values())


def _take_clicks(redis: Redis) -> dict[str, int]:
    """Remove the counts from Redis and return them by name.

    One transaction, so that a click in between is neither lost nor counted twice.
    """
    with redis.pipeline() as pipeline:
        pipeline.hgetall(CLICKS_KEY)
        pipeline.delete(CLICKS_KEY)
        counts, _ = pipeline.execute()
    return {name.decode(): int(clicks) for name, clicks in counts.items()}


def _return_clicks(redis: Redis, counts: dict[str, int]) -> None:
    with redis.pipeline() as pipeline:
        for name, clicks in counts.items():
            pipeline.hincrby(CLICKS_KEY, name, clicks)
        pipeline.execute()


def _add_clicks(counts: dict[str, int]) -> None:
    # In the order of the keys, so that two tasks do not deadlock.
    rows: Sequence[Sequence[str | int]] = [(*name.split(), clicks) for name, clicks in sorted(counts.items())]
    if not rows:
        return
    with connection.cursor() as cursor:
        # Raw SQL, because `bulk_create` cannot add to the existing value.
        cursor.execute(
            "INSERT INTO recommendations_clickcount (day, recommended_by, clicks) "
            "SELECT * FROM unnest(%s::date[], %s::text[], %s::bigint[]) "
            "ON CONFLICT (day, recommended_by) "
            "DO UPDATE SET clicks = recommendations_clickcount.clicks + EXCLUDED.clicks",
            [list(column) for column in zip(*rows, strict=True)],
        )
