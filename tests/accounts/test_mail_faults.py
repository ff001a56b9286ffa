"""Delivery of mails when the worker, the mail server or the broker fails."""

import time
from datetime import timedelta
from unittest import mock

from celery import Celery, current_app
from django.conf import settings
from django.db import connection, transaction
from django.test import TransactionTestCase
from django.utils import timezone
from redis import Redis

from backend.core import broker, redis
from backend.core.redis import TIMEOUT_SECONDS, get_redis_client
from backend.notifications import services
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import PASSWORD, WorkerCase, clear_redis
from tests.concurrency.actors import Actor
from tests.faults.test_services_down import dead_address
from tests.support.worker import Worker, find_code, wait_until

EMAIL = "vera@example.com"
Status = OutgoingEmail.Status


def publish_emails_now() -> None:
    """Make all waiting mails due, also those of a dead worker, and run the task that publishes them."""
    OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING).update(due_at=timezone.now())
    current_app.send_task("notifications.publish_due_emails")


class OneEmailCase(WorkerCase):
    """Tests with a single mail."""

    def mail(self) -> OutgoingEmail:
        return OutgoingEmail.objects.get()

    def wait_for_attempt(self, number: int) -> OutgoingEmail:
        """Wait for the result of an attempt."""
        done = OutgoingEmail.objects.exclude(status=Status.SENDING).filter(attempts=number)
        wait_until(done.exists, f"attempt {number}")
        return self.mail()


class KilledWorkerTest(OneEmailCase):
    def test_mail_is_sent_once_after_a_worker_is_killed(self) -> None:
        self.mail_server.stall = True
        self.rest.register(EMAIL, PASSWORD)
        assert self.mail_server.stalled.wait(30)
        self.worker.kill()
        assert (self.mail().status, self.mail_server.mails) == (Status.SENDING, [])
        self.mail_server.stall = False

        self.worker.start()
        publish_emails_now()
        code = find_code(self.mail_server.wait_for_mail(EMAIL))
        wait_until(lambda: self.mail().status == Status.SENT, "the mail to be sent")
        assert self.rest.confirm(EMAIL, code).code is None

        # The broker redelivers the task of the killed worker, and beat may publish it again.
        for _ in range(2):
            current_app.send_task("accounts.send_confirmation_code", kwargs={"email_id": self.mail().pk})
        self.rest.register("after@example.com", PASSWORD)
        self.mail_server.wait_for_mail("after@example.com")
        self.mail_server.wait_for_mail(EMAIL, count=1)

    def test_mail_claimed_by_a_worker_is_skipped_by_others(self) -> None:
        self.mail_server.stall = True
        second = Worker(self.mail_server)
        self.addCleanup(second.stop)
        second.start()
        self.rest.register(EMAIL, PASSWORD)
        assert self.mail_server.stalled.wait(30)
        self.mail_server.stall = False
        workers = (self.worker, second)
        done = {worker: worker.output().count("succeeded in") for worker in workers}
        # One worker is blocked while it sends the mail. The other receives the same task and skips the mail.
        current_app.send_task("accounts.send_confirmation_code", kwargs={"email_id": self.mail().pk})
        (idle,) = wait_until(
            lambda: [worker for worker in workers if worker.output().count("succeeded in") > done[worker]],
            "the second task",
        )
        assert (self.mail_server.mails, self.mail().attempts) == ([], 1)
        (second if idle is self.worker else self.worker).kill()
        publish_emails_now()
        assert self.rest.confirm(EMAIL, find_code(self.mail_server.wait_for_mail(EMAIL))).code is None


class MailServerDownTest(OneEmailCase):
    def test_mail_is_retried_until_the_server_is_back(self) -> None:
        self.mail_server.stop()
        started = time.monotonic()
        assert self.rest.register(EMAIL, PASSWORD).code is None
        assert time.monotonic() - started < 2
        for attempt, seconds in ((1, 30), (2, 60), (3, 120)):
            mail = self.wait_for_attempt(attempt)
            assert (mail.status, mail.last_error) == (Status.RETRYING, "ConnectionRefusedError")
            delay = (mail.due_at - timezone.now()).total_seconds()
            assert seconds - 10 < delay <= seconds, delay
            if attempt < 3:
                publish_emails_now()
        self.mail_server.start()
        publish_emails_now()
        code = find_code(self.mail_server.wait_for_mail(EMAIL))
        assert self.rest.confirm(EMAIL, code).code is None
        wait_until(lambda: self.mail().status == Status.SENT, "the mail to be sent")
        assert (self.mail().attempts, self.mail().last_error) == (4, "")

    def test_temporary_refusal_is_retried(self) -> None:
        self.mail_server.refusal = "451 Later"
        self.rest.register(EMAIL, PASSWORD)
        mail = self.wait_for_attempt(1)
        assert (mail.status, mail.last_error) == (Status.RETRYING, "SMTPDataError 451")
        self.mail_server.refusal = None
        publish_emails_now()
        self.mail_server.wait_for_mail(EMAIL)

    def test_unknown_recipient_fails_at_once(self) -> None:
        self.mail_server.refused_recipients[EMAIL] = "550 No such user"
        self.rest.register(EMAIL, PASSWORD)
        mail = self.wait_for_attempt(1)
        assert (mail.status, mail.last_error) == (Status.FAILED, "SMTPRecipientsRefused 550")

    def test_full_mailbox_is_retried(self) -> None:
        self.mail_server.refused_recipients[EMAIL] = "452 Mailbox full"
        self.rest.register(EMAIL, PASSWORD)
        assert self.wait_for_attempt(1).status == Status.RETRYING

    def test_mail_that_cannot_be_rendered_fails_after_all_attempts(self) -> None:
        with transaction.atomic():
            # A line break in a header stands for any bug that makes rendering fail.
            services.enqueue_email(
                task="accounts.send_already_registered", recipient="vera\n@example.com", language="en"
            )
        mail = self.wait_for_attempt(1)
        assert (mail.status, mail.last_error) == (Status.RETRYING, "ValueError")
        OutgoingEmail.objects.update(attempts=services.MAX_ATTEMPTS - 1)
        publish_emails_now()
        assert self.wait_for_attempt(services.MAX_ATTEMPTS).status == Status.FAILED
        assert "could not be rendered" in self.worker.output()


class BrokerDownTest(TransactionTestCase):
    """Mails are stored even if their tasks cannot be published."""

    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(setattr, redis, "_skip_until", 0.0)

    def queue(self) -> OutgoingEmail:
        """Enqueue a mail as an action that does not require Redis."""
        OutgoingEmail.objects.all().delete()
        started = time.monotonic()
        with transaction.atomic():
            services.enqueue_email(task="accounts.send_already_registered", recipient=EMAIL, language="en")
        # Two timeouts, because a closed connection is opened again once.
        assert time.monotonic() - started < 2 * TIMEOUT_SECONDS + 0.9
        mail = OutgoingEmail.objects.get()
        assert (mail.status, mail.attempts) == (Status.QUEUED, 0)
        return mail

    def assert_due(self, mail: OutgoingEmail, seconds: float) -> None:
        """Assert that beat will publish a mail in this time."""
        assert seconds - 10 < (mail.due_at - timezone.now()).total_seconds() <= seconds

    def test_mail_is_stored_while_redis_is_down_or_silent(self) -> None:
        with dead_address() as address:
            for way in address.ways():
                redis._skip_until = 0.0
                options = get_redis_client().connection_pool.connection_kwargs
                timeouts = {name: value for name, value in options.items() if "timeout" in name}
                dead = Redis.from_url(
                    f"redis://{address.host}:{address.port}/0", **timeouts, retry=options["retry"]
                )
                with self.subTest(way), mock.patch("backend.core.redis.get_redis_client", return_value=dead):
                    self.assert_due(self.queue(), 0)
                    started = time.monotonic()
                    self.queue()
                    # Redis is skipped after the first failure.
                    assert time.monotonic() - started < TIMEOUT_SECONDS / 2
                    assert get_redis_client().llen("celery") == 0
        self.queue()
        assert get_redis_client().llen("celery") == 0
        redis._skip_until = time.monotonic()
        self.assert_due(self.queue(), 60)
        assert get_redis_client().llen("celery") == 1

    def test_mail_is_stored_when_the_broker_disappears(self) -> None:
        with dead_address() as address:
            for way in address.ways():
                app = Celery(set_as_current=False, broker=f"redis://{address.host}:{address.port}/0")
                app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
                with self.subTest(way), mock.patch.object(broker, "current_app", app):
                    self.assert_due(self.queue(), 0)

    def test_beat_publishes_mails_that_the_broker_missed(self) -> None:
        with mock.patch.object(broker, "is_redis_available", return_value=False):
            self.queue()
            # The broker is still down, so the mail stays due.
            assert services.publish_due_emails() == 1
        assert get_redis_client().llen("celery") == 0
        assert services.publish_due_emails() == 1
        assert get_redis_client().llen("celery") == 1
        # It is not published again at once.
        assert services.publish_due_emails() == 0

    def test_beat_skips_mails_that_a_worker_is_claiming(self) -> None:
        self.queue()
        OutgoingEmail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        with Actor() as worker:
            worker.do(lambda: OutgoingEmail.objects.select_for_update().get())
            with Actor() as beat:
                assert beat.do(services.publish_due_emails) == 0
        assert services.publish_due_emails() == 1

    def test_beat_publishes_after_its_commit(self) -> None:
        with mock.patch.object(broker, "is_redis_available", return_value=False):
            self.queue()
        in_transaction: list[bool] = []
        publish = mock.Mock(side_effect=lambda _: in_transaction.append(connection.in_atomic_block))
        with mock.patch.object(services, "_publish", publish):
            assert services.publish_due_emails() == 1
        assert in_transaction == [False]
