"""Record payments of orders."""

import logging
import re
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from backend.core.db import atomic_or_conflict
from backend.core.errors import Conflict, Invalid, NotFound, OutOfRange, ShopError
from backend.orders.models import MAX_REFERENCE_LENGTH, NEXT_STATUSES, Order, Payment
from backend.orders.selectors import read_order
from backend.orders.services.creation import MAX_TOTAL
from backend.orders.services.statuses import change_locked_status

logger = logging.getLogger(__name__)

_CURRENCY = re.compile("[A-Z]{3}")


class WrongPaymentAmount(ShopError):
    """The amount of a payment is not the total of its order. The payment is recorded, and nothing else."""


def mark_paid(
    *,
    number: str,
    reference: str,
    amount: Decimal,
    currency: str,
    provider: str,
) -> Order:
    """Record a payment, change the status of its order to paid, mail the customer, and return the order.

    Idempotent by provider and reference: a repetition returns the order again. The payment of an order that
    is cancelled or already paid changes nothing but is recorded too, so that staff can refund it.

    Args:
        number: the order number.
        reference: the id of the payment at the provider.
        amount, currency: must be the total of the order.
        provider: the name of the payment provider.

    Raises:
        NotFound: there is no order with this number.
        Invalid: the reference or the currency is malformed.
        OutOfRange: the amount cannot be the total of an order.
        WrongPaymentAmount: the amount or the currency is not that of the order. The payment is recorded.
        Conflict: the reference belongs to a payment of another order or amount, or other requests change the
            same data.
    """
    _validate_reference(reference)
    if not _CURRENCY.fullmatch(currency):
        raise Invalid(_("The currency must be an ISO 4217 code, such as RUB."), field="currency")
    amount = _validate_amount(amount)
    order, payment = _record_payment(number, provider, reference, amount, currency)
    if payment.status == Payment.Status.WRONG_AMOUNT:
        # After the commit, which keeps the payment.
        raise WrongPaymentAmount(
            _(
                "The payment of %(amount)s %(currency)s does not match the total of "
                "the order, %(total)s %(order_currency)s."
            ),
            field="amount",
            params={
                "amount": amount,
                "currency": currency,
                "total": order.total,
                "order_currency": order.currency,
            },
        )
    return read_order(order.pk)


@atomic_or_conflict
def _record_payment(
    number: str, provider: str, reference: str, amount: Decimal, currency: str
) -> tuple[Order, Payment]:
    """Record a payment once, and accept it if its order awaits exactly this payment."""
    orders = Order.objects.select_for_update().filter(number=number)
    order = orders.first() if "\0" not in number else None
    if order is None:
        raise NotFound(_("There is no order with this number."), field="number")
    # After the lock, so that the second of two concurrent deliveries finds the payment of the first.
    payment = Payment.objects.filter(provider=provider, reference=reference).first()
    if payment is not None:
        if (payment.order_id, payment.amount, payment.currency) != (order.pk, amount, currency):
            raise Conflict(_("This reference belongs to another payment."), field="reference")
        return order, payment
    payment = Payment(order=order, provider=provider, reference=reference, amount=amount, currency=currency)
    payment.status = _choose_payment_status(order, payment)
    try:
        with transaction.atomic():
            payment.save()
    except IntegrityError as error:
        # A concurrent request has recorded it for another order, whose lock does not exclude this one.
        raise Conflict(_("This reference belongs to another payment."), field="reference") from error
    if payment.status == Payment.Status.ACCEPTED:
        change_locked_status(order, Order.Status.PAID, changed_by=None)
    else:
        transaction.on_commit(
            lambda: logger.warning(
                "Payment %s of %s for order %s is not accepted: %s",
                reference,
                provider,
                order.number,
                payment.status,
            ),
            robust=True,
        )
    return order, payment


def _choose_payment_status(order: Order, payment: Payment) -> Payment.Status:
    if order.status == Order.Status.CANCELLED:
        return Payment.Status.ORDER_CANCELLED
    if Order.Status.PAID not in NEXT_STATUSES[Order.Status(order.status)]:
        return Payment.Status.ALREADY_PAID
    if (payment.amount, payment.currency) != (order.total, order.currency):
        return Payment.Status.WRONG_AMOUNT
    return Payment.Status.ACCEPTED


def _validate_reference(reference: str) -> None:
    if not (
        1 <= len(reference) <= MAX_REFERENCE_LENGTH
        and reference == reference.strip()
        and reference.isascii()
        and reference.isprintable()
    ):
        raise Invalid(
            _(
                "The reference must consist of 1 to %(maximum)s printable ASCII "
                "characters, without spaces at its ends."
            ),
            field="reference",
            params={"maximum": MAX_REFERENCE_LENGTH},
        )


def _validate_amount(amount: Decimal) -> Decimal:
    if not (amount.is_finite() and 0 <= amount <= MAX_TOTAL):
        raise OutOfRange(
            _("The amount must be between 0 and %(maximum)s."), field="amount", params={"maximum": MAX_TOTAL}
        )
    if amount != round(amount, 2):
        raise OutOfRange(_("The amount must have at most two decimals."), field="amount")
    return round(amount, 2)
