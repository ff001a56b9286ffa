"""Stopping the processes that a killed run left behind."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backend.embedded import processes


@pytest.fixture
def leftover(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that a killed run left in ``tmp_path`` and that ignores SIGTERM."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    process = processes.spawn([sys.executable, "-c", code], tmp_path)
    assert process.stdout
    process.stdout.readline()
    with process:
        yield process
        process.kill()


def test_leftover_that_ignores_sigterm_is_killed(tmp_path: Path, leftover: subprocess.Popen[bytes]) -> None:
    # In a container without an init process, zombies stay forever.
    assert processes.stop_leftovers(tmp_path, timeout=0.1) == 1
    assert psutil.Process(leftover.pid).status() == psutil.STATUS_ZOMBIE


def test_leftover_that_cannot_be_stopped_is_reported(
    tmp_path: Path, leftover: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: psutil.Process, sign: int) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "send_signal", refuse)

    with pytest.raises(processes.EmbeddedError, match=rf"cannot be stopped: {leftover.pid}\."):
        processes.stop_leftovers(tmp_path, timeout=0.1)


@pytest.mark.parametrize(("directory", "count"), [("postgres", 1), ("postgres.new", 1), ("postgres/base", 0)])
def test_postgres_is_found_by_its_directory(tmp_path: Path, directory: str, count: int) -> None:
    sleep = shutil.which("sleep")
    assert sleep
    program = tmp_path / "bin" / "postgres"
    program.parent.mkdir()
    shutil.copy(sleep, program)
    (tmp_path / directory).mkdir(parents=True)
    with subprocess.Popen([program, "60"], cwd=tmp_path / directory) as process:
        assert processes.stop_leftovers(tmp_path) == count
        process.kill()
