"""Keep-alive connections, and restarts of the web processes without lost requests."""

import signal
import threading
import time
from collections import Counter
from functools import partial
from http.client import HTTPConnection, HTTPException

from django.conf import settings
from django.db import connection
from django.test import LiveServerTestCase

from tests.support.web import Web
from tests.support.worker import wait_until

CLIENTS = 8
PATH = "/products?limit=1"


class Load:
    """Clients that send requests without a pause, half of them on keep-alive connections.

    Attributes:
        results: the number of requests that succeeded, were refused or were lost.
        longest: the longest response time in seconds.
    """

    longest = 0.0

    def __init__(self, web: Web) -> None:
        self.results: Counter[str] = Counter()
        self._web = web
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._send_requests, args=[number % 2 == 0]) for number in range(CLIENTS)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _send_requests(self, keeps_connection: bool) -> None:
        connection = None
        while not self._ended.is_set():
            try:
                connection = connection or self._connect()
            except (ConnectionRefusedError, ConnectionResetError):
                self.results["refused"] += 1
                time.sleep(0.01)
                continue
            started = time.monotonic()
            try:
                connection.request("GET", PATH)
                with connection.getresponse() as response:
                    response.read()
                    self.results["succeeded" if response.status == 200 else str(response.status)] += 1
                    closed = response.will_close
                self.longest = max(self.longest, time.monotonic() - started)
            except (OSError, HTTPException) as error:
                self.results[f"lost: {type(error).__name__}"] += 1
                closed = True
            if closed or not keeps_connection:
                connection.close()
                connection = None

    def _connect(self) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self._web.port, timeout=60)
        connection.connect()
        return connection


class RestartsTest(LiveServerTestCase):
    def setUp(self) -> None:
        self.web = Web(DB_NAME=settings.DATABASES["default"]["NAME"])
        self.addCleanup(self.web.stop)
        self.web.start()

    def test_connection_serves_many_requests(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.web.port, timeout=10)
        self.addCleanup(connection.close)
        sockets = set()
        for _ in range(5):
            connection.request("GET", PATH)
            with connection.getresponse() as response:
                response.read()
                assert response.status == 200
            assert connection.sock
            sockets.add(connection.sock.getsockname())
        assert len(sockets) == 1

    def test_reload_under_load_loses_no_request(self) -> None:
        durations = []
        with Load(self.web) as load:
            for _ in range(2):
                before = set(self.web.workers())
                started = time.monotonic()
                self.web.signal(signal.SIGHUP)
                wait_until(partial(self.have_ended, before), "The end of the old workers")
                durations.append(time.monotonic() - started)
        assert set(load.results) == {"succeeded"}, load.results
        # New workers need about two seconds to load the shop, and the old ones serve meanwhile.
        assert load.longest < min(durations)

    def have_ended(self, workers: set[int]) -> bool:
        return not workers & set(self.web.workers())

    def test_stop_under_load_finishes_requests_and_refuses_connections(self) -> None:
        for _ in range(2):
            with Load(self.web) as load:
                wait_until(lambda: load.results["succeeded"] > 50, "The start of the load")
                self.web.stop()
                wait_until(lambda: load.results["refused"] > 0, "A refused connection")
            assert set(load.results) == {"succeeded", "refused"}, load.results
            self.web.start()

    def test_idle_connection_does_not_delay_the_stop(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.web.port, timeout=10)
        self.addCleanup(connection.close)
        connection.connect()
        started = time.monotonic()
        self.web.stop()
        assert time.monotonic() - started < 5


class StuckRequestTest(LiveServerTestCase):
    def test_worker_with_a_hanging_request_is_replaced(self) -> None:
        web = Web("--timeout", "2", DB_NAME=settings.DATABASES["default"]["NAME"], DB_STATEMENT_TIMEOUT="60")
        self.addCleanup(web.stop)
        web.start()
        before = set(web.workers())
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE catalog_category")
            try:
                with self.assertRaises((OSError, HTTPException)):
                    web.send_request("GET", "/categories")
            finally:
                cursor.execute("ROLLBACK")
        assert set(web.workers()) != before
        assert web.send_request("GET", "/categories")[0] == 200
