"""Transactions that are retried, deletion in batches and bulk insertion."""

import csv
import io
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from itertools import islice
from typing import Any, ParamSpec, TypeVar

from django.db import Error, IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from prometheus_client import Counter

from backend.core.errors import Conflict

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

RETRIES = Counter(
    "lavka_transaction_retries",
    "Transactions that were run again after a deadlock or a serialization failure.",
    ["transaction"],
)

# PostgreSQL reports a deadlock after its `deadlock_timeout`, by default a second, so this is up to 4 seconds.
MAX_ATTEMPTS = 4
# The maximum delay of the first retry, in seconds. It doubles with each attempt.
RETRY_DELAY = 0.05
DELETE_BATCH_SIZE = 1000
COPY_BATCH_SIZE = 10_000
# SQLSTATE codes, see https://www.postgresql.org/docs/current/errcodes-appendix.html.
_FOREIGN_KEY_VIOLATION = "23503"
# Deadlock and serialization failure.
_RETRIED = {"40P01", "40001"}


def atomic_or_conflict(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that writes to the database, to run it with `run_atomic`."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_atomic(lambda: function(*args, **kwargs), name=function.__qualname__)

    return run


def run_atomic(function: Callable[[], T], *, name: str, attempts: int = MAX_ATTEMPTS) -> T:
    """Run a function in a transaction, and again if PostgreSQL cancels it to end a deadlock.

    The function must have no effects outside the database, except for `on_commit` callbacks, and must not
    change its arguments. It runs once if it is part of another transaction, which a deadlock cancels as a
    whole. It does not run again after its transaction has committed.

    Foreign keys are checked at the end of the transaction, so the rows that new rows refer to need no locks.
    A lock on a popular product would make its buyers wait for each other.

    Args:
        name: of the transaction, for the log and the metrics.
        attempts: the maximum number of runs. Use 1 for a function with other effects.

    Raises:
        Conflict: all attempts ended in deadlocks, or a referenced row has been deleted. Nothing was written.
    """
    if connection.in_atomic_block:
        with _foreign_keys_as_conflicts(), transaction.atomic():
            return function()
    attempt = 1
    while True:
        committed: list[bool] = []
        try:
            with _foreign_keys_as_conflicts(), transaction.atomic():
                transaction.on_commit(partial(committed.append, True))
                return function()
        except OperationalError as error:
            if committed or get_sqlstate(error) not in _RETRIED:
                raise
            # The message has several lines. It names the blocking process and the table, but no values.
            reason = " ".join(str(error).split())
            logger.warning("PostgreSQL cancelled %s at attempt %d: %s", name, attempt, reason)
            if attempt >= attempts:
                raise Conflict(_("Other requests are changing the same data. Try again.")) from error
        RETRIES.labels(name).inc()
        # The delay is random, so that transactions that have blocked each other do not meet again.
        time.sleep(random.uniform(0, RETRY_DELAY * 2 ** (attempt - 1)))  # noqa: S311  not a secret
        attempt += 1


def get_sqlstate(error: Error) -> str:
    """Return PostgreSQL's code of an error, or "" if the error is not from PostgreSQL."""
    return getattr(error.__cause__, "pgcode", None) or ""


@contextmanager
def _foreign_keys_as_conflicts() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if get_sqlstate(error) != _FOREIGN_KEY_VIOLATION:
            raise
        raise Conflict(
            _("An object that this request refers to has just been deleted. Reload and try again.")
        ) from error


def delete_in_batches(rows: QuerySet[Any], size: int = DELETE_BATCH_SIZE) -> int:
    """Delete rows and the rows that cascade from them, one transaction per batch, and return their number.

    Rows that another transaction has locked are skipped. The filter is evaluated again after locking, so
    that a row that no longer matches is kept.
    """

    @atomic_or_conflict
    def delete_batch() -> tuple[int, int]:
        """Delete a batch, and return the numbers of rows that were locked and deleted."""
        locked = rows.order_by("pk").select_for_update(skip_locked=True, of=("self",))
        keys = list(locked.values_list("pk", flat=True)[:size])
        _, by_model = rows.filter(pk__in=keys).delete()
        return len(keys), by_model.get(rows.model._meta.label, 0)

    total = 0
    while True:
        locked, deleted = delete_batch()
        total += deleted
        if locked < size:
            return total


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
