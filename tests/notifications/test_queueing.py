"""How often somebody is written to, whatever asks for it at once."""

from datetime import timedelta
from typing import Any
from unittest import mock

from django.contrib.admin import site
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test import RequestFactory, TestCase, TransactionTestCase
from django.utils import timezone

from backend.accounts.models import User
from backend.core.redis import redis_client
from backend.notifications import services
from backend.notifications.admin import OutgoingEmailAdmin
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import EmailContent, enqueue_email
from tests.accounts.cases import forget_in_redis
from tests.concurrency.actors import Actor, execute

Status = OutgoingEmail.Status
RECIPIENT = "vera@example.com"
MINUTE = timedelta(minutes=1)


def queue(task: str = "some", recipient: str = RECIPIENT) -> None:
    with transaction.atomic():
        enqueue_email(task=task, recipient=recipient, language="en", min_interval=MINUTE)


def ended(status: str, seconds_ago: float, **more: Any) -> OutgoingEmail:
    """Return a mail that was done with then."""
    then = timezone.now() - timedelta(seconds=seconds_ago)
    return OutgoingEmail.objects.create(
        **{"task": "some", "recipient": RECIPIENT, "language": "en"} | more,
        status=status,
        created_at=then - timedelta(hours=1),
        sent_at=then if status == Status.SENT else None,
    )


class AtMostEvery(TestCase):
    def setUp(self) -> None:
        forget_in_redis()

    def queued(self) -> tuple[OutgoingEmail, bool]:
        """Queue a mail; return the one that is queued then, and whether it was handed over."""
        before = redis_client().llen("celery")
        with self.captureOnCommitCallbacks(execute=True):
            queue()
        email = OutgoingEmail.objects.get(status=Status.QUEUED, recipient=RECIPIENT, task="some")
        return email, redis_client().llen("celery") > before

    def assert_at_once(self) -> OutgoingEmail:
        email, handed_over = self.queued()
        self.assertTrue(handed_over)
        return email

    def test_the_first_goes_at_once(self) -> None:
        self.assert_at_once()

    def test_one_that_comes_within_the_minute_waits_for_its_end(self) -> None:
        last = ended(Status.SENT, 59)
        email, handed_over = self.queued()
        self.assertFalse(handed_over)
        self.assertEqual(email.due_at, last.sent_at + MINUTE)
        # Beat takes it then, and not before.
        self.assertEqual(services.publish_due_emails(), 0)
        OutgoingEmail.objects.filter(pk=email.pk).update(due_at=timezone.now())
        self.assertEqual(services.publish_due_emails(), 1)

    def test_one_that_comes_after_it_does_not(self) -> None:
        ended(Status.SENT, 61)
        self.assert_at_once()

    def test_one_at_most_waits(self) -> None:
        last = ended(Status.SENT, 30)
        for _ in range(3):
            email, handed_over = self.queued()
            self.assertFalse(handed_over)
            self.assertEqual(email.due_at, last.sent_at + MINUTE)

    def test_one_that_has_not_been_taken_up_is_replaced(self) -> None:
        first = self.assert_at_once()
        second = self.assert_at_once()
        self.assertNotEqual(first.pk, second.pk)

    def test_one_that_could_not_be_sent_is_tried_at_once(self) -> None:
        OutgoingEmail.objects.create(
            task="some",
            recipient=RECIPIENT,
            language="en",
            attempts=5,
            due_at=timezone.now() + timedelta(hours=1),
        )
        self.assert_at_once()

    def test_what_nobody_got_keeps_nothing_waiting(self) -> None:
        ended(Status.FAILED, 1)
        ended(Status.SKIPPED, 1)
        self.assert_at_once()

    def test_other_people_and_other_mails_are_counted_apart(self) -> None:
        ended(Status.SENT, 1, recipient="other@example.com")
        ended(Status.SENT, 1, task="another")
        OutgoingEmail.objects.create(task="another", recipient=RECIPIENT, language="en")
        self.assert_at_once()
        self.assertEqual(OutgoingEmail.objects.count(), 4)

    def test_without_it_every_mail_is_one(self) -> None:
        for _ in range(2):
            with self.captureOnCommitCallbacks(execute=True):
                enqueue_email(task="some", recipient=RECIPIENT, language="en")
        self.assertEqual(redis_client().llen("celery"), 2)
        self.assertEqual(OutgoingEmail.objects.count(), 2)


class AtOnce(TransactionTestCase):
    def setUp(self) -> None:
        forget_in_redis()

    def test_two_that_are_queued_at_once_are_one(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(queue)
            waiting = second.start(queue)
            self.assertTrue(second.waits())
            first.commit()
            waiting.result()
            second.commit()
        self.assertEqual(OutgoingEmail.objects.count(), 1)

    def test_without_the_lock_they_are_two(self) -> None:
        def queue_unlocked() -> None:
            def unlocked(run: Any, sql: str, *more: Any) -> Any:
                return run("SELECT %s" if "pg_advisory_xact_lock" in sql else sql, *more)

            with connection.execute_wrapper(unlocked):
                queue()

        with Actor() as first, Actor() as second:
            first.do(queue_unlocked)
            second.do(queue_unlocked)
            first.commit()
            second.commit()
        self.assertEqual(OutgoingEmail.objects.count(), 2)

    def test_one_that_is_being_sent_counts_as_sent_now(self) -> None:
        """It may tell what was true before; the next one follows when the minute is over."""
        queue()
        being_sent = OutgoingEmail.objects.get()

        def write(email: OutgoingEmail) -> EmailContent:
            with Actor() as other:
                other.do(queue)
                other.commit()
            return EmailContent("Subject", "Text", "<p>Text</p>")

        services.send_email(email_id=being_sent.pk, render=write)
        being_sent.refresh_from_db()
        waiting = OutgoingEmail.objects.get(status=Status.QUEUED)
        self.assertEqual(being_sent.status, Status.SENT)
        self.assertTrue(50 < (waiting.due_at - timezone.now()).total_seconds() <= 60)

    def test_if_it_did_not_what_changed_would_be_told_by_no_mail(self) -> None:
        """A twin that takes any queued row for one that is still to be written."""

        def queue_unless_queued() -> None:
            if not OutgoingEmail.objects.filter(status=Status.QUEUED).exists():
                queue()

        def write(email: OutgoingEmail) -> EmailContent:
            with Actor() as other:
                other.do(queue_unless_queued)
                other.commit()
            return EmailContent("Subject", "Text", "<p>Text</p>")

        queue()
        services.send_email(email_id=OutgoingEmail.objects.get().pk, render=write)
        self.assertEqual(OutgoingEmail.objects.get().status, Status.SENT)

    def test_a_worker_that_comes_for_a_replaced_mail_finds_nothing(self) -> None:
        queue()
        old = OutgoingEmail.objects.get().pk
        with Actor() as actor:
            actor.do(queue)
            write = mock.Mock()
            services.send_email(email_id=old, render=write)
            actor.commit()
        services.send_email(email_id=old, render=write)
        write.assert_not_called()
        self.assertNotEqual(OutgoingEmail.objects.get(status=Status.QUEUED).pk, old)

    def test_mails_are_forgotten_but_for_one_that_is_being_sent(self) -> None:
        for _ in range(2):
            with transaction.atomic():
                enqueue_email(task="some", recipient=RECIPIENT, language="en")
        being_sent = OutgoingEmail.objects.first()
        with Actor() as worker:
            worker.do(lambda: OutgoingEmail.objects.select_for_update().get(pk=being_sent.pk))
            services.delete_emails(recipient=RECIPIENT)
            self.assertEqual(OutgoingEmail.objects.get(), being_sent)


class Plans(TestCase):
    """What the indexes are for, shown where the planner may neither sort nor read everything."""

    def plan(self, queryset: QuerySet[Any]) -> str:
        execute("SET LOCAL enable_seqscan = off")
        execute("SET LOCAL enable_bitmapscan = off")
        return queryset.explain()

    def test_the_admin_lists_the_newest_without_sorting(self) -> None:
        request = RequestFactory().get("/")
        request.user = User(is_staff=True, is_superuser=True)
        admin = OutgoingEmailAdmin(OutgoingEmail, site)
        listed = admin.get_changelist_instance(request).get_queryset(request)
        plan = self.plan(listed[:100])
        self.assertIn("email_created", plan)
        self.assertNotIn("Sort", plan)
        found = admin.get_search_results(request, listed.order_by(), RECIPIENT)[0]
        self.assertIn("email_recipient_task", self.plan(found))

    def test_the_last_mail_is_found_by_its_recipient(self) -> None:
        found = OutgoingEmail.objects.filter(task="some", recipient=RECIPIENT, status__in=["queued", "sent"])
        self.assertIn("email_recipient_task", self.plan(found))
