"""Database connections with a timeout for servers that do not respond.

A stopped server refuses connections, and a slow server cancels a statement after ``statement_timeout``. A
frozen server does neither. Its kernel still acknowledges packets, so TCP keepalives and ``tcp_user_timeout``
do not detect it, and psycopg2 waits until the server is thawed. Therefore a watchdog thread shuts down the
socket of a connection that has waited too long, and psycopg2 raises OperationalError. From then on, until the
server responds, calls on all connections of the process time out sooner.

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
# Until a frozen server responds again, calls fail after this time. The first one after a pause is a probe.
PROBE_SECONDS = 1.0
# The same two limits for the replica. A read of the catalogue takes milliseconds.
REPLICA_STATEMENT_SECONDS = 1
REPLICA_SILENCE_SECONDS = 1.5
_CHECK_SECONDS = 0.1

# Runs each statement in the context that this returns. `config.tracing` replaces it.
trace_statement: Callable[[Any], AbstractContextManager[Any]] = nullcontext

# The start of the call that each connection waits for.
_started_at: dict["WatchedConnection", float] = {}
# By server, so that a frozen replica does not pause the primary.
_frozen_at: dict[str, float] = {}
_responded_at: dict[str, float] = {}
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

    @property
    def timeout(self) -> float:
        """Seconds that a call may take now."""
        return min(self.max_silence, PROBE_SECONDS) if self._is_server_frozen() else self.max_silence

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
                self.report_silence()
            raise
        finally:
            record_database_call(time.monotonic() - started)
        self.report_response()

    def cursor(self, name: str | None = None, cursor_factory: Any = None, **options: Any) -> Any:
        factory = cursor_factory or (_WatchedCursor if name is None else _WatchedServerCursor)
        return super().cursor(name, cursor_factory=factory, **options)

    def commit(self) -> None:
        _watch(self, super().commit)

    def rollback(self) -> None:
        _watch(self, super().rollback)

    def report_response(self) -> None:
        """Record that the server has responded to a call."""
        _responded_at[self._server] = time.monotonic()

    def report_silence(self) -> None:
        """Record that the server has not responded to a call in time.

        It counts as frozen unless it has just responded to another call: then only this connection is lost.
        """
        now = time.monotonic()
        if now - _responded_at.get(self._server, 0.0) > PROBE_SECONDS:
            _frozen_at[self._server] = now

    def refuse_while_paused(self) -> None:
        """Raise OperationalError if the server has timed out in the last second."""
        if self._is_server_frozen() and time.monotonic() < _frozen_at[self._server] + PAUSE_SECONDS:
            raise psycopg2.OperationalError("the server timed out less than a second ago")

    def _is_server_frozen(self) -> bool:
        """Return whether the server has not responded since a timeout."""
        frozen_at = _frozen_at.get(self._server)
        return frozen_at is not None and _responded_at.get(self._server, 0.0) < frozen_at


class WatchedReplicaConnection(WatchedConnection):
    """A connection to the replica, which gives up sooner, since the primary can answer instead."""

    @property
    def max_silence(self) -> float:
        return REPLICA_SILENCE_SECONDS


class _WatchedCursor(Cursor):
    def _call(self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            result = _watch(self.connection, call, *arguments)
        except psycopg2.Error as error:
            # An error of the server, such as a violated constraint, is a response too.
            if error.pgcode:
                self.connection.report_response()
            raise
        self.connection.report_response()
        return result

    def execute(self, query: Any, vars: Any = None) -> None:
        self.connection.refuse_while_paused()
        with trace_statement(query):
            self._call(super().execute, query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        with trace_statement(query):
            self._call(super().executemany, query, vars_list)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        with trace_statement(sql):
            self._call(super().copy_expert, sql, file, size)


class _WatchedServerCursor(_WatchedCursor):
    # A client-side cursor has all rows after execute(). This one fetches them from the server.
    def fetchone(self) -> Any:
        return self._call(super().fetchone)

    def fetchmany(self, size: int | None = None) -> Any:
        return self._call(super().fetchmany, self.arraysize if size is None else size)

    def fetchall(self) -> Any:
        return self._call(super().fetchall)


def _watch(connection: WatchedConnection, call: Callable[..., T], *arguments: Any) -> T:
    started = time.monotonic()
    _started_at[connection] = started
    try:
        return call(*arguments)
    finally:
        _started_at.pop(connection, None)
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
        for connection, started in _started_at.copy().items():
            # The call may have returned since, and the next call has another start.
            if now - started > connection.timeout and _started_at.get(connection) == started:
                _shut_down(connection)


def _shut_down(connection: WatchedConnection) -> None:
    connection.report_silence()
    _started_at.pop(connection, None)
    with socket.socket(fileno=os.dup(connection.fileno())) as client:
        client.shutdown(socket.SHUT_RDWR)
