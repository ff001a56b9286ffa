"""Add products to wishlists and remove them.

A transaction that adds items locks the viewer's cart first. So wishlists need no locks of their own, and a
guest's wishlist is merged into the account's in the transaction that merges their carts.
"""

from dataclasses import replace

from backend.carts.models import Cart
from backend.carts.services import create_guest_cart, lock_cart, lock_or_create_cart, merge_guest_cart
from backend.catalog.models import Product
from backend.core.db import atomic_or_conflict
from backend.core.errors import NotFound, TooLong
from backend.core.viewer import Viewer
from backend.wishlists.models import MAX_ITEMS, WishlistItem
from backend.wishlists.selectors import Wishlist, find_wishlist


def get_wishlist(*, viewer: Viewer) -> Wishlist:
    """Return the viewer's own wishlist, after `merge_guest_cart`.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
    """
    merge_guest_cart(viewer=viewer)
    return find_wishlist(viewer)


@atomic_or_conflict
def add_item(*, viewer: Viewer, product_id: int, address: str) -> Wishlist:
    """Add a product to the viewer's wishlist and return the wishlist. A product that is on it stays there.

    A guest without a cart gets one; only this call returns its token.

    Args:
        address: the client's address, for which new guest carts are counted.

    Raises:
        NotFound: the product does not exist or is not published.
        TooLong: the wishlist would have more than `MAX_ITEMS` items.
        CartTokenInvalid: the guest's token is malformed.
        RateLimited: the address has created too many guest carts.
        Conflict: the product was deleted at the same time, or other requests change the same data.
    """
    if not Product.objects.filter(pk=product_id, is_published=True).exists():
        raise NotFound("This product does not exist.", field="product_id")
    wishlist = find_wishlist(viewer)
    cart = lock_or_create_cart(viewer)
    if cart is None:
        cart, token = create_guest_cart(address)
        wishlist = replace(wishlist, token_digest=cart.token_digest, token=token)
    _add_item(viewer.user_id, cart, product_id)
    return wishlist


@atomic_or_conflict
def remove_item(*, viewer: Viewer, product_id: int) -> Wishlist:
    """Remove a product from the viewer's wishlist and return the wishlist. Other products are ignored.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
        Conflict: other requests change the same data.
    """
    cart = lock_cart(viewer)
    if viewer.user_id is not None:
        WishlistItem.objects.filter(user_id=viewer.user_id, product_id=product_id).delete()
    elif cart is not None:
        WishlistItem.objects.filter(cart=cart, product_id=product_id).delete()
    return find_wishlist(viewer)


def _add_item(user_id: int | None, cart: Cart, product_id: int) -> None:
    """Add a product to the wishlist of an account or, without `user_id`, of the guest with a locked cart."""
    owner = {"user_id": user_id} if user_id is not None else {"cart_id": cart.pk}
    items = WishlistItem.objects.filter(**owner)
    if items.filter(product_id=product_id).exists():
        return
    if items.count() >= MAX_ITEMS:
        raise TooLong(f"A wishlist can have at most {MAX_ITEMS} products.", field="product_id")
    WishlistItem.objects.create(product_id=product_id, **owner)
