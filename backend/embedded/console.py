"""One log for all processes: each line begins with the time and the name of the process."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque

_COLOURS = {"web": 36, "worker": 33, "beat": 35, "mail": 32}
_WIDTH = 6
_lock = threading.Lock()


def log(name: str, text: str) -> None:
    """Print every line of ``text`` with the prefix ``name``."""
    prefix = f"{time.strftime('%H:%M:%S')} {name.ljust(_WIDTH)} | "
    if sys.stdout.isatty() and name in _COLOURS:
        prefix = f"\033[{_COLOURS[name]}m{prefix}\033[0m"
    try:
        with _lock:
            sys.stdout.write("".join(f"{prefix}{line}\n" for line in text.splitlines()))
            sys.stdout.flush()
    except OSError:
        # The reader of the log has ended (`make up | head`): stop as if the terminal had been closed.
        os.kill(os.getpid(), signal.SIGHUP)


class Relay:
    """A thread for each process that prints its output line by line, and ends with it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last_lines: deque[str] = deque(maxlen=10)
        self._thread: threading.Thread | None = None

    def start(self, process: subprocess.Popen[bytes]) -> None:
        """Print the output of a process, which replaces the one before."""
        self._thread = threading.Thread(target=self._print, args=(process,), daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the output of a process that has ended. Other processes can keep it open."""
        if self._thread:
            self._thread.join(timeout=1)

    def read_last_lines(self) -> str:
        """Return the last ten lines, to be appended to a message."""
        self.join()
        return "\n".join([" The end of its log:", *(f"  {line}" for line in self._last_lines)])

    def _print(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            self._last_lines.append(text)
            log(self._name, text)
