"""Wishlists for tests."""

from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from backend.accounts.models import User
from backend.catalog.models import Product
from backend.wishlists.models import WishlistItem


def fill_wishlist(user: User, products: Iterable[Product]) -> None:
    """Add products to the wishlist of an account without the checks of the services, oldest first."""
    now = timezone.now() - timedelta(hours=1)
    WishlistItem.objects.bulk_create(
        WishlistItem(user=user, product=product, added_at=now + timedelta(seconds=number))
        for number, product in enumerate(products)
    )
