from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0002_related_product")]

    operations = [
        migrations.CreateModel(
            name="ClickCount",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "day", "recommended_by", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("day", models.DateField()),
                (
                    "recommended_by",
                    models.CharField(
                        choices=[
                            ("similar", "Similar products"),
                            ("bought_together", "Bought together"),
                            ("cart_suggestions", "Cart suggestions"),
                            ("personal", "Personal"),
                        ],
                        max_length=16,
                    ),
                ),
                ("clicks", models.PositiveBigIntegerField()),
            ],
        ),
    ]
