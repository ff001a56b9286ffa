from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_discounts")]

    operations = [
        ValidateConstraint(model_name="order", name="order_discount_not_negative"),
        ValidateConstraint(model_name="orderline", name="order_line_discount_up_to_total"),
    ]
