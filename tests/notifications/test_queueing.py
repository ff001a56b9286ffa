"""Enqueueing of mails, and the least interval between them."""

from datetime import timedelta
from typing import Any
from unittest import mock

from django.contrib.admin import site
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test import RequestFactory, TestCase, TransactionTestCase
from django.utils import timezone

from backend.accounts.models import User
from backend.core.redis import get_redis_client
from backend.notifications import services
from backend.notifications.admin import OutgoingEmailAdmin
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import EmailContent, enqueue_email
from tests.accounts.cases import clear_redis
from tests.concurrency.actors import Actor, execute

Status = OutgoingEmail.Status
RECIPIENT = "vera@example.com"
MINUTE = timedelta(minutes=1)


def queue(task: str = "some", recipient: str = RECIPIENT) -> None:
    with transaction.atomic():
        enqueue_email(task=task, recipient=recipient, language="en", min_interval=MINUTE)


def make_finished(status: str, seconds_ago: float, **more: Any) -> OutgoingEmail:
    """Create a mail that finished some seconds ago."""
    then = timezone.now() - timedelta(seconds=seconds_ago)
    return OutgoingEmail.objects.create(
        **{"task": "some", "recipient": RECIPIENT, "language": "en"} | more,
        status=status,
        created_at=then - timedelta(hours=1),
        sent_at=then if status == Status.SENT else None,
    )


class IntervalTest(TestCase):
    def setUp(self) -> None:
        clear_redis()

    def queued(self) -> tuple[OutgoingEmail, bool]:
        """Enqueue a mail. Return the queued row and whether its task was published."""
        before = get_redis_client().llen("celery")
        with self.captureOnCommitCallbacks(execute=True):
            queue()
        email = OutgoingEmail.objects.get(status=Status.QUEUED, recipient=RECIPIENT, task="some")
        return email, get_redis_client().llen("celery") > before

    def assert_published_at_once(self) -> OutgoingEmail:
        email, is_published = self.queued()
        assert is_published
        return email

    def test_first_mail_is_published_at_once(self) -> None:
        self.assert_published_at_once()

    def test_mail_within_the_interval_is_delayed(self) -> None:
        last = make_finished(Status.SENT, 59)
        email, is_published = self.queued()
        assert not is_published
        assert email.due_at == last.sent_at + MINUTE
        # Beat publishes it only when it is due.
        assert services.publish_due_emails() == 0
        OutgoingEmail.objects.filter(pk=email.pk).update(due_at=timezone.now())
        assert services.publish_due_emails() == 1

    def test_mail_after_the_interval_is_published_at_once(self) -> None:
        make_finished(Status.SENT, 61)
        self.assert_published_at_once()

    def test_at_most_one_mail_waits(self) -> None:
        last = make_finished(Status.SENT, 30)
        for _ in range(3):
            email, is_published = self.queued()
            assert not is_published
            assert email.due_at == last.sent_at + MINUTE

    def test_queued_mail_is_replaced(self) -> None:
        first = self.assert_published_at_once()
        second = self.assert_published_at_once()
        assert first.pk != second.pk

    def test_new_mail_replaces_a_mail_that_waits_for_a_retry(self) -> None:
        OutgoingEmail.objects.create(
            task="some",
            recipient=RECIPIENT,
            language="en",
            attempts=5,
            due_at=timezone.now() + timedelta(hours=1),
        )
        self.assert_published_at_once()

    def test_unsent_mails_do_not_delay_others(self) -> None:
        make_finished(Status.FAILED, 1)
        make_finished(Status.SKIPPED, 1)
        self.assert_published_at_once()

    def test_interval_is_per_recipient_and_task(self) -> None:
        make_finished(Status.SENT, 1, recipient="other@example.com")
        make_finished(Status.SENT, 1, task="another")
        OutgoingEmail.objects.create(task="another", recipient=RECIPIENT, language="en")
        self.assert_published_at_once()
        assert OutgoingEmail.objects.count() == 4

    def test_mails_without_interval_are_not_merged(self) -> None:
        for _ in range(2):
            with self.captureOnCommitCallbacks(execute=True):
                enqueue_email(task="some", recipient=RECIPIENT, language="en")
        assert get_redis_client().llen("celery") == 2
        assert OutgoingEmail.objects.count() == 2


class ParallelEnqueueTest(TransactionTestCase):
    def setUp(self) -> None:
        clear_redis()

    def test_parallel_mails_are_merged(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(queue)
            waiting = second.start(queue)
            assert second.waits()
            first.commit()
            waiting.result()
            second.commit()
        assert OutgoingEmail.objects.count() == 1

    def test_parallel_mails_are_not_merged_without_the_lock(self) -> None:
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
        assert OutgoingEmail.objects.count() == 2

    def test_mail_being_sent_counts_as_sent_now(self) -> None:
        """Its content may be outdated, so the next mail follows after the interval."""
        queue()
        being_sent = OutgoingEmail.objects.get()

        def render(email: OutgoingEmail) -> EmailContent:
            with Actor() as other:
                other.do(queue)
                other.commit()
            return EmailContent("Subject", "Text", "<p>Text</p>")

        services.send_email(email_id=being_sent.pk, render=render)
        being_sent.refresh_from_db()
        waiting = OutgoingEmail.objects.get(status=Status.QUEUED)
        assert being_sent.status == Status.SENT
        assert 50 < (waiting.due_at - timezone.now()).total_seconds() <= 60

    def test_change_is_lost_if_a_mail_being_sent_counts_as_queued(self) -> None:
        """The twin treats every waiting row as not yet rendered."""

        def queue_unless_waiting() -> None:
            if not OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING).exists():
                queue()

        def render(email: OutgoingEmail) -> EmailContent:
            with Actor() as other:
                other.do(queue_unless_waiting)
                other.commit()
            return EmailContent("Subject", "Text", "<p>Text</p>")

        queue()
        services.send_email(email_id=OutgoingEmail.objects.get().pk, render=render)
        assert OutgoingEmail.objects.get().status == Status.SENT

    def test_worker_skips_a_replaced_mail(self) -> None:
        queue()
        old = OutgoingEmail.objects.get().pk
        with Actor() as actor:
            actor.do(queue)
            render = mock.Mock()
            services.send_email(email_id=old, render=render)
            actor.commit()
        services.send_email(email_id=old, render=render)
        render.assert_not_called()
        assert OutgoingEmail.objects.get(status=Status.QUEUED).pk != old

    def test_mail_deleted_while_it_is_sent_stays_deleted(self) -> None:
        for recipient in (RECIPIENT, RECIPIENT, "other@example.com"):
            with transaction.atomic():
                enqueue_email(task="some", recipient=recipient, language="en")

        def render(email: OutgoingEmail) -> EmailContent:
            services.delete_emails(recipient=RECIPIENT)
            return EmailContent("Subject", "Text", "<p>Text</p>")

        services.send_email(email_id=OutgoingEmail.objects.first().pk, render=render)
        assert OutgoingEmail.objects.get().recipient == "other@example.com"


class QueryPlanTest(TestCase):
    """Queries that use the indexes when sequential scans are disabled."""

    @classmethod
    def setUpTestData(cls) -> None:
        # An empty table can have the statistics of other tests.
        OutgoingEmail.objects.bulk_create(
            OutgoingEmail(
                task=f"task {number % 7}",
                recipient=f"{number}@example.com",
                language="en",
                status=Status.SENT,
                sent_at=timezone.now(),
            )
            for number in range(1000)
        )
        execute("ANALYZE notifications_outgoingemail")

    def plan(self, queryset: QuerySet[Any]) -> str:
        execute("SET LOCAL enable_seqscan = off")
        execute("SET LOCAL enable_bitmapscan = off")
        return queryset.explain()

    def test_admin_list_and_search_use_indexes(self) -> None:
        request = RequestFactory().get("/")
        request.user = User(is_staff=True, is_superuser=True)
        admin = OutgoingEmailAdmin(OutgoingEmail, site)
        listed = admin.get_changelist_instance(request).get_queryset(request)
        plan = self.plan(listed[:100])
        assert "email_created" in plan
        assert "Sort" not in plan
        found = admin.get_search_results(request, listed.order_by(), RECIPIENT)[0]
        assert "email_recipient_task" in self.plan(found)

    def test_last_mail_is_found_by_index(self) -> None:
        found = OutgoingEmail.objects.filter(task="some", recipient=RECIPIENT, status__in=["queued", "sent"])
        assert "email_recipient_task" in self.plan(found)

    def test_waiting_and_failed_mails_are_found_by_index(self) -> None:
        waiting = OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING, due_at__lte=timezone.now())
        # The query of the release before the status "sending".
        queued = OutgoingEmail.objects.filter(status=Status.QUEUED, due_at__lte=timezone.now())
        for found in (waiting, queued):
            assert "email_waiting" in self.plan(found.order_by("due_at"))
        assert "email_failed" in self.plan(OutgoingEmail.objects.filter(status=Status.FAILED).order_by())
