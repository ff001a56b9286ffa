from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The index is created concurrently, so that orders can be placed meanwhile.
    atomic = False

    dependencies = [("orders", "0010_orderline_recommended_by")]

    operations = [
        AddIndexConcurrently(
            "orderline",
            models.Index(
                fields=["order"],
                name="order_line_recommended",
                condition=models.Q(("recommended_by", ""), _negated=True),
            ),
        ),
    ]
