"""Prometheus counters of orders, in the processes that create them."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter

from backend.core.errors import ShopError

ORDERS = Counter("lavka_orders", "Orders that were created.")
REFUSED_ORDERS = Counter("lavka_refused_orders", "Orders that were refused, by error code.", ["code"])
STOCK_OUTS = Counter("lavka_stock_outs", "Products of which an order took the last unit.")


def count_order(sold_out: int) -> None:
    """Count an order that was committed.

    Args:
        sold_out: number of its products that have no stock left.
    """
    ORDERS.inc()
    STOCK_OUTS.inc(sold_out)


@contextmanager
def count_refusals() -> Iterator[None]:
    """Count an error that refuses an order."""
    try:
        yield
    except ShopError as error:
        REFUSED_ORDERS.labels(error.code).inc()
        raise
