"""Restart services that have ended."""

import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from subprocess import Popen

from backend.embedded import console, processes

# A service that has run for this time is not failing repeatedly.
STABLE_SECONDS = 60.0
MAX_RESTARTS = 5
# The delay before a restart, which doubles with each one.
FIRST_DELAY = 0.5


@dataclass
class Service:
    """A process that can be started again after it has ended.

    `start_process` starts it for the first time.

    Attributes:
        start: starts the process and removes what a killed one has left behind.
        stop: stops a process.
        read_log: returns the end of the log.
        restarts: the number since the service was last stable.
    """

    name: str
    start: Callable[[], Popen[bytes]]
    stop: Callable[[Popen[bytes]], None]
    read_log: Callable[[], str]
    process: Popen[bytes] = field(init=False)
    restarts: int = field(default=0, init=False)
    started_at: float = field(default=0.0, init=False)
    restart_at: float | None = field(default=None, init=False)

    def start_process(self) -> None:
        """Start the process."""
        self.restart_at = None
        self.started_at = time.monotonic()
        self.process = self.start()

    def stop_process(self) -> None:
        """Stop the current process, if it runs."""
        if self.process.poll() is None:
            self.stop(self.process)

    def restart_if_ended(self) -> str | None:
        """Start the process again if it has ended, after a delay that grows with each restart.

        Returns:
            The reason to give up, with the end of the log, or None.
        """
        if self.restart_at is None:
            if self.process.poll() is None:
                return None
            if time.monotonic() - self.started_at > STABLE_SECONDS:
                self.restarts = 0
            return self._schedule(f"{self.name} {_describe_end(self.process.returncode)}.")
        if time.monotonic() < self.restart_at:
            return None
        try:
            self.start_process()
        except processes.EmbeddedError as error:
            return self._schedule(error.message)
        return None

    def _schedule(self, event: str) -> str | None:
        if self.restarts == MAX_RESTARTS:
            return f"{event} It was restarted {MAX_RESTARTS} times.{self.read_log()}"
        delay = FIRST_DELAY * 2**self.restarts
        self.restarts += 1
        self.restart_at = time.monotonic() + delay
        console.log("shop", f"{event} Restart {self.restarts} of {MAX_RESTARTS} in {delay:g} s.")
        return None


def restart_ended_services(running: Iterable[Service]) -> str | None:
    """Start services again that have ended. Return the reason if one keeps ending, or None."""
    for service in running:
        if problem := service.restart_if_ended():
            return problem
    return None


def _describe_end(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
