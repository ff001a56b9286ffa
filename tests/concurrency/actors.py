"""Database connections whose steps a test interleaves in a fixed order."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from django.db import connection, transaction

# Seconds that a step may take before the test fails.
MAX_SECONDS = 15


class Actor:
    """A database connection in a separate thread, with one transaction for all steps."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._transaction = transaction.atomic()
        self._finished = False

    def __enter__(self) -> Self:
        self.do(self._transaction.__enter__)
        self._process: int = self.do(read_process)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if not self._finished:
                self._thread.submit(self._finish, RuntimeError if error else None).result(MAX_SECONDS)
        finally:
            self._thread.submit(_close_connection).result(MAX_SECONDS)
            self._thread.shutdown()

    def do(self, step: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Run a step that must not wait for a lock, and return its result."""
        return self._thread.submit(step, *arguments, **options).result(MAX_SECONDS)

    def start(self, step: Callable[..., Any], *arguments: Any, **options: Any) -> "Future[Any]":
        """Start a step and return when it has ended or waits for a lock."""
        future = self._thread.submit(step, *arguments, **options)
        deadline = time.monotonic() + MAX_SECONDS
        while not future.done() and not self.waits():
            assert time.monotonic() < deadline, "the step neither ended nor waited for a lock"
            time.sleep(0.005)
        return future

    def waits(self) -> bool:
        """True if the connection waits for a lock that another one holds."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [self._process])
            waiting: bool = cursor.fetchone()[0]
            return waiting

    def commit(self) -> None:
        """Commit the transaction."""
        self.start_commit().result(MAX_SECONDS)

    def start_commit(self) -> "Future[Any]":
        """Start the commit, which may wait for other transactions in its deferred constraints."""
        self._finished = True
        return self.start(self._finish, None)

    def _finish(self, error: type[BaseException] | None) -> None:
        self._transaction.__exit__(error, error() if error else None, None)


def read_process() -> int:
    """Return the id of PostgreSQL's process for this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        process: int = cursor.fetchone()[0]
        return process


def _close_connection() -> None:
    connection.close()


def execute(sql: str, *arguments: object) -> None:
    """Run a statement on this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments or None)


@contextmanager
def function_without(name: str, guard: str, instead: str = "") -> Iterator[None]:
    """Remove a guard from a function in the database, to show the race that it prevents.

    Args:
        name: name of the function.
        guard: text to remove, which must occur in the definition.
        instead: replacement.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = %s", [name])
        (definition,) = cursor.fetchone()
    assert guard in definition
    execute(definition.replace(guard, instead))
    try:
        yield
    finally:
        execute(definition)


@contextmanager
def without_triggers(**tables: str) -> Iterator[None]:
    """Disable triggers, given as `table=trigger`."""
    for table, trigger in tables.items():
        execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    try:
        yield
    finally:
        for table, trigger in tables.items():
            execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
