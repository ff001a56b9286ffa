"""Change wishlists, and notify accounts of products that are back in stock.

A transaction that adds items locks the account, if any, and then the viewer's cart. So wishlists need no
locks of their own, and a guest's wishlist is merged into the account's in the transaction that merges their
carts.
"""

from dataclasses import replace

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from backend.accounts.models import User
from backend.carts.locks import (
    create_guest_cart,
    lock_account,
    lock_cart,
    lock_or_create_cart,
    merge_guest_cart,
)
from backend.carts.models import Cart
from backend.catalog.models import Product
from backend.core.db import atomic_or_conflict
from backend.core.errors import Invalid, NotFound, TooLong, Unauthenticated
from backend.core.viewer import Viewer
from backend.notifications.services import enqueue_email, skip_emails
from backend.wishlists.models import MAX_ITEMS, WishlistItem
from backend.wishlists.selectors import Wishlist, find_wishlist

# Mails that are enqueued in one transaction, which locks their accounts.
MAX_MAILS_AT_ONCE = 200

_MAIL_TASK = "wishlists.send_back_in_stock"


def get_wishlist(*, viewer: Viewer) -> Wishlist:
    """Return the viewer's own wishlist, after `merge_guest_cart`.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
    """
    merge_guest_cart(viewer=viewer)
    return find_wishlist(viewer)


@atomic_or_conflict
def add_item(*, viewer: Viewer, product_id: int, address: str, notify: bool | None = None) -> Wishlist:
    """Add a product to the viewer's wishlist and return the wishlist. A product that is on it stays there.

    A guest without a cart gets one; only this call returns its token.

    Args:
        address: the client's address, for which new guest carts are counted.
        notify: whether to mail the account once when the product is back in stock. None changes nothing.

    Raises:
        Unauthenticated: a guest has asked for a mail. Only accounts have a confirmed address.
        Invalid: the product to be notified of is in stock, or the shop has no `PUBLIC_URL` for the mail.
        NotFound: the product does not exist or is not published.
        TooLong: the wishlist would have more than `MAX_ITEMS` items.
        CartTokenInvalid: the guest's token is malformed.
        RateLimited: the address has created too many guest carts.
        Conflict: the product was deleted at the same time, or other requests change the same data.
    """
    if notify:
        if viewer.user_id is None:
            raise Unauthenticated(_("Log in to be notified."))
        if not settings.PUBLIC_URL:
            raise Invalid(_("This shop does not send back-in-stock mails."), field="notify")
    wishlist = find_wishlist(viewer)
    if viewer.user_id is not None:
        lock_account(viewer.user_id)
    cart = lock_or_create_cart(viewer)
    stock = Product.objects.filter(pk=product_id, is_published=True).values_list("stock", flat=True).first()
    if stock is None:
        raise NotFound(_("This product does not exist."), field="product_id")
    if notify and stock:
        raise Invalid(_("The product is in stock."), field="notify")
    if cart is None:
        cart, token = create_guest_cart(address)
        wishlist = replace(wishlist, token_digest=cart.token_digest, token=token)
    _add_item(viewer.user_id, cart, product_id, notify)
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


@atomic_or_conflict
def stop_notifications(*, user_id: int) -> None:
    """Cancel all notifications that an account waits for, and their mails. It can ask for new ones."""
    WishlistItem.objects.filter(user_id=user_id, notify=True).update(notify=False)
    _skip_mails(user_id)


def enqueue_back_in_stock_mails() -> int:
    """Enqueue one mail for each product that an account waits for and that is in stock. Return their number.

    Without `PUBLIC_URL` nothing is enqueued, because every mail must have a link to unsubscribe.
    """
    total = 0
    while settings.PUBLIC_URL:
        count = _enqueue_batch()
        total += count
        if count < MAX_MAILS_AT_ONCE:
            break
    return total


@atomic_or_conflict
def _enqueue_batch() -> int:
    # Two tasks skip each other's items, and the filter is evaluated again after locking. The accounts are
    # locked too, so that the deletion of an account finds the mail and deletes it.
    items = (
        WishlistItem.objects.select_for_update(skip_locked=True, of=("self", "user"), no_key=True)
        .filter(
            notify=True,
            product__is_published=True,
            product__stock__gt=0,
            user__is_active=True,
            user__status__verified=True,
            user__status__archived=False,
        )
        .select_related("user", "product")
        .only("user__email", "user__language", "product__name", "product__price")
        .order_by("pk")
    )
    batch = list(items[:MAX_MAILS_AT_ONCE])
    WishlistItem.objects.filter(pk__in=[item.pk for item in batch]).update(notify=False)
    for item in batch:
        assert item.user is not None
        enqueue_email(
            task=_MAIL_TASK,
            recipient=item.user.email,
            language=item.user.language,
            # A retry of the mail must have the same content, so it does not read the product.
            context={"item_id": item.pk, "name": item.product.name, "price": f"{item.product.price}"},
        )
    return len(batch)


def _skip_mails(user_id: int, **context: int) -> None:
    """Skip the back-in-stock mails to an account that are not sent yet, after its items have been changed."""
    email = User.objects.filter(pk=user_id).values_list("email", flat=True).first()
    if email is not None:
        skip_emails(task=_MAIL_TASK, recipient=email, context=context)


def _add_item(user_id: int | None, cart: Cart, product_id: int, notify: bool | None) -> None:
    """Add a product to the wishlist of an account or, without `user_id`, of the guest with a locked cart."""
    owner = {"user_id": user_id} if user_id is not None else {"cart_id": cart.pk}
    items = WishlistItem.objects.filter(**owner)
    present = items.filter(product_id=product_id)
    item_id = present.values_list("pk", flat=True).first()
    if item_id is not None:
        if notify is not None:
            present.update(notify=notify)
        if notify is not None and user_id is not None:
            # A mail that is still enqueued is about an earlier rise of the stock.
            _skip_mails(user_id, item_id=item_id)
        return
    if items.count() >= MAX_ITEMS:
        raise TooLong(
            _("A wishlist can have at most %(maximum)s products."),
            field="product_id",
            params={"maximum": MAX_ITEMS},
        )
    WishlistItem.objects.create(product_id=product_id, notify=bool(notify), **owner)
