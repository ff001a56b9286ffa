"""What becomes of a mail when the worker, the mail server or the broker is away."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest import mock

from celery import Celery, current_app
from django.conf import settings
from django.db import connection, transaction
from django.test import TransactionTestCase
from django.utils import timezone
from redis import Redis

from backend.core import broker, redis
from backend.core.redis import TIMEOUT_SECONDS, redis_client
from backend.notifications import services
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import PASSWORD, WorkerCase, forget_in_redis
from tests.faults.test_services_down import dead_address
from tests.worker import Worker, code_in, wait_until

EMAIL = "vera@example.com"
Status = OutgoingEmail.Status


def time_has_come() -> None:
    """Let the mails that wait be due, and beat's task hand them over."""
    OutgoingEmail.objects.filter(status=Status.QUEUED).update(due_at=timezone.now())
    current_app.send_task("notifications.publish_due_emails")


class WorkerCaseOfOne(WorkerCase):
    """One mail, to one person."""

    def mail(self) -> OutgoingEmail:
        return OutgoingEmail.objects.get()

    def wait_for_attempt(self, number: int) -> OutgoingEmail:
        wait_until(lambda: self.mail().attempts == number, f"Attempt {number}")
        return self.mail()


class WorkerKilled(WorkerCaseOfOne):
    def test_the_mail_is_sent_once_when_it_is_back(self) -> None:
        self.mail_server.stall = True
        self.rest.register(EMAIL, PASSWORD)
        self.assertTrue(self.mail_server.stalled.wait(30))
        self.worker.kill()
        self.assertEqual((self.mail().status, self.mail_server.mails), (Status.QUEUED, []))
        self.mail_server.stall = False

        self.worker.start()
        time_has_come()
        code = code_in(self.mail_server.wait_for_mail(EMAIL))
        wait_until(lambda: self.mail().status == Status.SENT, "The row's end")
        self.assertIsNone(self.rest.confirm(EMAIL, code).code)

        # The broker brings back what the killed worker had taken; beat may be early.
        for _ in range(2):
            current_app.send_task("accounts.send_confirmation_code", kwargs={"email_id": self.mail().pk})
        self.rest.register("after@example.com", PASSWORD)
        self.mail_server.wait_for_mail("after@example.com")
        self.mail_server.wait_for_mail(EMAIL, count=1)

    def test_a_mail_that_is_being_sent_is_not_sent_by_another(self) -> None:
        self.mail_server.stall = True
        second = Worker(self.mail_server)
        self.addCleanup(second.stop)
        second.start()
        self.rest.register(EMAIL, PASSWORD)
        self.assertTrue(self.mail_server.stalled.wait(30))
        self.mail_server.stall = False
        workers = (self.worker, second)
        done = {worker: worker.output().count("succeeded in") for worker in workers}
        # One of the workers hangs in it; the other takes the same task and leaves the mail alone.
        current_app.send_task("accounts.send_confirmation_code", kwargs={"email_id": self.mail().pk})
        (idle,) = wait_until(
            lambda: [worker for worker in workers if worker.output().count("succeeded in") > done[worker]],
            "The second task",
        )
        self.assertEqual((self.mail_server.mails, self.mail().attempts), ([], 0))
        (second if idle is self.worker else self.worker).kill()
        current_app.send_task("accounts.send_confirmation_code", kwargs={"email_id": self.mail().pk})
        self.assertIsNone(self.rest.confirm(EMAIL, code_in(self.mail_server.wait_for_mail(EMAIL))).code)


class MailServerDown(WorkerCaseOfOne):
    def test_the_mail_arrives_when_it_is_back(self) -> None:
        self.mail_server.stop()
        started = time.monotonic()
        self.assertIsNone(self.rest.register(EMAIL, PASSWORD).code)
        self.assertLess(time.monotonic() - started, 2)
        for attempt, seconds in ((1, 30), (2, 60), (3, 120)):
            mail = self.wait_for_attempt(attempt)
            self.assertEqual((mail.status, mail.last_error), (Status.QUEUED, "ConnectionRefusedError"))
            delay = (mail.due_at - timezone.now()).total_seconds()
            self.assertTrue(seconds - 10 < delay <= seconds, delay)
            if attempt < 3:
                time_has_come()
        self.mail_server.start()
        time_has_come()
        code = code_in(self.mail_server.wait_for_mail(EMAIL))
        self.assertIsNone(self.rest.confirm(EMAIL, code).code)
        wait_until(lambda: self.mail().status == Status.SENT, "The row's end")
        self.assertEqual((self.mail().attempts, self.mail().last_error), (4, ""))

    def test_a_server_that_refuses_for_now(self) -> None:
        self.mail_server.refusal = "451 Later"
        self.rest.register(EMAIL, PASSWORD)
        mail = self.wait_for_attempt(1)
        self.assertEqual((mail.status, mail.last_error), (Status.QUEUED, "SMTPDataError"))
        self.mail_server.refusal = None
        time_has_come()
        self.mail_server.wait_for_mail(EMAIL)

    def test_an_address_that_does_not_exist(self) -> None:
        self.mail_server.refused_recipients[EMAIL] = "550 No such user"
        self.rest.register(EMAIL, PASSWORD)
        mail = self.wait_for_attempt(1)
        self.assertEqual((mail.status, mail.last_error), (Status.FAILED, "SMTPRecipientsRefused"))

    def test_an_address_that_has_no_room_now(self) -> None:
        self.mail_server.refused_recipients[EMAIL] = "452 Mailbox full"
        self.rest.register(EMAIL, PASSWORD)
        self.assertEqual(self.wait_for_attempt(1).status, Status.QUEUED)

    def test_a_mail_that_cannot_be_written_does_not_go_round_for_ever(self) -> None:
        with transaction.atomic():
            # A line break can come into a header only by a fault of ours.
            services.enqueue_email(
                task="accounts.send_already_registered", recipient="vera\n@example.com", language="en"
            )
        mail = self.wait_for_attempt(1)
        self.assertEqual((mail.status, mail.last_error), (Status.QUEUED, "ValueError"))
        OutgoingEmail.objects.update(attempts=services.MAX_ATTEMPTS - 1)
        time_has_come()
        self.assertEqual(self.wait_for_attempt(services.MAX_ATTEMPTS).status, Status.FAILED)
        self.assertIn("could not be rendered", self.worker.output())


class BrokerDown(TransactionTestCase):
    """The mail is committed, and then nobody takes it."""

    def setUp(self) -> None:
        forget_in_redis()
        self.addCleanup(setattr, redis, "_skip_until", 0.0)

    def queue(self) -> None:
        """Queue a mail, as an action would that needs no Redis itself."""
        OutgoingEmail.objects.all().delete()
        started = time.monotonic()
        with transaction.atomic():
            services.enqueue_email(task="accounts.send_already_registered", recipient=EMAIL, language="en")
        # Twice the timeout: a connection that is closed is opened again once.
        self.assertLess(time.monotonic() - started, 2 * TIMEOUT_SECONDS + 0.9)
        mail = OutgoingEmail.objects.get()
        self.assertEqual((mail.status, mail.attempts), (Status.QUEUED, 0))
        self.assertTrue(50 < (mail.due_at - timezone.now()).total_seconds() <= 60)

    def test_redis_that_is_down_or_silent(self) -> None:
        with dead_address() as address:
            for way in address.ways():
                redis._skip_until = 0.0
                options = redis_client().connection_pool.connection_kwargs
                timeouts = {name: value for name, value in options.items() if "timeout" in name}
                dead = Redis.from_url(
                    f"redis://{address.host}:{address.port}/0", **timeouts, retry=options["retry"]
                )
                with self.subTest(way), mock.patch("backend.core.redis.redis_client", return_value=dead):
                    self.queue()
                    started = time.monotonic()
                    self.queue()
                    # A silent one is waited for once.
                    self.assertLess(time.monotonic() - started, TIMEOUT_SECONDS / 2)
                    self.assertEqual(redis_client().llen("celery"), 0)
        self.queue()
        self.assertEqual(redis_client().llen("celery"), 0)
        redis._skip_until = time.monotonic()
        self.queue()
        self.assertEqual(redis_client().llen("celery"), 1)

    def test_a_broker_that_goes_away_just_then(self) -> None:
        with dead_address() as address:
            for way in address.ways():
                app = Celery(set_as_current=False, broker=f"redis://{address.host}:{address.port}/0")
                app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
                with self.subTest(way), mock.patch.object(broker, "current_app", app):
                    self.queue()

    def test_beat_hands_over_what_was_left(self) -> None:
        with mock.patch.object(broker, "is_redis_available", return_value=False):
            self.queue()
        self.assertEqual(redis_client().llen("celery"), 0)
        self.assertEqual(services.publish_due_emails(), 0)
        OutgoingEmail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        self.assertEqual(services.publish_due_emails(), 1)
        self.assertEqual(redis_client().llen("celery"), 1)
        # It is not handed over again at once.
        self.assertEqual(services.publish_due_emails(), 0)

    def test_beat_leaves_a_mail_that_is_being_sent_to_its_worker(self) -> None:
        self.queue()
        OutgoingEmail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        before = redis_client().llen("celery")

        def beat() -> int:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET lock_timeout = '3s'")
                return services.publish_due_emails()
            finally:
                connection.close()

        def write(email: OutgoingEmail) -> None:
            with ThreadPoolExecutor(1) as thread:
                # The row stays locked until this returns.
                self.assertEqual(thread.submit(beat).result(5), 0)
            raise OSError

        services.send_email(email_id=OutgoingEmail.objects.get().pk, render=write)
        mail = OutgoingEmail.objects.get()
        self.assertEqual((mail.attempts, mail.last_error), (1, "OSError"))
        self.assertLess((mail.due_at - timezone.now()).total_seconds(), 31)
        self.assertEqual(redis_client().llen("celery"), before)

    def test_beat_hands_over_after_its_commit(self) -> None:
        with mock.patch.object(broker, "is_redis_available", return_value=False):
            self.queue()
        OutgoingEmail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        in_transaction: list[bool] = []
        publish = mock.Mock(side_effect=lambda _: in_transaction.append(connection.in_atomic_block))
        with mock.patch.object(services, "_publish", publish):
            self.assertEqual(services.publish_due_emails(), 1)
        self.assertEqual(in_transaction, [False])
