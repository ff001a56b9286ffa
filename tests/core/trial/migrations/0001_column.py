"""Lock the categories."""

from django.db import migrations


# squawk-ignore ban-drop-default: the tests of the check expect one rule to be excluded.
class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.RunSQL(
            [
                "ALTER TABLE catalog_category ADD COLUMN trial text DEFAULT '' NOT NULL",
                "ALTER TABLE catalog_category ALTER COLUMN trial DROP DEFAULT",
                "ALTER TABLE catalog_category RENAME COLUMN trial TO renamed",
            ],
            "ALTER TABLE catalog_category DROP COLUMN renamed",
        )
    ]
