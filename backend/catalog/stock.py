"""Change stock and popularity, the product columns that orders affect.

The updates are raw SQL: a join with arrays is one statement with one plan, where the ORM would write one
CASE branch per product.
"""

from collections.abc import Mapping, Sequence

from django.db import connection

from backend.catalog.locks import lock_product_rows
from backend.catalog.models import Product
from backend.core.db import atomic_or_conflict

POPULARITY_BATCH_SIZE = 500


def take_stock(quantities: Mapping[int, int]) -> None:
    """Subtract quantities, by product id, from the stock of products that this transaction has locked.

    The caller has checked that the stock suffices; the CHECK constraint refuses anything else.
    """
    _add_to_stock({product_id: -quantity for product_id, quantity in quantities.items()})


def return_stock(quantities: Mapping[int, int]) -> None:
    """Lock products and add quantities, by product id, to their stock. Deleted products are skipped."""
    _add_to_stock({product_id: quantities[product_id] for product_id in lock_product_rows(quantities)})


def update_popularity(units_sold: Mapping[int, int]) -> int:
    """Set the popularity of every product to its units sold, or to 0, and return how many changed.

    Works in batches, so that orders do not wait long for the row locks.

    Args:
        units_sold: by product id; products that are missing here have sold nothing.
    """
    current = dict(Product.objects.filter(popularity__gt=0).values_list("pk", "popularity"))
    changed = sorted(
        product_id
        for product_id in units_sold.keys() | current.keys()
        if units_sold.get(product_id, 0) != current.get(product_id, 0)
    )
    for start in range(0, len(changed), POPULARITY_BATCH_SIZE):
        _set_popularity(changed[start : start + POPULARITY_BATCH_SIZE], units_sold)
    return len(changed)


def _add_to_stock(changes: Mapping[int, int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_product SET stock = stock + change.quantity "
            "FROM unnest(%s::bigint[], %s::bigint[]) AS change(id, quantity) "
            "WHERE catalog_product.id = change.id",
            [list(changes), list(changes.values())],
        )


@atomic_or_conflict
def _set_popularity(product_ids: Sequence[int], units_sold: Mapping[int, int]) -> None:
    locked = lock_product_rows(product_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_product SET popularity = sold.units "
            "FROM unnest(%s::bigint[], %s::bigint[]) AS sold(id, units) "
            "WHERE catalog_product.id = sold.id",
            [locked, [units_sold.get(product_id, 0) for product_id in locked]],
        )
