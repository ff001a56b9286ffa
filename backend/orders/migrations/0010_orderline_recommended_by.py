from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0009_guest_order_indexes")]

    operations = [
        migrations.AddField(
            model_name="orderline",
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
                editable=False,
                help_text="The list of recommendations that the product was added from; empty if it was added "
                "elsewhere.",
                max_length=16,
            ),
        ),
    ]
