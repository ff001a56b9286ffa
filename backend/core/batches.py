"""Deletion of many rows in short transactions."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

BATCH_SIZE = 1000


def delete_in_batches(rows: QuerySet[Any], size: int = BATCH_SIZE) -> int:
    """Delete rows and the rows that cascade from them, one transaction per batch, and return their number.

    Rows that another transaction has locked are skipped. The filter is evaluated again after locking, so
    that a row that no longer matches is kept.
    """
    deleted = 0
    while True:
        with transaction.atomic():
            locked = rows.order_by("pk").select_for_update(skip_locked=True, of=("self",))
            keys = list(locked.values_list("pk", flat=True)[:size])
            _, by_model = rows.filter(pk__in=keys).delete()
        deleted += by_model.get(rows.model._meta.label, 0)
        if len(keys) < size:
            return deleted
