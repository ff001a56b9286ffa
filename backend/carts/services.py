"""Create, change, merge and delete carts.

A transaction that changes the lines of a cart locks the cart's row first.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from limits import parse_many

from backend.accounts.models import User
from backend.carts.models import MAX_LINES, MAX_QUANTITY, Cart, CartLine, RecommendationList
from backend.carts.selectors import (
    CartContents,
    CartLineRow,
    build_contents,
    read_cart,
    read_lines,
)
from backend.carts.tokens import digest_token, generate_token
from backend.catalog.selectors import ProductRow, get_products
from backend.core.compiled_query import CompiledQuery, Param
from backend.core.db import atomic_or_conflict, delete_in_batches
from backend.core.errors import (
    ErrorCode,
    Invalid,
    NotFound,
    OutOfRange,
    ShopError,
    TooLong,
    Unavailable,
    collect_errors,
    raise_collected,
)
from backend.core.redis import is_redis_available
from backend.core.throttling import hit_rate_limit
from backend.core.viewer import Viewer
from backend.wishlists.merging import move_guest_items

ACCOUNT_CART_LIFETIME = timedelta(days=90)
GUEST_CART_LIFETIME = timedelta(days=30)

# Many guests can share one address, such as that of a school. The limits accept thirty guests who start
# at once and a few thousand a day, and refuse a script that creates a cart per request.
GUEST_CARTS_PER_ADDRESS = parse_many("60/minute; 3000/day")


class CartEmpty(ShopError):
    """The cart is empty."""

    code = ErrorCode.CART_EMPTY


class OutOfStock(ShopError):
    """Insufficient stock."""

    code = ErrorCode.OUT_OF_STOCK


_LOCK_ACCOUNT_CART = CompiledQuery(
    lambda: (
        Cart.objects.select_for_update(of=["user", "self"], no_key=True)
        .select_related("user")
        .only("promo_code", "user__email", "user__language")
        # PostgreSQL cannot lock the nullable side of an outer join; the filter makes it an inner join.
        .filter(user_id=Param("user_id"), user__is_active=True)
    )
)


@dataclass(frozen=True, slots=True)
class LineQuantity:
    """A product and a quantity: to add, or to set.

    Attributes:
        recommended_by: the list of recommendations that the product is added from.
    """

    product_id: int
    quantity: int = 1
    recommended_by: RecommendationList | None = None


def get_cart(*, viewer: Viewer) -> CartContents:
    """Return the viewer's own cart, after `merge_guest_cart`.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
    """
    merge_guest_cart(viewer=viewer)
    return read_cart(viewer)


def merge_guest_cart(*, viewer: Viewer) -> None:
    """Merge the cart and wishlist of a guest who has logged in into those of their account, and delete them.

    Quantities of the same product are added, up to `MAX_QUANTITY`. The merged cart may have more than
    `MAX_LINES` lines. An account's cart that already has more is left alone, and so is the guest's.
    A promo code of the guest is kept unless the account's cart has one. So is the list that a product was
    added from, unless the account's cart has the product.

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


@atomic_or_conflict
def add_lines(*, viewer: Viewer, lines: Sequence[LineQuantity], address: str) -> CartContents:
    """Add products to the viewer's cart, all of them or none, and return the cart.

    The first line of a guest creates a cart; only this call returns its token. A quantity above the stock
    is accepted with a warning: the stock is checked when the order is placed.

    Args:
        lines: quantities to add; a product may occur more than once. Its line keeps the list that the
            product was first added from.
        address: the client's address, for which new guest carts are counted.

    Raises:
        NotFound: a product does not exist or is not published.
        OutOfStock: a product is sold out.
        OutOfRange: a quantity is below 1, or the line's quantity would exceed `MAX_QUANTITY`.
        TooLong: the cart would have more than `MAX_LINES` lines.
        Invalid: `lines` is empty.
        CartTokenInvalid: the guest's token is malformed.
        RateLimited: the address has created too many guest carts.
        Conflict: a product was deleted at the same time, or other requests change the same data.
    """
    _check_lines(lines, minimum=1)
    cart = lock_or_create_cart(viewer)
    present = _read_lines(cart)
    products = {line.product_id: line.product for line in present.values()}
    missing = {line.product_id for line in lines} - products.keys()
    products |= {product.pk: product for product in get_products(missing)}
    changed: dict[int, CartLineRow] = {}
    errors: list[ShopError] = []
    for index, added in enumerate(lines):
        with collect_errors(errors):
            product = _require_purchasable(products.get(added.product_id), index)
            line = changed.get(product.pk) or present.get(product.pk)
            if line is None:
                line = CartLineRow(product, 0, recommended_by=added.recommended_by or "")
            line.product = product
            line.quantity = _add_quantity(line.quantity, added.quantity, index)
            _record_seen(line)
            changed[product.pk] = line
    raise_collected(errors)
    contents = present | changed
    if len(contents) > MAX_LINES and len(contents) > len(present):
        raise TooLong(
            _("A cart can have at most %(maximum)s lines."), field="lines", params={"maximum": MAX_LINES}
        )
    token = None
    if cart is None:
        cart, token = create_guest_cart(address)
    _save(cart, changed.values())
    return build_contents(viewer, contents.values(), token, promo_code_id=cart.promo_code_id)


@atomic_or_conflict
def update_lines(*, viewer: Viewer, lines: Sequence[LineQuantity]) -> CartContents:
    """Set quantities in the viewer's cart, all of them or none, and return the cart.

    Args:
        lines: the new quantities of different products; 0 removes a product.

    Raises:
        NotFound: a product is not in the cart.
        OutOfRange: a quantity is below 0 or above `MAX_QUANTITY`.
        TooLong: there are more lines than a cart can have.
        Invalid: `lines` is empty or a product occurs twice.
        CartTokenInvalid: the guest's token is malformed.
        Conflict: other requests change the same data.
    """
    _check_lines(lines, minimum=0)
    if len({line.product_id for line in lines}) < len(lines):
        raise Invalid(_("lines must not contain a product more than once."), field="lines")
    cart = lock_cart(viewer)
    present = _read_lines(cart)
    raise_collected(
        [
            NotFound(_("This product is not in the cart."), field=f"lines.{index}.product_id")
            for index, updated in enumerate(lines)
            if updated.product_id not in present
        ]
    )
    for updated in lines:
        line = present[updated.product_id]
        line.quantity = updated.quantity
        _record_seen(line)
    removed = [updated.product_id for updated in lines if updated.quantity == 0]
    _save(cart, [present[updated.product_id] for updated in lines if updated.quantity])
    if removed:
        CartLine.objects.filter(cart=cart, product__in=removed).delete()
    kept = [line for line in present.values() if line.quantity]
    return build_contents(viewer, kept, promo_code_id=_get_promo_code_id(cart))


@atomic_or_conflict
def remove_lines(*, viewer: Viewer, product_ids: Sequence[int]) -> CartContents:
    """Remove products from the viewer's cart and return the cart.

    Args:
        product_ids: ids of products; those that are not in the cart are ignored.

    Raises:
        TooLong: there are more ids than a cart can have lines.
        CartTokenInvalid: the guest's token is malformed.
        Conflict: other requests change the same data.
    """
    if len(product_ids) > MAX_LINES:
        raise TooLong(
            _("At most %(maximum)s products can be removed at once."),
            field="product_ids",
            params={"maximum": MAX_LINES},
        )
    cart = lock_cart(viewer)
    CartLine.objects.filter(cart=cart, product__in=product_ids).delete()
    return build_contents(viewer, _read_lines(cart).values(), promo_code_id=_get_promo_code_id(cart))


@atomic_or_conflict
def clear_cart(*, viewer: Viewer) -> CartContents:
    """Remove all lines from the viewer's cart and return the empty cart.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
        Conflict: other requests change the same data.
    """
    cart = lock_cart(viewer)
    CartLine.objects.filter(cart=cart).delete()
    return build_contents(viewer, [], promo_code_id=_get_promo_code_id(cart))


def delete_expired_carts() -> int:
    """Delete, in batches, the carts that have not been changed for their lifetime; return their number."""
    now = timezone.now()
    accounts = Cart.objects.filter(user__isnull=False, touched_at__lt=now - ACCOUNT_CART_LIFETIME)
    guests = Cart.objects.filter(user__isnull=True, touched_at__lt=now - GUEST_CART_LIFETIME)
    return delete_in_batches(accounts) + delete_in_batches(guests)


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


def delete_cart_lines(cart: Cart) -> None:
    """Delete the lines of a cart that the caller has locked."""
    # Raw SQL, because no table refers to cart lines and `QuerySet.delete` would query for such rows first.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM carts_cartline WHERE cart_id = %s", [cart.pk])


def _get_promo_code_id(cart: Cart | None) -> int | None:
    return cart.promo_code_id if cart is not None else None


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
    # itself comes before them, because the moved wishlist refers to it.
    lock_account(user_id)
    cart = _upsert_account_cart(user_id, promo_code_id)
    guest = Cart.objects.select_for_update().filter(token_digest=token_digest).first()
    if guest is not None:
        _merge(guest, cart)


def _merge(guest: Cart, cart: Cart) -> None:
    present = _read_lines(cart)
    if len(present) > MAX_LINES:
        # Merging one guest cart after another would make the account's cart arbitrarily long.
        return
    added = list(_read_lines(guest).values())
    for line in added:
        if line.product_id in present:
            line.quantity = min(line.quantity + present[line.product_id].quantity, MAX_QUANTITY)
    _save(cart, added)
    move_guest_items(guest, cart)
    guest.delete()


def _record_seen(line: CartLineRow) -> None:
    """Record the name and price that the response shows; those of an unpublished product stay the same."""
    line.name_seen, line.price_seen = line.product.name, line.product.price


def _read_lines(cart: Cart | None) -> dict[int, CartLineRow]:
    """Return the lines of a locked cart by product id, oldest first."""
    return {line.product_id: line for line in read_lines(cart)} if cart is not None else {}


def _save(cart: Cart | None, lines: Iterable[CartLineRow]) -> None:
    """Insert or update lines in one statement. Existing lines keep the list that they were added from."""
    rows = [
        (line.product_id, line.quantity, line.name_seen, line.price_seen, line.recommended_by)
        for line in lines
    ]
    if cart is None or not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO carts_cartline "
            "(cart_id, product_id, quantity, name_seen, price_seen, recommended_by) "
            "SELECT %s, * FROM unnest(%s::bigint[], %s::smallint[], %s::text[], %s::numeric[], %s::text[]) "
            "ON CONFLICT (cart_id, product_id) DO UPDATE SET quantity = EXCLUDED.quantity, "
            "name_seen = EXCLUDED.name_seen, price_seen = EXCLUDED.price_seen",
            [cart.pk, *map(list, zip(*rows, strict=True))],
        )


def _check_lines(lines: Sequence[LineQuantity], *, minimum: int) -> None:
    if not lines:
        raise Invalid(_("lines must contain at least one product."), field="lines")
    if len(lines) > MAX_LINES:
        raise TooLong(
            _("lines must have at most %(maximum)s items."), field="lines", params={"maximum": MAX_LINES}
        )
    raise_collected(
        [
            OutOfRange(
                _("quantity must be between %(minimum)s and %(maximum)s."),
                field=f"lines.{index}.quantity",
                params={"minimum": minimum, "maximum": MAX_QUANTITY},
            )
            for index, line in enumerate(lines)
            if not minimum <= line.quantity <= MAX_QUANTITY
        ]
    )


def _add_quantity(present: int, added: int, index: int) -> int:
    quantity = present + added
    if quantity > MAX_QUANTITY:
        raise OutOfRange(
            _("The cart line would have %(quantity)s units; at most %(maximum)s are accepted."),
            field=f"lines.{index}.quantity",
            params={"quantity": quantity, "maximum": MAX_QUANTITY},
        )
    return quantity


def _require_purchasable(product: ProductRow | None, index: int) -> ProductRow:
    if product is None or not product.is_published:
        raise NotFound(_("This product does not exist."), field=f"lines.{index}.product_id")
    if product.stock == 0:
        raise OutOfStock(
            _("“%(product)s” is sold out."),
            field=f"lines.{index}.product_id",
            params={"product": product.name},
        )
    return product
