"""Apply promo codes to carts and remove them."""

from contextlib import suppress

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from limits import parse_many

from backend.carts.locks import lock_own_cart, merge_guest_cart
from backend.carts.models import Cart
from backend.carts.promo_codes import find_discount
from backend.carts.selectors import CartContents, build_contents, read_lines, sum_lines
from backend.carts.services import CartEmpty
from backend.core.db import atomic_or_conflict
from backend.core.errors import Unavailable
from backend.core.redis import is_redis_available
from backend.core.throttling import RateLimit, hit_rate_limits
from backend.core.viewer import Viewer

# Many customers of one address can enter codes at once. A script that guesses codes gets a few hundred
# attempts a day.
PROMO_CODES_PER_ADDRESS = parse_many("60/15 minutes; 300/day")
PROMO_CODES_PER_ACCOUNT = parse_many("20/15 minutes; 60/day")


def apply_promo_code(*, viewer: Viewer, code: str, address: str) -> CartContents:
    """Apply a promo code to the viewer's cart instead of an earlier one, and return the cart.

    Args:
        code: in any case.
        address: the client's address, for which attempts are counted.

    Raises:
        CartEmpty: the cart is empty.
        PromoCodeNotFound: the code does not exist or is not active.
        PromoCodeExpired: the code is not valid yet, or no longer.
        PromoCodeUsedUp: the code has no uses left, in total or for this customer.
        PromoCodeNotApplicable: the cart has no product of the categories of the code.
        PromoCodeMinimumTotal: the total of the cart is below the minimum of the code.
        RateLimited: the address or the account has tried too many codes.
        CartTokenInvalid: the guest's token is malformed.
        Conflict: the code was deleted at the same time, or other requests change the same data.
    """
    _hit_promo_code_limits(viewer, address)
    merge_guest_cart(viewer=viewer)
    return _apply_promo_code(viewer, code)


def remove_promo_code(*, viewer: Viewer) -> CartContents:
    """Remove the promo code from the viewer's cart, if it has one, and return the cart.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
        Conflict: other requests change the same data.
    """
    merge_guest_cart(viewer=viewer)
    return _remove_promo_code(viewer)


def set_promo_code(cart: Cart, promo_code_id: int | None) -> None:
    """Set the promo code of a locked cart and extend its lifetime.

    The transaction must not update the cart before. After a second update of a row, PostgreSQL checks its
    foreign keys again, and would wait for an account that is being deleted, while the deletion waits for
    the cart.
    """
    Cart.objects.filter(pk=cart.pk).update(promo_code=promo_code_id, touched_at=timezone.now())


def detach_promo_code(cart: Cart) -> None:
    """Remove the promo code from a cart that the caller has locked, if it has one."""
    if cart.promo_code_id is not None:
        set_promo_code(cart, None)


@atomic_or_conflict
def _apply_promo_code(viewer: Viewer, code: str) -> CartContents:
    cart = lock_own_cart(viewer)
    lines = read_lines(cart) if cart is not None else []
    if cart is None or not lines:
        raise CartEmpty(_("The cart is empty."))
    discount = find_discount(code, viewer.user_id, sum_lines(lines))
    if discount.refusal is not None:
        refusal = discount.refusal
        raise type(refusal)(refusal.text, field="code", params=refusal.params)
    set_promo_code(cart, discount.terms.id)
    return build_contents(viewer, lines, promo_code_id=discount.terms.id)


@atomic_or_conflict
def _remove_promo_code(viewer: Viewer) -> CartContents:
    cart = lock_own_cart(viewer)
    if cart is not None:
        set_promo_code(cart, None)
    return build_contents(viewer, read_lines(cart) if cart is not None else [])


def _hit_promo_code_limits(viewer: Viewer, address: str) -> None:
    """Count an attempt to apply a promo code.

    Raises:
        RateLimited: the address or the account has tried too many codes.
    """
    rate_limits = [RateLimit(PROMO_CODES_PER_ADDRESS, "promo-code-address", address)]
    if viewer.user_id is not None:
        rate_limits.append(RateLimit(PROMO_CODES_PER_ACCOUNT, "promo-code", str(viewer.user_id)))
    # Without Redis, there is no limit, as for guest carts.
    if is_redis_available():
        with suppress(Unavailable):
            hit_rate_limits(rate_limits)
