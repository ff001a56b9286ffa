"""Cancel units of the lines of an order."""

from collections import Counter
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext_lazy as _

from backend.carts.promo_codes import ZERO
from backend.catalog.stock import return_stock
from backend.core.db import atomic_or_conflict
from backend.core.errors import Invalid, NotFound, OutOfRange
from backend.orders.models import STATUS_WORDS, Order, OrderLine, OrderLineCancellation
from backend.orders.selectors import read_order
from backend.orders.services.creation import TotalChanged
from backend.orders.services.emails import enqueue_customer_email
from backend.orders.services.statuses import (
    WrongOrderStatus,
    change_locked_status,
    lock_order,
)


@atomic_or_conflict
def cancel_order_lines(
    *, order_id: int, quantities: Mapping[int, int], expected_total: Decimal, changed_by: int
) -> Order:
    """Cancel units of the lines of an order of any customer, mail the customer, and return the order.

    The units return to stock. The totals and discounts of the lines and of the order become those of the
    remaining units. If none remain, the order is cancelled as a whole and keeps its totals.

    Args:
        quantities: the units to cancel by line id.
        expected_total: the total that staff have seen, so that a repeated request cancels nothing more.
        changed_by: the id of the staff user.

    Raises:
        NotFound: the order or a line does not exist.
        Invalid: no line is given.
        OutOfRange: a quantity is not between 1 and the remaining units of its line.
        WrongOrderStatus: the order has been shipped, delivered or cancelled.
        TotalChanged: the order has another total than expected.
        Conflict: other requests change the same data.
    """
    if not quantities:
        raise Invalid(_("Enter the quantity of at least one line."), field="quantities")
    order = lock_order(order_id)
    if not order.is_cancellable:
        raise WrongOrderStatus(
            _("The lines of an order that is %(status)s cannot be cancelled."),
            field="order_id",
            params={"status": STATUS_WORDS[Order.Status(order.status)]},
        )
    if order.total != expected_total:
        raise TotalChanged(
            _("The total of the order is now %(total)s %(currency)s. Check its lines again."),
            field="expected_total",
            params={"total": order.total, "currency": order.currency},
        )
    lines = {line.pk: line for line in order.lines.all()}
    for line_id, quantity in quantities.items():
        _require_cancellable(lines.get(line_id), quantity)
    if sum(quantities.values()) == sum(line.remaining_quantity for line in lines.values()):
        change_locked_status(order, Order.Status.CANCELLED, changed_by=changed_by)
        return read_order(order.pk)
    cancelled = [lines[line_id] for line_id in quantities]
    units: Counter[int] = Counter()
    for line in cancelled:
        line.cancelled_quantity += quantities[line.pk]
        total = line.unit_price * line.remaining_quantity
        line.discount = _reduce_discount(line, total)
        line.line_total = total
        if line.product_id is not None:
            units[line.product_id] += quantities[line.pk]
    OrderLine.objects.bulk_update(cancelled, ["cancelled_quantity", "discount", "line_total"])
    order.discount = sum((line.discount for line in lines.values()), ZERO)
    order.total = sum((line.line_total for line in lines.values()), ZERO) - order.discount
    order.save(update_fields=["discount", "total"])
    OrderLineCancellation.objects.bulk_create(
        OrderLineCancellation(line=line, quantity=quantities[line.pk], cancelled_by_id=changed_by)
        for line in cancelled
    )
    return_stock(units)
    # The mail lists what this cancellation changed, also if there is another one before a retry.
    enqueue_customer_email(
        order,
        "orders.send_line_cancellation",
        lines=[{"name": line.name, "quantity": quantities[line.pk]} for line in cancelled],
        total=str(order.total),
    )
    return read_order(order.pk)


def _require_cancellable(line: OrderLine | None, quantity: int) -> None:
    if line is None:
        raise NotFound(_("This order has no such line."), field="quantities")
    if line.remaining_quantity == 0:
        raise OutOfRange(
            _("All units of %(sku)s are cancelled already."), field="quantities", params={"sku": line.sku}
        )
    if not 1 <= quantity <= line.remaining_quantity:
        raise OutOfRange(
            _(
                "The quantity of %(sku)s to cancel must be between 1 and "
                "%(remaining_quantity)s, not %(quantity)s."
            ),
            field="quantities",
            params={"sku": line.sku, "remaining_quantity": line.remaining_quantity, "quantity": quantity},
        )


def _reduce_discount(line: OrderLine, total: Decimal) -> Decimal:
    """Return the discount of a line whose total becomes smaller, in proportion and rounded half up."""
    if not line.line_total:
        return ZERO
    return (line.discount * total / line.line_total).quantize(Decimal("0.01"), ROUND_HALF_UP)
