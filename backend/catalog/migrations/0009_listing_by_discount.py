"""Write the discount of the products on sale, and create the index of the sort by discount.

Neither blocks writers of other products.
"""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models, transaction

PRODUCTS_AT_ONCE = 500

NEXT = """
SELECT id FROM catalog_product WHERE compare_at_price IS NOT NULL AND id > %s ORDER BY id LIMIT %s
"""
# Locks the products first, as the triggers have done when they write the entries.
LOCK = "SELECT 1 FROM catalog_product WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
WRITE = """
UPDATE catalog_listingentry SET discount_rate = catalog_discount_rate(p.price, p.compare_at_price)
FROM catalog_product p WHERE p.id = product_id AND product_id = ANY(%s)
"""


def write_discounts(apps: Any, schema_editor: Any) -> None:
    """Write the discount of all products on sale, some products at a time."""
    last: int | None = 0
    while last is not None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(NEXT, [last, PRODUCTS_AT_ONCE])
            ids = [pk for (pk,) in cursor.fetchall()]
        last = ids[-1] if ids else None
        with transaction.atomic(schema_editor.connection.alias), schema_editor.connection.cursor() as cursor:
            cursor.execute(LOCK, [ids])
            cursor.execute(WRITE, [ids])


class Migration(migrations.Migration):
    # CREATE INDEX CONCURRENTLY does not run in a transaction.
    atomic = False

    dependencies = [("catalog", "0008_discount_rate")]

    operations = [
        migrations.RunPython(write_discounts, migrations.RunPython.noop),
        AddIndexConcurrently(
            "listingentry",
            models.Index(fields=["ancestor_id", "discount_rate", "product"], name="listing_by_discount"),
        ),
    ]
