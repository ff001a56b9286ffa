"""Putting things into a cart and taking them out. The cart's row is the lock on its lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from backend.carts.models import MAX_LINES, MAX_QUANTITY, Cart, CartLine
from backend.carts.selectors import (
    CartContents,
    read_addable,
    read_cart,
    read_lines,
    show_lines,
)
from backend.carts.tokens import digest_token, make_token
from backend.catalog.models import Product
from backend.core.batches import delete_in_batches
from backend.core.errors import ErrorCode, Invalid, NotFound, OutOfRange, ShopError, TooLong
from backend.core.prepared import Given, PreparedQuery
from backend.core.transactions import atomic_or_conflict
from backend.core.viewer import Viewer

KEEP_OF_ACCOUNTS = timedelta(days=90)
KEEP_OF_GUESTS = timedelta(days=30)

_LOCKED_CART = PreparedQuery(
    lambda: (
        Cart.objects.select_for_update(of=["user", "self"], no_key=True)
        .select_related("user")
        # Only an inner join can be locked.
        .filter(user_id=Given("user_id"), user__is_active=True)
    )
)


class OutOfStock(ShopError):
    """There is none of it left, or not as many as are wanted."""

    code = ErrorCode.OUT_OF_STOCK


@dataclass(frozen=True, slots=True)
class WantedLine:
    """So many of one product."""

    product_id: int
    quantity: int = 1


def get_cart(*, viewer: Viewer) -> CartContents:
    """Return the viewer's own cart, with what they collected as a guest: see `claim_guest_cart`.

    Raises:
        Invalid: the guest's token cannot be one.
    """
    claim_guest_cart(viewer=viewer)
    return read_cart(viewer)


def claim_guest_cart(*, viewer: Viewer) -> None:
    """Move what a guest has collected into the cart of the account that they logged in to.

    Quantities of the same product are added, up to the most that a line may have; every line of both
    is kept, even if these are more than one could add. The token is good for nothing any more. Only a
    cart that has more than `MAX_LINES` lines already takes in no other, whose token stays good.

    Args:
        viewer: nothing happens unless they are signed in and carry the token of a cart.

    Raises:
        Invalid: the token cannot be one.
    """
    if viewer.user_id is None or viewer.cart_token is None:
        return
    guests = Cart.objects.filter(token_digest=digest_token(viewer.cart_token))
    if not guests.exists():
        return
    with atomic_or_conflict():
        # Everybody who locks both locks the account's first.
        cart = _lock_or_make_account_cart(viewer.user_id)
        guest = guests.select_for_update().first()
        if guest is not None:
            _merge(guest, cart)


def add_lines(*, viewer: Viewer, lines: Sequence[WantedLine]) -> CartContents:
    """Put products into the viewer's cart, all of them or none, and return the cart.

    A guest's first line makes a cart, whose token is returned this once. More than are in stock can
    be added, with a warning: what is there is decided by the order.

    Args:
        lines: what to add to what is there; a product may stand in several of them.

    Raises:
        NotFound: a product does not exist or is not published.
        OutOfStock: a product is sold out.
        OutOfRange: a quantity is below 1, or the line would have more than `MAX_QUANTITY`.
        TooLong: the cart would have more than `MAX_LINES` lines.
        Invalid: nothing is named, or the guest's token cannot be one.
        Conflict: a product was deleted at this moment.
    """
    _check_lines(lines, least=1)
    with atomic_or_conflict():
        cart, token = _lock_or_make_cart(viewer)
        present = _read_lines(cart)
        products = {line.product_id: line.product for line in present.values()}
        missing = {line.product_id for line in lines} - products.keys()
        products |= {product.pk: product for product in read_addable(missing)}
        changed: dict[int, CartLine] = {}
        for number, wanted in enumerate(lines):
            product = _require_sold(products.get(wanted.product_id), number)
            line = changed.get(product.pk) or present.get(product.pk) or CartLine(quantity=0)
            line.product, line.price_seen = product, product.price
            line.quantity = _require_quantity(line.quantity + wanted.quantity, number, least=1)
            changed[product.pk] = line
        contents = present | changed
        if len(contents) > MAX_LINES and len(contents) > len(present):
            raise TooLong(f"A cart has at most {MAX_LINES} lines.", field="lines")
        _save(cart, changed.values())
    return show_lines(contents.values(), token)


def update_lines(*, viewer: Viewer, lines: Sequence[WantedLine]) -> CartContents:
    """Set how many of some products are in the viewer's cart, all or none, and return the cart.

    Args:
        lines: a product each, with what it shall be; 0 takes it out.

    Raises:
        NotFound: a product is not in the cart.
        OutOfRange: a quantity is below 0 or above `MAX_QUANTITY`.
        TooLong: more lines than a cart may have.
        Invalid: nothing is named, a product twice, or the guest's token cannot be one.
    """
    _check_lines(lines, least=0)
    if len({line.product_id for line in lines}) < len(lines):
        raise Invalid("A product can have one quantity only.", field="lines")
    with atomic_or_conflict():
        cart = _lock_cart(viewer)
        present = _read_lines(cart)
        for number, wanted in enumerate(lines):
            line = present.get(wanted.product_id)
            if line is None:
                raise NotFound("This product is not in the cart.", field=f"lines.{number}.product_id")
            line.quantity, line.price_seen = wanted.quantity, line.product.price
        removed = [wanted.product_id for wanted in lines if wanted.quantity == 0]
        _save(cart, [present[wanted.product_id] for wanted in lines if wanted.quantity])
        if removed:
            CartLine.objects.filter(cart=cart, product__in=removed).delete()
    return show_lines(line for line in present.values() if line.quantity)


def remove_lines(*, viewer: Viewer, product_ids: Sequence[int]) -> CartContents:
    """Take products out of the viewer's cart and return the cart; what is not in it is no matter.

    Raises:
        NotFound: one of them is no identifier of anything.
        TooLong: more products than a cart may have.
        Invalid: the guest's token cannot be one.
    """
    if len(product_ids) > MAX_LINES:
        raise TooLong(f"A cart has at most {MAX_LINES} lines.", field="product_ids")
    if not all(product_ids):
        raise NotFound("There is no such product.", field="product_ids")
    with atomic_or_conflict():
        cart = _lock_cart(viewer)
        CartLine.objects.filter(cart=cart, product__in=product_ids).delete()
        return show_lines(_read_lines(cart).values())


def clear_cart(*, viewer: Viewer) -> CartContents:
    """Take everything out of the viewer's cart and return it, empty.

    Raises:
        Invalid: the guest's token cannot be one.
    """
    with atomic_or_conflict():
        CartLine.objects.filter(cart=_lock_cart(viewer)).delete()
    return show_lines([])


def remove_old_carts() -> int:
    """Delete the carts that nobody has touched for long, in batches, and return how many those were."""
    now = timezone.now()
    accounts = Cart.objects.filter(user__isnull=False, touched_at__lt=now - KEEP_OF_ACCOUNTS)
    guests = Cart.objects.filter(user__isnull=True, touched_at__lt=now - KEEP_OF_GUESTS)
    return delete_in_batches(accounts) + delete_in_batches(guests)


def lock_account_cart(user_id: int) -> Cart | None:
    """Return an account's cart with its user, kept from everybody else until commit; None without one.

    The account is locked before its cart, as its deletion does.
    """
    return _LOCKED_CART.first(user_id=user_id)


def _lock_cart(viewer: Viewer) -> Cart | None:
    """Return the viewer's cart, touched and kept from everybody else until commit; None without one."""
    claim_guest_cart(viewer=viewer)
    if viewer.user_id is not None:
        carts = Cart.objects.filter(user_id=viewer.user_id)
    elif viewer.cart_token is not None:
        carts = Cart.objects.filter(token_digest=digest_token(viewer.cart_token))
    else:
        return None
    cart = carts.select_for_update().first()
    if cart is not None:
        carts.update(touched_at=timezone.now())
    return cart


def _lock_or_make_cart(viewer: Viewer) -> tuple[Cart, str | None]:
    """Return the viewer's cart as `_lock_cart` does, with its token if it had to be made for a guest."""
    if viewer.user_id is not None:
        claim_guest_cart(viewer=viewer)
        return _lock_or_make_account_cart(viewer.user_id), None
    cart = _lock_cart(viewer)
    if cart is not None:
        return cart, None
    # Never with the token that a client brings: somebody else could have chosen it for them.
    token = make_token()
    return Cart.objects.create(token_digest=digest_token(token)), token


def _lock_or_make_account_cart(user_id: int) -> Cart:
    # One statement that makes, touches and locks: two first adds at once have the same cart.
    cart = Cart(user_id=user_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO carts_cart (user_id, created_at, touched_at) VALUES (%s, %s, %s) "
            "ON CONFLICT (user_id) DO UPDATE SET touched_at = EXCLUDED.touched_at RETURNING id",
            [user_id, cart.created_at, cart.touched_at],
        )
        (cart.pk,) = cursor.fetchone()
    return cart


def _merge(guest: Cart, cart: Cart) -> None:
    present = _read_lines(cart)
    if len(present) > MAX_LINES:
        # One guest's cart after the other would make it as long as the catalogue.
        return
    added = list(_read_lines(guest).values())
    for line in added:
        if line.product_id in present:
            line.quantity = min(line.quantity + present[line.product_id].quantity, MAX_QUANTITY)
    _save(cart, added)
    guest.delete()


def _read_lines(cart: Cart | None) -> dict[int, CartLine]:
    """Return the lines of a locked cart by product, in the order that they were added."""
    return {line.product_id: line for line in read_lines(cart)} if cart is not None else {}


def _save(cart: Cart | None, lines: Iterable[CartLine]) -> None:
    """Write new and changed lines in one statement."""
    columns = list(zip(*((line.product_id, line.quantity, line.price_seen) for line in lines), strict=True))
    if cart is None or not columns:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO carts_cartline (cart_id, product_id, quantity, price_seen) "
            "SELECT %s, * FROM unnest(%s::bigint[], %s::smallint[], %s::numeric[]) "
            "ON CONFLICT (cart_id, product_id) "
            "DO UPDATE SET quantity = EXCLUDED.quantity, price_seen = EXCLUDED.price_seen",
            [cart.pk, *map(list, columns)],
        )


def _check_lines(lines: Sequence[WantedLine], *, least: int) -> None:
    if not lines:
        raise Invalid("Name at least one product.", field="lines")
    if len(lines) > MAX_LINES:
        raise TooLong(f"A cart has at most {MAX_LINES} lines.", field="lines")
    for number, line in enumerate(lines):
        _require_quantity(line.quantity, number, least=least)


def _require_quantity(quantity: int, number: int, *, least: int) -> int:
    if not least <= quantity <= MAX_QUANTITY:
        raise OutOfRange(
            f"There can be {least} to {MAX_QUANTITY} of a product in a cart, not {quantity}.",
            field=f"lines.{number}.quantity",
        )
    return quantity


def _require_sold(product: Product | None, number: int) -> Product:
    if product is None or not product.is_published:
        raise NotFound("There is no such product.", field=f"lines.{number}.product_id")
    if product.stock == 0:
        raise OutOfStock(f"“{product.name}” is sold out.", field=f"lines.{number}.product_id")
    return product
