"""Cancel orders and change their status."""

from backend.carts.promo_codes import return_promo_code_use
from backend.catalog.stock import return_stock
from backend.core.db import atomic_or_conflict
from backend.core.errors import ErrorCode, Invalid, NotFound, ShopError, Unauthenticated
from backend.core.viewer import Viewer
from backend.notifications.services import enqueue_email
from backend.orders.models import NEXT_STATUSES, Order, OrderStatusChange
from backend.orders.selectors import read_order


class WrongOrderStatus(ShopError):
    """The current status of the order does not allow the requested one."""

    code = ErrorCode.ORDER_STATUS


@atomic_or_conflict
def cancel_order(*, viewer: Viewer, number: str) -> Order:
    """Cancel an order of the viewer, return its products and the use of its promo code, and return the order.

    Raises:
        Unauthenticated: the viewer is not logged in.
        NotFound: the viewer has no order with this number.
        WrongOrderStatus: the order has been shipped, delivered or cancelled.
        Conflict: other requests change the same data.
    """
    if viewer.user_id is None:
        raise Unauthenticated("Log in first.")
    # Locks the account first, like its deletion, because the history refers to it.
    orders = Order.objects.select_for_update(of=["user", "self"], no_key=True).select_related("user")
    orders = orders.filter(user_id=viewer.user_id, user__is_active=True, number=number)
    order = orders.first() if "\0" not in number else None
    if order is None:
        raise NotFound("You have no order with this number.", field="number")
    change_locked_status(order, Order.Status.CANCELLED, changed_by=viewer.user_id)
    return read_order(order.pk)


@atomic_or_conflict
def change_order_status(*, order_id: int, status: str, changed_by: int) -> Order:
    """Change the status of an order of any customer, mail the customer, and return the order.

    Args:
        status: one of `Order.Status`. The products of a cancelled order return to stock, and its promo code
            can be used again.
        changed_by: the id of the staff user.

    Raises:
        NotFound: the order does not exist.
        Invalid: the status does not exist.
        WrongOrderStatus: the current status does not allow this one.
        Conflict: other requests change the same data.
    """
    if status not in Order.Status.values:
        raise Invalid(f"status must be one of {', '.join(Order.Status.values)}.", field="status")
    order = Order.objects.select_for_update().filter(pk=order_id).first()
    if order is None:
        raise NotFound("This order does not exist.", field="order_id")
    change_locked_status(order, Order.Status(status), changed_by=changed_by)
    return read_order(order.pk)


def change_locked_status(order: Order, status: Order.Status, *, changed_by: int) -> None:
    """Change the status of a locked order, record it in the history and enqueue a mail."""
    if status not in NEXT_STATUSES[Order.Status(order.status)]:
        raise WrongOrderStatus(f"An order that is {order.status} cannot become {status}.", field="number")
    order.status = status
    order.save(update_fields=["status"])
    OrderStatusChange.objects.create(order=order, status=status, changed_by_id=changed_by)
    if status == Order.Status.CANCELLED:
        _return_stock(order)
        if order.promo_code:
            return_promo_code_use(order.number)
    if order.user is not None:
        enqueue_email(
            task="orders.send_status",
            recipient=order.user.email,
            language=order.user.language,
            context={"order_id": order.pk, "status": status},
        )


def _return_stock(order: Order) -> None:
    return_stock(dict(order.lines.filter(product__isnull=False).values_list("product_id", "quantity")))
