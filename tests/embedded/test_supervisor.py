"""Restarts of processes that have ended, with a delay and a limit."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.embedded import console, processes, supervisor
from backend.embedded.supervisor import MAX_RESTARTS, Service, restart_ended_services

SLEEP = "import time; print('started', flush=True); time.sleep(600)"
END = "print('the disk is on fire'); raise SystemExit(3)"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of the console."""
    lines: list[str] = []
    monkeypatch.setattr(console, "log", lambda name, text: lines.append(text))
    return lines


class Program:
    """A service that runs Python code, which a test can replace before a restart."""

    def __init__(self, directory: Path, code: str) -> None:
        self.code = code
        self._log = directory / "program.log"
        self._directory = directory
        self.service = Service(
            "The program",
            self._start,
            lambda process: processes.stop([process], signal.SIGTERM),
            lambda: processes.read_last_lines(self._log),
        )
        self.service.start_process()

    def _start(self) -> subprocess.Popen[bytes]:
        return processes.spawn([sys.executable, "-c", self.code], self._directory, log=self._log)

    def kill(self) -> None:
        """Kill the process and wait for its end."""
        self.service.process.kill()
        self.service.process.wait()

    def watch_until(self, restarts: int) -> str | None:
        """Watch the service until it has been restarted this often, or until the watcher gives up."""
        deadline = time.monotonic() + 30
        while self.service.restarts < restarts or self.service.restart_at is not None:
            assert time.monotonic() < deadline
            if problem := restart_ended_services([self.service]):
                return problem
            time.sleep(0.01)
        return None


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, SLEEP)
    yield program
    program.service.stop_process()


def test_running_process_is_left_alone(program: Program, lines: list[str]) -> None:
    pid = program.service.process.pid

    assert restart_ended_services([program.service]) is None

    assert (program.service.process.pid, lines) == (pid, [])


def test_killed_process_is_restarted_after_half_a_second(program: Program, lines: list[str]) -> None:
    program.kill()
    started = time.monotonic()

    assert program.watch_until(1) is None

    assert time.monotonic() - started >= 0.5
    assert program.service.process.poll() is None
    assert lines == ["The program was killed by SIGKILL. Restart 1 of 5 in 0.5 s."]


def test_delay_doubles_and_the_last_failure_has_the_end_of_the_log(
    program: Program, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    program.code = END
    program.kill()

    problem = program.watch_until(MAX_RESTARTS + 1)

    assert lines == [
        "The program was killed by SIGKILL. Restart 1 of 5 in 0.01 s.",
        "The program ended with status 3. Restart 2 of 5 in 0.02 s.",
        "The program ended with status 3. Restart 3 of 5 in 0.04 s.",
        "The program ended with status 3. Restart 4 of 5 in 0.08 s.",
        "The program ended with status 3. Restart 5 of 5 in 0.16 s.",
    ]
    assert problem
    assert problem.startswith("The program ended with status 3. It was restarted 5 times. The end of ")
    assert problem.endswith("\n  the disk is on fire")


def test_process_that_runs_after_the_last_restart_is_kept(
    program: Program, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    for number in range(1, MAX_RESTARTS + 1):
        program.kill()
        assert program.watch_until(number) is None
    assert restart_ended_services([program.service]) is None
    program.kill()
    assert restart_ended_services([program.service])


def test_stable_process_has_all_restarts_again(
    program: Program, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(supervisor, "STABLE_SECONDS", 0)
    for _ in range(MAX_RESTARTS + 2):
        program.kill()
        assert program.watch_until(1) is None
    assert {line.partition("Restart ")[2] for line in lines} == {"1 of 5 in 0.01 s."}


def test_failed_start_counts_as_a_restart(
    program: Program, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.01)

    def fail() -> subprocess.Popen[bytes]:
        raise processes.EmbeddedError("The program is not ready after a minute.", " The end of …")

    program.service.start = fail
    program.kill()

    problem = program.watch_until(MAX_RESTARTS + 1)

    assert len(lines) == MAX_RESTARTS
    assert lines[1] == "The program is not ready after a minute. Restart 2 of 5 in 0.02 s."
    assert problem
    assert problem.startswith(
        "The program is not ready after a minute. It was restarted 5 times. The end of "
    )


def test_starts_that_time_out_are_counted(
    program: Program, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(supervisor, "STABLE_SECONDS", 0.05)

    def time_out() -> subprocess.Popen[bytes]:
        time.sleep(0.06)
        raise processes.EmbeddedError("The program is not ready.")

    program.service.start = time_out
    program.kill()

    assert program.watch_until(MAX_RESTARTS + 1)

    assert [line.partition("Restart ")[2][0] for line in lines[1:]] == ["2", "3", "4", "5"]
