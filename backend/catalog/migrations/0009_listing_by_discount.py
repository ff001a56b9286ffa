"""Create the index of the sort by discount without blocking writers."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # CREATE INDEX CONCURRENTLY does not run in a transaction.
    atomic = False

    dependencies = [("catalog", "0008_discount_rate")]

    operations = [
        AddIndexConcurrently(
            "listingentry",
            models.Index(fields=["ancestor_id", "discount_rate", "product"], name="listing_by_discount"),
        ),
    ]
