"""The history and the payments on the admin page of an order."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from backend.orders.admin.statuses import get_status_class
from backend.orders.models import Order, OrderStatusChange, Payment
from backend.orders.services import MANUAL_PROVIDER

DELETED_ACCOUNT = _("(account deleted)")


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A row of the history on the page of an order.

    Attributes:
        css_class: the CSS class with the colours of the status; empty for cancelled units.
    """

    text: str
    happened_at: datetime
    author: str
    css_class: str = ""


def list_history(order: Order) -> list[HistoryEntry]:
    """Return the status changes and cancelled units of an order, oldest first."""
    entries = [
        HistoryEntry(
            change.get_status_display(),
            change.changed_at,
            _describe_author(order, change),
            get_status_class(change.status),
        )
        for change in order.history.all()
    ]
    entries += [
        HistoryEntry(
            _("%(quantity)s × %(sku)s cancelled") % {"quantity": cancellation.quantity, "sku": line.sku},
            cancellation.cancelled_at,
            cancellation.cancelled_by.email if cancellation.cancelled_by else str(DELETED_ACCOUNT),
        )
        for line in order.lines.all()
        for cancellation in line.cancellations.all()
    ]
    return sorted(entries, key=lambda entry: entry.happened_at)


def describe_payment(order: Order, payment: Payment) -> str:
    """Return whether a payment has paid its order, and what staff have to do if it has not."""
    match payment.status:
        case Payment.Status.ORDER_CANCELLED:
            return str(_("To be refunded: the order was already cancelled."))
        case Payment.Status.ALREADY_PAID:
            return str(_("To be refunded: the order was already paid."))
        case Payment.Status.WRONG_AMOUNT:
            return str(
                _(
                    "Not accepted: the amount is not the total of the order. "
                    "Refund it or settle the difference."
                )
            )
    if order.status == Order.Status.CANCELLED:
        return str(_("To be refunded: the order is cancelled."))
    if payment.amount > order.total:
        return _("Accepted. %(amount)s %(currency)s to be refunded.") % {
            "amount": payment.amount - order.total,
            "currency": payment.currency,
        }
    return str(_("Accepted."))


def _describe_author(order: Order, change: OrderStatusChange) -> str:
    if change.changed_by:
        return change.changed_by.email
    if change.status == Order.Status.PAID:
        for payment in order.payments.all():
            if payment.status == Payment.Status.ACCEPTED and payment.provider != MANUAL_PROVIDER:
                return payment.provider
    return str(_("(guest)") if order.is_of_guest else DELETED_ACCOUNT)
