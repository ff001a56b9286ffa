"""Limits of request lines and headers, which gunicorn enforces before Django sees the request."""

import socket
import unittest

from tests.support.web import Web


class LongRequestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.web = Web(WEB_WORKERS="1")
        cls.addClassCleanup(cls.web.stop)
        cls.web.start()

    def status(self, *, line_length: int = 0, header_length: int = 0, headers: int = 1) -> int:
        """Return the status of a request of this size. A length of 0 means a short one."""
        start, end = "GET /health/live?", " HTTP/1.1"
        lines = [start + "a" * (line_length - len(start + end)) + end, "Host: localhost"]
        if header_length:
            lines.append("X-A: ".ljust(header_length, "a"))
        lines += [f"X-{number}: a" for number in range(headers - 1)]
        with socket.create_connection(("127.0.0.1", self.web.port), timeout=10) as client:
            client.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
            return int(client.makefile("rb").readline().split()[1])

    def test_request_line_is_limited(self) -> None:
        assert self.status(line_length=4094) == 200
        assert self.status(line_length=4095) == 414

    def test_header_is_limited(self) -> None:
        assert self.status(header_length=8188) == 200
        assert self.status(header_length=8189) == 431

    def test_number_of_headers_is_limited(self) -> None:
        assert self.status(headers=100) == 200
        assert self.status(headers=101) == 431
