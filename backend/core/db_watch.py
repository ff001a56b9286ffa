"""Database connections with a timeout for servers that do not respond.

A stopped server refuses connections, and a slow server cancels a statement after ``statement_timeout``. A
frozen server does neither. Its kernel still acknowledges packets, so TCP keepalives and ``tcp_user_timeout``
do not detect it, and psycopg2 waits until the server is thawed. Therefore a watchdog thread shuts down the
socket of a connection that has waited too long, and psycopg2 raises OperationalError.

A wait callback of psycopg2 would limit the wait too, but it does not support COPY and handles every query in
Python.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn, TypeVar

import psycopg2
from django.conf import settings
from psycopg2.extensions import connection as Connection  # noqa: N812  psycopg2 spells this class in lower case
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import parse_dsn

from backend.core.request_record import record_database_call

T = TypeVar("T")

# After a timeout, statements fail immediately for this long, so that requests do not queue up.
PAUSE_SECONDS = 1.0
# The same two limits for the replica. A read of the catalogue takes milliseconds.
REPLICA_STATEMENT_SECONDS = 1
REPLICA_SILENCE_SECONDS = 1.5
_CHECK_SECONDS = 0.1

# Runs each statement in the context that this returns. `config.tracing` replaces it.
trace_statement: Callable[[Any], AbstractContextManager[Any]] = nullcontext

_deadlines: dict["WatchedConnection", float] = {}
# By server, so that a frozen replica does not pause the primary.
_paused_until: dict[str, float] = {}
_watched_process = 0


def refuse_connection(dsn: str, async_: int = 0) -> NoReturn:
    """Refuse to connect: the connection factory of a shop without a configured database.

    Raises:
        psycopg2.OperationalError: always.
    """
    raise psycopg2.OperationalError("PostgreSQL is not configured: run `make up`, or set DB_HOST.")


class WatchedConnection(Connection):
    """A connection whose calls fail if the server does not respond within `DB_SILENCE_SECONDS`.

    Raises:
        psycopg2.OperationalError: the server does not respond, or has timed out in the last second.
    """

    @property
    def max_silence(self) -> float:
        """Seconds until the server counts as frozen."""
        return float(settings.DB_SILENCE_SECONDS)

    def __init__(self, dsn: str, async_: int = 0) -> None:
        options = parse_dsn(dsn)
        self._server = f"{options.get('host')}:{options.get('port')}"
        self.refuse_while_paused()
        _start_watching()
        started = time.monotonic()
        try:
            super().__init__(dsn, async_)
        except psycopg2.OperationalError:
            # A stopped server refuses immediately. A frozen server causes a timeout.
            if time.monotonic() - started > PAUSE_SECONDS:
                self.pause()
            raise
        finally:
            record_database_call(time.monotonic() - started)

    def cursor(self, name: str | None = None, cursor_factory: Any = None, **options: Any) -> Any:
        factory = cursor_factory or (_WatchedCursor if name is None else _WatchedServerCursor)
        return super().cursor(name, cursor_factory=factory, **options)

    def commit(self) -> None:
        _watch(self, super().commit)

    def rollback(self) -> None:
        _watch(self, super().rollback)

    def pause(self) -> None:
        """Let all statements on this server fail for `PAUSE_SECONDS`."""
        _paused_until[self._server] = time.monotonic() + PAUSE_SECONDS

    def refuse_while_paused(self) -> None:
        """Raise OperationalError if the server has timed out in the last second."""
        if time.monotonic() < _paused_until.get(self._server, 0.0):
            raise psycopg2.OperationalError("the server timed out less than a second ago")


class WatchedReplicaConnection(WatchedConnection):
    """A connection to the replica, which gives up sooner, since the primary can answer instead."""

    @property
    def max_silence(self) -> float:
        return REPLICA_SILENCE_SECONDS


class _WatchedCursor(Cursor):
    def execute(self, query: Any, vars: Any = None) -> None:
        self.connection.refuse_while_paused()
        with trace_statement(query):
            _watch(self.connection, super().execute, query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        with trace_statement(query):
            _watch(self.connection, super().executemany, query, vars_list)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        with trace_statement(sql):
            _watch(self.connection, super().copy_expert, sql, file, size)


class _WatchedServerCursor(_WatchedCursor):
    # A client-side cursor has all rows after execute(). This one fetches them from the server.
    def fetchone(self) -> Any:
        return _watch(self.connection, super().fetchone)

    def fetchmany(self, size: int | None = None) -> Any:
        return _watch(self.connection, super().fetchmany, self.arraysize if size is None else size)

    def fetchall(self) -> Any:
        return _watch(self.connection, super().fetchall)


def _watch(connection: WatchedConnection, call: Callable[..., T], *arguments: Any) -> T:
    started = time.monotonic()
    _deadlines[connection] = started + connection.max_silence
    try:
        return call(*arguments)
    finally:
        _deadlines.pop(connection, None)
        record_database_call(time.monotonic() - started)


def _start_watching() -> None:
    """Start the watchdog thread in this process. Threads do not survive a fork."""
    global _watched_process
    if _watched_process != os.getpid():
        _watched_process = os.getpid()
        threading.Thread(
            target=_shut_down_unresponsive_connections, name="database-watch", daemon=True
        ).start()


def _shut_down_unresponsive_connections() -> None:
    while True:
        time.sleep(_CHECK_SECONDS)
        now = time.monotonic()
        for connection, deadline in _deadlines.copy().items():
            # The call may have returned since, and the next call has another deadline.
            if deadline < now and _deadlines.get(connection) == deadline:
                _shut_down(connection)


def _shut_down(connection: WatchedConnection) -> None:
    connection.pause()
    _deadlines.pop(connection, None)
    with socket.socket(fileno=os.dup(connection.fileno())) as client:
        client.shutdown(socket.SHUT_RDWR)
