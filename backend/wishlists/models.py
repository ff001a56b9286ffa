"""Wishlists: the products that accounts and guests have saved."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.catalog.models import Product

MAX_ITEMS = 500


class WishlistItem(models.Model):
    """A product on the wishlist of an account, or of a guest.

    A guest's items belong to the guest's cart, so that they have its token and its lifetime. Lock the
    viewer's cart before adding items.
    """

    # The unique constraints are the indexes of both owners.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", db_index=False
    )
    cart = models.ForeignKey("carts.Cart", models.CASCADE, null=True, related_name="+", db_index=False)
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)
    notify = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Whether the account waits for the mail that the product is back in stock."),
    )

    class Meta:
        ordering = ["-added_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "product"], name="wishlist_item_once_per_user"),
            models.UniqueConstraint(fields=["cart", "product"], name="wishlist_item_once_per_cart"),
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, cart__isnull=True)
                | models.Q(user__isnull=True, cart__isnull=False),
                name="wishlist_item_of_account_or_guest",
            ),
        ]
        indexes = [
            models.Index(fields=["product"], name="wishlist_item_to_notify", condition=models.Q(notify=True))
        ]

    def __str__(self) -> str:
        return _("Wishlist item %(id)s") % {"id": self.pk}
