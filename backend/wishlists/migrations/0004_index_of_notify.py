from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("wishlists", "0003_notify")]

    operations = [
        AddIndexConcurrently(
            "wishlistitem",
            models.Index(
                condition=models.Q(("notify", True)), fields=["product"], name="wishlist_item_to_notify"
            ),
        ),
    ]
