"""Create, change and delete carts. `locks` locks and merges them, `lines` writes their lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.carts.lines import read_locked_lines, save_lines
from backend.carts.locks import create_guest_cart, lock_cart, lock_or_create_cart, merge_guest_cart
from backend.carts.models import MAX_LINES, MAX_QUANTITY, Cart, CartLine, RecommendationList
from backend.carts.selectors import CartContents, CartLineRow, build_contents, read_cart
from backend.catalog.selectors import ProductRow, get_products
from backend.core.db import atomic_or_conflict, delete_in_batches
from backend.core.errors import (
    ErrorCode,
    Invalid,
    NotFound,
    OutOfRange,
    ShopError,
    TooLong,
    collect_errors,
    raise_collected,
)
from backend.core.viewer import Viewer

ACCOUNT_CART_LIFETIME = timedelta(days=90)
GUEST_CART_LIFETIME = timedelta(days=30)


class CartEmpty(ShopError):
    """The cart is empty."""

    code = ErrorCode.CART_EMPTY


class OutOfStock(ShopError):
    """Insufficient stock."""

    code = ErrorCode.OUT_OF_STOCK


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
    present = read_locked_lines(cart)
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
    save_lines(cart, changed.values())
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
    present = read_locked_lines(cart)
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
    save_lines(cart, [present[updated.product_id] for updated in lines if updated.quantity])
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
    return build_contents(viewer, read_locked_lines(cart).values(), promo_code_id=_get_promo_code_id(cart))


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


def _get_promo_code_id(cart: Cart | None) -> int | None:
    return cart.promo_code_id if cart is not None else None


def _record_seen(line: CartLineRow) -> None:
    """Record the name and price that the response shows; those of an unpublished product stay the same."""
    line.name_seen, line.price_seen = line.product.name, line.product.price


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
