"""One readable log for everything that runs: each line begins with the time and the name of its program."""

import os
import signal
import subprocess
import sys
import threading
import time

_COLOURS = {"web": 36, "worker": 33, "beat": 35, "mail": 32}
_WIDTH = 6
_lock = threading.Lock()


def say(name: str, text: str) -> None:
    """Print every line of ``text`` under ``name``."""
    prefix = f"{time.strftime('%H:%M:%S')} {name.ljust(_WIDTH)} | "
    if sys.stdout.isatty() and name in _COLOURS:
        prefix = f"\033[{_COLOURS[name]}m{prefix}\033[0m"
    try:
        with _lock:
            sys.stdout.write("".join(f"{prefix}{line}\n" for line in text.splitlines()))
            sys.stdout.flush()
    except OSError:
        # Nobody reads the log any more (`make up | head`): as if the terminal had been closed.
        os.kill(os.getpid(), signal.SIGHUP)


def relay(name: str, process: subprocess.Popen[bytes]) -> threading.Thread:
    """Print what ``process`` writes, line by line, until it ends; return the thread that does."""
    thread = threading.Thread(target=_relay, args=(name, process), daemon=True)
    thread.start()
    return thread


def _relay(name: str, process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        say(name, line.decode(errors="replace"))
