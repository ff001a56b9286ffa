"""Locks on the category tree, the listing index, product imports, products and renditions.

All but the rendition locks are held until commit. To stay free of deadlocks, a transaction takes them in
this order: tree, imports, characteristics (`lock_products`), product rows by primary key, listing.
Migration 0002 takes the listing and characteristics locks in triggers too, and explains why.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from backend.catalog.models import Product

TREE_LOCK_KEY = 7_203_001
LISTING_LOCK_KEY = 7_203_002
CHARACTERISTICS_LOCK_KEY = 7_203_003
IMPORT_LOCK_KEY = 7_203_010
# The first of two keys; the second is the primary key of the picture.
PRODUCT_RENDITIONS_LOCK_KEY = 7_203_020
CATEGORY_RENDITIONS_LOCK_KEY = 7_203_021


def lock_tree() -> None:
    """Lock the category tree against other writers.

    Call it first in the transaction, before any category is read: mptt computes the new tree from the
    rows it has read. A transaction that also writes products calls it before it locks those.
    """
    _take_advisory_lock("pg_advisory_xact_lock", TREE_LOCK_KEY)


def lock_listing() -> None:
    """Lock the listing index: wait for transactions that list products, and block new ones.

    The transaction must not write products afterwards: a transaction that holds a product row may be
    waiting for this lock.
    """
    _take_advisory_lock("pg_advisory_xact_lock", LISTING_LOCK_KEY)


def lock_imports() -> None:
    """Lock out other imports, so that two imports do not create the same new products.

    Call it before `lock_products`.
    """
    _take_advisory_lock("pg_advisory_xact_lock", IMPORT_LOCK_KEY)


def lock_products(product_ids: Iterable[int]) -> set[int]:
    """Lock products and their characteristic values, and return the ids of those that exist.

    Call it once per transaction with all its products, before any of them is written. A transaction that
    writes or deletes values without it can deadlock, because the database locks a value before its product.
    Deleting a product deletes its values too.
    """
    _take_advisory_lock("pg_advisory_xact_lock_shared", CHARACTERISTICS_LOCK_KEY)
    return set(lock_product_rows(product_ids))


def lock_product_rows(product_ids: Iterable[int]) -> list[int]:
    """Lock product rows for a change of stock or popularity, and return the ids of those that exist.

    Use `lock_products` for any other column.
    """
    return list(_lock_in_order(Product.objects.filter(pk__in=list(product_ids))))


def select_products_to_lock(rows: "QuerySet[Any]") -> "QuerySet[Product, int]":
    """Return a queryset that locks the `product` of each row for a change of stock, but not the rows.

    Products are locked by primary key, so that two orders of the same products wait for each other instead of
    deadlocking. Read the products after the lock: until then another transaction can change them.
    """
    return _lock_in_order(Product.objects.filter(pk__in=rows.values("product_id")))


@contextmanager
def try_rendition_lock(key: int, picture_id: int) -> Iterator[bool]:
    """Try to lock the renditions of a picture for the duration of the block; yield whether it worked.

    The lock belongs to the session and locks no row, so that staff who edit or delete the picture do not
    wait for the storage.

    Args:
        key: `PRODUCT_RENDITIONS_LOCK_KEY` or `CATEGORY_RENDITIONS_LOCK_KEY`.
        picture_id: the primary key of the product image or category.
    """
    keys = [key, picture_id % 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", keys)
        is_locked: bool = cursor.fetchone()[0]
    try:
        yield is_locked
    finally:
        if is_locked:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", keys)


def _lock_in_order(products: "QuerySet[Product]") -> "QuerySet[Product, int]":
    return products.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)


def _take_advisory_lock(function: str, key: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [key])
