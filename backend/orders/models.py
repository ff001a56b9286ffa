"""Orders, their lines, history, notes, payments and the contact details of their customers."""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Cast, Concat, Substr, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from backend.accounts.models import LowercaseEmailField
from backend.carts.models import MAX_PROMO_CODE_LENGTH, MAX_RECOMMENDED_BY_LENGTH, RecommendationList
from backend.catalog.models import Product
from backend.core.identifiers import encode_global_id
from backend.core.text import CleanCharField, CleanTextField
from backend.orders.delivery import MAX_COMMENT_LENGTH, Address, Contact, get_max_lengths, read_part

NUMBER_SEQUENCE = "orders_order_number"
MAX_TRACKING_NUMBER_LENGTH = 100
MAX_TRACKING_URL_LENGTH = 500
MAX_NOTE_LENGTH = 2000
MAX_PROVIDER_LENGTH = 32
MAX_REFERENCE_LENGTH = 200

_CONTACT_LENGTHS = get_max_lengths(Contact)
_ADDRESS_LENGTHS = get_max_lengths(Address)


class Order(models.Model):
    """A snapshot of a cart at the prices of the time of the order.

    It belongs to an account, or to the e-mail address of a guest, who reads it with its token.

    Attributes:
        token: the token of a guest's order. Only the order that `create_order` returns has it.
    """

    class Status(models.TextChoices):
        PLACED = "placed", _("Placed")
        PAID = "paid", _("Paid")
        SHIPPED = "shipped", _("Shipped")
        DELIVERED = "delivered", _("Delivered")
        CANCELLED = "cancelled", _("Cancelled")

    number = models.CharField(
        max_length=32,
        unique=True,
        editable=False,
        # A sequence lets concurrent orders proceed without waiting. The random suffix makes the numbers of
        # other customers' orders unguessable.
        db_default=Concat(
            Cast(Func(Value(NUMBER_SEQUENCE), function="nextval"), TextField()),
            Value("-"),
            Substr(Cast(RandomUUID(), TextField()), 1, 8),
        ),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="orders"
    )
    status = models.CharField(max_length=9, choices=Status, default=Status.PLACED)
    total = models.DecimalField(max_digits=18, decimal_places=2, editable=False)
    discount = models.DecimalField(
        max_digits=18,
        decimal_places=2,
        default=Decimal(0),
        # Defaults of the database, because processes of an older release insert rows without these columns.
        db_default=Decimal(0),
        editable=False,
    )
    promo_code = models.CharField(
        max_length=MAX_PROMO_CODE_LENGTH,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("The code itself, because staff can delete promo codes."),
    )
    currency = models.CharField(max_length=3, editable=False)
    placed_at = models.DateTimeField(default=timezone.now, editable=False)
    idempotency_key = models.CharField(max_length=255, blank=True, editable=False)
    fingerprint = models.CharField(
        max_length=64, editable=False, help_text=_("HMAC of the request that used the idempotency key.")
    )
    tracking_number = CleanCharField(
        max_length=MAX_TRACKING_NUMBER_LENGTH, blank=True, default="", db_default=""
    )
    tracking_url = CleanCharField(max_length=MAX_TRACKING_URL_LENGTH, blank=True, default="", db_default="")
    email = LowercaseEmailField(
        max_length=254,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("Address of a guest."),
    )
    language = models.CharField(
        max_length=2,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("Language of the mails to a guest."),
    )
    token_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("SHA-256 of the token of a guest's order."),
    )
    guest_key = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("SHA-256 of the cart's token and the idempotency key of a guest."),
    )

    token: str | None = None

    class Meta:
        ordering = ["-placed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "idempotency_key"],
                name="order_once_per_key",
                condition=~models.Q(idempotency_key=""),
            ),
            models.UniqueConstraint(
                fields=["guest_key"],
                name="order_once_per_guest_key",
                condition=~models.Q(guest_key=""),
            ),
            models.UniqueConstraint(
                fields=["token_digest"],
                name="order_of_token",
                condition=~models.Q(token_digest=""),
            ),
            models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_not_negative"),
            models.CheckConstraint(condition=models.Q(discount__gte=0), name="order_discount_not_negative"),
            # The link is shown to the customer in mails and in both APIs.
            models.CheckConstraint(
                condition=models.Q(tracking_url="") | models.Q(tracking_url__startswith="https://"),
                name="order_tracking_url_is_https",
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) | models.Q(email="", token_digest=""),
                name="order_of_account_or_guest",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "placed_at", "id"], name="order_of_user"),
            models.Index(fields=["placed_at", "id"], name="order_by_date"),
            models.Index(fields=["status", "placed_at", "id"], name="order_by_status"),
            models.Index(fields=["email"], name="order_of_guest", condition=~models.Q(email="")),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("Order", self.pk)

    @property
    def subtotal(self) -> Decimal:
        """The sum of the line totals, before the discount."""
        return self.total + self.discount

    @property
    def is_cancellable(self) -> bool:
        """True while the order is placed or paid."""
        return self.Status.CANCELLED in NEXT_STATUSES[Order.Status(self.status)]

    @property
    def customer_email(self) -> str:
        """The address that mails are sent to; empty if the personal data of the customer was deleted."""
        return self.user.email if self.user else self.email

    @property
    def is_of_guest(self) -> bool:
        """True if a guest has placed the order, also after the personal data was erased."""
        # Orders of accounts have neither, and an erased order keeps its language.
        return self.user_id is None and bool(self.email or self.language)

    @property
    def customer_language(self) -> str:
        """The language of the mails; empty if the account has none."""
        return self.user.language if self.user else self.language

    @property
    def contact(self) -> Contact | None:
        """None if the customer gave no contact or the account has been deleted."""
        person = getattr(self, "person", None)
        return read_part(Contact, person) if person else None

    @property
    def delivery_address(self) -> Address | None:
        """None if the customer gave no address or the account has been deleted."""
        person = getattr(self, "person", None)
        return read_part(Address, person) if person else None

    @property
    def comment(self) -> str:
        """Empty if the customer wrote no comment or the account has been deleted."""
        person = getattr(self, "person", None)
        return person.comment if person else ""


# Statuses within sentences, for which languages can have another form than for a label.
STATUS_WORDS = {
    Order.Status.PLACED: pgettext_lazy("status of an order in a sentence", "placed"),
    Order.Status.PAID: pgettext_lazy("status of an order in a sentence", "paid"),
    Order.Status.SHIPPED: pgettext_lazy("status of an order in a sentence", "shipped"),
    Order.Status.DELIVERED: pgettext_lazy("status of an order in a sentence", "delivered"),
    Order.Status.CANCELLED: pgettext_lazy("status of an order in a sentence", "cancelled"),
}
# Allowed status transitions. They have no cycles.
NEXT_STATUSES = {
    Order.Status.PLACED: (Order.Status.PAID, Order.Status.CANCELLED),
    Order.Status.PAID: (Order.Status.SHIPPED, Order.Status.CANCELLED),
    Order.Status.SHIPPED: (Order.Status.DELIVERED,),
    Order.Status.DELIVERED: (),
    Order.Status.CANCELLED: (),
}


class OrderLine(models.Model):
    """A product of an order, with the properties that it had when it was ordered.

    In the order that `create_order` returns, `product` is the `ProductRow` of the cart line.
    """

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.SET_NULL, null=True, related_name="order_lines")
    sku = models.CharField("SKU", max_length=64)
    name = models.CharField(max_length=255)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    quantity = models.PositiveIntegerField()
    # Units that staff have cancelled before the shipment. Zero in an order that is cancelled as a whole.
    cancelled_quantity = models.PositiveIntegerField(default=0, db_default=0)
    line_total = models.DecimalField(max_digits=18, decimal_places=2)
    discount = models.DecimalField(max_digits=18, decimal_places=2, default=Decimal(0), db_default=Decimal(0))
    recommended_by = models.CharField(
        max_length=MAX_RECOMMENDED_BY_LENGTH,
        choices=RecommendationList,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_(
            "The list of recommendations that the product was added from; empty if it was added elsewhere."
        ),
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            # Imported orders can exceed the maximum quantity of a cart line.
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="order_line_quantity_from_1"),
            models.CheckConstraint(
                condition=models.Q(cancelled_quantity__gte=0, cancelled_quantity__lte=F("quantity")),
                name="order_line_cancelled_quantity_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(line_total=F("unit_price") * (F("quantity") - F("cancelled_quantity"))),
                name="order_line_total_of_remaining",
            ),
            models.CheckConstraint(
                condition=models.Q(discount__gte=0, discount__lte=F("line_total")),
                name="order_line_discount_up_to_total",
            ),
        ]
        indexes = [
            models.Index(Upper("sku"), name="order_line_by_sku"),
            # For the statistics of recommendations.
            models.Index(
                fields=["order"], name="order_line_recommended", condition=~models.Q(recommended_by="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku}"

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("OrderLine", self.pk)

    @property
    def remaining_quantity(self) -> int:
        """The units that are not cancelled."""
        return self.quantity - self.cancelled_quantity

    @property
    def sold_product(self) -> Product | None:
        """The current product, or None if it is no longer published."""
        return self.product if self.product and self.product.is_published else None


class OrderContact(models.Model):
    """The contact, address and comment of an order. Deleted with the account of the customer.

    A guest has no account; see `erase_guest_data`.
    """

    order = models.OneToOneField(Order, models.CASCADE, primary_key=True, related_name="person")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    name = models.CharField(max_length=_CONTACT_LENGTHS["name"], blank=True)
    phone = models.CharField(
        max_length=_CONTACT_LENGTHS["phone"], blank=True, help_text=_("In E.164 format, without extension.")
    )
    phone_as_typed = models.CharField(
        max_length=_CONTACT_LENGTHS["phone_as_typed"], blank=True, default="", db_default=""
    )
    line1 = models.CharField("address", max_length=_ADDRESS_LENGTHS["line1"], blank=True)
    line2 = models.CharField("address, second line", max_length=_ADDRESS_LENGTHS["line2"], blank=True)
    city = models.CharField(max_length=_ADDRESS_LENGTHS["city"], blank=True)
    postal_code = models.CharField(max_length=_ADDRESS_LENGTHS["postal_code"], blank=True)
    country = models.CharField(
        max_length=_ADDRESS_LENGTHS["country"], blank=True, help_text=_("ISO 3166-1 alpha-2 code.")
    )
    comment = models.CharField(max_length=MAX_COMMENT_LENGTH, blank=True)

    class Meta:
        # For the search in the admin.
        indexes = [
            models.Index(fields=["phone"], name="order_contact_by_phone"),
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="order_contact_name_trigrams"),
        ]

    def __str__(self) -> str:
        return _("Contact of order %(id)s") % {"id": self.order_id}


class OrderStatusChange(models.Model):
    """An entry of the status history. The first one is the placement of the order."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="history")
    status = models.CharField(max_length=9, choices=Order.Status)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [
            # The allowed transitions never lead back to an earlier status.
            models.UniqueConstraint(fields=["order", "status"], name="order_status_once")
        ]

    def __str__(self) -> str:
        return f"{self.status} at {self.changed_at:%Y-%m-%d %H:%M}"


class OrderLineCancellation(models.Model):
    """A number of units of a line that staff have cancelled."""

    line = models.ForeignKey(OrderLine, models.CASCADE, related_name="cancellations")
    quantity = models.PositiveIntegerField()
    cancelled_at = models.DateTimeField(default=timezone.now)
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quantity__gte=1), name="order_line_cancellation_quantity_from_1"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of line {self.line_id}"


class OrderNote(models.Model):
    """An internal note of staff about an order. No API, mail or feed contains it."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    text = CleanTextField(max_length=MAX_NOTE_LENGTH)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=~models.Q(text=""), name="order_note_not_empty")]

    def __str__(self) -> str:
        return f"Note of {self.created_at:%Y-%m-%d %H:%M}"


class Payment(models.Model):
    """A payment for an order, reported by a payment provider or entered by staff."""

    class Status(models.TextChoices):
        ACCEPTED = "accepted", _("Accepted")
        WRONG_AMOUNT = "wrong_amount", _("Wrong Amount")
        ALREADY_PAID = "already_paid", _("Already Paid")
        ORDER_CANCELLED = "order_cancelled", _("Order Cancelled")

    order = models.ForeignKey(Order, models.CASCADE, related_name="payments")
    provider = models.CharField(max_length=MAX_PROVIDER_LENGTH)
    reference = models.CharField(
        max_length=MAX_REFERENCE_LENGTH, help_text=_("Id of the payment at the provider.")
    )
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=15, choices=Status, help_text=_("Only an accepted payment has paid the order.")
    )
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "reference"], name="payment_once_per_reference"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="payment_amount_not_negative"),
        ]
        indexes = [
            # For the filter in the admin.
            models.Index(
                fields=["order"], name="payment_not_accepted", condition=~models.Q(status="accepted")
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.reference}"
