"""The threads in which the web worker runs Django."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

# One request runs at a time, since computing threads slow each other down (GIL). After this time the next
# request starts in parallel, so that an import in the admin does not block shoppers.
SLOW_SECONDS = 0.1
# Each thread has its own database connection, so PostgreSQL must allow WEB_WORKERS times this number.
MAX_THREADS = 4


class Threads:
    """A thread pool that runs one job at a time, and up to `MAX_THREADS` while jobs are slow."""

    def __init__(self) -> None:
        self._pool = ThreadPool(MAX_THREADS)
        self._is_turn_free = True
        self._waiting: deque[Event] = deque()
        self._running: dict[object, float] = {}

    def run(self, work: Callable[[], Any]) -> Any:
        """Run `work` in a thread and return its result or raise its exception."""
        self._take_turn()
        has_turn = True

        def release_turn() -> None:
            nonlocal has_turn
            has_turn = False
            self._release_turn()

        timer = gevent.get_hub().loop.timer(SLOW_SECONDS)
        job = object()
        try:
            # Blocks while all threads are busy.
            result = self._pool.spawn(_capture_outcome, work)
            timer.start(release_turn)
            self._running[job] = time.monotonic()
            value, error = result.get()
        finally:
            timer.stop()
            timer.close()
            self._running.pop(job, None)
            if has_turn:
                self._release_turn()
        if error is not None:
            raise error
        return value

    @property
    def queue_length(self) -> int:
        """Number of jobs that wait for their turn."""
        return len(self._waiting)

    def _take_turn(self) -> None:
        # gevent's semaphore is not first come, first served, and some requests then wait for seconds.
        if self._is_turn_free:
            self._is_turn_free = False
        else:
            turn = Event()
            self._waiting.append(turn)
            turn.wait()

    def _release_turn(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._is_turn_free = True

    def measure_longest_run(self) -> float:
        """Return the age of the oldest running job in seconds."""
        now = time.monotonic()
        return now - min(self._running.values(), default=now)


def _capture_outcome(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    # gevent prints exceptions that are raised in the thread, although the caller handles them.
    try:
        return work(), None
    except Exception as error:
        return None, error
