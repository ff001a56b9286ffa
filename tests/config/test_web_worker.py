"""Threads and request bodies of the gunicorn worker."""

import socket
import struct
import threading
import time
import unittest
from http.client import HTTPConnection, HTTPResponse

import gevent
import orjson
from django.conf import settings
from django.test import Client, LiveServerTestCase

from backend.config.request_threads import MAX_THREADS, SLOW_SECONDS, Threads
from backend.config.web_worker import CHUNK_LINE_BYTES
from tests.support.people import make_user
from tests.support.web import Web
from tests.support.worker import wait_until

GRAPHQL = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LOGIN_FORM = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
)
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUERY = b'{"query": "{ __typename }"}'


class ThreadsTest(unittest.TestCase):
    def test_fast_jobs_run_one_at_a_time_also_after_slow_ones(self) -> None:
        threads, running, maximum = Threads(), 0, 0
        slow = [gevent.spawn(threads.run, lambda: time.sleep(SLOW_SECONDS * 2)) for _ in range(20)]
        gevent.joinall(slow, raise_error=True)

        def job() -> None:
            nonlocal running, maximum
            running += 1
            maximum = max(maximum, running)
            time.sleep(SLOW_SECONDS / 20)
            running -= 1

        gevent.joinall([gevent.spawn(threads.run, job) for _ in range(10)], raise_error=True)
        assert maximum == 1

    def test_slow_jobs_run_in_parallel_up_to_the_limit(self) -> None:
        threads, started, release = Threads(), [], threading.Event()

        def slow() -> None:
            started.append(1)
            release.wait(10)

        jobs = [gevent.spawn(threads.run, slow) for _ in range(MAX_THREADS + 1)]
        gevent.sleep(SLOW_SECONDS * (MAX_THREADS + 5))
        assert len(started) == MAX_THREADS
        assert threads.measure_longest_run() > SLOW_SECONDS
        release.set()
        gevent.joinall(jobs, raise_error=True)
        assert len(started) == MAX_THREADS + 1
        assert threads.measure_longest_run() == 0

    def test_exception_is_raised_in_the_caller(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            Threads().run(lambda: 1 // 0)


class RequestBodiesTest(LiveServerTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.web = Web(DB_NAME=settings.DATABASES["default"]["NAME"])
        cls.addClassCleanup(cls.web.stop)
        cls.web.start()

    def send(self, *parts: bytes) -> tuple[int, bytes]:
        """Send these bytes and return the status and body of the response."""
        with socket.create_connection(("127.0.0.1", self.web.port), timeout=20) as client:
            for part in parts:
                client.sendall(part)
            response = HTTPResponse(client)
            response.begin()
            return response.status, response.read()

    def test_body_at_the_limit_is_accepted_and_above_it_refused(self) -> None:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        for size, expected in ((limit, 200), (limit + 1, 413)):
            body = QUERY.ljust(size)
            status, response = self.send(GRAPHQL + b"Content-Length: %d\r\n\r\n" % size, body)
            assert status == expected
            if status == 413:
                (error,) = orjson.loads(response)["errors"]
                assert error["extensions"]["code"] == "TOO_LARGE"

    def test_chunked_body_is_accepted_up_to_the_limit(self) -> None:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        head = GRAPHQL + b"Transfer-Encoding: chunked\r\n\r\n"
        for padding, expected in ((b"", 200), (b" " * (limit - len(QUERY)), 200), (b" " * limit, 413)):
            chunks = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (QUERY, padding) if chunk]
            status, response = self.send(head, *chunks, b"0\r\n\r\n")
            assert status == expected, response

    def test_line_before_a_chunk_is_accepted_up_to_its_limit_and_malformed_ones_are_refused(self) -> None:
        head = GRAPHQL + b"Transfer-Encoding: chunked\r\n\r\n"
        # The line break is included.
        size = (b"%x" % len(QUERY)).zfill(CHUNK_LINE_BYTES - 2)
        end = b"\r\n" + QUERY + b"\r\n0\r\n\r\n"
        assert self.send(head, size + end)[0] == 200
        for malformed in (b"0" + size + end, b"0" * 20_000, b"g" + end, b"1;=" + end, b"1\r\n{}}}\r\n"):
            with self.subTest(malformed[:20]):
                status, response = self.send(head, malformed)
                assert (status, orjson.loads(response)["code"]) == (400, "MALFORMED")

    def test_large_form_of_a_guest_is_refused_before_it_is_read(self) -> None:
        # Only the header is sent: there would be no response if the server waited for the body.
        for path in (b"/admin/login/", b"/cart", b"/products", b"/nowhere"):
            head = LOGIN_FORM.replace(b"/admin/login/", path) + b"Content-Length: 1000000000\r\n\r\n--x"
            status, response = self.send(head)
            assert status == 413
            assert orjson.loads(response)["code"] == "TOO_LARGE"

    def test_staff_can_send_large_forms_to_the_admin_up_to_their_limit(self) -> None:
        login = Client()
        login.force_login(make_user(is_staff=True, is_superuser=True))
        cookie = b"Cookie: sessionid=%s\r\n" % login.cookies["sessionid"].value.encode()
        body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n%s\r\n--x--\r\n'
        body %= b" " * (2 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        head = LOGIN_FORM + cookie
        # The body is read. The request is refused because the CSRF token is missing.
        assert self.send(head + b"Content-Length: %d\r\n\r\n" % len(body), body)[0] == 403
        too_large = settings.STAFF_UPLOAD_MAX_BYTES + 1
        assert self.send(head + b"Content-Length: %d\r\n\r\n" % too_large)[0] == 413
        # For other URLs staff have the same limit as shoppers.
        elsewhere = head.replace(b"/admin/login/", b"/cart")
        assert self.send(elsewhere + b"Content-Length: %d\r\n\r\n" % len(body), body)[0] == 413

    def test_client_that_disconnects_within_a_body_gets_no_response(self) -> None:
        with socket.create_connection(("127.0.0.1", self.web.port), timeout=20) as client:
            client.sendall(GRAPHQL + b"Content-Length: 100\r\n\r\n" + QUERY)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1000) == b""

    def test_path_cannot_forge_a_line_of_the_access_log(self) -> None:
        self.send(b"GET /a\x1b\xff HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.send(b"GET /a%0aPOST%20/order%20200%1b%5b31m%00/%D1%8F HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(
            lambda: "GET /a%0aPOST%20/order%20200%1b%5b31m%00/%D1%8F 404" in self.web.output(), "The log"
        )

        assert "\x1b" not in self.web.output()

    def test_refused_body_gets_a_response_before_the_connection_closes(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.web.port, timeout=20)
        self.addCleanup(connection.close)
        for body, expected in ((b" " * 3_000_000, 413), (QUERY, 200)):
            connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                response.read()
                assert response.status == expected
                assert response.will_close == (expected == 413)


class SilentConnectionsTest(LiveServerTestCase):
    def setUp(self) -> None:
        self.database = settings.DATABASES["default"]["NAME"]

    def start(self, *options: str) -> Web:
        """Start a worker that disconnects clients that are silent within a request after a second."""
        options = ("--worker-class", "tests.support.impatient_worker.WebWorker", *options)
        web = Web(*options, DB_NAME=self.database)
        self.addCleanup(web.stop)
        web.start()
        return web

    def connect(self, web: Web, sent: bytes) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", web.port), timeout=20)
        self.addCleanup(client.close)
        client.sendall(sent)
        if sent == LIVE:
            self.read_response(client)
        return client

    def read_response(self, client: socket.socket) -> None:
        response = HTTPResponse(client)
        response.begin()
        assert response.status == 200
        response.read()

    def assert_no_error(self, web: Web) -> None:
        web.stop()
        assert "[ERROR]" not in web.output()
        assert "Traceback" not in web.output()

    def test_idle_connection_is_kept_longer_than_a_silent_request(self) -> None:
        web = self.start()
        idle = [self.connect(web, b""), self.connect(web, LIVE)]
        silent = self.connect(web, GRAPHQL + b"Content-Length: 100\r\n\r\n{")
        assert silent.recv(1000) == b""
        time.sleep(1)
        for client in idle:
            client.sendall(LIVE)
            self.read_response(client)
        self.assert_no_error(web)

    def test_idle_connection_is_closed_without_an_error(self) -> None:
        web = self.start("--keep-alive", "1")
        for client in [self.connect(web, sent) for sent in (b"", LIVE, LIVE[:20])]:
            assert client.recv(1000) == b""
        self.assert_no_error(web)

    def test_client_that_ends_or_resets_the_connection_causes_no_error(self) -> None:
        web = self.start()
        reset = struct.pack("ii", 1, 0)
        for sent in (b"", LIVE, LIVE[:20], GRAPHQL + b"Content-Length: 100\r\n\r\n{"):
            self.connect(web, sent).close()
            client = self.connect(web, sent)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            client.close()
        self.assert_no_error(web)
