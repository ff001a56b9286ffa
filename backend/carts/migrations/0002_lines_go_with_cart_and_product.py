"""Let the database delete the lines of a cart or product that is deleted.

Django deletes the lines first, in a statement of its own. A line that is added between that and the
deletion of its cart or product would otherwise make this fail.
"""

from django.db import migrations

CONSTRAINTS = {
    "carts_cartline_cart_id_39a60cce_fk_carts_cart_id": ("cart_id", "carts_cart"),
    "carts_cartline_product_id_472a039c_fk_catalog_product_id": ("product_id", "catalog_product"),
}


def constrain(action: str) -> str:
    return ";".join(
        f"ALTER TABLE carts_cartline DROP CONSTRAINT {name}, ADD CONSTRAINT {name} FOREIGN KEY ({column})"
        f" REFERENCES {table} (id) {action} DEFERRABLE INITIALLY DEFERRED"
        for name, (column, table) in CONSTRAINTS.items()
    )


# squawk-ignore ban-drop-constraint: the same statement adds it again.
# squawk-ignore adding-foreign-key-constraint: no shop was open before the first release.
# squawk-ignore constraint-missing-not-valid: no shop was open before the first release.
class Migration(migrations.Migration):
    dependencies = [("carts", "0001_initial")]

    operations = [migrations.RunSQL(constrain("ON DELETE CASCADE"), constrain(""))]
