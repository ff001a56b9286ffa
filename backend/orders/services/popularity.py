"""Compute the popularity of products from orders."""

from datetime import timedelta

from django.db.models import F, Sum
from django.utils import timezone

from backend.catalog.stock import update_popularity
from backend.orders.models import Order, OrderLine

# Popularity is the number of units sold in this period.
POPULARITY_PERIOD = timedelta(days=30)


def count_popularity() -> int:
    """Set the popularity of every product to the units sold in `POPULARITY_PERIOD`.

    Returns:
        the number of products whose popularity has changed.
    """
    sold = (
        OrderLine.objects.filter(
            order__placed_at__gte=timezone.now() - POPULARITY_PERIOD, product__isnull=False
        )
        .exclude(order__status=Order.Status.CANCELLED)
        .values_list("product_id")
        .annotate(units=Sum(F("quantity") - F("cancelled_quantity")))
    )
    return update_popularity(dict(sold))
