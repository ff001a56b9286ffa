"""Lock, create and merge the carts of accounts and guests.

A transaction that changes the lines of a cart locks the cart's row first.
"""

from collections.abc import Callable
from contextlib import suppress

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from limits import parse_many

from backend.accounts.models import User
from backend.carts.lines import read_locked_lines, save_lines
from backend.carts.models import MAX_LINES, MAX_QUANTITY, Cart
from backend.carts.tokens import digest_token, generate_token
from backend.core.compiled_query import CompiledQuery, Param
from backend.core.db import atomic_or_conflict
from backend.core.errors import Unavailable
from backend.core.redis import is_redis_available
from backend.core.throttling import hit_rate_limit
from backend.core.viewer import Viewer

# Many guests can share one address, such as that of a school. The limits accept thirty guests who start
# at once and a few thousand a day, and refuse a script that creates a cart per request.
GUEST_CARTS_PER_ADDRESS = parse_many("60/minute; 3000/day")

# Moves what another app keeps with the cart of a guest to the cart of an account. Both carts are locked.
MergeStep = Callable[[Cart, Cart], None]
_merge_steps: list[MergeStep] = []

_LOCK_ACCOUNT_CART = CompiledQuery(
    lambda: (
        Cart.objects.select_for_update(of=["user", "self"], no_key=True)
        .select_related("user")
        .only("promo_code", "user__email", "user__language")
        # PostgreSQL cannot lock the nullable side of an outer join; the filter makes it an inner join.
        .filter(user_id=Param("user_id"), user__is_active=True)
    )
)


def register_merge_step(step: MergeStep) -> None:
    """Register a function that is called with both carts when they are merged, in the same transaction.

    Apps that depend on carts register theirs when Django starts, because carts cannot import them.
    """
    _merge_steps.append(step)


def merge_guest_cart(*, viewer: Viewer) -> None:
    """Merge the cart of a guest who has logged in into that of their account, and delete it.

    Quantities of the same product are added, up to `MAX_QUANTITY`. The merged cart may have more than
    `MAX_LINES` lines. An account's cart that already has more is left alone, and so is the guest's.
    A promo code of the guest is kept unless the account's cart has one. So is the list that a product was
    added from, unless the account's cart has the product. Rows of other apps are moved by their merge steps.

    Args:
        viewer: nothing happens unless they are logged in and sent the token of an existing cart.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
    """
    if viewer.user_id is None or viewer.cart_token is None:
        return
    token_digest = digest_token(viewer.cart_token)
    guest = Cart.objects.filter(token_digest=token_digest).values_list("promo_code_id").first()
    if guest is not None:
        _merge_guest_cart(viewer.user_id, token_digest, *guest)


def lock_guest_cart(cart_token: str) -> Cart | None:
    """Lock the cart of a guest until commit, and return it; None if there is no cart.

    Raises:
        CartTokenInvalid: the token is malformed.
    """
    # Without the key, as for accounts: the deletion of a promo code checks the foreign keys of carts.
    carts = Cart.objects.select_for_update(no_key=True)
    return carts.filter(token_digest=digest_token(cart_token)).first()


def lock_account_cart(user_id: int) -> Cart | None:
    """Lock the cart of an account and the account until commit, and return the cart with its user.

    The account is locked before its cart, as in the deletion of an account. Return None if there is no
    cart.
    """
    return _LOCK_ACCOUNT_CART.first(user_id=user_id)


def lock_own_cart(viewer: Viewer) -> Cart | None:
    """Lock the viewer's cart until commit and return it, without merging carts; None if there is no cart."""
    carts = _query_own_cart(viewer)
    return carts.select_for_update().first() if carts is not None else None


def lock_account(user_id: int) -> None:
    """Lock an account until commit, before its cart, as in the deletion of an account.

    A transaction that writes rows that refer to the account would otherwise wait for the deletion when it
    commits, while the deletion waits for its cart.
    """
    list(User.objects.select_for_update(no_key=True).filter(pk=user_id).values_list("pk"))


def lock_cart(viewer: Viewer) -> Cart | None:
    """Lock the viewer's cart until commit, extend its lifetime, and return it; None if there is no cart."""
    merge_guest_cart(viewer=viewer)
    carts = _query_own_cart(viewer)
    cart = carts.select_for_update().first() if carts is not None else None
    if carts is not None and cart is not None:
        carts.update(touched_at=timezone.now())
    return cart


def _query_own_cart(viewer: Viewer) -> "QuerySet[Cart] | None":
    """Return a queryset of the viewer's cart; None for a guest without a token."""
    if viewer.user_id is not None:
        return Cart.objects.filter(user_id=viewer.user_id)
    if viewer.cart_token is not None:
        return Cart.objects.filter(token_digest=digest_token(viewer.cart_token))
    return None


def lock_or_create_cart(viewer: Viewer) -> Cart | None:
    """Lock the viewer's cart as `lock_cart` does, or create that of an account; None for a new guest."""
    if viewer.user_id is None:
        return lock_cart(viewer)
    merge_guest_cart(viewer=viewer)
    return _upsert_account_cart(viewer.user_id)


def _upsert_account_cart(user_id: int, promo_code_id: int | None = None) -> Cart:
    """Create, touch and lock the cart of an account, and return it.

    Args:
        promo_code_id: set if the cart has no promo code.
    """
    # One statement, so that two concurrent first adds share the cart; see also `set_promo_code`.
    cart = Cart(user_id=user_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO carts_cart (user_id, created_at, touched_at, promo_code_id) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (user_id) DO UPDATE SET touched_at = EXCLUDED.touched_at, "
            "promo_code_id = coalesce(carts_cart.promo_code_id, EXCLUDED.promo_code_id) "
            "RETURNING id, promo_code_id",
            [user_id, cart.created_at, cart.touched_at, promo_code_id],
        )
        cart.pk, cart.promo_code_id = cursor.fetchone()
    return cart


def create_guest_cart(address: str) -> tuple[Cart, str]:
    """Create a cart for a guest and return it with its token.

    Raises:
        RateLimited: the address has created too many guest carts.
    """
    # Without Redis, carts are created without a limit: sales matter more, and surplus carts expire.
    # `is_redis_available` avoids the timeout of a silent Redis. A retry after a deadlock counts again.
    if is_redis_available():
        with suppress(Unavailable):
            hit_rate_limit(GUEST_CARTS_PER_ADDRESS, "guest-cart", address)
    # The token is never the one that the client sent, because an attacker could have chosen it.
    token = generate_token()
    return Cart.objects.create(token_digest=digest_token(token)), token


@atomic_or_conflict
def _merge_guest_cart(user_id: int, token_digest: str, promo_code_id: int | None) -> None:
    # Every transaction that locks both carts locks the account's first, which prevents deadlocks. The account
    # itself comes before them, because rows that merge steps move refer to it.
    lock_account(user_id)
    cart = _upsert_account_cart(user_id, promo_code_id)
    guest = Cart.objects.select_for_update().filter(token_digest=token_digest).first()
    if guest is not None:
        _merge(guest, cart)


def _merge(guest: Cart, cart: Cart) -> None:
    present = read_locked_lines(cart)
    if len(present) > MAX_LINES:
        # Merging one guest cart after another would make the account's cart arbitrarily long.
        return
    added = list(read_locked_lines(guest).values())
    for line in added:
        if line.product_id in present:
            line.quantity = min(line.quantity + present[line.product_id].quantity, MAX_QUANTITY)
    save_lines(cart, added)
    for step in _merge_steps:
        step(guest, cart)
    guest.delete()
