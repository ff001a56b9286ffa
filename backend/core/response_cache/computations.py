"""Computations of responses that several requests of one process wait for."""

from threading import Event, Lock

from backend.core.response_cache.entries import Entry


class Computation:
    """The running computation of one entry.

    Attributes:
        entry: the result; None if there is none to share, because of an error for example.
    """

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self._finished = Event()

    def wait(self, seconds: float) -> Entry | None:
        """Wait for the result, and return None if it takes longer."""
        self._finished.wait(seconds)
        return self.entry

    def finish(self) -> None:
        """Wake the requests that wait."""
        self._finished.set()


class Computations:
    """The running computations by cache key."""

    def __init__(self) -> None:
        self._running: dict[str, Computation] = {}
        self._lock = Lock()

    def join(self, key: str) -> tuple[Computation, bool]:
        """Return the computation for a key, and true if the caller has to do it and then call `finish`."""
        with self._lock:
            computation = self._running.get(key)
            if computation is not None:
                return computation, False
            computation = self._running[key] = Computation()
            return computation, True

    def finish(self, key: str) -> None:
        """End the computation for a key, also after an error."""
        with self._lock:
            computation = self._running.pop(key)
        computation.finish()
