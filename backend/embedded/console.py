"""One log for all processes: each line begins with the time and the name of the process."""

import os
import signal
import subprocess
import sys
import threading
import time

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


def relay_output(name: str, process: subprocess.Popen[bytes]) -> threading.Thread:
    """Print the output of ``process`` line by line until it ends, in the returned thread."""
    thread = threading.Thread(target=_relay, args=(name, process), daemon=True)
    thread.start()
    return thread


def _relay(name: str, process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        log(name, line.decode(errors="replace"))
