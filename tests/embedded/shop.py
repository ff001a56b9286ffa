"""A shop that is started like in a terminal, by ``make up`` or its command."""

import json
import os
import pwd
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import redis

from backend.config.environment import Environment
from backend.embedded import addresses, processes
from tests.support.ports import find_free_port

# Seconds; enough while other tests use all cores.
MAX_SECONDS = 120
DAEMON = pwd.getpwnam("daemon")


def without_privileges(command: list[str]) -> list[str]:
    """Return ``command`` as run by a user other than root, who can also read a checkout in /root."""
    if os.geteuid() != 0:
        return command
    ids = [f"--reuid={DAEMON.pw_uid}", f"--regid={DAEMON.pw_gid}", "--clear-groups"]
    reads = [
        "--securebits=+no_setuid_fixup",
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    ]
    return ["setpriv", *ids, *reads, *command]


class Shop:
    """A data directory and the shop that runs in it.

    Args:
        variables: environment variables of its processes, in addition to the defaults.
    """

    def __init__(self, data_dir: Path, *, is_unprivileged: bool = False, **variables: str) -> None:
        self.data_dir = data_dir
        self.port = find_free_port()
        self.is_unprivileged = is_unprivileged
        self._variables = variables
        self.log = data_dir.with_suffix(".log")
        self.runner: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the shop's processes."""
        replaced = {name.upper() for name in Environment.model_fields} | {"MAKEFLAGS", "MAKELEVEL"}
        return {name: value for name, value in os.environ.items() if name not in replaced} | {
            "ENV_FILE": os.devnull,
            "DEBUG": "true",
            "DJANGO_SECRET_KEY": "of-the-test",
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "WEB_WORKERS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            # A default of PostgreSQL's programs, which must not reach the shop's.
            "PGPORT": "6543",
            **self._variables,
        }

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the shop's environment and wait until it ends."""
        return subprocess.run(
            command,
            cwd=processes.PROJECT_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
            check=False,
        )

    def run_embedded(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run ``up`` or ``down`` and wait until it ends."""
        return self.run(sys.executable, "-m", "backend.embedded", command)

    def start(self, *command: str) -> None:
        """Start the shop, by ``command`` if given, and return immediately."""
        default = [sys.executable, "-m", "backend.embedded", "up"]
        line = list(command) or default
        with self.log.open("wb") as output:
            self.runner = subprocess.Popen(
                without_privileges(line) if self.is_unprivileged else line,
                cwd=processes.PROJECT_DIR,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, text: str) -> None:
        """Wait until the log contains ``text``."""
        assert self.runner
        deadline = time.monotonic() + MAX_SECONDS
        while text not in self.log.read_text():
            assert self.runner.poll() is None, f"it ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"no {text!r} in: {self.log.read_text()}"
            time.sleep(0.02)

    def wait_for_end(self) -> int:
        """Wait until the runner has ended and return its exit status."""
        assert self.runner
        return self.runner.wait(MAX_SECONDS)

    def processes(self, name: str = "") -> list[psutil.Process]:
        """Return the processes of this shop, all or those with this name."""
        found = []
        for process in psutil.process_iter():
            try:
                started_for_shop = process.environ().get("DATA_DIR") == str(self.data_dir)
                belongs_to_shop = started_for_shop or process.cwd().startswith(f"{self.data_dir}/")
                if belongs_to_shop and name in ("", process.name()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def find_child(self, word: str) -> psutil.Process:
        """Return the process that the runner has started by a command with this word."""
        assert self.runner
        (child,) = self._find_children(word)
        return child

    def _find_children(self, word: str) -> list[psutil.Process]:
        assert self.runner
        found = []
        for child in psutil.Process(self.runner.pid).children():
            with suppress(psutil.Error):
                if any(part.endswith(word) for part in child.cmdline()):
                    found.append(child)
        return found

    def wait_until_ready(self, word: str) -> None:
        """Wait until a command with this word runs, and the readiness check succeeds."""
        deadline = time.monotonic() + MAX_SECONDS
        while not (self._find_children(word) and self.is_ready()):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Return whether the readiness check succeeds."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=10):
                return True
        except OSError:
            return False

    def post(self, path: str, body: object) -> int:
        """Send JSON and return the status of the response."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=MAX_SECONDS) as response:
            return int(response.status)

    def stop(self) -> None:
        """Kill the processes that are left."""
        self.kill(self.processes())

    def kill(self, processes: list[psutil.Process]) -> None:
        """Kill processes at the same time, without SIGTERM."""
        for sign in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(sign)
        psutil.wait_procs(processes, timeout=10)
        if self.runner:
            self.runner.wait(MAX_SECONDS)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement in the shop's database and return its rows."""
        session = psycopg2.connect(
            host=str(addresses.get_socket_dir(self.data_dir)), user="lavka", dbname="lavka"
        )
        session.autocommit = True
        try:
            with session.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            session.close()

    def valkey(self) -> "redis.Redis[str]":
        """Return a connection to the shop's Valkey."""
        return redis.Redis(
            unix_socket_path=str(addresses.get_valkey_socket(self.data_dir)), decode_responses=True
        )


@contextmanager
def run_shop(data_dir: Path, **variables: str) -> Iterator[Shop]:
    """Run a shop in a new data directory, ready for requests, until the end of the block.

    Args:
        variables: see `Shop`.
    """
    shop = Shop(data_dir, **variables)
    try:
        shop.start()
        shop.wait_for("The shop is ready")
        yield shop
        shop.run_embedded("down")
    finally:
        shop.stop()
