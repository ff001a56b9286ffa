"""Clients that send nothing, send slowly or do not read keep nobody else from being served."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from django.conf import settings
from django.test import LiveServerTestCase

from tests.web import Web

PROBES = 3
# The longest wait that others may notice; an answer takes a few milliseconds on a quiet machine.
PATIENCE = 2.0
HALF_HEADER = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\n"
HALF_BODY = HALF_HEADER + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"
LARGE_FILE_BYTES = 20_000_000


@contextmanager
def connections(web: Web, number: int, sent: bytes) -> Iterator[None]:
    """Hold connections that have sent these bytes and neither send nor read any more."""
    with ExitStack() as stack:
        for _ in range(number):
            client = stack.enter_context(socket.socket())
            # Little of an unread answer fits into the client's own buffer.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", web.port))
            client.sendall(sent)
        # Until the server has taken them.
        time.sleep(0.5)
        yield


def longest_answer(web: Web) -> float:
    """Return the seconds that the slowest of a few requests by other clients takes."""
    seconds = []
    for _ in range(PROBES):
        started = time.monotonic()
        with suppress(TimeoutError):
            assert web.ask("GET", "/products?limit=1", timeout=2 * PATIENCE)[0] == 200
        seconds.append(time.monotonic() - started)
    return max(seconds)


class SlowClientsTest(LiveServerTestCase):
    def setUp(self) -> None:
        self.web = Web(DB_NAME=settings.DATABASES["default"]["NAME"])
        self.addCleanup(self.web.stop)
        self.web.start()

    def test_idle_connections_hold_nobody_up(self) -> None:
        with connections(self.web, 60, b""):
            self.assertLess(longest_answer(self.web), PATIENCE)

    def test_half_headers_hold_nobody_up(self) -> None:
        with connections(self.web, 60, HALF_HEADER):
            self.assertLess(longest_answer(self.web), PATIENCE)

    def test_half_bodies_hold_nobody_up(self) -> None:
        with connections(self.web, 60, HALF_BODY):
            self.assertLess(longest_answer(self.web), PATIENCE)

    def test_unread_answers_hold_nobody_up(self) -> None:
        with connections(self.web, 12, request_for("/openapi.json") * 5):
            self.assertLess(longest_answer(self.web), PATIENCE)

    def test_unread_files_hold_nobody_up(self) -> None:
        with large_file() as path, connections(self.web, 12, request_for(path)):
            self.assertLess(longest_answer(self.web), PATIENCE)


class FullHouseTest(LiveServerTestCase):
    def test_the_longest_idle_connections_make_room_for_new_ones(self) -> None:
        web = Web("--worker-connections", "20", DB_NAME=settings.DATABASES["default"]["NAME"])
        self.addCleanup(web.stop)
        web.start()
        with connections(web, 200, HALF_HEADER):
            self.assertLess(longest_answer(web), PATIENCE)


class SyncWorkersTest(LiveServerTestCase):
    """The same clients stall sync workers, so the trials above can fail."""

    def setUp(self) -> None:
        self.web = Web("--worker-class", "sync", DB_NAME=settings.DATABASES["default"]["NAME"])
        self.addCleanup(self.web.stop)
        self.web.start()

    def test_idle_connections_stall_the_shop(self) -> None:
        with connections(self.web, 2, b""):
            self.assertGreater(longest_answer(self.web), PATIENCE)

    def test_half_bodies_stall_the_shop(self) -> None:
        with connections(self.web, 2, HALF_BODY):
            self.assertGreater(longest_answer(self.web), PATIENCE)

    def test_unread_files_stall_the_shop(self) -> None:
        with large_file() as path, connections(self.web, 2, request_for(path)):
            self.assertGreater(longest_answer(self.web), PATIENCE)


@contextmanager
def large_file() -> Iterator[str]:
    """Have a file among the pictures that no socket buffer holds, and give its path."""
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
