"""The entries of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from backend.core.response_cache.entries import Entry


class MemoryStore:
    """Entries with an expiry, limited by the memory that they take.

    The least recently used entries are dropped first. Safe to use from several threads.

    Args:
        max_bytes: returns the maximum of the estimated memory of all entries together.
    """

    def __init__(self, max_bytes: Callable[[], int]) -> None:
        self.size = 0
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, tuple[Entry, float]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """Return an entry that has not expired, or None."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            entry, expires_at = found
            if expires_at <= time.monotonic():
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return entry

    def add(self, key: str, entry: Entry, expires_at: float) -> None:
        """Store an entry, and drop others until all fit. An entry that cannot fit is not stored.

        Args:
            expires_at: by `time.monotonic`.
        """
        with self._lock:
            self._drop(key)
            if entry.size > self._max_bytes():
                return
            self._entries[key] = entry, expires_at
            self.size += entry.size
            while self.size > self._max_bytes():
                self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Drop all entries."""
        with self._lock:
            self._entries.clear()
            self.size = 0

    def _drop(self, key: str) -> None:
        dropped = self._entries.pop(key, None)
        if dropped is not None:
            self.size -= dropped[0].size
