"""Web processes with the deployed configuration, on the test's database and Valkey."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import psutil
from django.conf import settings

from backend.embedded import processes
from tests.support.ports import find_free_port
from tests.support.worker import MAX_SECONDS, wait_until


class Web:
    """gunicorn with its workers.

    Args:
        options: command line options of gunicorn, in addition to `backend.config.gunicorn`.
        code: the directory of the code; None for the code of the test.
        environment: variables that differ from the test's environment.
    """

    def __init__(self, *options: str, code: Path | None = None, **environment: str) -> None:
        self.port = find_free_port()
        self._code = code
        self._options = options
        self._environment = environment
        self._directory = TemporaryDirectory()
        self._log = Path(self._directory.name) / "web.log"
        self._master: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start gunicorn and wait until it responds."""
        command = [sys.executable, "-m", "gunicorn", "--config", "python:backend.config.gunicorn"]
        environment = {"DB_NAME": settings.DATABASES["default"]["NAME"], "PORT": str(self.port)}
        with self._log.open("ab") as log:
            self._master = subprocess.Popen(
                [*command, *self._options],
                cwd=self._code,
                # The next run finds and stops the processes of a killed run by this environment.
                env=processes.make_environment(settings.ENV.data_dir) | environment | self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_ready, "The start of the web processes")

    def stop(self) -> None:
        """Finish running requests and stop."""
        if self._master:
            processes.stop([self._master], signal.SIGTERM)
            self._master = None

    def workers(self) -> Sequence[int]:
        """Return the process ids of the running workers."""
        assert self._master
        running = []
        for child in psutil.Process(self._master.pid).children():
            # A worker may end meanwhile.
            with suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    running.append(child.pid)
        return running

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        assert self._master
        self._master.send_signal(number)

    def kill(self, worker: int) -> None:
        """Kill a worker. The master starts another one."""
        os.kill(worker, signal.SIGKILL)

    def output(self) -> str:
        """Return the log."""
        return self._log.read_text(errors="replace")

    def send_request(
        self, method: str, path: str, body: Any = None, *, timeout: float = MAX_SECONDS, **headers: str
    ) -> tuple[int, Any]:
        """Send a request with a JSON body and return the status and JSON of the response.

        Args:
            timeout: the socket timeout in seconds.
            headers: by name, with underscores instead of hyphens.

        Raises:
            TimeoutError: there was no response in time.
            OSError, HTTPException: the worker ended before it responded.
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            content = orjson.dumps(body) if body is not None else None
            connection.request(method, path, content, {"Content-Type": "application/json"} | names)
            with connection.getresponse() as response:
                # A 204 has no body.
                return response.status, orjson.loads(response.read() or b"null")
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        assert self._master
        assert self._master.poll() is None, self.output()
        try:
            return self.send_request("GET", "/health/live")[0] == 200
        except (OSError, orjson.JSONDecodeError):
            return False
