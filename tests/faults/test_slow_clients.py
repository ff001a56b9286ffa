"""Clients that send nothing, send slowly or do not read do not block other clients."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from django.conf import settings
from django.test import LiveServerTestCase

from backend.config.web_worker import CHUNK_LINE_BYTES
from tests.support.web import Web

PROBES = 3
ATTEMPTS = 3
# Maximum response time for other clients in seconds. On an idle machine it is a few milliseconds.
MAX_SECONDS = 2.0
HALF_HEADER = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\n"
POST = HALF_HEADER + b"Content-Type: application/json\r\n"
HALF_BODY = HALF_HEADER + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"
LARGE_FILE_BYTES = 20_000_000


@contextmanager
def connections(web: Web, number: int, sent: bytes) -> Iterator[None]:
    """Open connections that send these bytes and then neither send nor read."""
    with ExitStack() as stack:
        for _ in range(number):
            client = stack.enter_context(socket.socket())
            # A small client buffer, so that an unread response fills it.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", web.port))
            client.sendall(sent)
        # The server accepts the connections.
        time.sleep(0.5)
        yield


def longest_response(web: Web) -> float:
    """Return the longest response time of a few requests by other clients, in seconds."""
    seconds = []
    for _ in range(PROBES):
        started = time.monotonic()
        with suppress(TimeoutError):
            assert web.send_request("GET", "/products?limit=1", timeout=2 * MAX_SECONDS)[0] == 200
        seconds.append(time.monotonic() - started)
    return max(seconds)


class SlowClientsTest(LiveServerTestCase):
    def setUp(self) -> None:
        self.web = Web(DB_NAME=settings.DATABASES["default"]["NAME"])
        self.addCleanup(self.web.stop)
        self.web.start()

    def test_idle_connections_do_not_block_others(self) -> None:
        with connections(self.web, 60, b""):
            assert longest_response(self.web) < MAX_SECONDS

    def test_incomplete_headers_do_not_block_others(self) -> None:
        with connections(self.web, 60, HALF_HEADER):
            assert longest_response(self.web) < MAX_SECONDS

    def test_incomplete_bodies_do_not_block_others(self) -> None:
        with connections(self.web, 60, HALF_BODY):
            assert longest_response(self.web) < MAX_SECONDS

    def test_unread_responses_do_not_block_others(self) -> None:
        # The workers generate the document once, which takes a while.
        for _ in range(10):
            assert self.web.send_request("GET", "/openapi.json")[0] == 200
        with connections(self.web, 12, request_for("/openapi.json") * 3):
            assert longest_response(self.web) < MAX_SECONDS

    def test_unread_files_do_not_block_others(self) -> None:
        with large_file() as path, connections(self.web, 12, request_for(path)):
            assert longest_response(self.web) < MAX_SECONDS

    def test_bodies_that_go_on_after_the_refusal_do_not_block_others(self) -> None:
        for head in (b"Content-Length: 100000000000", b"Transfer-Encoding: chunked"):
            part = b"x" * 262_144
            if b"chunked" in head:
                part = b"40000\r\n" + part + b"\r\n"
            with self.subTest(head), flood(self.web, POST + head + b"\r\n\r\n", part):
                assert longest_response(self.web) < MAX_SECONDS

    def test_bodies_of_one_byte_chunks_do_not_block_others(self) -> None:
        head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
        # The shortest line before a chunk, the longest one that is accepted, and one that is refused.
        for size in (b"1", b"1".zfill(CHUNK_LINE_BYTES - 2), b"1".zfill(7000)):
            seconds = []
            # Other tests on a slow machine delay one attempt, and a blocked event loop delays all.
            for _ in range(ATTEMPTS):
                with flood(self.web, head, (size + b"\r\n \r\n") * 1000):
                    seconds.append(longest_response(self.web))
            with self.subTest(len(size)):
                assert min(seconds) < MAX_SECONDS


class ConnectionLimitTest(LiveServerTestCase):
    def test_oldest_idle_connections_are_closed_for_new_ones(self) -> None:
        web = Web("--worker-connections", "20", DB_NAME=settings.DATABASES["default"]["NAME"])
        self.addCleanup(web.stop)
        web.start()
        with connections(web, 200, HALF_HEADER):
            assert longest_response(web) < MAX_SECONDS


class SyncWorkersTest(LiveServerTestCase):
    """The same clients block sync workers, which proves that the tests above can fail."""

    def setUp(self) -> None:
        self.web = Web("--worker-class", "sync", DB_NAME=settings.DATABASES["default"]["NAME"])
        self.addCleanup(self.web.stop)
        self.web.start()

    def test_idle_connections_block_the_shop(self) -> None:
        with connections(self.web, 2, b""):
            assert longest_response(self.web) > MAX_SECONDS

    def test_incomplete_bodies_block_the_shop(self) -> None:
        with connections(self.web, 2, HALF_BODY):
            assert longest_response(self.web) > MAX_SECONDS

    def test_unread_files_block_the_shop(self) -> None:
        with large_file() as path, connections(self.web, 2, request_for(path)):
            assert longest_response(self.web) > MAX_SECONDS


@contextmanager
def flood(web: Web, head: bytes, part: bytes) -> Iterator[None]:
    """Let four clients repeatedly send a request and parts of its body as fast as they are read."""
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", web.port), timeout=5) as client:
                client.sendall(head)
                while not ended.is_set():
                    client.sendall(part)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def large_file() -> Iterator[str]:
    """Create a media file larger than any socket buffer and yield its URL path."""
    folder = settings.MEDIA_ROOT
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "large.jpg"
    file.write_bytes(bytes(LARGE_FILE_BYTES))
    try:
        yield "/media/large.jpg"
    finally:
        file.unlink()


def request_for(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
