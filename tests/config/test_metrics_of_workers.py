"""Metrics and logs of gunicorn with several workers."""

import json
import re
import signal
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from django.test import TransactionTestCase

from tests.support.web import Web
from tests.support.worker import wait_until

TOKEN = "token-of-the-test"
REQUEST_ID = "0198c9a2-7b1e-7c33-8f7e-1d2b3c4d5e6f"


class WorkersCase(TransactionTestCase):
    options: dict[str, str] = {}

    def setUp(self) -> None:
        self.web = Web(METRICS_TOKEN=TOKEN, WEB_WORKERS="3", LOG_FORMAT="json", **self.options)
        self.addCleanup(self.web.stop)
        self.web.start()
        wait_until(lambda: len(self.web.workers()) == 3, "Three workers")

    def read_metrics(self) -> str:
        connection = HTTPConnection("127.0.0.1", self.web.port, timeout=30)
        try:
            connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            with connection.getresponse() as response:
                assert response.status == 200
                return response.read().decode()
        finally:
            connection.close()

    def count(self, name: str, **labels: str) -> float:
        """Return the sum of the samples that have these labels."""
        total = 0.0
        for line in re.findall(rf"^{name}(?:\{{.*)? [\d.e+-]+$", self.read_metrics(), re.MULTILINE):
            if all(f'{label}="{value}"' in line for label, value in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    def log(self) -> list[dict[str, Any]]:
        lines = self.web.output().splitlines()
        return [json.loads(line) for line in lines]


class MetricsOfWorkersTest(WorkersCase):
    def send(self, number: int) -> None:
        # Each request has a connection of its own, which any worker accepts.
        for _ in range(number):
            assert self.web.send_request("GET", "/products")[0] == 200
            assert self.web.send_request("POST", "/graphql", {"query": "{ categories { name } }"})[0] == 200

    def counts(self) -> tuple[float, ...]:
        name = "lavka_requests_total"
        return (
            self.count(name, api="rest", operation="productsList", status="200"),
            self.count(name, api="graphql", operation="categories", status="200"),
            self.count("lavka_request_seconds_count", api="graphql", operation="categories"),
        )

    def directory(self) -> Path:
        (process,) = {Path(f"/proc/{worker}/environ") for worker in self.web.workers()[:1]}
        return Path(f"/dev/shm/lavka-metrics-{process.stat().st_uid}/{self.master()}")

    def master(self) -> str:
        status = Path(f"/proc/{self.web.workers()[0]}/status").read_text()
        return re.findall(r"^PPid:\s+(\d+)$", status, re.MULTILINE)[0]

    def test_every_worker_shows_the_counts_of_all_also_after_one_is_killed(self) -> None:
        self.send(20)
        assert self.counts() == (20, 20, 20)
        files = {path.stem for path in self.directory().glob("counter_*.db")}
        assert len(files) >= 2
        assert self.count("lavka_database_seconds_total", operation="productsList") > 0
        assert self.count("lavka_database_calls_total", operation="productsList") >= 20

        for worker in list(self.web.workers()):
            self.web.kill(worker)
            wait_until(lambda worker=worker: worker not in self.web.workers(), "The worker's end")
        wait_until(lambda: len(self.web.workers()) == 3, "New workers")
        self.send(1)
        assert self.counts() == (21, 21, 21)
        living = {str(worker) for worker in self.web.workers()} | {"ended"}
        assert {path.stem.rpartition("_")[2] for path in self.directory().glob("*.db")} <= living

    def test_files_are_removed_at_the_end_and_those_of_a_killed_master_at_the_next_start(self) -> None:
        directory = self.directory()
        assert directory.is_dir()
        left = directory.with_name("4194304000")
        left.mkdir()
        self.web.stop()
        assert not directory.exists()
        self.web.start()

        assert not left.exists()


class LogOfWorkersTest(WorkersCase):
    def test_every_line_is_json_and_the_access_log_has_the_request_id(self) -> None:
        self.web.send_request("GET", "/products?search=jane@example.com", X_Request_ID=REQUEST_ID)
        wait_until(lambda: REQUEST_ID in self.web.output(), "The access log")

        (line,) = [entry for entry in self.log() if entry.get("request_id") == REQUEST_ID]
        assert line["logger"] == "gunicorn.access"
        assert line["message"].startswith("GET /products 200 ")
        assert "jane" not in self.web.output()

    def test_malformed_request_is_logged_without_its_text_and_address(self) -> None:
        with socket.create_connection(("127.0.0.1", self.web.port), timeout=30) as client:
            client.sendall(
                b"GET /products HTTP/1.1\r\nHost: localhost\r\nAuthorization Bearer secret\r\n\r\n"
            )
            assert b" 400 " in client.recv(1000)
        wait_until(
            lambda: "A malformed request was refused with status 400: " in self.web.output(), "The warning"
        )

        assert "secret" not in self.web.output()
        assert "127.0.0.1" not in self.web.output().partition("A malformed")[2]


class FailingReadinessTest(WorkersCase):
    options = {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "REDIS_URL": "redis://127.0.0.1:1/0"}

    def test_failing_probe_is_logged_in_one_line(self) -> None:
        assert self.web.send_request("GET", "/health/ready", X_Request_ID=REQUEST_ID)[0] == 503
        self.web.signal(signal.SIGTERM)
        wait_until(lambda: "/health/ready 503" in self.web.output(), "The access log")

        lines = [entry for entry in self.log() if entry.get("request_id") == REQUEST_ID]
        assert [entry["logger"] for entry in lines if entry["logger"] != "gunicorn.access"] == [
            "backend.core.health"
        ]
        assert "Database" in lines[0]["message"]
        assert "Cache" in lines[0]["message"]
        assert "Traceback" not in self.web.output()
