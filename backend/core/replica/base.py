"""Django's backend for the replica. A query that the replica does not answer runs on the primary."""

import logging
from typing import Any

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from django.db.backends.postgresql import base
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from django.utils.functional import cached_property

from backend.core.db import get_sqlstate
from backend.core.replica.monitor import monitor

logger = logging.getLogger(__name__)

_TIMED_OUT = "57014"
# The statement timeout, and the conflicts of a query with the replay of the log, which needs rows or locks
# that the query uses. Other queries can succeed.
_CANCELLED = {_TIMED_OUT, "40001", "40P01"}


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to the replica.

    Attributes:
        falls_back: false to raise the errors of the replica.
    """

    falls_back = True

    @cached_property
    def pg_version(self) -> int:
        # Streaming replication requires the same version, and the replica may be down.
        return connections[DEFAULT_DB_ALIAS].pg_version  # type: ignore[attr-defined, no-any-return]

    def _cursor(self, name: str | None = None) -> Any:
        if not self.falls_back:
            return super()._cursor(name)  # type: ignore[misc]
        if not monitor.has_failed:
            try:
                return super()._cursor(name)  # type: ignore[misc]
            except (OperationalError, InterfaceError) as error:
                monitor.report_failure(error)
        return connections[DEFAULT_DB_ALIAS]._cursor(name)  # type: ignore[attr-defined]

    def make_cursor(self, cursor: Any) -> CursorWrapper:
        return _FallbackCursor(cursor, self) if self.falls_back else super().make_cursor(cursor)

    def make_debug_cursor(self, cursor: Any) -> CursorDebugWrapper:
        return _FallbackDebugCursor(cursor, self) if self.falls_back else super().make_debug_cursor(cursor)


class _FallbackCursor(CursorWrapper):
    """A cursor that moves to the primary if the replica fails or cancels the query.

    A failure stops the use of the replica until the next successful check. A cancelled query does not, but
    repeated timeouts do for a while.
    """

    def execute(self, sql: Any, params: Any = None) -> Any:
        try:
            return super().execute(sql, params)
        except (OperationalError, InterfaceError) as error:
            if self.db.alias == DEFAULT_DB_ALIAS:
                raise
            if (sqlstate := get_sqlstate(error)) in _CANCELLED:
                logger.warning("The replica cancelled a query: %s", " ".join(str(error).split()))
                if sqlstate == _TIMED_OUT:
                    monitor.report_timeout()
            else:
                monitor.report_failure(error)
                # The next query on the replica connects again.
                self.db.close()
            primary = connections[DEFAULT_DB_ALIAS].cursor()
            self.cursor, self.db = primary.cursor, primary.db
            return super().execute(sql, params)


class _FallbackDebugCursor(_FallbackCursor, CursorDebugWrapper):
    """A `_FallbackCursor` that logs each attempt among the queries of its server."""
