"""Orders of guests: their details, tokens and rate limits, their transfer to an account, and their erasure.

A guest's order belongs to an e-mail address that nobody has confirmed. Its secret token is the only access to
it, until an account confirms the address.
"""

import base64
from contextlib import suppress
from dataclasses import dataclass, replace
from hmac import compare_digest

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from limits import parse_many

from backend.accounts.email_addresses import normalize_email
from backend.accounts.models import User
from backend.accounts.services import confirm_registration
from backend.carts.promo_codes import assign_promo_code_uses
from backend.carts.tokens import digest_token
from backend.core.db import atomic_or_conflict
from backend.core.digests import digest_secret
from backend.core.errors import (
    Invalid,
    NotFound,
    ShopError,
    Unauthenticated,
    Unavailable,
    collect_errors,
    raise_collected,
)
from backend.core.redis import is_redis_available
from backend.core.throttling import RateLimit, hit_rate_limit, hit_rate_limits
from backend.core.viewer import Viewer
from backend.notifications.services import delete_emails
from backend.orders.delivery import Delivery
from backend.orders.models import Order, OrderContact
from backend.orders.selectors import find_guest_order

# Every order sends a mail to an address that may be another person's.
ORDERS_PER_EMAIL = parse_many("5/hour; 10/day")
# All users of a company or a mobile network can have the same address.
ORDERS_PER_ADDRESS = parse_many("60/hour; 600/day")
# Tokens cannot be guessed. The limit keeps scripts from trying.
TOKENS_PER_ADDRESS = parse_many("60/minute; 1000/hour")

UNKNOWN_ORDER = _("No order has this number and this token.")


@dataclass(frozen=True, slots=True)
class GuestDetails:
    """The details of a request that are needed to order without an account.

    Attributes:
        email: the address that the order belongs to; None if the request has none.
        address: the client's address, for which orders are counted.
        language: of the mails, "ru" or "en".
    """

    email: str | None
    address: str
    language: str


def require_login_unless_guest(viewer: Viewer, guest: GuestDetails | None) -> None:
    """Check that the viewer is logged in, or may order without an account.

    Raises:
        Unauthenticated: the viewer is not logged in, and orders require an account.
    """
    if viewer.user_id is None and (guest is None or not settings.GUEST_ORDERS):
        raise Unauthenticated(_("Log in to order."))


def validate_guest(viewer: Viewer, guest: GuestDetails | None, delivery: Delivery) -> GuestDetails | None:
    """Return the details of a guest with the normalized e-mail address, or None for a logged-in viewer.

    Raises:
        Invalid, TooLong: the e-mail address or the contact of a guest is missing, the address is malformed,
            or it was given for the order of an account.
    """
    if guest is None:
        return None
    if viewer.user_id is not None:
        if guest.email is not None:
            raise Invalid(
                _("email must be left out, because the order belongs to the account."), field="email"
            )
        return None
    errors: list[ShopError] = []
    with collect_errors(errors):
        if guest.email is None:
            raise Invalid(
                _("email is required to order without an account. Otherwise, log in."), field="email"
            )
        guest = replace(guest, email=normalize_email(guest.email))
    if delivery.contact is None:
        errors.append(Invalid(_("contact is required to order without an account."), field="contact"))
    raise_collected(errors)
    return guest


def hit_guest_order_limits(guest: GuestDetails) -> None:
    """Count an order of a guest.

    Without Redis there is no limit, as for the carts of guests: sales matter more.

    Raises:
        RateLimited: too many orders were sent from this client address or for this e-mail address.
    """
    # `is_redis_available` avoids the timeout of a silent Redis. A retry after a deadlock counts again.
    if is_redis_available():
        with suppress(Unavailable):
            hit_rate_limits(
                [
                    RateLimit(ORDERS_PER_ADDRESS, "guest-order-address", guest.address),
                    RateLimit(ORDERS_PER_EMAIL, "guest-order", guest.email or ""),
                ]
            )


def hit_token_limit(address: str) -> None:
    """Count a use of the token of an order by a client address. Without Redis there is no limit.

    Raises:
        RateLimited: there were too many.
    """
    if is_redis_available():
        with suppress(Unavailable):
            hit_rate_limit(TOKENS_PER_ADDRESS, "order-token", address)


def digest_guest_key(cart_token: str, idempotency_key: str) -> str:
    """Return the digest of an idempotency key, which is unique for each cart.

    Raises:
        CartTokenInvalid: the token is malformed.
    """
    return digest_secret(f"{digest_token(cart_token)} {idempotency_key}")


def issue_token(order: Order) -> None:
    """Set the token of a guest's order that was just inserted, and save its digest."""
    order.token = _derive_token(order)
    order.token_digest = digest_secret(order.token)
    Order.objects.filter(pk=order.pk).update(token_digest=order.token_digest)


def derive_token(order: Order) -> str | None:
    """Return the token of a guest's order again, for its mails and for repeated requests.

    Return None if the order has no token, or if the secret key has changed since the order: the token in
    earlier mails stays valid, but cannot be derived any more.
    """
    token = _derive_token(order)
    is_valid = compare_digest(digest_secret(token), order.token_digest)
    return token if is_valid else None


def get_guest_order(*, number: str, token: str, address: str) -> Order | None:
    """Return the order of a guest, or None if no order has this number and this token.

    Args:
        address: the client's address, for the rate limit.

    Raises:
        RateLimited: too many tokens were sent from this client address.
    """
    hit_token_limit(address)
    return find_guest_order(number, token)


def confirm_account(*, email: str, code: str, address: str) -> None:
    """Confirm the address of an account, and transfer the orders that guests have placed with it.

    Orders that are placed with the address later stay orders of guests: a client must not learn from an order
    that the address has an account.

    Raises:
        WrongCode, Invalid, TooLong, RateLimited, Unavailable: as for `confirm_registration`.
        Conflict: other requests change the same data.
    """
    confirm_registration(email=email, code=code, address=address, before_redemption=_transfer_guest_orders)


@atomic_or_conflict
def erase_guest_data(*, order_id: int) -> None:
    """Delete the e-mail address, the contact, the delivery address, the comment and the mails of a guest.

    The order stays without them, and its token becomes invalid.

    Raises:
        NotFound: the order does not exist.
        Invalid: the order is not a guest's, or its data has been erased.
        Conflict: other requests change the same data.
    """
    order = Order.objects.select_for_update().filter(pk=order_id).first()
    if order is None:
        raise NotFound(_("This order does not exist."), field="order_id")
    if not order.email:
        raise Invalid(_("This order has no personal data of a guest."), field="order_id")
    delete_emails(recipient=order.email, context={"order_id": order.pk})
    OrderContact.objects.filter(order=order).delete()
    order.email = order.token_digest = ""
    order.save(update_fields=["email", "token_digest"])


def _transfer_guest_orders(email: str, user: User | None) -> None:
    """Move the orders of guests with an address to its account. Their tokens become invalid."""
    # Without an account, the statement is the same, so that the time does not reveal that there is none.
    orders = Order.objects.select_for_update().filter(user=None, email=email).order_by("pk")
    numbers = dict(orders.values_list("pk", "number"))
    if user is not None and numbers:
        Order.objects.filter(pk__in=numbers).update(user=user, email="", language="", token_digest="")
        OrderContact.objects.filter(order__in=numbers).update(user=user)
        assign_promo_code_uses(numbers.values(), user.pk)


def _derive_token(order: Order) -> str:
    """Return 256 bits that are as unpredictable as random ones without the secret key."""
    digest = salted_hmac("backend.orders.guests", order.number, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
