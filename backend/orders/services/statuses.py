"""Cancel orders, change their status and their tracking number."""

from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import F, Sum
from django.utils.translation import gettext_lazy as _

from backend.carts.promo_codes import return_promo_code_use
from backend.catalog.stock import return_stock
from backend.core.db import atomic_or_conflict
from backend.core.digests import digest_secret
from backend.core.errors import ErrorCode, Invalid, NotFound, ShopError, TooLong, Unauthenticated
from backend.core.text import clean_line
from backend.core.viewer import Viewer
from backend.orders.guests import UNKNOWN_ORDER, hit_token_limit
from backend.orders.models import (
    MAX_TRACKING_NUMBER_LENGTH,
    MAX_TRACKING_URL_LENGTH,
    NEXT_STATUSES,
    STATUS_WORDS,
    Order,
    OrderStatusChange,
    Payment,
)
from backend.orders.selectors import read_order
from backend.orders.services.emails import enqueue_customer_email

# The provider of payments that staff enter.
MANUAL_PROVIDER = "manual"

_require_url = URLValidator(schemes=["https"])


class WrongOrderStatus(ShopError):
    """The current status of the order does not allow the requested change."""

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
        raise Unauthenticated(_("Log in first."))
    # Locks the account first, like its deletion, because the history refers to it.
    orders = Order.objects.select_for_update(of=["user", "self"], no_key=True).select_related("user")
    orders = orders.filter(user_id=viewer.user_id, user__is_active=True, number=number)
    order = orders.first() if "\0" not in number else None
    if order is None:
        raise NotFound(_("You have no order with this number."), field="number")
    change_locked_status(order, Order.Status.CANCELLED, changed_by=viewer.user_id)
    return read_order(order.pk)


def cancel_guest_order(*, number: str, token: str, address: str) -> Order:
    """Cancel the order of a guest as `cancel_order` does, and return it.

    Args:
        address: the client's address, for the rate limit.

    Raises:
        NotFound: no order has this number and this token.
        RateLimited: too many tokens were sent from this client address.
        WrongOrderStatus, Conflict: as for `cancel_order`.
    """
    hit_token_limit(address)
    return _cancel_guest_order(number, token)


@atomic_or_conflict
def change_order_status(
    *, order_id: int, status: str, changed_by: int, tracking_number: str = "", tracking_url: str = ""
) -> Order:
    """Change the status of an order of any customer, mail the customer, and return the order.

    An order that becomes paid gets a payment of its total with the provider "manual".

    Args:
        status: one of `Order.Status`. The products of a cancelled order return to stock, and its promo code
            can be used again.
        changed_by: the id of the staff user.
        tracking_number, tracking_url: of the shipment, for an order that becomes shipped. Both are optional.

    Raises:
        NotFound: the order does not exist.
        Invalid: the status does not exist, the URL is malformed, or a tracking number comes with another
            status.
        TooLong: the tracking number or the URL is too long.
        WrongOrderStatus: the current status does not allow this one.
        Conflict: other requests change the same data.
    """
    if status not in Order.Status.values:
        raise Invalid(
            _("status must be one of %(statuses)s."),
            field="status",
            params={"statuses": ", ".join(Order.Status.values)},
        )
    tracking = _validate_tracking(tracking_number, tracking_url)
    if any(tracking.values()) and status != Order.Status.SHIPPED:
        raise Invalid(
            _("An order that becomes %(status)s cannot get a tracking number."),
            field="tracking_number",
            params={"status": STATUS_WORDS[Order.Status(status)]},
        )
    order = lock_order(order_id)
    shipment = tracking if status == Order.Status.SHIPPED else None
    change_locked_status(order, Order.Status(status), changed_by=changed_by, shipment=shipment)
    if status == Order.Status.PAID:
        Payment.objects.create(
            order=order,
            provider=MANUAL_PROVIDER,
            reference=order.number,
            amount=order.total,
            currency=order.currency,
            status=Payment.Status.ACCEPTED,
        )
    return read_order(order.pk)


@atomic_or_conflict
def change_tracking(*, order_id: int, tracking_number: str, tracking_url: str) -> Order:
    """Change the tracking number and URL of a shipped order without a mail, and return the order.

    Raises:
        NotFound: the order does not exist.
        Invalid: the URL is malformed.
        TooLong: the tracking number or the URL is too long.
        WrongOrderStatus: the order is not shipped, or already delivered.
        Conflict: other requests change the same data.
    """
    tracking = _validate_tracking(tracking_number, tracking_url)
    order = lock_order(order_id)
    if order.status != Order.Status.SHIPPED:
        raise WrongOrderStatus(
            _("Only a shipped order has a tracking number that can change, not one that is %(status)s."),
            field="order_id",
            params={"status": STATUS_WORDS[Order.Status(order.status)]},
        )
    Order.objects.filter(pk=order.pk).update(**tracking)
    return read_order(order.pk)


def lock_order(order_id: int) -> Order:
    """Lock an order of any customer until commit, and return it.

    Raises:
        NotFound: the order does not exist.
    """
    order = Order.objects.select_for_update().filter(pk=order_id).first()
    if order is None:
        raise NotFound(_("This order does not exist."), field="order_id")
    return order


def change_locked_status(
    order: Order, status: Order.Status, *, changed_by: int | None, shipment: Mapping[str, str] | None = None
) -> None:
    """Change the status of a locked order, record it in the history and enqueue a mail.

    Args:
        changed_by: the id of the user; None for a guest or a payment provider.
        shipment: the columns of the tracking number, for an order that becomes shipped.

    Raises:
        WrongOrderStatus: the current status does not allow this one.
    """
    if status == order.status:
        raise WrongOrderStatus(
            _("The order is already %(status)s."), field="number", params={"status": STATUS_WORDS[status]}
        )
    if status not in NEXT_STATUSES[Order.Status(order.status)]:
        raise WrongOrderStatus(
            _("An order that is %(status)s cannot become %(new_status)s."),
            field="number",
            params={"status": STATUS_WORDS[Order.Status(order.status)], "new_status": STATUS_WORDS[status]},
        )
    shipment = shipment or {}
    order.status = status
    for column, value in shipment.items():
        setattr(order, column, value)
    order.save(update_fields=["status", *shipment])
    OrderStatusChange.objects.create(order=order, status=status, changed_by_id=changed_by)
    if status == Order.Status.CANCELLED:
        _return_stock(order)
        if order.promo_code:
            return_promo_code_use(order.number)
    # The mail contains the total and the tracking number of this moment, also if they change before a retry.
    enqueue_customer_email(order, "orders.send_status", status=status, total=str(order.total), **shipment)


@atomic_or_conflict
def _cancel_guest_order(number: str, token: str) -> Order:
    # By the token alone, as in `find_guest_order`. The lock excludes a transfer to an account.
    order = Order.objects.select_for_update().filter(token_digest=digest_secret(token)).first()
    if order is None or order.number != number:
        raise NotFound(UNKNOWN_ORDER, field="number")
    change_locked_status(order, Order.Status.CANCELLED, changed_by=None)
    return read_order(order.pk)


def _validate_tracking(number: str, url: str) -> dict[str, str]:
    """Return the columns of a tracking number and URL in their stored form."""
    number, url = clean_line(number), clean_line(url)
    if len(number) > MAX_TRACKING_NUMBER_LENGTH:
        raise TooLong(
            _("The tracking number must have at most %(maximum)s characters."),
            field="tracking_number",
            params={"maximum": MAX_TRACKING_NUMBER_LENGTH},
        )
    if len(url) > MAX_TRACKING_URL_LENGTH:
        raise TooLong(
            _("The tracking URL must have at most %(maximum)s characters."),
            field="tracking_url",
            params={"maximum": MAX_TRACKING_URL_LENGTH},
        )
    if url:
        try:
            _require_url(url)
            is_https = url.startswith("https://")
        except ValidationError:
            is_https = False
        if not is_https:
            raise Invalid(
                _(
                    "The tracking URL must be empty or begin with https://, such as "
                    "https://tracking.example.com/AB123."
                ),
                field="tracking_url",
            )
    return {"tracking_number": number, "tracking_url": url}


def _return_stock(order: Order) -> None:
    """Return the units of an order that are not cancelled yet to stock."""
    lines = order.lines.filter(product__isnull=False, cancelled_quantity__lt=F("quantity"))
    units = lines.values_list("product_id").annotate(units=Sum(F("quantity") - F("cancelled_quantity")))
    return_stock(dict(units))
