"""Limits of request lines and headers, which gunicorn enforces before Django sees the request."""

import hashlib
import socket
import unittest
from http.client import HTTPResponse
from urllib.parse import quote, urlencode

import orjson

from backend.catalog.selectors import MAX_SEARCH_LENGTH
from tests.support.web import Web

LONGEST_SEARCH = "ж" * MAX_SEARCH_LENGTH
QUERY = "query Search($text: String!) { products(filter: {search: $text}) { totalCount } }"


class LongRequestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.web = Web(WEB_WORKERS="1")
        cls.addClassCleanup(cls.web.stop)
        cls.web.start()

    def send(self, *lines: str) -> tuple[int, dict[str, str], bytes]:
        """Send a request of these lines and return the status, headers and body of the response."""
        with socket.create_connection(("127.0.0.1", self.web.port), timeout=10) as client:
            client.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
            response = HTTPResponse(client)
            response.begin()
            return response.status, dict(response.headers), response.read()

    def send_long(
        self, *, path: str = "/health/live", line_length: int = 0, header_length: int = 0, headers: int = 1
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request of this size. A length of 0 means a short one."""
        start, end = f"GET {path}?", " HTTP/1.1"
        lines = [start + "a" * (line_length - len(start + end)) + end, "Host: localhost"]
        if header_length:
            lines.append("X-A: ".ljust(header_length, "a"))
        lines += [f"X-{number}: a" for number in range(headers - 1)]
        return self.send(*lines)

    def assert_refused(
        self, response: tuple[int, dict[str, str], bytes], status: int, code: str, detail: str
    ) -> None:
        actual, headers, body = response
        assert actual == status
        assert headers["Content-Type"] == "application/problem+json"
        problem = orjson.loads(body)
        assert problem["status"] == status
        assert problem["code"] == code
        assert detail in problem["detail"]
        assert problem["errors"] == [{"code": code, "detail": problem["detail"], "field": None}]

    def test_request_line_is_limited(self) -> None:
        assert self.send_long(line_length=8190)[0] == 200
        for path in ("/health/live", "/products", "/graphql"):
            for length in (8191, 100_000):
                response = self.send_long(path=path, line_length=length)
                self.assert_refused(response, 414, "TOO_LARGE", "at most 8190 bytes")

    def test_header_is_limited(self) -> None:
        assert self.send_long(header_length=8188)[0] == 200
        response = self.send_long(header_length=8189)
        self.assert_refused(response, 431, "TOO_LARGE", "at most 8188 bytes each")

    def test_number_of_headers_is_limited(self) -> None:
        assert self.send_long(headers=100)[0] == 200
        self.assert_refused(self.send_long(headers=101), 431, "TOO_LARGE", "at most 100 headers")

    def test_request_that_is_not_http_is_refused(self) -> None:
        for lines in (
            ["nonsense"],
            ["GET /products HTTP/9.9", "Host: localhost"],
            ["GET /products HTTP/1.1", "Host: localhost", "a header without a colon"],
            ["GET /products HTTP/1.1", "Host: localhost", "Name with spaces: a"],
        ):
            with self.subTest(lines):
                self.assert_refused(self.send(*lines), 400, "MALFORMED", "not valid HTTP")

    def test_longest_search_of_cyrillic_letters_fits_into_a_url(self) -> None:
        path = f"/products?search={quote(LONGEST_SEARCH)}"
        assert len(path) > 6000
        status, body = self.web.send_request("GET", path)
        assert (status, body["total"]) == (200, 0)
        status, body = self.web.send_request("GET", path + quote("ж"))
        assert (status, body["code"]) == (422, "TOO_LONG")

    def test_persisted_query_with_the_longest_search_fits_into_a_url(self) -> None:
        persisted = {"version": 1, "sha256Hash": hashlib.sha256(QUERY.encode()).hexdigest()}
        extensions = {"persistedQuery": persisted}
        self.web.send_request(
            "POST", "/graphql", {"query": QUERY, "extensions": extensions, "variables": {"text": "a"}}
        )
        parameters = {
            "extensions": orjson.dumps(extensions).decode(),
            "variables": orjson.dumps({"text": LONGEST_SEARCH}).decode(),
        }
        status, body = self.web.send_request("GET", f"/graphql?{urlencode(parameters)}")
        assert (status, body["data"]) == (200, {"products": {"totalCount": 0}})
