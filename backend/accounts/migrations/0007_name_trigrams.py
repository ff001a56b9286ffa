from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    # The index is created concurrently, so that accounts can be changed meanwhile.
    atomic = False

    # Migration catalog/0001 creates the extension pg_trgm.
    dependencies = [("accounts", "0006_clean_text"), ("catalog", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            "user", GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="user_name_trigrams")
        )
    ]
