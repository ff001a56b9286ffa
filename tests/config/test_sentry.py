"""Reports of bugs to a server that speaks Sentry's protocol."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

REQUEST_ID = "0198c9a2-7b1e-7c33-8f7e-1d2b3c4d5e6f"
# A bug in a selector, in a request with a secret in each of its parts.
PROGRAM = """
import sys
from unittest import mock
import django
django.setup()
from django.test import Client
from backend.catalog import selectors

def fail(**_):
    password = "secret-local"
    raise RuntimeError("a bug of jane@example.com")

headers = {"X-Request-ID": sys.argv[1], "X-Cart-Token": "secret-header", "Host": "localhost"}
with mock.patch.object(selectors, "read_category_tree", fail):
    response = Client(headers=headers).get("/categories?secret-query=1")
assert response.status_code == 500
if "sentry_sdk" in sys.modules:
    sys.modules["sentry_sdk"].flush(10)
print("sentry_sdk" in sys.modules)
"""


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """The port of a server, and the bodies that it receives."""
    bodies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            bodies.append((gzip.decompress(body) if is_packed else body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port, bodies
        running.shutdown()


def run_program(**environment: str) -> str:
    return subprocess.check_output(
        [sys.executable, "-c", PROGRAM, REQUEST_ID],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "backend.config.settings", **environment},
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=60,
    )


def test_bug_is_reported_once_with_its_request_id_and_without_secrets(
    server: tuple[int, list[str]],
) -> None:
    port, bodies = server
    assert run_program(SENTRY_DSN=f"http://key@127.0.0.1:{port}/1") == "True\n"

    events = [body for body in bodies if '"exception"' in body]
    assert len(events) == 1
    assert REQUEST_ID in events[0]
    assert "RuntimeError" in events[0]
    assert "a bug of [email]" in events[0]
    for secret in ("secret-local", "secret-header", "secret-query=1", "jane"):
        assert all(secret not in body for body in bodies)


def test_package_is_not_imported_without_the_variable(server: tuple[int, list[str]]) -> None:
    _, bodies = server

    assert run_program(SENTRY_DSN="") == "False\n"
    assert bodies == []
