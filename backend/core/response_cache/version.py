"""The version of the catalogue, which is part of every cache key."""

import time
from collections.abc import Callable
from threading import Lock, Thread

from redis import Redis

from backend.core.redis import PREFIX, try_redis

# Every process sees a new version within this time.
READ_SECONDS = 0.5

_KEY = f"{PREFIX}catalogue-version"
_RESTART = """
local version = math.max((tonumber(redis.call('GET', KEYS[1])) or 0) + 1, tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%.0f', version))
return version
"""


class CatalogueVersion:
    """A number in Redis that every edit of the catalogue increases.

    A process whose call has failed may have missed an edit, and its own edits may not have been counted. It
    uses no cache until it has increased the version, which a thread tries until Redis responds. A process
    that reads a lower version than before increases it too: Redis has failed over to a server that lacks the
    latest writes.

    Args:
        on_change: called when the process sees another version than before, or none.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        # The time, by `time.monotonic`, when this process saw the version: all edits that it counts were
        # committed before.
        self.changed_at = 0.0
        self._on_change = on_change
        self._lock = Lock()
        self._value: int | None = None
        self._read_again_at = 0.0
        self._must_increase = False
        self._is_recovering = False

    def read(self) -> int | None:
        """Return the version, at most `READ_SECONDS` old, or None if Redis does not respond."""
        if time.monotonic() >= self._read_again_at:
            with self._lock:
                # Another thread may have read it meanwhile.
                if time.monotonic() >= self._read_again_at:
                    self._call(_restart if self._must_increase else _read)
        return self._value

    def increase(self) -> None:
        """Make all cached responses obsolete. Call it after the edit has been committed."""
        with self._lock:
            self._call(_increase)

    def invalidate(self) -> None:
        """Use no cache until the version has been increased, because a call of Redis has failed."""
        with self._lock:
            self._set(None, time.monotonic())

    def _call(self, call: Callable[[Redis], int]) -> None:
        # The version can change at any time after this.
        requested_at = time.monotonic()
        value = try_redis(call)
        if value is not None and self._value is not None and value < self._value:
            # A failover of Redis has lost edits.
            call, value = _restart, try_redis(_restart)
        if value is not None and call is not _read:
            self._must_increase = False
        self._set(value, requested_at)

    def _set(self, value: int | None, requested_at: float) -> None:
        if value is None:
            self._must_increase = True
            if not self._is_recovering:
                self._is_recovering = True
                Thread(target=self._recover, name="catalogue-version", daemon=True).start()
        if value != self._value:
            self.changed_at = time.monotonic()
            self._on_change()
        self._value = value
        self._read_again_at = requested_at + READ_SECONDS

    def _recover(self) -> None:
        while True:
            time.sleep(READ_SECONDS)
            self.read()
            with self._lock:
                if not self._must_increase:
                    self._is_recovering = False
                    return


def _read(redis: Redis) -> int:
    value = redis.get(_KEY)
    if value is None:
        _create(redis)
        value = redis.get(_KEY)
    return int(value)  # type: ignore[arg-type]


def _increase(redis: Redis) -> int:
    _create(redis)
    return int(redis.incr(_KEY))


def _restart(redis: Redis) -> int:
    """Increase the version to one that was never used, also if Redis has lost increases."""
    return int(redis.eval(_RESTART, 1, _KEY, _make_first_version()))


def _create(redis: Redis) -> None:
    redis.set(_KEY, _make_first_version(), nx=True)


def _make_first_version() -> int:
    # Higher than every version before, in case Redis has lost its data: edits are less frequent.
    return time.time_ns() // 1_000_000
