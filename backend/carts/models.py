"""Carts with their lines, and promo codes.

There is at most one cart for each account and for each guest token.
"""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.catalog.models import Category, Product
from backend.core.text import CleanCharField

MAX_QUANTITY = 999
MAX_LINES = 200
MAX_PROMO_CODE_LENGTH = 32
MAX_RECOMMENDED_BY_LENGTH = 16


class RecommendationList(models.TextChoices):
    """A kind of list of recommended products, to which clicks and orders are attributed."""

    SIMILAR = "similar", _("Similar products")
    BOUGHT_TOGETHER = "bought_together", _("Bought together")
    CART_SUGGESTIONS = "cart_suggestions", _("Cart suggestions")
    PERSONAL = "personal", _("Personal")


class PromoCode(models.Model):
    """A code that reduces the total of a cart, by a percentage or by an amount.

    Lock this row after all other rows of an order.
    """

    code = CleanCharField(
        max_length=MAX_PROMO_CODE_LENGTH,
        unique=True,
        help_text=_("Letters, digits, - and _. Stored in upper case; customers can enter it in any case."),
    )
    percent = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("Percentage of the eligible products, 1 to 100. Leave empty for an amount."),
    )
    amount = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_(
            "Amount in the currency of the shop, at most the total of the eligible products. "
            "Leave empty for a percentage."
        ),
    )
    categories = models.ManyToManyField(
        Category,
        blank=True,
        related_name="+",
        help_text=_(
            "Only products of these categories and of their subcategories are reduced. "
            "Leave empty for all products."
        ),
    )
    # Without it, deleting the last category of a code would extend the code to all products.
    has_categories = models.BooleanField(default=False, editable=False)
    minimum_total = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Minimum total of the whole cart before the discount."),
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    max_uses = models.PositiveIntegerField("maximum uses", null=True, blank=True)
    max_uses_per_customer = models.PositiveIntegerField("maximum uses per customer", null=True, blank=True)
    uses = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text=_(
            "Orders that are not cancelled. Counted only while there is a maximum, because orders of "
            "the same code wait for each other to count."
        ),
    )
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(code=Upper("code")) & ~models.Q(code=""),
                name="promo_code_in_upper_case",
                violation_error_message=_("The code must be in upper case."),
            ),
            models.CheckConstraint(
                # A comparison with null passes a CHECK, so null is excluded explicitly.
                condition=models.Q(
                    percent__isnull=False, percent__gte=1, percent__lte=100, amount__isnull=True
                )
                | models.Q(percent__isnull=True, amount__isnull=False, amount__gt=0),
                name="promo_code_percent_or_amount",
                violation_error_message=_("Enter either a percentage from 1 to 100 or an amount above 0."),
            ),
            models.CheckConstraint(
                condition=models.Q(minimum_total__isnull=True) | models.Q(minimum_total__gt=0),
                name="promo_code_minimum_above_0",
                violation_error_message=_("The minimum total must be above 0."),
            ),
            models.CheckConstraint(
                condition=models.Q(starts_at__isnull=True)
                | models.Q(ends_at__isnull=True)
                | models.Q(ends_at__gt=models.F("starts_at")),
                name="promo_code_ends_after_start",
                violation_error_message=_("The end must be after the start."),
            ),
            models.CheckConstraint(
                condition=models.Q(max_uses__isnull=True) | models.Q(max_uses__gte=1),
                name="promo_code_max_uses_from_1",
                violation_error_message=_("The maximum uses must be at least 1."),
            ),
            models.CheckConstraint(
                condition=models.Q(max_uses_per_customer__isnull=True)
                | models.Q(max_uses_per_customer__gte=1),
                name="promo_code_max_per_customer_from_1",
                violation_error_message=_("The maximum uses per customer must be at least 1."),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class PromoCodeUse(models.Model):
    """An order with a promo code, until the order is cancelled.

    It has no user if the order has none or the account has been deleted.
    """

    promo_code = models.ForeignKey(PromoCode, models.CASCADE, db_index=False, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    order_number = models.CharField(max_length=32, unique=True)

    class Meta:
        indexes = [models.Index(fields=["promo_code", "user"], name="promo_code_use_of_customer")]

    def __str__(self) -> str:
        return _("Use by order %(number)s") % {"number": self.order_number}


class Cart(models.Model):
    """The cart of an account, or of the guest who holds its token.

    Lock this row before changing the lines.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="cart"
    )
    token_digest = models.CharField(
        max_length=64, null=True, blank=True, unique=True, help_text=_("SHA-256 of a guest's token.")
    )
    created_at = models.DateTimeField(default=timezone.now)
    touched_at = models.DateTimeField(default=timezone.now, db_index=True)
    promo_code = models.ForeignKey(
        PromoCode, models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, token_digest__isnull=True)
                | models.Q(user__isnull=True, token_digest__isnull=False),
                name="cart_of_account_or_guest",
            )
        ]
        indexes = [
            # For the deletion of a promo code.
            models.Index(
                fields=["promo_code"],
                name="cart_by_promo_code",
                condition=models.Q(promo_code__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return _("Cart %(id)s") % {"id": self.pk}


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
        help_text=_("The product's name when the line was last added or changed."),
    )
    price_seen = models.DecimalField(
        max_digits=12, decimal_places=2, help_text=_("The price when the line was last added or changed.")
    )
    recommended_by = models.CharField(
        max_length=MAX_RECOMMENDED_BY_LENGTH,
        choices=RecommendationList,
        blank=True,
        default="",
        db_default="",
        help_text=_("The list that the product was first added from; empty if it was added elsewhere."),
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
