"""Let the database delete the wishlist items of an account, cart or product that is deleted.

The release before this one deletes accounts and carts without knowing of wishlists. And Django deletes the
items of a product first, in a statement of its own: an item that is added between that and the deletion of
the product would otherwise make this fail.
"""

from django.db import migrations

CONSTRAINTS = {
    "wishlists_wishlistitem_user_id_1f5e1771_fk_accounts_user_id": ("user_id", "accounts_user"),
    "wishlists_wishlistitem_cart_id_84d7d102_fk_carts_cart_id": ("cart_id", "carts_cart"),
    "wishlists_wishlistit_product_id_2917ae74_fk_catalog_p": ("product_id", "catalog_product"),
}


def constrain(action: str) -> str:
    return ";".join(
        f"ALTER TABLE wishlists_wishlistitem DROP CONSTRAINT {name}, ADD CONSTRAINT {name}"
        f" FOREIGN KEY ({column}) REFERENCES {table} (id) {action} DEFERRABLE INITIALLY DEFERRED"
        for name, (column, table) in CONSTRAINTS.items()
    )


# squawk-ignore ban-drop-constraint: the same statement adds it again.
# squawk-ignore adding-foreign-key-constraint: the table is empty.
# squawk-ignore constraint-missing-not-valid: the table is empty.
class Migration(migrations.Migration):
    dependencies = [("wishlists", "0001_initial")]

    operations = [migrations.RunSQL(constrain("ON DELETE CASCADE"), constrain(""))]
