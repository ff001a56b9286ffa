"""Requests fail within seconds while PostgreSQL is frozen, that is neither running nor stopped."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from backend.embedded import services
from tests.support.web import Web
from tests.support.worker import wait_until

# DB_STATEMENT_TIMEOUT of the web processes is 4 seconds, and connections are shut down a second later.
LIMIT = 5.0
# Seconds that a busy machine adds.
SLACK = 2.5
CLIENTS = 6


class FrozenDatabaseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        # A separate server, since other tests run at the same time.
        cls.data_dir = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # PostgreSQL runs as another user if the tests run as root.
        cls.data_dir.chmod(0o755)
        cls.enterClassContext(services.claim(cls.data_dir, "a test"))
        started = cls.enterClassContext(
            services.run_services(
                cls.data_dir, database="lavka", with_valkey=False, with_mail_sink=False, for_tests=True
            )
        )
        cls.postgres = psutil.Process(started.processes["PostgreSQL"].pid)
        cls.environment = {"DATA_DIR": str(cls.data_dir), "DB_NAME": "lavka", **started.variables}
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            env=os.environ | cls.environment,
            check=True,
        )

    def start_web(self, *options: str) -> Web:
        web = Web(*options, WEB_WORKERS="1", **self.environment)
        self.addCleanup(web.stop)
        web.start()
        # This opens a connection, which the process keeps.
        assert web.send_request("GET", "/products")[0] == 200
        return web

    @contextmanager
    def frozen(self) -> Iterator[None]:
        server_processes = [self.postgres, *self.postgres.children(recursive=True)]
        for process in server_processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in server_processes:
                process.send_signal(signal.SIGCONT)

    def test_requests_get_503_and_the_liveness_check_responds(self) -> None:
        web = self.start_web()

        def send_request(path: str) -> tuple[int, float]:
            started = time.monotonic()
            status, _ = web.send_request("GET", path)
            return status, time.monotonic() - started

        with self.frozen(), ThreadPoolExecutor(CLIENTS) as clients:
            waiting = [clients.submit(send_request, "/products") for _ in range(CLIENTS)]
            time.sleep(0.5)
            status, seconds = send_request("/health/live")
            assert status == 200
            assert seconds < 1
            for request in waiting:
                status, seconds = request.result()
                assert status == 503
                assert seconds < LIMIT + SLACK
            status, seconds = send_request("/products")
            assert status == 503
            assert seconds < LIMIT + SLACK
        wait_until(lambda: send_request("/products")[0] == 200, "Recovery")

    def test_each_failure_is_logged_in_one_line(self) -> None:
        web = self.start_web()
        query = {"query": "{ a: categories { id } b: categories { id } c: categories { id } }"}
        # Django reads the session of the cookie.
        cookie = {"Cookie": f"sessionid={'x' * 32}"}
        database = "The database does not respond: "
        requests: list[tuple[str, tuple[str, str, Any], dict[str, str]]] = [
            (database, ("GET", "/products", None), {}),
            (database, ("POST", "/graphql", query), {}),
            (database, ("GET", "/admin/", None), cookie),
            ("Health checks failed. Database: ", ("GET", "/health/ready", None), {}),
        ]
        with self.frozen():
            for cause, request, headers in requests:
                with self.subTest(request[1]):
                    lines = len(web.output().splitlines())
                    assert web.send_request(*request, **headers)[0] == 503
                    access = f"{request[0]} {request[1]} 503 "
                    wait_until(lambda: access in web.output(), "The access log")  # noqa: B023
                    logged, accessed = web.output().splitlines()[lines:]
                    assert cause in logged
                    assert access in accessed

    def test_request_without_the_watchdog_hangs(self) -> None:
        # Only connections with a statement timeout are watched.
        web = self.start_web("--env", "DB_STATEMENT_TIMEOUT=0")
        with self.frozen(), self.assertRaises(TimeoutError):
            web.send_request("GET", "/products", timeout=LIMIT + SLACK)
