"""Responses while PostgreSQL, Redis or the object storage is down.

The shop runs as a separate gunicorn process. The address of the service either refuses connections, or
accepts them and never responds.
"""

import json
import os
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from django.conf import settings
from django.db import connection
from django.test import LiveServerTestCase

from tests.support.ports import find_free_port
from tests.support.sandbox_payments import SECRET, make_notice, sign

# Seconds: two for the response, and the rest for a busy machine.
MAX_SECONDS = 2.8


class DeadAddress:
    """An address that first refuses connections and later accepts them without a response."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.host, self.port = listener.getsockname()

    def ways(self) -> Iterator[str]:
        """Switch to each kind of failure and yield its name."""
        yield "refuses"
        self._listener.listen(64)
        yield "is silent"


@contextmanager
def dead_address() -> Iterator[DeadAddress]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield DeadAddress(listener)


@contextmanager
def shop(**environment: str) -> Iterator[str]:
    """Run the web process with these variables and yield its URL."""
    port = find_free_port()
    command = [sys.executable, "-m", "gunicorn", "backend.config.wsgi", "-b", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                urlopen(f"{url}/health/live", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def send_request(url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Send a request and return the status and JSON of the response, which must arrive in time.

    Args:
        body: bytes, or a value to encode as JSON.
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(url, data)
    request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name, value)
    try:
        with urlopen(request, timeout=MAX_SECONDS) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


class DatabaseDownTest(unittest.TestCase):
    def test_reads_return_503_without_internal_details(self) -> None:
        with (
            dead_address() as database,
            shop(DB_HOST=database.host, DB_PORT=str(database.port)) as url,
        ):
            for way in database.ways():
                for path in ("/products", "/product?id=1", "/categories"):
                    with self.subTest(path=path, database=way):
                        status, problem = send_request(url + path)
                        assert (status, problem["code"]) == (503, "UNAVAILABLE")
                        assert "127.0.0.1" not in problem["detail"]
                with self.subTest("/graphql", database=way):
                    status, response = send_request(url + "/graphql", {"query": "{ categories { id } }"})
                    (error,) = response["errors"]
                    assert (status, error["extensions"]["code"]) == (503, "UNAVAILABLE")
                    assert "127.0.0.1" not in error["message"]
                with self.subTest("/health", database=way):
                    for form in ("", "?format=text", "?format=rss"):
                        response = send_request(url + "/health/ready" + form)
                        assert response == (503, {"database": "unavailable", "cache": "ok"})
                    assert send_request(url + "/health/live")[0] == 200

    def test_payment_notice_gets_503_so_that_the_provider_repeats_it(self) -> None:
        body = make_notice("1-1", "28.99")
        with (
            dead_address() as database,
            shop(
                DB_HOST=database.host,
                DB_PORT=str(database.port),
                PAYMENT_PROVIDERS="sandbox=tests.support.sandbox_payments",
                PAYMENT_SECRETS=f"sandbox={SECRET}",
            ) as url,
        ):
            for way in database.ways():
                with self.subTest(way):
                    status, problem = send_request(f"{url}/payments/sandbox", body, **sign(body))
                    assert (status, problem["code"]) == (503, "UNAVAILABLE")
                    unsigned = send_request(f"{url}/payments/sandbox", body)
                    assert unsigned[0] == 403


class RedisDownTest(LiveServerTestCase):
    def test_catalogue_is_served(self) -> None:
        database = settings.DATABASES["default"]
        with (
            dead_address() as redis,
            shop(REDIS_URL=f"redis://{redis.host}:{redis.port}/0", DB_NAME=database["NAME"]) as url,
        ):
            for way in redis.ways():
                for path in ("/products", "/categories"):
                    with self.subTest(path=path, redis=way):
                        assert send_request(url + path)[0] == 200
                with self.subTest("/health", redis=way):
                    status, response = send_request(url + "/health/ready")
                    assert status == 503
                    assert response == {"database": "ok", "cache": "unavailable"}


class ObjectStorageDownTest(LiveServerTestCase):
    def test_catalogue_is_served_and_the_health_report_has_the_failure(self) -> None:
        with (
            dead_address() as storage,
            shop(
                OBJECT_STORAGE_URL=f"http://{storage.host}:{storage.port}",
                OBJECT_STORAGE_REGION="us-east-1",
                OBJECT_STORAGE_KEY_ID="key",
                OBJECT_STORAGE_SECRET_KEY="secret",
                OBJECT_STORAGE_BUCKET="pictures",
                DB_NAME=settings.DATABASES["default"]["NAME"],
            ) as url,
        ):
            for way in storage.ways():
                for path in ("/products", "/categories"):
                    with self.subTest(path=path, storage=way):
                        assert send_request(url + path)[0] == 200
                with self.subTest("/health", storage=way):
                    report = {"database": "ok", "cache": "ok", "storage": "unavailable"}
                    assert send_request(url + "/health/ready") == (200, report)
                with self.subTest("/media", storage=way):
                    status, problem = send_request(url + "/media/products/a.jpg")
                    assert (status, problem["code"]) == (503, "UNAVAILABLE")
                    assert "127.0.0.1" not in problem["detail"]


class SlowQueryTest(LiveServerTestCase):
    def test_query_timeout_returns_503(self) -> None:
        with (
            connection.cursor() as cursor,
            shop(DB_STATEMENT_TIMEOUT="1", DB_NAME=settings.DATABASES["default"]["NAME"]) as url,
        ):
            cursor.execute("BEGIN; LOCK TABLE catalog_category")
            try:
                status, problem = send_request(url + "/categories")
            finally:
                cursor.execute("ROLLBACK")
            assert (status, problem["code"]) == (503, "UNAVAILABLE")
            assert send_request(url + "/categories")[0] == 200
