"""Transactions, deletion in batches and bulk insertion."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from backend.core.errors import Conflict

DELETE_BATCH_SIZE = 1000
COPY_BATCH_SIZE = 10_000
_FOREIGN_KEY_VIOLATION = "23503"


@contextmanager
def atomic_or_conflict() -> Iterator[None]:
    """Run a transaction whose rows refer to rows that others may delete before it commits.

    Foreign keys are checked at the end of the transaction, so the referenced rows need no locks. A lock on a
    popular product would make its buyers wait for each other.

    Raises:
        Conflict: a referenced row has been deleted; nothing was written.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if getattr(error.__cause__, "pgcode", None) != _FOREIGN_KEY_VIOLATION:
            raise
        raise Conflict(
            "An object that this request refers to has just been deleted. Reload and try again."
        ) from error


def delete_in_batches(rows: QuerySet[Any], size: int = DELETE_BATCH_SIZE) -> int:
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


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Insert rows into a table with COPY, several times as fast as INSERT, and return their number.

    Args:
        table, columns: names in the database.
        rows: values that PostgreSQL parses from their `str`; None and the empty string become NULL.

    Raises:
        IntegrityError, DataError: the table refuses one of the rows.
    """
    stream, count = iter(rows), 0
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    command = f"COPY {connection.ops.quote_name(table)} ({names}) FROM STDIN (FORMAT csv)"
    # `copy_expert` is psycopg2's own method. Unlike `execute`, it does not translate errors to Django's.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        while batch := list(islice(stream, COPY_BATCH_SIZE)):
            text = io.StringIO()
            csv.writer(text).writerows(batch)
            text.seek(0)
            cursor.copy_expert(command, text)
            count += len(batch)
    return count
