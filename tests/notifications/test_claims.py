"""A mail is sent by one worker, once, and again only after a worker has died."""

import asyncio
import smtplib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from unittest import mock

from celery import current_app
from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase, override_settings
from django.utils import timezone

from backend.core.errors import Unavailable
from backend.notifications import services
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import EmailContent, enqueue_email, publish_due_emails, send_email
from tests.accounts.cases import PASSWORD, WorkerCase, clear_redis, run_in_parallel
from tests.concurrency.actors import Actor, execute
from tests.concurrency.locks import without_row_locks
from tests.support.worker import MAX_SECONDS, MailServer, find_code, wait_until

EMAIL = "vera@example.com"
CONTENT = EmailContent("Subject", "Text\n", "<p>Text</p>")
Status = OutgoingEmail.Status


class SlowQuitServer(MailServer):
    """A mail server that waits before it answers QUIT."""

    quit_seconds = 0.0

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.quit_seconds)
        return "221 Bye"


def terminate_other_connections() -> int:
    """End the other connections to the test's database, and return their number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


class MailCase(TransactionTestCase):
    """Tests with a mail server, whose mails this process sends."""

    def setUp(self) -> None:
        clear_redis()
        self.server = SlowQuitServer()
        self.server.start()
        self.addCleanup(self.server.stop)
        smtp = override_settings(
            EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=self.server.port,
            EMAIL_USE_TLS=False,
            EMAIL_USE_SSL=False,
            EMAIL_HOST_PASSWORD="",
            DEFAULT_FROM_EMAIL="Lavka <shop@lavka.example>",
        )
        smtp.enable()
        self.addCleanup(smtp.disable)
        with transaction.atomic():
            enqueue_email(task="some", recipient=EMAIL, language="en")
        self.pk = self.mail().pk

    def mail(self) -> OutgoingEmail:
        return OutgoingEmail.objects.get()

    def send(self) -> None:
        send_email(email_id=self.pk, render=lambda email: CONTENT)

    def make_due(self) -> None:
        OutgoingEmail.objects.update(due_at=timezone.now())

    def message_ids(self) -> list[str]:
        return [mail["Message-ID"] for mail in self.server.mails]


class ClaimTest(MailCase):
    def test_claim_is_committed_before_the_mail_is_rendered(self) -> None:
        def render(email: OutgoingEmail) -> EmailContent:
            with Actor() as other:
                row = other.do(lambda: OutgoingEmail.objects.get())
            lifetime = (row.due_at - row.claimed_at).total_seconds()
            assert (row.status, row.attempts, lifetime) == (Status.SENDING, 1, 180)
            return CONTENT

        send_email(email_id=self.pk, render=render)
        assert self.mail().status == Status.SENT

    def send_at_the_same_time(self, max_seconds: float) -> int:
        """Send the mail in two threads that have both read its row, unless one is locked out.

        Args:
            max_seconds: time that a thread waits for the other to read the row.
        """
        save = OutgoingEmail.save
        both = threading.Barrier(2)

        def save_together(email: OutgoingEmail, **options: Any) -> None:
            with suppress(threading.BrokenBarrierError):
                both.wait(max_seconds)
            save(email, **options)

        with mock.patch.object(OutgoingEmail, "save", save_together):
            run_in_parallel([self.send, self.send])
        return len(self.server.mails)

    def test_two_workers_send_a_mail_once(self) -> None:
        assert self.send_at_the_same_time(1) == 1
        assert (self.mail().status, self.mail().attempts) == (Status.SENT, 1)

    def test_two_workers_send_a_mail_twice_without_the_lock(self) -> None:
        with without_row_locks(OutgoingEmail):
            assert self.send_at_the_same_time(MAX_SECONDS) == 2

    def test_claimed_mail_is_skipped_until_its_claim_expires(self) -> None:
        claimed = services._claim(self.pk)
        assert claimed is not None
        self.send()
        for seconds, count in ((1, 0), (0, 1)):
            OutgoingEmail.objects.update(due_at=timezone.now() + timedelta(seconds=seconds))
            assert publish_due_emails() == count
        self.send()
        assert (self.mail().status, self.mail().attempts, len(self.server.mails)) == (Status.SENT, 2, 1)

    def test_mail_fails_after_the_last_attempt_without_a_result(self) -> None:
        for attempts, status in (
            (services.MAX_ATTEMPTS - 1, Status.SENDING),
            (services.MAX_ATTEMPTS, Status.FAILED),
        ):
            OutgoingEmail.objects.update(status=Status.QUEUED, attempts=attempts)
            claimed = services._claim(self.pk)
            assert (claimed is not None) == (status == Status.SENDING)
            assert (self.mail().status, self.mail().attempts) == (status, services.MAX_ATTEMPTS)

    def test_late_result_of_an_expired_claim_is_ignored(self) -> None:
        def render(email: OutgoingEmail) -> EmailContent:
            self.make_due()
            publish_due_emails()
            self.send()
            raise OSError

        send_email(email_id=self.pk, render=render)
        assert (self.mail().status, self.mail().attempts, self.mail().last_error) == (Status.SENT, 2, "")

    def test_mail_is_recorded_before_the_server_responds_to_quit(self) -> None:
        self.server.quit_seconds = 3600
        with override_settings(EMAIL_TIMEOUT=25):
            sending = threading.Thread(target=self.send_and_disconnect)
            sending.start()
            wait_until(lambda: self.mail().status == Status.SENT, "the record", max_seconds=20)
            assert sending.is_alive()
            sending.join(30)

    def send_and_disconnect(self) -> None:
        self.send()
        connection.close()


class LostConnectionTest(MailCase):
    """PostgreSQL restarts between the answer of the mail server and the record."""

    @contextmanager
    def restarting(self) -> Iterator[None]:
        with Actor() as other:
            self.server.before_answer = lambda: other.do(terminate_other_connections)
            yield
        connection.close()

    def test_result_is_recorded_over_a_new_connection(self) -> None:
        with self.restarting():
            self.send()
        assert (self.mail().status, len(self.server.mails)) == (Status.SENT, 1)

    def test_result_is_lost_and_the_mail_repeated_without_the_wait(self) -> None:
        with (
            self.restarting(),
            mock.patch.object(services, "RECORD_SECONDS", 0),
            self.assertRaises(OperationalError),
        ):
            self.send()
        assert self.mail().status == Status.SENDING
        self.server.before_answer = lambda: None
        self.make_due()
        publish_due_emails()
        self.send()
        assert len(self.server.mails) == 2
        assert len(set(self.message_ids())) == 1


class LostReplyTest(MailCase):
    """PostgreSQL commits the result of an attempt, and the connection is lost before its reply."""

    def setUp(self) -> None:
        super().setUp()
        self.replies_to_lose = 1

    def lose_reply(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if self.replies_to_lose and sql.startswith("UPDATE") and "last_error" in sql:
            self.replies_to_lose -= 1
            raise OperationalError("server closed the connection unexpectedly")
        return result

    def send_and_lose_the_reply(self, render: Callable[[OutgoingEmail], EmailContent | None]) -> list[str]:
        """Send the mail and return the log."""
        # `connection.close` keeps the wrapper.
        with (
            self.assertLogs("backend.notifications", "INFO") as logs,
            connection.execute_wrapper(self.lose_reply),
        ):
            send_email(email_id=self.pk, render=render)
        assert self.replies_to_lose == 0
        return [record.getMessage() for record in logs.records]

    def test_recorded_result_is_logged(self) -> None:
        lines = self.send_and_lose_the_reply(lambda email: CONTENT)
        assert lines == [f"Mail {self.pk} (some) sent at attempt 1"]
        assert (self.mail().status, len(self.server.mails)) == (Status.SENT, 1)

    def test_recorded_failure_is_logged(self) -> None:
        def render(email: OutgoingEmail) -> EmailContent:
            raise TimeoutError

        assert self.send_and_lose_the_reply(render) == [f"Mail {self.pk} (some) not sent: TimeoutError"]
        assert self.mail().status == Status.RETRYING

    def test_mail_that_has_been_deleted_is_logged(self) -> None:
        self.replies_to_lose = 0

        def render(email: OutgoingEmail) -> EmailContent:
            OutgoingEmail.objects.all().delete()
            return CONTENT

        lines = self.send_and_lose_the_reply(render)
        assert lines == [f"Mail {self.pk} (some) has been deleted, or its claim has expired"]


class ResultTest(MailCase):
    def attempt(self, error: Exception) -> OutgoingEmail:
        """Attempt to send the mail, and return its row after the error."""

        def render(email: OutgoingEmail) -> EmailContent:
            raise error

        self.make_due()
        publish_due_emails()
        send_email(email_id=self.pk, render=render)
        return self.mail()

    def seconds_until_due(self) -> float:
        return (self.mail().due_at - timezone.now()).total_seconds()

    def test_message_id_belongs_to_the_row_and_the_domain_of_the_sender(self) -> None:
        self.send()
        (message_id,) = self.message_ids()
        assert message_id == self.mail().message_id
        assert message_id.startswith(f"<{self.pk}.")
        assert message_id.endswith("@lavka.example>")

    def test_outage_is_retried_soon_and_is_not_an_attempt(self) -> None:
        for error in (Unavailable("Redis"), OperationalError("PostgreSQL")):
            mail = self.attempt(error)
            assert (mail.status, mail.attempts) == (Status.RETRYING, 0)
            assert mail.last_error == type(error).__name__
            assert self.seconds_until_due() <= 5

    def test_error_has_the_code_of_the_server_and_no_text(self) -> None:
        refused = smtplib.SMTPRecipientsRefused({EMAIL: (450, b"vera is busy"), "b": (452, b"full")})
        for error, text in (
            (smtplib.SMTPDataError(451, f"{EMAIL} is busy".encode()), "SMTPDataError 451"),
            (smtplib.SMTPSenderRefused(421, b"Too many", "shop"), "SMTPSenderRefused 421"),
            (refused, "SMTPRecipientsRefused 450 452"),
            (smtplib.SMTPServerDisconnected(EMAIL), "SMTPServerDisconnected"),
            (TimeoutError(EMAIL), "TimeoutError"),
        ):
            assert self.attempt(error).last_error == text

    def test_delay_doubles_from_30_seconds_to_an_hour(self) -> None:
        for attempts, delay in ((0, 30), (1, 60), (6, 1920), (7, 3600), (28, 3600)):
            OutgoingEmail.objects.update(attempts=attempts)
            assert self.attempt(OSError()).status == Status.RETRYING
            assert delay - 10 < self.seconds_until_due() <= delay

    def test_mail_fails_after_thirty_attempts(self) -> None:
        for attempts, status in ((28, Status.RETRYING), (29, Status.FAILED)):
            OutgoingEmail.objects.update(attempts=attempts)
            assert self.attempt(OSError()).status == status
        self.make_due()
        assert publish_due_emails() == 0


class KilledBeforeCommitTest(WorkerCase):
    """A worker is killed after the mail server's answer, before it can commit the result."""

    def test_mail_is_sent_again_after_the_claim_expires_with_the_same_id_and_code(self) -> None:
        with Actor() as locker:
            self.mail_server.before_answer = lambda: locker.do(
                lambda: OutgoingEmail.objects.select_for_update().get() and None
            )
            self.rest.register(EMAIL, PASSWORD)
            wait_until(self.find_waiting_connections, "the worker's statement")
            self.worker.kill()
            # PostgreSQL would execute the statement that it has received.
            for (process,) in self.find_waiting_connections():
                execute("SELECT pg_terminate_backend(%s)", process)
            wait_until(lambda: not self.find_waiting_connections(), "the end of the connection")
        self.mail_server.before_answer = lambda: None
        email = OutgoingEmail.objects.get()
        assert (email.status, email.attempts, len(self.mail_server.mails)) == (Status.SENDING, 1, 1)

        self.worker.start()
        # The broker repeats the task, and beat runs before the claim expires.
        current_app.send_task(email.task, kwargs={"email_id": email.pk})
        assert publish_due_emails() == 0
        self.rest.register("after@example.com", PASSWORD)
        self.mail_server.wait_for_mail("after@example.com")
        first = self.mail_server.wait_for_mail(EMAIL)

        OutgoingEmail.objects.filter(pk=email.pk).update(due_at=timezone.now())
        assert publish_due_emails() == 1
        second = self.mail_server.wait_for_mail(EMAIL, count=2)
        assert first["Message-ID"] == second["Message-ID"]
        assert self.rest.confirm(EMAIL, find_code(first)).code is None

    def find_waiting_connections(self) -> list[tuple[int]]:
        """Return the process ids of connections that wait for a lock."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND cardinality(pg_blocking_pids(pid)) > 0"
            )
            rows: list[tuple[int]] = cursor.fetchall()
            return rows
