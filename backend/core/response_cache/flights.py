"""Requests of one process that wait for the same response."""

from threading import Event, Lock

from backend.core.response_cache.entries import Entry


class Flight:
    """The computation of one entry.

    Attributes:
        entry: the result; None if there is none to share, because of an error for example.
    """

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self._has_landed = Event()

    def wait(self, seconds: float) -> Entry | None:
        """Wait for the result, and return None if it takes longer."""
        self._has_landed.wait(seconds)
        return self.entry

    def land(self) -> None:
        """Let the waiting requests go on."""
        self._has_landed.set()


class Flights:
    """The running computations by cache key."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}
        self._lock = Lock()

    def join(self, key: str) -> tuple[Flight, bool]:
        """Return the flight for a key, and true if the caller has to compute its entry and then `leave`."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Flight()
            return flight, True

    def leave(self, key: str) -> None:
        """End the flight for a key, also after an error."""
        with self._lock:
            flight = self._flights.pop(key)
        flight.land()
