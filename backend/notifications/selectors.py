"""Reads of outgoing mails, for the metrics and the admin."""

from collections.abc import Mapping

from django.db.models import Min
from django.utils import timezone

from backend.notifications.models import OutgoingEmail


def count_waiting_emails() -> Mapping[str, float]:
    """Return the number of mails that are neither sent nor given up, as a gauge without label."""
    return {"": OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING).count()}


def count_failed_emails() -> Mapping[str, float]:
    """Return the number of stored mails that failed for good, as a gauge without label."""
    return {"": OutgoingEmail.objects.filter(status=OutgoingEmail.Status.FAILED).count()}


def measure_email_delay() -> Mapping[str, float]:
    """Return the seconds for which the most overdue mail has been due, as a gauge without label.

    A mail is due 60 seconds after it was enqueued, if its task has not sent it at once.
    """
    waiting = OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING)
    first = waiting.aggregate(first=Min("due_at"))["first"]
    return {"": max(0.0, (timezone.now() - first).total_seconds()) if first else 0.0}


def count_failed_emails_up_to(limit: int) -> int:
    """Return the number of stored mails that failed for good, or the limit if there are more."""
    return OutgoingEmail.objects.filter(status=OutgoingEmail.Status.FAILED).order_by()[:limit].count()
