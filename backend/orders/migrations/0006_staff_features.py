import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import F, Q

import backend.core.text


# squawk-ignore ban-drop-constraint: the same migration adds one that implies it for all lines without cancelled units.
class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0005_validate_discounts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "order",
            "tracking_number",
            backend.core.text.CleanCharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            "order",
            "tracking_url",
            backend.core.text.CleanCharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            "orderline", "cancelled_quantity", models.PositiveIntegerField(db_default=0, default=0)
        ),
        # The next migration validates the constraints, without blocking orders.
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=Q(tracking_url="") | Q(tracking_url__startswith="https://"),
                name="order_tracking_url_is_https",
            ),
        ),
        AddConstraintNotValid(
            "orderline",
            models.CheckConstraint(
                condition=Q(cancelled_quantity__gte=0, cancelled_quantity__lte=F("quantity")),
                name="order_line_cancelled_quantity_in_range",
            ),
        ),
        AddConstraintNotValid(
            "orderline",
            models.CheckConstraint(
                condition=Q(line_total=F("unit_price") * (F("quantity") - F("cancelled_quantity"))),
                name="order_line_total_of_remaining",
            ),
        ),
        migrations.RemoveConstraint("orderline", "order_line_total_is_right"),
        migrations.CreateModel(
            "OrderLineCancellation",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("quantity", models.PositiveIntegerField()),
                ("cancelled_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "cancelled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cancellations",
                        to="orders.orderline",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(quantity__gte=1), name="order_line_cancellation_quantity_from_1"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            "OrderNote",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", backend.core.text.CleanTextField(max_length=2000)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="notes", to="orders.order"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [models.CheckConstraint(condition=~Q(text=""), name="order_note_not_empty")],
            },
        ),
        migrations.CreateModel(
            "Payment",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("provider", models.CharField(max_length=32)),
                (
                    "reference",
                    models.CharField(help_text="Id of the payment at the provider.", max_length=200),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=18)),
                ("currency", models.CharField(max_length=3)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("accepted", "Accepted"),
                            ("wrong_amount", "Wrong Amount"),
                            ("already_paid", "Already Paid"),
                            ("order_cancelled", "Order Cancelled"),
                        ],
                        help_text="Only an accepted payment has paid the order.",
                        max_length=15,
                    ),
                ),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="payments",
                        to="orders.order",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "reference"), name="payment_once_per_reference"
                    ),
                    models.CheckConstraint(condition=Q(amount__gte=0), name="payment_amount_not_negative"),
                ],
                "indexes": [
                    models.Index(
                        fields=["order"], name="payment_not_accepted", condition=~Q(status="accepted")
                    )
                ],
            },
        ),
    ]
