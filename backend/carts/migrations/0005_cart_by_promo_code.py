from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The index is created concurrently, so that carts can be written meanwhile.
    atomic = False

    dependencies = [("carts", "0004_promo_codes")]

    operations = [
        AddIndexConcurrently(
            model_name="cart",
            index=models.Index(
                condition=models.Q(("promo_code__isnull", False)),
                fields=["promo_code"],
                name="cart_by_promo_code",
            ),
        ),
    ]
