"""Carts: one for every account that has put something into it, and one for every guest."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils import timezone

from backend.catalog.models import Product

MAX_QUANTITY = 999
MAX_LINES = 200


class Cart(models.Model):
    """What one person is about to order: of an account, or of the guest who knows the token.

    Whoever changes its lines locks the cart first.
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
    """So many of one product; what it costs is the product's price now, not when it was added."""

    cart = models.ForeignKey(Cart, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    quantity = models.PositiveSmallIntegerField()
    price_seen = models.DecimalField(
        max_digits=12, decimal_places=2, help_text="The price when it was last added or changed."
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

    @property
    def unit_price(self) -> Decimal:
        """What one costs now."""
        return self.product.price

    @property
    def line_total(self) -> Decimal:
        """What all of them cost now."""
        return self.product.price * self.quantity

    @property
    def is_available(self) -> bool:
        """Whether as many can be ordered now."""
        return self.product.is_published and self.product.stock >= self.quantity
