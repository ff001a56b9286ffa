"""The list of mails in the admin, and the action that sends failed mails again."""

from typing import Any

from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.accounts.models import User
from backend.notifications import services
from backend.notifications.models import OutgoingEmail
from backend.notifications.selectors import count_failed_emails, count_waiting_emails
from tests.catalog.admin.pages import AdminCase

LIST = "/admin/notifications/outgoingemail/"
FAILED = f"{LIST}?status__exact=failed"
Status = OutgoingEmail.Status


class EmailAdminTest(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.mails = {status: self.make_mail(status) for status in Status}

    def make_mail(self, status: str) -> OutgoingEmail:
        return OutgoingEmail.objects.create(
            task="some",
            recipient=f"{status}@example.com",
            language="en",
            status=status,
            sent_at=timezone.now() if status == Status.SENT else None,
            attempts=30,
            last_error="SMTPDataError 451" if status == Status.FAILED else "",
        )

    def run_action(self, url: str = LIST) -> Any:
        """Select every mail and send the failed ones again."""
        selected = list(OutgoingEmail.objects.values_list("pk", flat=True))
        return self.client.post(url, {"action": "send_again", "index": 0, "_selected_action": selected})

    def listed(self, url: str) -> set[str]:
        page = self.client.get(url)
        assert page.status_code == 200
        return {email.status for email in page.context["cl"].result_list}

    def test_list_is_filtered_by_status(self) -> None:
        assert self.listed(LIST) == set(Status)
        for status in Status:
            assert self.listed(f"{LIST}?status__exact={status}") == {status}

    def test_failed_mails_are_listed_with_their_errors(self) -> None:
        self.assertContains(self.client.get(FAILED), "SMTPDataError 451")

    def test_list_has_as_many_queries_for_one_mail_as_for_ten(self) -> None:
        def count(url: str) -> int:
            with CaptureQueriesContext(connection) as queries:
                self.client.get(url)
            return len(queries)

        before = {url: count(url) for url in (LIST, FAILED)}
        for _ in range(9):
            self.make_mail(Status.FAILED)
        assert {url: count(url) for url in (LIST, FAILED)} == before

    def test_action_lets_beat_publish_only_failed_mails(self) -> None:
        before = {row["status"]: row for row in OutgoingEmail.objects.values()}
        for url in (LIST, FAILED):
            response = self.run_action(url)
            assert response.status_code == 302
        failed = OutgoingEmail.objects.get(pk=self.mails[Status.FAILED].pk)
        assert (failed.status, failed.attempts) == (Status.RETRYING, 0)
        others = OutgoingEmail.objects.exclude(pk=failed.pk)
        assert {row["status"]: row for row in others.values()} == {
            status: row for status, row in before.items() if status != Status.FAILED
        }
        OutgoingEmail.objects.exclude(pk=failed.pk).delete()
        assert services.publish_due_emails() == 1
        assert OutgoingEmail.objects.get().status == Status.QUEUED

    def test_action_reports_the_number_of_mails(self) -> None:
        self.run_action()
        self.assertContains(self.client.get(LIST), "1 failed mail will be sent again.")

    def test_action_is_refused_without_the_permission_to_change(self) -> None:
        clerk = User.objects.create_user("clerk@shop.example", is_staff=True)
        self.client.force_login(clerk)
        for permissions, status in (
            (["view_outgoingemail"], Status.FAILED),
            (["view_outgoingemail", "change_outgoingemail"], Status.RETRYING),
        ):
            clerk.user_permissions.set(Permission.objects.filter(codename__in=permissions))
            self.run_action()
            assert OutgoingEmail.objects.get(pk=self.mails[Status.FAILED].pk).status == status

    def test_mails_cannot_be_added_changed_or_deleted(self) -> None:
        pk = self.mails[Status.FAILED].pk
        assert self.client.get(f"{LIST}add/").status_code == 403
        assert self.client.post(f"{LIST}{pk}/change/", {"status": "sent"}).status_code == 403
        assert self.client.post(f"{LIST}{pk}/delete/", {"post": "yes"}).status_code == 403
        assert OutgoingEmail.objects.get(pk=pk).status == Status.FAILED

    def test_metrics_count_waiting_and_failed_mails(self) -> None:
        assert (count_waiting_emails(), count_failed_emails()) == ({"": 3}, {"": 1})
        self.run_action()
        assert (count_waiting_emails(), count_failed_emails()) == ({"": 4}, {"": 0})
