"""All changes of orders, and the popularity of products, which is computed from them.

All transactions lock rows in the same order: the account, the order or the cart, products by primary key, and
then the promo code.
"""

from backend.carts.services import CartEmpty
from backend.orders.services.creation import (
    MAX_IDEMPOTENCY_KEY_LENGTH,
    MAX_TOTAL,
    IdempotencyKeyReused,
    NoLongerSold,
    TotalChanged,
    create_order,
)
from backend.orders.services.popularity import POPULARITY_PERIOD, count_popularity
from backend.orders.services.statuses import WrongOrderStatus, cancel_order, change_order_status

__all__ = [
    "MAX_IDEMPOTENCY_KEY_LENGTH",
    "MAX_TOTAL",
    "POPULARITY_PERIOD",
    "CartEmpty",
    "IdempotencyKeyReused",
    "NoLongerSold",
    "TotalChanged",
    "WrongOrderStatus",
    "cancel_order",
    "change_order_status",
    "count_popularity",
    "create_order",
]
