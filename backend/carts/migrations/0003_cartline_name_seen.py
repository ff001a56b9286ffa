"""Add the name that the shopper saw, and fill it for existing lines with the product's current name."""

from django.db import migrations, models


def fill_names(apps, schema_editor):
    product = apps.get_model("catalog", "Product").objects.filter(pk=models.OuterRef("product_id"))
    apps.get_model("carts", "CartLine").objects.update(name_seen=models.Subquery(product.values("name")[:1]))


# squawk-ignore run-python-in-transaction: no shop was open before the first release.
# squawk-ignore row-changes-in-transaction: no shop was open before the first release.
class Migration(migrations.Migration):
    dependencies = [("carts", "0002_lines_go_with_cart_and_product")]

    operations = [
        migrations.AddField(
            model_name="cartline",
            name="name_seen",
            field=models.CharField(
                db_default="",
                max_length=255,
                help_text="The product's name when the line was last added or changed.",
            ),
        ),
        migrations.AlterField(
            model_name="cartline",
            name="price_seen",
            field=models.DecimalField(
                decimal_places=2,
                max_digits=12,
                help_text="The price when the line was last added or changed.",
            ),
        ),
        migrations.RunPython(fill_names, migrations.RunPython.noop),
    ]
