"""Start, find and stop the processes of a data directory."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

import psutil

PROJECT_DIR = Path(__file__).resolve().parents[2]

# Every process is started with this variable. A later run finds the processes of a killed run by it, since
# recorded process ids may have been reused.
MARKER = "LAVKA_RUNS_IN"


class EmbeddedError(Exception):
    """An error that is shown to the user without a stack trace.

    Args:
        log: the end of a log, from `read_last_lines`.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message + log)
        self.message = message


def make_environment(data_dir: Path) -> dict[str, str]:
    """Return the environment for a process that belongs to ``data_dir``."""
    return os.environ | {MARKER: str(data_dir)}


def spawn(command: list[str], data_dir: Path, *, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start ``command`` for ``data_dir`` in a new session, so that Ctrl-C does not reach it.

    Args:
        log: a file for its output, which is truncated first; otherwise the output is piped to the caller.
    """
    with log.open("wb") if log else nullcontext() as output:
        return subprocess.Popen(
            command,
            cwd=PROJECT_DIR,
            env=make_environment(data_dir),
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until(
    is_ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str, *, log: Path | None = None
) -> None:
    """Wait until a service is ready.

    Raises:
        EmbeddedError: it has ended, or is not ready within a minute; the message has the end of its log.
    """
    deadline = time.monotonic() + 60
    while not is_ready():
        if process.poll() is not None:
            raise EmbeddedError(f"{name} ended during its start.", read_last_lines(log))
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{name} is not ready after a minute.", read_last_lines(log))
        time.sleep(0.05)


@contextmanager
def stop_unless_ready(
    process: subprocess.Popen[bytes], stop: Callable[[subprocess.Popen[bytes]], None]
) -> Iterator[None]:
    """Stop a service if the block, which waits for it, fails or is interrupted."""
    with ExitStack() as stack:
        stack.callback(stop, process)
        yield
        stack.pop_all()


def read_last_lines(log: Path | None) -> str:
    """Return the last ten lines of a file, to be appended to a message."""
    if log is None:
        return ""
    lines = log.read_text(errors="replace").splitlines()[-10:]
    return "\n".join([f" The end of {log}:", *(f"  {line}" for line in lines)])


def stop(
    running: Collection[subprocess.Popen[bytes]], stop_signal: signal.Signals, *, timeout: float = 10
) -> None:
    """Send ``stop_signal`` to all processes, and kill those that have not ended after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    for process in running:
        process.send_signal(stop_signal)
    for process in running:
        try:
            process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def stop_leftovers(data_dir: Path, *, timeout: float = 20) -> int:
    """Stop the processes that a killed run left in ``data_dir`` and return their number.

    Args:
        timeout: seconds until they are killed. They must then end within a quarter of this time.

    Raises:
        EmbeddedError: a process cannot be stopped.
    """
    servers, others = _find_leftovers(data_dir)
    # PostgreSQL last, since the others use it.
    for group, stop_signal in ((others, signal.SIGTERM), (servers, signal.SIGINT)):
        _stop_all(group, stop_signal, data_dir, timeout)
    return len(servers) + len(others)


def stop_orphaned_backends(data_dir: Path, *, timeout: float = 5) -> None:
    """Stop the processes that a killed PostgreSQL has left. They end by themselves when they are idle.

    Raises:
        EmbeddedError: a process cannot be stopped.
    """
    servers, _ = _find_leftovers(data_dir)
    _stop_all(servers, signal.SIGQUIT, data_dir, timeout)


def stop_session(leader: int, data_dir: Path, *, timeout: float = 5) -> None:
    """Stop the processes that a killed one, started by `spawn`, has left.

    Args:
        leader: process id of the killed process.

    Raises:
        EmbeddedError: a process cannot be stopped.
    """
    _, others = _find_leftovers(data_dir)
    _stop_all(
        [process for process in others if _get_session(process) == leader], signal.SIGTERM, data_dir, timeout
    )


def _get_session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def _stop_all(
    group: list[psutil.Process], stop_signal: signal.Signals, data_dir: Path, timeout: float
) -> None:
    for process in group:
        _send(process, stop_signal)
    for process in _wait_for(group, timeout):
        _send(process, signal.SIGKILL)
    # postgres.start removes PostgreSQL's own protection against a second server on the same files.
    if survivors := _wait_for(group, timeout / 4):
        numbers = ", ".join(str(process.pid) for process in survivors)
        raise EmbeddedError(f"Processes of an earlier run in {data_dir} cannot be stopped: {numbers}.")


def _find_leftovers(data_dir: Path) -> tuple[list[psutil.Process], list[psutil.Process]]:
    # Return the processes of ``data_dir`` that have lost their runner: those of PostgreSQL, and the others.
    own = {process.pid for process in [psutil.Process(), *psutil.Process().parents()]}
    servers, others = [], []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        try:
            # PostgreSQL overwrites its environment with its title, but works inside its data directory, or in
            # postgres.new when initdb runs it.
            if process.name() == "postgres":
                if Path(process.cwd()).parent == data_dir:
                    servers.append(process)
            elif process.environ().get(MARKER) == str(data_dir):
                others.append(process)
        except psutil.Error:
            continue
    return servers, others


def _wait_for(processes: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    # Wait until they have ended and return those that have not. Zombies count as ended: they use no files,
    # and in a container without an init process they stay forever.
    deadline = time.monotonic() + timeout
    while running := [process for process in processes if _is_running(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return running


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    # A process that may not be signalled is reported by stop_leftovers.
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.send_signal(number)
