from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    # Indexes are created concurrently, so that orders can be placed meanwhile.
    atomic = False

    dependencies = [("catalog", "0001_initial"), ("orders", "0006_staff_features")]

    operations = [
        ValidateConstraint("order", "order_tracking_url_is_https"),
        ValidateConstraint("orderline", "order_line_cancelled_quantity_in_range"),
        ValidateConstraint("orderline", "order_line_total_of_remaining"),
        AddIndexConcurrently("ordercontact", models.Index(fields=["phone"], name="order_contact_by_phone")),
        # Migration catalog/0001 creates the extension pg_trgm.
        AddIndexConcurrently(
            "ordercontact",
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="order_contact_name_trigrams"),
        ),
    ]
