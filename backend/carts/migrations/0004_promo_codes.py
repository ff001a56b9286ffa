import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import backend.core.text


# squawk-ignore adding-foreign-key-constraint: new tables and columns have no values to check.
class Migration(migrations.Migration):
    dependencies = [
        ("carts", "0003_cartline_name_seen"),
        ("catalog", "0010_restore_characteristics"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PromoCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    backend.core.text.CleanCharField(
                        help_text="Letters, digits, - and _. Stored in upper case; customers can enter it in "
                        "any case.",
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "percent",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Percentage of the eligible products, 1 to 100. Leave empty for an amount.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Amount in the currency of the shop, at most the total of the eligible "
                        "products. Leave empty for a percentage.",
                        max_digits=12,
                        null=True,
                    ),
                ),
                ("has_categories", models.BooleanField(default=False, editable=False)),
                (
                    "minimum_total",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Minimum total of the whole cart before the discount.",
                        max_digits=12,
                        null=True,
                    ),
                ),
                ("starts_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                (
                    "max_uses",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="maximum uses"),
                ),
                (
                    "max_uses_per_customer",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="maximum uses per customer"
                    ),
                ),
                (
                    "uses",
                    models.PositiveIntegerField(
                        default=0,
                        editable=False,
                        help_text="Orders that are not cancelled. Counted only while there is a maximum, "
                        "because orders of the same code wait for each other to count.",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "categories",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Only products of these categories and of their subcategories are reduced. "
                        "Leave empty for all products.",
                        related_name="+",
                        to="catalog.category",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("code", django.db.models.functions.text.Upper("code")))
                        & ~models.Q(("code", "")),
                        name="promo_code_in_upper_case",
                        violation_error_message="The code must be in upper case.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__isnull", True),
                            ("percent__gte", 1),
                            ("percent__isnull", False),
                            ("percent__lte", 100),
                        )
                        | models.Q(("amount__gt", 0), ("amount__isnull", False), ("percent__isnull", True)),
                        name="promo_code_percent_or_amount",
                        violation_error_message="Enter either a percentage from 1 to 100 or an amount above "
                        "0.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("minimum_total__isnull", True))
                        | models.Q(("minimum_total__gt", 0)),
                        name="promo_code_minimum_above_0",
                        violation_error_message="The minimum total must be above 0.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("starts_at__isnull", True))
                        | models.Q(("ends_at__isnull", True))
                        | models.Q(("ends_at__gt", models.F("starts_at"))),
                        name="promo_code_ends_after_start",
                        violation_error_message="The end must be after the start.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_uses__isnull", True)) | models.Q(("max_uses__gte", 1)),
                        name="promo_code_max_uses_from_1",
                        violation_error_message="The maximum uses must be at least 1.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_uses_per_customer__isnull", True))
                        | models.Q(("max_uses_per_customer__gte", 1)),
                        name="promo_code_max_per_customer_from_1",
                        violation_error_message="The maximum uses per customer must be at least 1.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PromoCodeUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("order_number", models.CharField(max_length=32, unique=True)),
                (
                    "promo_code",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="carts.promocode",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["promo_code", "user"], name="promo_code_use_of_customer")
                ],
            },
        ),
        migrations.AddField(
            model_name="cart",
            name="promo_code",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="carts.promocode",
            ),
        ),
    ]
