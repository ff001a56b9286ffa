"""The id of a request in the log of the worker that runs its tasks."""

import json
from typing import Any

from django.test import TransactionTestCase

from backend.notifications.models import OutgoingEmail
from backend.notifications.services import publish_due_emails
from tests.accounts.cases import FAST_HASHER, clear_redis
from tests.support.worker import MailServer, Worker, wait_until

REQUEST_ID = "0198c9a2-7b1e-7c33-8f7e-1d2b3c4d5e6f"
RECIPIENT = "vera@example.com"


@FAST_HASHER
class WorkerLogTest(TransactionTestCase):
    def setUp(self) -> None:
        clear_redis()
        self.mail_server = MailServer()
        self.mail_server.start()
        self.addCleanup(self.mail_server.stop)
        self.worker = Worker(self.mail_server, LOG_FORMAT="json")
        self.addCleanup(self.worker.stop)
        self.worker.start()

    def records(self, message: str) -> list[dict[str, Any]]:
        """Return the records of the worker's log that contain a text."""
        lines = [line for line in self.worker.output().splitlines() if line.startswith("{")]
        return [record for record in map(json.loads, lines) if message in record["message"]]

    def register(self) -> None:
        response = self.client.post(
            "/auth/register",
            json.dumps({"email": RECIPIENT, "password": "correct horse battery"}),
            content_type="application/json",
            headers={"X-Request-ID": REQUEST_ID},
        )
        assert response.status_code < 300

    def test_task_of_a_request_is_logged_under_its_id_and_without_the_address(self) -> None:
        self.register()
        self.mail_server.wait_for_mail(RECIPIENT)
        (record,) = wait_until(lambda: self.records("sent at attempt 1"), "The log of the mail")

        assert record["request_id"] == REQUEST_ID
        assert record["task"] == "accounts.send_confirmation_code"
        assert len(record["task_id"]) == 36
        assert RECIPIENT not in self.worker.output()

    def test_task_without_a_request_is_logged_under_its_own_id(self) -> None:
        self.mail_server.refusal = "451 Later"
        self.register()
        wait_until(lambda: self.records("not sent"), "The refusal")
        self.mail_server.refusal = None
        wait_until(lambda: OutgoingEmail.objects.filter(status="retrying").exists(), "The end of the attempt")
        OutgoingEmail.objects.update(due_at="2000-01-01T00:00Z")
        publish_due_emails()
        (record,) = wait_until(lambda: self.records("sent at attempt 2"), "The log of the mail")

        assert record["request_id"] == record["task_id"]
