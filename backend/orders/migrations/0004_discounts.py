from decimal import Decimal

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_phone_numbers")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="discount",
            field=models.DecimalField(
                db_default=Decimal(0), decimal_places=2, default=Decimal(0), editable=False, max_digits=18
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="promo_code",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="The code itself, because staff can delete promo codes.",
                max_length=32,
            ),
        ),
        migrations.AddField(
            model_name="orderline",
            name="discount",
            field=models.DecimalField(
                db_default=Decimal(0), decimal_places=2, default=Decimal(0), max_digits=18
            ),
        ),
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("discount__gte", 0)), name="order_discount_not_negative"
            ),
        ),
        AddConstraintNotValid(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(("discount__gte", 0), ("discount__lte", models.F("line_total"))),
                name="order_line_discount_up_to_total",
            ),
        ),
    ]
