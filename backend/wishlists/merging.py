"""Merge the wishlist of a guest into that of an account, together with their carts."""

from backend.carts.models import Cart
from backend.wishlists.models import MAX_ITEMS, WishlistItem


def move_guest_items(guest: Cart, cart: Cart) -> None:
    """Move the wishlist of a guest to an account. The caller has locked both carts, and deletes the guest's.

    Items keep their times. Products that are already on the account's wishlist are not moved, and neither are
    the oldest items if the wishlist would have more than `MAX_ITEMS` items.
    """
    own = WishlistItem.objects.filter(user__cart=cart)
    new = WishlistItem.objects.filter(cart=guest).exclude(product__in=own.values("product"))
    ids = list(new.values_list("pk", flat=True))
    if ids:
        room = MAX_ITEMS - own.count()
        WishlistItem.objects.filter(pk__in=ids[:room]).update(user_id=cart.user_id, cart=None)
