"""Catalogues of any size, written by PostgreSQL itself."""

import time

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

# Three levels below one root: 10 categories, 10 in each of them, 10 in each of those.
_CATEGORIES = """
INSERT INTO catalog_category
    (id, name, slug, parent_id, image, image_alt, image_width, image_height, renditions, renditions_attempts,
     level, tree_id, lft, rght)
SELECT id, 'Category ' || id, 'category-' || id, parent, '', '', 0, 0, '{}', 0, level, 1, 0, 0
FROM (
    SELECT 1 AS id, NULL::bigint AS parent, 0 AS level
    UNION ALL SELECT 1 + n, 1, 1 FROM generate_series(1, 10) n
    UNION ALL SELECT 11 + n, 1 + (n + 9) / 10, 2 FROM generate_series(1, 100) n
    UNION ALL SELECT 111 + n, 11 + (n + 9) / 10, 3 FROM generate_series(1, 1000) n
) AS tree
"""

_PRODUCTS = """
INSERT INTO catalog_product
    (id, sku, slug, name, description, category_id, price, stock, is_published, popularity,
     created_at, updated_at, characteristics)
SELECT n, 'SKU-' || n, 'product-' || n,
       (ARRAY['Summer', 'Winter', 'Classic', 'Лёгкий', 'Тёплый'])[1 + n %% 5] || ' '
           || (ARRAY['dress', 'coat', 'lamp', 'плащ', 'фонарь', 'mug', 'chair'])[1 + n %% 7] || ' ' || n,
       'Made to last, number ' || n || '. Сделано на совесть.',
       112 + (n * 7919) %% 1000,
       ((n * 104729) %% 100000)::numeric / 100 + 1,
       n %% 11, true, (n * 31) %% 997,
       now() - n * interval '1 second', now(),
       jsonb_build_array(
           jsonb_build_array('Color', (ARRAY['red', 'blue', 'green', 'black'])[1 + (n / 3) %% 4], ''),
           jsonb_build_array('Size', (ARRAY['S', 'M', 'L', 'XL'])[1 + (n / 5) %% 4], ''),
           jsonb_build_array('Weight', (100 + n %% 40)::text, 'g')
       )
FROM generate_series(1::bigint, %s) AS n
"""

_VALUES = """
INSERT INTO catalog_characteristicvalue (product_id, characteristic_id, value, position)
SELECT p.id, c.id, pair.value ->> 1, pair.place
FROM catalog_product p
CROSS JOIN LATERAL jsonb_array_elements(p.characteristics) WITH ORDINALITY AS pair(value, place)
JOIN catalog_characteristic c ON c.name = pair.value ->> 0
"""

_LISTING = """
INSERT INTO catalog_listingentry (ancestor_id, product_id, price, name_key, created_at, popularity, in_stock)
SELECT ancestor, p.id, p.price, translate(lower(p.name), 'ё', 'е'), p.created_at, p.popularity, p.stock > 0
FROM catalog_product p
JOIN LATERAL (SELECT 0 UNION ALL SELECT catalog_ancestors(p.category_id)) AS listed(ancestor) ON true
"""


def empty() -> None:
    """Delete the catalogue."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE catalog_product, catalog_category, catalog_characteristic, catalog_listingentry CASCADE"
        )


def fill(products: int) -> None:
    """Replace the catalogue by one of so many products in 1,111 categories.

    Triggers are off while the rows are written, which they would take minutes to follow one by one;
    the listing index is written by the statement that the triggers' function uses.
    """
    from backend.catalog.models import Category

    with transaction.atomic(), connection.cursor() as cursor:
        empty()
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_CATEGORIES)
        cursor.execute(
            "INSERT INTO catalog_characteristic (name, unit, position, is_facet) "
            "VALUES ('Color', '', 0, true), ('Size', '', 1, true), ('Weight', 'g', 2, true)"
        )
        cursor.execute(_PRODUCTS, [products])
        cursor.execute(_VALUES)
        cursor.execute(_LISTING)
    Category.objects.rebuild()
    with connection.cursor() as cursor:
        for table in ("category", "product", "characteristicvalue", "listingentry"):
            _vacuum(cursor, f"catalog_{table}")


def _vacuum(cursor: CursorWrapper, table: str) -> None:
    """Leave the table as it is in a shop that has been running for a while: all of it known to be
    visible, which autovacuum at work on a neighbour puts off."""
    for _ in range(60):
        cursor.execute(f"VACUUM (ANALYZE) {table}")
        cursor.execute("SELECT relallvisible >= relpages FROM pg_class WHERE relname = %s", [table])
        if cursor.fetchone() == (True,):
            return
        time.sleep(1)
