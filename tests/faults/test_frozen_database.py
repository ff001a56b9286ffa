"""A PostgreSQL that is frozen, not stopped, costs a request seconds, not minutes."""

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

import psutil

from backend.embedded import services
from tests.web import Web
from tests.worker import wait_until

# DB_STATEMENT_TIMEOUT of the web processes is four seconds, and a second later the connection is cut.
LIMIT = 5.0
# What a busy machine adds.
SLACK = 2.5
CLIENTS = 6


class FrozenDatabaseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        # Of its own: the other tests use theirs meanwhile.
        cls.data_dir = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # PostgreSQL runs as another user when this is root.
        cls.data_dir.chmod(0o755)
        cls.enterClassContext(services.claim(cls.data_dir, "a test"))
        started = cls.enterClassContext(
            services.running(cls.data_dir, database="lavka", valkey_too=False, mail_too=False, for_tests=True)
        )
        cls.postgres = psutil.Process(started["PostgreSQL"].pid)
        cls.environment = {"DATA_DIR": str(cls.data_dir), "DB_NAME": "lavka"}
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            env=os.environ | cls.environment,
            check=True,
        )

    def start_web(self, *options: str) -> Web:
        web = Web(*options, WEB_WORKERS="1", **self.environment)
        self.addCleanup(web.stop)
        web.start()
        # Leaves a connection open in the process.
        self.assertEqual(web.ask("GET", "/products")[0], 200)
        return web

    @contextmanager
    def frozen(self) -> Iterator[None]:
        everything = [self.postgres, *self.postgres.children(recursive=True)]
        for process in everything:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in everything:
                process.send_signal(signal.SIGCONT)

    def test_requests_get_503_and_the_process_says_that_it_lives(self) -> None:
        web = self.start_web()

        def ask(path: str) -> tuple[int, float]:
            started = time.monotonic()
            status, _ = web.ask("GET", path)
            return status, time.monotonic() - started

        with self.frozen(), ThreadPoolExecutor(CLIENTS) as clients:
            waiting = [clients.submit(ask, "/products") for _ in range(CLIENTS)]
            time.sleep(0.5)
            status, seconds = ask("/health/live")
            self.assertEqual(status, 200)
            self.assertLess(seconds, 1)
            for request in waiting:
                status, seconds = request.result()
                self.assertEqual(status, 503)
                self.assertLess(seconds, LIMIT + SLACK)
            status, seconds = ask("/products")
            self.assertEqual(status, 503)
            self.assertLess(seconds, LIMIT + SLACK)
        wait_until(lambda: ask("/products")[0] == 200, "Recovery")

    def test_without_a_watch_the_request_hangs(self) -> None:
        # Watched are only connections with a statement timeout, which gunicorn's configuration sets.
        web = self.start_web("--env", "DB_STATEMENT_TIMEOUT=0")
        with self.frozen(), self.assertRaises(TimeoutError):
            web.ask("GET", "/products", timeout=LIMIT + SLACK)
