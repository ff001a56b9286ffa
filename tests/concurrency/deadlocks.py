"""Real deadlocks of a service's transaction with another connection, and the retries that follow."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from django.db import connection

from backend.core.db import RETRIES
from tests.concurrency.actors import Actor, execute

# The key of an advisory lock that the service takes last and its opponent first.
_KEY = 1


@contextmanager
def deadlocks(target: str, lock: Callable[[], Any], times: int) -> Iterator[None]:
    """Make the transaction that calls a function deadlock with an opponent, and be the one that is cancelled.

    The opponent takes a second lock, then waits for one that the transaction holds. The transaction then
    waits for the second lock. Only the transaction looks for deadlocks, after 50 ms.

    Args:
        target: path of the function, as for `mock.patch`. It runs after the deadlock, if at all.
        lock: takes a lock that the transaction holds when it calls the function.
        times: number of deadlocks. Later calls run the function only.
    """
    left = times
    opponents = ExitStack()
    opponent: Actor
    commit: Future[None] | None = None

    def run(*arguments: Any, **options: Any) -> Any:
        nonlocal left, opponent, commit
        if left:
            left -= 1
            # The next attempt may take the lock before the last opponent, which then waits again.
            while commit and not commit.done() and not opponent.waits():
                time.sleep(0.005)
            if commit is None or commit.done():
                opponent = opponents.enter_context(Actor())
                opponent.do(execute, "SET LOCAL deadlock_timeout = '1min'")
                opponent.do(execute, f"SELECT pg_advisory_xact_lock({_KEY})")
                assert not opponent.start(lock).done()
                # It commits as soon as it has the lock, which the next attempt takes again.
                commit = opponent.start_commit()
            execute("SET LOCAL deadlock_timeout = '50ms'")
            execute(f"SELECT pg_advisory_xact_lock({_KEY})")
        return original(*arguments, **options)

    with opponents:
        patch = mock.patch(target, run)
        original = patch.get_original()[0]
        with patch:
            yield
    assert not left, f"the function was called {times - left} times only"


def without_retries() -> Any:
    """Make no error of the database a reason for a retry."""
    return mock.patch("backend.core.db._RETRIED", set())


@contextmanager
def capture_deadlocks() -> Iterator[list[str]]:
    """Collect the log messages about deadlocks of this process."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    handler = Handler()
    logger = logging.getLogger("backend.core.db")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def count_retries() -> int:
    """Return the number of retries in this process."""
    samples = [sample for metric in RETRIES.collect() for sample in metric.samples]
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


def count_deadlocks() -> int:
    """Return the number of deadlocks in this database, including those after which a writer tried again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        number: int = cursor.fetchone()[0]
        return number
