"""Deleting much without holding anything up."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

BATCH = 1000


def delete_in_batches(rows: QuerySet[Any], size: int = BATCH) -> int:
    """Delete rows with all that hangs on them, each batch in a transaction, and return how many.

    Rows that somebody has locked are left for another time. Those that have changed before they were
    locked are looked at again: what does not match any more stays.
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
