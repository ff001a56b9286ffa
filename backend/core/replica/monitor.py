"""The lag of the replica, watched by a thread in each process that reads from it."""

import logging
import math
import os
import threading
import time
from collections import deque

from django.db import DEFAULT_DB_ALIAS, connections

logger = logging.getLogger(__name__)

REPLICA = "replica"

# The replica is not used while it is further behind than this, or does not respond.
MAX_LAG_SECONDS = 1.0
CHECK_SECONDS = 0.4
# A replica that is slow but answers the checks would cost each request the statement timeout.
MAX_TIMEOUTS = 3
TIMEOUT_WINDOW_SECONDS = 10.0
SUSPENSION_SECONDS = 30.0
_POLL_SECONDS = 0.05

# With `synchronous_commit = off`, transactions are visible before this position includes them. The
# replica can then be used without the last of them.
_PRIMARY_POSITION = "SELECT pg_current_wal_flush_lsn()"
# A promoted replica is no standby.
_HAS_REPLAYED = "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() >= %s::pg_lsn"


class ReplicaMonitor:
    """A thread that compares the write-ahead log of the primary with what the replica has replayed.

    Attributes:
        last_error: why the replica is not used; empty while it is used, and before the first check.
    """

    def __init__(self) -> None:
        self.last_error = ""
        # The replica has replayed every commit before this time, by `time.monotonic`.
        self._replayed_until = -math.inf
        self._timeouts: deque[float] = deque(maxlen=MAX_TIMEOUTS)
        self._suspended_until = -math.inf
        self._process = 0
        self._lock = threading.Lock()

    def has_replayed(self, since: float) -> bool:
        """Return whether the replica is at most `MAX_LAG_SECONDS` behind and has all commits before `since`.

        Args:
            since: a time by `time.monotonic`.
        """
        self.start()
        now = time.monotonic()
        return now >= self._suspended_until and self._replayed_until >= max(since, now - MAX_LAG_SECONDS)

    @property
    def has_failed(self) -> bool:
        """True if the replica must not be used until the next successful check."""
        return self._replayed_until == -math.inf or time.monotonic() < self._suspended_until

    def report_failure(self, error: Exception) -> None:
        """Stop using the replica until the next successful check."""
        self._replayed_until = -math.inf
        self._set_error(str(error))

    def report_timeout(self) -> None:
        """Count a query that exceeded the statement timeout.

        `MAX_TIMEOUTS` within `TIMEOUT_WINDOW_SECONDS` stop the use of the replica for `SUSPENSION_SECONDS`.
        """
        now = time.monotonic()
        with self._lock:
            self._timeouts.append(now)
            is_full = len(self._timeouts) == MAX_TIMEOUTS
            if not is_full or now - self._timeouts[0] > TIMEOUT_WINDOW_SECONDS:
                return
            self._timeouts.clear()
            self._suspended_until = now + SUSPENSION_SECONDS
        self._set_error(f"{MAX_TIMEOUTS} queries timed out within {TIMEOUT_WINDOW_SECONDS:.0f} s.")

    def start(self) -> None:
        """Start the thread in this process. Threads do not survive a fork."""
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    self._process = os.getpid()
                    threading.Thread(target=self._run, name="replica-monitor", daemon=True).start()

    def _run(self) -> None:
        # The connections of this thread. A failure of the replica must not be hidden by its fallback.
        connections[REPLICA].falls_back = False  # type: ignore[attr-defined]
        while True:
            try:
                self._check()
            except Exception as error:
                self.report_failure(error)
                for alias in (DEFAULT_DB_ALIAS, REPLICA):
                    connections[alias].close()
            time.sleep(CHECK_SECONDS)

    def _check(self) -> None:
        """Wait until the replica has replayed what the primary has written, up to `MAX_LAG_SECONDS`."""
        started_at = time.monotonic()
        if started_at < self._suspended_until:
            return
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(_PRIMARY_POSITION)
            (position,) = cursor.fetchone()
        with connections[REPLICA].cursor() as cursor:
            while time.monotonic() <= started_at + MAX_LAG_SECONDS:
                cursor.execute(_HAS_REPLAYED, [position])
                is_standby, has_replayed = cursor.fetchone()
                if not is_standby:
                    self._set_error("It is not a standby.")
                    return
                if has_replayed:
                    self._replayed_until = started_at
                    self._set_error("")
                    return
                time.sleep(_POLL_SECONDS)
        self._set_error(f"It is more than {MAX_LAG_SECONDS} s behind.")

    def _set_error(self, error: str) -> None:
        if error and not self.last_error:
            logger.warning("The replica is not used: %s", " ".join(error.split()))
        elif self.last_error and not error:
            logger.warning("The replica is used again")
        self.last_error = error


monitor = ReplicaMonitor()
