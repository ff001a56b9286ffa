"""Starting, finding and stopping the processes that belong to one data directory."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext, suppress
from pathlib import Path

import psutil

PROJECT_DIR = Path(__file__).resolve().parents[2]

# Every process is started with this variable, so that a later run finds what a killed one left behind
# without trusting a recorded process id.
MARKER = "LAVKA_RUNS_IN"


class EmbeddedError(Exception):
    """Something the person at the terminal has to know; printed as one message, without a stack trace."""


def environment(data_dir: Path) -> dict[str, str]:
    """Return the environment for a process that belongs to ``data_dir``."""
    return os.environ | {MARKER: str(data_dir)}


def spawn(command: list[str], data_dir: Path, *, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start ``command`` for ``data_dir`` in a session of its own, so that Ctrl-C does not reach it.

    Arguments:
        log: a file that receives its output, emptied first; without it ``console.relay`` prints the output.
    """
    with log.open("wb") if log else nullcontext() as output:
        return subprocess.Popen(
            command,
            cwd=PROJECT_DIR,
            env=environment(data_dir),
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until(
    answers: Callable[[], bool], process: subprocess.Popen[bytes], name: str, *, log: Path | None = None
) -> None:
    """Wait until a service answers.

    Raises:
        EmbeddedError: it ended, or does not answer within a minute; with the last lines of its log.
    """
    deadline = time.monotonic() + 60
    while not answers():
        if process.poll() is not None:
            raise EmbeddedError(f"{name} ended while starting.{_last_lines(log)}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{name} does not answer after a minute.{_last_lines(log)}")
        time.sleep(0.05)


def _last_lines(log: Path | None) -> str:
    if log is None:
        return ""
    lines = log.read_text(errors="replace").splitlines()[-10:]
    return "\n".join([f" The end of {log}:", *(f"  {line}" for line in lines)])


def stop(running: Collection[subprocess.Popen[bytes]], sign: signal.Signals, *, patience: float = 10) -> None:
    """Ask processes to stop, all at once, and kill those that take longer than ``patience`` seconds."""
    deadline = time.monotonic() + patience
    for process in running:
        process.send_signal(sign)
    for process in running:
        try:
            process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def stop_leftovers(data_dir: Path, *, patience: float = 20) -> int:
    """Stop what a killed run left behind in ``data_dir`` and return how many processes that were.

    Arguments:
        patience: the seconds they have before they are killed; a killed one has a quarter of it.

    Raises:
        EmbeddedError: some of them live on.
    """
    servers, others = _leftovers(data_dir)
    # PostgreSQL last: the others use it.
    for group, sign in ((others, signal.SIGTERM), (servers, signal.SIGINT)):
        for process in group:
            _send(process, sign)
        for process in _alive(group, patience):
            _send(process, signal.SIGKILL)
        # PostgreSQL's own guard against a second server on its files is about to be removed.
        if survivors := _alive(group, patience / 4):
            numbers = ", ".join(str(process.pid) for process in survivors)
            raise EmbeddedError(f"Processes of an earlier run in {data_dir} cannot be stopped: {numbers}.")
    return len(servers) + len(others)


def _leftovers(data_dir: Path) -> tuple[list[psutil.Process], list[psutil.Process]]:
    # The processes of ``data_dir`` that no longer have a runner: PostgreSQL's, and the others.
    ours = {process.pid for process in [psutil.Process(), *psutil.Process().parents()]}
    servers, others = [], []
    for process in psutil.process_iter():
        if process.pid in ours:
            continue
        try:
            # PostgreSQL writes its title over its environment, but it works inside its data directory.
            if process.name() == "postgres":
                if process.cwd() == str(data_dir / "postgres"):
                    servers.append(process)
            elif process.environ().get(MARKER) == str(data_dir):
                others.append(process)
        except psutil.Error:
            continue
    return servers, others


def _alive(processes: list[psutil.Process], patience: float) -> list[psutil.Process]:
    # Wait for them to end, and return those that have not. A zombie has: it uses no files any more, and
    # where nobody collects it (a container without an init process) it stays for ever.
    deadline = time.monotonic() + patience
    while alive := [process for process in processes if _uses_files(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return alive


def _uses_files(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _send(process: psutil.Process, sign: signal.Signals) -> None:
    # Whoever may not be told is found alive afterwards.
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.send_signal(sign)
