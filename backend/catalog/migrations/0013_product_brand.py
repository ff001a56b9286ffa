"""Create the index of products by brand, without blocking writers."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # CREATE INDEX CONCURRENTLY does not run in a transaction.
    atomic = False

    dependencies = [("catalog", "0012_brands")]

    operations = [
        AddIndexConcurrently("product", models.Index(fields=["brand"], name="product_brand")),
    ]
