"""Read wishlists with their products."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from backend.carts.selectors import get_cart_key
from backend.carts.tokens import digest_token
from backend.catalog.selectors import ProductRow, make_product, select_products
from backend.core.identifiers import encode_global_id
from backend.core.pagination import (
    Page,
    SortOrder,
    Window,
    make_page,
    parse_timestamp,
    read_position,
    select_page,
)
from backend.core.viewer import Viewer
from backend.wishlists.models import WishlistItem

_NEWEST_FIRST = SortOrder("ADDED_AT", "added_at", "id", True, parse_timestamp)


@dataclass(frozen=True, slots=True)
class Wishlist:
    """The wishlist of a viewer, whose items are read separately.

    Attributes:
        key: identifies the wishlist as `get_cart_key` does the cart.
        user_id: the account; None for a guest.
        token_digest: digest of the guest's token; None for an account, and for a guest without a token.
        token: the guest's token if it was just created, else None; only its digest is stored.
    """

    key: str
    user_id: int | None = None
    token_digest: str | None = None
    token: str | None = None

    @property
    def global_id(self) -> str:
        """The opaque id of the wishlist in GraphQL."""
        return encode_global_id("Wishlist", self.key)


@dataclass(frozen=True, slots=True, eq=False)
class WishlistItemRow:
    """A published product on a wishlist.

    Attributes:
        notify: true if the account waits for the mail that the product is back in stock.
    """

    product: ProductRow
    added_at: datetime
    notify: bool


def find_wishlist(viewer: Viewer) -> Wishlist:
    """Return the viewer's own wishlist, without reading its items.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
    """
    is_guest = viewer.user_id is None
    token_digest = digest_token(viewer.cart_token) if is_guest and viewer.cart_token is not None else None
    return Wishlist(get_cart_key(viewer), viewer.user_id, token_digest)


def list_items(wishlist: Wishlist, window: Window) -> Page[WishlistItemRow]:
    """Return a page of the items whose products are published, newest first, in one query.

    Raises:
        InvalidCursor: the cursor is malformed or belongs to another list.
    """
    position = read_position(_NEWEST_FIRST, window)
    items = select_page(_query_visible(wishlist), _NEWEST_FIRST, window, position)
    rows = list(select_products(items, "added_at", "pk", "notify", path="product__"))
    return make_page(
        [WishlistItemRow(make_product(row[3:]), row[0], row[2]) for row in rows],
        [(row[0], row[1]) for row in rows],
        _NEWEST_FIRST,
        window,
    )


def count_items(wishlist: Wishlist) -> int:
    """Return the number of items whose products are published."""
    return _query_visible(wishlist).count()


def _query_visible(wishlist: Wishlist) -> "QuerySet[WishlistItem]":
    items = WishlistItem.objects.filter(product__is_published=True).order_by()
    if wishlist.user_id is not None:
        return items.filter(user_id=wishlist.user_id)
    if wishlist.token_digest is not None:
        return items.filter(cart__token_digest=wishlist.token_digest)
    return items.none()
