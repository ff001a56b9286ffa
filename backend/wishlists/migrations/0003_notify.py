from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wishlists", "0002_items_go_with_owner_and_product")]

    operations = [
        migrations.AddField(
            model_name="wishlistitem",
            name="notify",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether the account waits for the mail that the product is back in stock.",
            ),
        ),
    ]
