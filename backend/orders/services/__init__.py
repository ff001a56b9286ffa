"""All changes of orders, and the popularity of products, which is computed from them.

All transactions lock rows in the same order: the account, the order or the cart, products by primary key, and
then the promo code. The orders and carts of guests have no account.
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
from backend.orders.services.line_cancellation import cancel_order_lines
from backend.orders.services.notes import add_order_note
from backend.orders.services.payments import WrongPaymentAmount, mark_paid
from backend.orders.services.popularity import POPULARITY_PERIOD, count_popularity
from backend.orders.services.statuses import (
    MANUAL_PROVIDER,
    WrongOrderStatus,
    cancel_guest_order,
    cancel_order,
    change_order_status,
    change_tracking,
)

__all__ = [
    "MANUAL_PROVIDER",
    "MAX_IDEMPOTENCY_KEY_LENGTH",
    "MAX_TOTAL",
    "POPULARITY_PERIOD",
    "CartEmpty",
    "IdempotencyKeyReused",
    "NoLongerSold",
    "TotalChanged",
    "WrongOrderStatus",
    "WrongPaymentAmount",
    "add_order_note",
    "cancel_guest_order",
    "cancel_order",
    "cancel_order_lines",
    "change_order_status",
    "change_tracking",
    "count_popularity",
    "create_order",
    "mark_paid",
]
