"""Create an index without blocking writers."""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("core", "0001_column")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY trial_index ON catalog_category (renamed)",
            "DROP INDEX CONCURRENTLY trial_index",
        )
    ]
