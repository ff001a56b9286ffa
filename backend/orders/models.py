"""Orders as they were placed. What they say of the person is a row of its own, deleted with the account."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Cast, Concat, Substr, Upper
from django.utils import timezone

from backend.catalog.models import Product
from backend.orders.delivery import Address, Contact

NUMBER_SEQUENCE = "orders_order_number"


class Order(models.Model):
    """What somebody has bought, at the prices of that moment."""

    class Status(models.TextChoices):
        PLACED = "placed"
        PAID = "paid"
        SHIPPED = "shipped"
        DELIVERED = "delivered"
        CANCELLED = "cancelled"

    number = models.CharField(
        max_length=32,
        unique=True,
        editable=False,
        # Counted by a sequence, so that no two orders wait for each other; the random part keeps one
        # customer from working out the number of another.
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
    currency = models.CharField(max_length=3, editable=False)
    placed_at = models.DateTimeField(default=timezone.now, editable=False)
    idempotency_key = models.CharField(max_length=255, blank=True, editable=False)
    fingerprint = models.CharField(
        max_length=64, editable=False, help_text="SHA-256 of what was asked for with the key."
    )

    class Meta:
        ordering = ["-placed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "idempotency_key"],
                name="order_once_per_key",
                condition=~models.Q(idempotency_key=""),
            ),
            models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_not_negative"),
        ]
        indexes = [
            models.Index(fields=["user", "placed_at", "id"], name="order_of_user"),
            models.Index(fields=["placed_at", "id"], name="order_by_date"),
            models.Index(fields=["status", "placed_at", "id"], name="order_by_status"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_cancellable(self) -> bool:
        """Whether it can still be cancelled."""
        return self.Status.CANCELLED in NEXT_STATUSES[Order.Status(self.status)]

    @property
    def contact(self) -> Contact | None:
        """Whom to call, if that was said and the account has not been deleted."""
        person = getattr(self, "person", None)
        return Contact(person.name, person.phone) if person and person.name else None

    @property
    def delivery_address(self) -> Address | None:
        """Where to deliver, if that was said and the account has not been deleted."""
        person = getattr(self, "person", None)
        if person is None or not person.line1:
            return None
        return Address(person.line1, person.line2, person.city, person.postal_code, person.country)

    @property
    def comment(self) -> str:
        """What the shopper wrote, as long as there is the account."""
        person = getattr(self, "person", None)
        return person.comment if person else ""


# What may follow: no status is ever come back to.
NEXT_STATUSES = {
    Order.Status.PLACED: (Order.Status.PAID, Order.Status.CANCELLED),
    Order.Status.PAID: (Order.Status.SHIPPED, Order.Status.CANCELLED),
    Order.Status.SHIPPED: (Order.Status.DELIVERED,),
    Order.Status.DELIVERED: (),
    Order.Status.CANCELLED: (),
}


class OrderLine(models.Model):
    """One product of an order, as it was then."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.SET_NULL, null=True, related_name="order_lines")
    sku = models.CharField("SKU", max_length=64)
    name = models.CharField(max_length=255)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    quantity = models.PositiveIntegerField()
    line_total = models.DecimalField(max_digits=18, decimal_places=2)

    class Meta:
        ordering = ["id"]
        constraints = [
            # Without the cart's upper bound: orders brought from elsewhere can be of any size.
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="order_line_quantity_from_1"),
            models.CheckConstraint(
                condition=models.Q(line_total=F("unit_price") * F("quantity")),
                name="order_line_total_is_right",
            ),
        ]
        indexes = [models.Index(Upper("sku"), name="order_line_by_sku")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku}"

    @property
    def sold_product(self) -> Product | None:
        """The product as it is now, if it is still sold."""
        return self.product if self.product and self.product.is_published else None


class OrderContact(models.Model):
    """What an order says of the person and where to deliver; deleted with their account."""

    order = models.OneToOneField(Order, models.CASCADE, primary_key=True, related_name="person")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=150, blank=True)
    phone = models.CharField(max_length=32, blank=True)
    line1 = models.CharField("address", max_length=200, blank=True)
    line2 = models.CharField("address, second line", max_length=200, blank=True)
    city = models.CharField(max_length=100, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    comment = models.CharField(max_length=1000, blank=True)

    def __str__(self) -> str:
        return f"Contact of {self.order_id}"


class OrderStatusChange(models.Model):
    """One step of an order's history, its placing the first."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="history")
    status = models.CharField(max_length=9, choices=Order.Status)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [
            # No status is ever reached twice.
            models.UniqueConstraint(fields=["order", "status"], name="order_status_once")
        ]

    def __str__(self) -> str:
        return f"{self.status} at {self.changed_at:%Y-%m-%d %H:%M}"
