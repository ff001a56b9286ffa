"""Nightly deletion of mails, sessions and unconfirmed accounts."""

from datetime import timedelta
from typing import Any
from unittest import mock

from celery import current_app
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.accounts.models import Session, User
from backend.accounts.services import cleanup
from backend.accounts.tokens import read_refresh_token
from backend.core import db
from backend.notifications import services as outbox
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import (
    OTHER_PASSWORD,
    AccountCase,
    clear_rate_limits,
    log_in,
    make_unconfirmed_user,
    make_user,
)


def ago(**time: int) -> Any:
    return timezone.now() - timedelta(**time)


class CleanupTest(AccountCase):
    def test_every_scheduled_task_exists(self) -> None:
        current_app.loader.import_default_modules()
        for entry in settings.CELERY_BEAT_SCHEDULE.values():
            assert entry["task"] in current_app.tasks

    def run_task(self, name: str) -> None:
        current_app.loader.import_default_modules()
        current_app.tasks[name]()

    def test_finished_mails_are_deleted_after_thirty_days(self) -> None:
        kept = []
        for status in OutgoingEmail.Status:
            for days in (29, 31):
                sent_at = ago(days=days) if status == "sent" else None
                email = OutgoingEmail.objects.create(
                    task="some",
                    recipient="vera@example.com",
                    language="en",
                    status=status,
                    sent_at=sent_at,
                    created_at=ago(days=days),
                )
                if days == 29 or status in OutgoingEmail.WAITING:
                    kept.append(email.pk)
        self.run_task("notifications.delete_finished_emails")
        assert set(OutgoingEmail.objects.values_list("pk", flat=True)) == set(kept)

    def test_expired_sessions_are_deleted(self) -> None:
        user = make_user()
        over, almost = log_in(user), log_in(user)
        first, second = Session.objects.order_by("created_at")
        Session.objects.filter(pk=first.pk).update(expires_at=ago(seconds=1))
        self.run_task("accounts.delete_ended_sessions")
        assert Session.objects.get().pk == second.pk
        assert self.rest.read(f"Bearer {over.access_token}").code == "TOKEN_INVALID"
        assert self.rest.read(f"Bearer {almost.access_token}").code is None

    def test_sessions_of_an_old_password_are_deleted(self) -> None:
        user, other = make_user(), make_user("other@example.com")
        log_in(user)
        kept = log_in(other)
        user.set_password(OTHER_PASSWORD)
        user.save()
        # A deactivated account may be activated again, so its sessions stay.
        User.objects.filter(pk=other.pk).update(is_active=False)
        self.run_task("accounts.delete_ended_sessions")
        assert Session.objects.get().pk == read_refresh_token(kept.refresh_token)[0]

    def test_unconfirmed_accounts_are_deleted_after_seven_days(self) -> None:
        def joined(user: User, **time: int) -> User:
            User.objects.filter(pk=user.pk).update(date_joined=ago(**time))
            return user

        joined(make_unconfirmed_user("old@example.com"), days=7, minutes=1)
        staff = joined(make_unconfirmed_user("staff@example.com"), days=30)
        once_in = joined(make_unconfirmed_user("once@example.com"), days=30)
        again = joined(make_unconfirmed_user("again@example.com"), days=30)
        User.objects.filter(pk=staff.pk).update(is_staff=True)
        User.objects.filter(pk=once_in.pk).update(last_login=ago(days=20))
        assert self.rest.register(again.email, OTHER_PASSWORD).code is None
        kept = [
            staff,
            once_in,
            again,
            joined(make_unconfirmed_user("new@example.com"), days=6, hours=23),
            joined(make_user("confirmed@example.com"), days=30),
        ]
        self.run_task("accounts.delete_unconfirmed_accounts")
        assert set(User.objects.all()) == set(kept)
        clear_rate_limits()

    def test_rows_are_deleted_in_batches(self) -> None:
        def fill(count: int) -> None:
            for number in range(count):
                OutgoingEmail.objects.create(
                    task="some",
                    recipient=f"user{number}@example.com",
                    language="en",
                    status="failed",
                    created_at=ago(days=40),
                )

        for count, deletions in ((0, 0), (2, 1), (3, 1), (4, 2), (7, 3)):
            fill(count)
            with (
                mock.patch.object(db.delete_in_batches, "__defaults__", (3,)),
                CaptureQueriesContext(connection) as queries,
            ):
                assert outbox.delete_finished_emails() == count
            deleting = [query for query in queries if query["sql"].startswith("DELETE")]
            assert len(deleting) == deletions
        assert not OutgoingEmail.objects.exists()

    def test_cleanup_returns_the_number_of_rows(self) -> None:
        log_in(make_user())
        make_unconfirmed_user("waiting@example.com")
        assert cleanup.delete_ended_sessions() == 0
        assert cleanup.delete_unconfirmed_accounts() == 0
        Session.objects.update(expires_at=ago(days=1))
        User.objects.update(date_joined=ago(days=8))
        assert cleanup.delete_ended_sessions() == 1
        assert cleanup.delete_unconfirmed_accounts() == 1
