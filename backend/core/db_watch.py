"""Database connections that give up on a PostgreSQL server that has stopped answering.

A stopped server refuses connections, and a slow one ends the statement itself after ``statement_timeout``. A
frozen server does neither, and its kernel still acknowledges what is sent to it, so that TCP keepalives and
``tcp_user_timeout`` notice nothing: psycopg2 would wait for as long as the server is frozen. Therefore a
thread shuts down the socket of a connection that waits too long, upon which psycopg2 raises OperationalError.

A wait callback of psycopg2 would bound the wait as well, but it forbids COPY and takes every query through
Python.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg2
from django.conf import settings
from psycopg2.extensions import connection as Connection  # noqa: N812  a class, whatever its spelling
from psycopg2.extensions import cursor as Cursor  # noqa: N812

T = TypeVar("T")

# Once the server was found frozen, statements fail at once for this long, so that requests do not queue up.
PAUSE_SECONDS = 1.0
_CHECK_SECONDS = 0.1

_deadlines: dict[Connection, float] = {}
_paused_until = 0.0
_watched_process = 0


class WatchedConnection(Connection):
    """A connection whose calls fail when the server does not answer within `DB_SILENCE_SECONDS`.

    Raises:
        psycopg2.OperationalError: the server does not answer, or did not a moment ago.
    """

    def __init__(self, dsn: str, async_: int = 0) -> None:
        _refuse_while_paused()
        _start_watching()
        started = time.monotonic()
        try:
            super().__init__(dsn, async_)
        except psycopg2.OperationalError:
            # A stopped server refuses at once; a frozen one lets `connect_timeout` pass.
            if time.monotonic() - started > PAUSE_SECONDS:
                _pause()
            raise

    def cursor(self, name: str | None = None, cursor_factory: Any = None, **options: Any) -> Any:
        factory = cursor_factory or (_WatchedCursor if name is None else _WatchedServerCursor)
        return super().cursor(name, cursor_factory=factory, **options)

    def commit(self) -> None:
        _watch(self, super().commit)

    def rollback(self) -> None:
        _watch(self, super().rollback)


class _WatchedCursor(Cursor):
    def execute(self, query: Any, vars: Any = None) -> None:
        _refuse_while_paused()
        _watch(self.connection, super().execute, query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        _watch(self.connection, super().executemany, query, vars_list)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        _watch(self.connection, super().copy_expert, sql, file, size)


class _WatchedServerCursor(_WatchedCursor):
    # The rows of a plain cursor are here as soon as it is executed; these are fetched from the server.
    def fetchone(self) -> Any:
        return _watch(self.connection, super().fetchone)

    def fetchmany(self, size: int | None = None) -> Any:
        return _watch(self.connection, super().fetchmany, self.arraysize if size is None else size)

    def fetchall(self) -> Any:
        return _watch(self.connection, super().fetchall)


def _watch(connection: Connection, call: Callable[..., T], *arguments: Any) -> T:
    _deadlines[connection] = time.monotonic() + settings.DB_SILENCE_SECONDS
    try:
        return call(*arguments)
    finally:
        _deadlines.pop(connection, None)


def _refuse_while_paused() -> None:
    if time.monotonic() < _paused_until:
        raise psycopg2.OperationalError("the server did not answer a moment ago")


def _pause() -> None:
    global _paused_until
    _paused_until = time.monotonic() + PAUSE_SECONDS


def _start_watching() -> None:
    """Start this process's thread; threads do not outlive a fork."""
    global _watched_process
    if _watched_process != os.getpid():
        _watched_process = os.getpid()
        threading.Thread(target=_cut_silent_connections, name="database-watch", daemon=True).start()


def _cut_silent_connections() -> None:
    while True:
        time.sleep(_CHECK_SECONDS)
        now = time.monotonic()
        for connection, deadline in _deadlines.copy().items():
            # It may have been answered since, and wait for something else now.
            if deadline < now and _deadlines.get(connection) == deadline:
                _cut(connection)


def _cut(connection: Connection) -> None:
    _pause()
    _deadlines.pop(connection, None)
    with socket.socket(fileno=os.dup(connection.fileno())) as client:
        client.shutdown(socket.SHUT_RDWR)
