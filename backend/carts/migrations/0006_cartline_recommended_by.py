from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("carts", "0005_cart_by_promo_code")]

    operations = [
        migrations.AddField(
            model_name="cartline",
            name="recommended_by",
            field=models.CharField(
                blank=True,
                choices=[
                    ("similar", "Similar products"),
                    ("bought_together", "Bought together"),
                    ("cart_suggestions", "Cart suggestions"),
                    ("personal", "Personal"),
                ],
                db_default="",
                default="",
                help_text="The list that the product was first added from; empty if it was added elsewhere.",
                max_length=16,
            ),
        ),
    ]
