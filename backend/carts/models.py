"""Carts and their lines: at most one cart for each account and for each guest token."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from backend.catalog.models import Product

MAX_QUANTITY = 999
MAX_LINES = 200


class Cart(models.Model):
    """The cart of an account, or of the guest who holds its token.

    Lock this row before changing the lines.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="cart"
    )
    token_digest = models.CharField(
        max_length=64, null=True, blank=True, unique=True, help_text="SHA-256 of a guest's token."
    )
    created_at = models.DateTimeField(default=timezone.now)
    touched_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, token_digest__isnull=True)
                | models.Q(user__isnull=True, token_digest__isnull=False),
                name="cart_of_account_or_guest",
            )
        ]

    def __str__(self) -> str:
        return f"Cart {self.pk}"


class CartLine(models.Model):
    """A product in a cart and its quantity, at the product's current price.

    `name_seen` and `price_seen` are the values that the shopper saw. They detect price changes. After staff
    have unpublished the product, responses contain nothing else of it.
    """

    cart = models.ForeignKey(Cart, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    quantity = models.PositiveSmallIntegerField()
    name_seen = models.CharField(
        max_length=255,
        # A default of the database, because processes of an older release insert rows without this column.
        db_default="",
        help_text="The product's name when the line was last added or changed.",
    )
    price_seen = models.DecimalField(
        max_digits=12, decimal_places=2, help_text="The price when the line was last added or changed."
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["cart", "product"], name="cart_line_once_per_product"),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=1, quantity__lte=MAX_QUANTITY),
                name="cart_line_quantity_from_1_to_999",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"
