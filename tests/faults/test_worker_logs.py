"""The logs of the worker and beat with LOG_FORMAT=json, also while PostgreSQL is down."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import psutil

from backend.embedded import processes, services
from tests.support.deployed import read_deployed_command
from tests.support.worker import wait_until

TASKS = ("orders.count_popularity", "carts.delete_expired_carts", "recommendations.update")
SEND_TASKS = f"""
from backend.config.celery import app
for name in {TASKS}:
    app.send_task(name)
"""


class WorkerLogTest(unittest.TestCase):
    """The worker and beat as they are deployed, with services of their own."""

    def setUp(self) -> None:
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        # PostgreSQL runs as another user if the tests run as root.
        self.directory.chmod(0o755)
        self.enterContext(services.lock_data_directory(self.directory, "a test"))
        self.services = self.enterContext(
            services.run_services(
                self.directory, database="lavka", with_valkey=True, with_mail_sink=False, for_tests=True
            )
        )
        self.environment = os.environ | {
            "DATA_DIR": str(self.directory),
            "DB_NAME": "lavka",
            "LOG_FORMAT": "json",
            **self.services.variables,
        }
        self.run_python("manage.py", "migrate", "--verbosity", "0")

    def run_python(self, *arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], env=self.environment, check=True)

    def start(self, name: str, *command: str) -> "subprocess.Popen[bytes]":
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.addCleanup(processes.stop, [process], signal.SIGTERM)
        return process

    def read_log(self, name: str) -> list[dict[str, Any]]:
        """Return the records. Fail if a line is not JSON."""
        return [json.loads(line) for line in (self.directory / f"{name}.log").read_text().splitlines()]

    def find(self, message: str) -> list[dict[str, Any]]:
        """Return the records of the worker that contain a text."""
        return [record for record in self.read_log("worker") if message in record["message"]]

    def test_each_line_is_json_and_each_failed_task_is_one_warning(self) -> None:
        worker = self.start("worker", *read_deployed_command("worker"))
        wait_until(lambda: self.find("ready."), "The worker's start")
        beat = self.start("beat", *read_deployed_command("beat", data_dir=self.directory))
        # The main process logs that it has lost a process of its pool.
        psutil.Process(worker.pid).children()[0].kill()
        wait_until(lambda: self.find("signal 9"), "The loss of a process")
        self.services.processes["PostgreSQL"].send_signal(signal.SIGINT)
        self.services.processes["PostgreSQL"].wait(30)
        self.run_python("-c", SEND_TASKS)
        for task in TASKS:
            (record,) = wait_until(lambda: self.find(f"Task {task}["), f"The failure of {task}")  # noqa: B023
            assert record["level"] == "WARNING"
            assert "failed because a service is down: OperationalError: " in record["message"]
            assert "exception" not in record
            assert "\n" not in record["message"]
        wait_until(lambda: self.read_log("beat"), "The start of beat")
        processes.stop([beat], signal.SIGTERM)
        processes.stop([worker], signal.SIGTERM)

        assert self.find("Warm shutdown")
        assert self.read_log("beat")[0]["message"].startswith("beat: Starting")
