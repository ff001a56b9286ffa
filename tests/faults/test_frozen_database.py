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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import psycopg2
from django.test import override_settings
from psycopg2.extensions import connection as Connection  # noqa: N812

from backend.config.request_threads import MAX_THREADS
from backend.core.db_watch import PAUSE_SECONDS, PROBE_SECONDS, WatchedConnection
from backend.embedded import services
from tests.support.web import Web
from tests.support.worker import wait_until

# DB_STATEMENT_TIMEOUT of the web processes is 4 seconds, and connections are shut down a second later.
LIMIT = 5.0
# Seconds that a busy machine adds.
SLACK = 2.5
CLIENTS = 6
# Its response is not cached.
UNKNOWN_PRODUCT = "/product?slug=unknown"


class FrozenDatabaseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        # A separate server, since other tests run at the same time.
        cls.data_dir = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # PostgreSQL runs as another user if the tests run as root.
        cls.data_dir.chmod(0o755)
        cls.enterClassContext(services.lock_data_directory(cls.data_dir, "a test"))
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

    def connect(self, connection_factory: type[Connection] | None = None) -> Connection:
        connection = psycopg2.connect(
            connection_factory=connection_factory,
            dbname="lavka",
            user="lavka",
            host=self.environment["DB_HOST"],
            port=self.environment.get("DB_PORT"),
            password=self.environment.get("DB_PASSWORD"),
        )
        self.addCleanup(connection.close)
        return connection

    def open_connections_in_all_threads(self, web: Web) -> None:
        """Let each thread of the only worker open a connection, which it keeps."""
        blocker, monitor = self.connect(), self.connect()
        monitor.autocommit = True

        def count_waiting() -> int:
            with monitor.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                return int(cursor.fetchone()[0])

        with blocker.cursor() as cursor, ThreadPoolExecutor(MAX_THREADS) as clients:
            cursor.execute("LOCK TABLE catalog_product IN ACCESS EXCLUSIVE MODE")
            waiting = [clients.submit(web.send_request, "GET", UNKNOWN_PRODUCT) for _ in range(MAX_THREADS)]
            wait_until(lambda: count_waiting() == MAX_THREADS, "A request in each thread")
            blocker.rollback()
            assert {request.result()[0] for request in waiting} == {404}

    def test_requests_after_the_first_timeout_fail_within_two_seconds(self) -> None:
        web = self.start_web()
        self.open_connections_in_all_threads(web)

        def send_request(_: int) -> float:
            started = time.monotonic()
            assert web.send_request("GET", UNKNOWN_PRODUCT)[0] == 503
            return time.monotonic() - started

        with self.frozen(), ThreadPoolExecutor(MAX_THREADS) as clients:
            assert send_request(0) > 2
            # The next requests wait for the server again, each in a thread with a connection of its own.
            time.sleep(PAUSE_SECONDS)
            durations = list(clients.map(send_request, range(MAX_THREADS)))
        assert max(durations) < 2 + SLACK, durations
        wait_until(lambda: web.send_request("GET", UNKNOWN_PRODUCT)[0] == 404, "Recovery")

    def test_error_of_the_server_is_a_response(self) -> None:
        connection = self.connect(WatchedConnection)
        with mock.patch.object(WatchedConnection, "report_response") as report, connection.cursor() as cursor:
            for statement in ("SELECT 1", "SELECT 1 / 0"):
                with suppress(psycopg2.Error):
                    cursor.execute(statement)
        assert report.call_count == 2

    @override_settings(DB_SILENCE_SECONDS=PROBE_SECONDS)
    def test_lost_connection_does_not_pause_the_others(self) -> None:
        lost, other = self.connect(WatchedConnection), self.connect(WatchedConnection)
        backend = psutil.Process(lost.info.backend_pid)
        backend.suspend()
        self.addCleanup(backend.resume)
        with ThreadPoolExecutor(1) as thread, lost.cursor() as silent, other.cursor() as cursor:
            waiting = thread.submit(silent.execute, "SELECT 1")
            while not waiting.done():
                cursor.execute("SELECT 1")
                time.sleep(0.05)
            with self.assertRaises(psycopg2.OperationalError):
                waiting.result()
            cursor.execute("SELECT 1")

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
