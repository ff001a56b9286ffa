"""Enqueue and send mails. Mails are stored as rows; the broker only makes their delivery faster."""

import logging
import smtplib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.db import DatabaseError, connection, transaction
from django.db.models import Max, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from backend.core.broker import enqueue
from backend.core.compiled_query import CompiledInsert
from backend.core.db import delete_in_batches
from backend.core.errors import Unavailable
from backend.notifications.models import OutgoingEmail

logger = logging.getLogger(__name__)

# Beat publishes the task of a mail again if no worker has finished it in this time.
STALE_AFTER = timedelta(seconds=60)
# The delay between two attempts doubles from the first to the second value.
MIN_RETRY_DELAY = timedelta(seconds=30)
MAX_RETRY_DELAY = timedelta(hours=1)
# About one day of attempts.
MAX_ATTEMPTS = 30
MAX_PUBLISHED_AT_ONCE = 500
FINISHED_RETENTION = timedelta(days=30)

_INSERT_EMAIL = CompiledInsert(OutgoingEmail)


@dataclass(frozen=True, slots=True)
class EmailContent:
    """The subject and the body of a mail, as plain text and as HTML."""

    subject: str
    text: str
    html: str


def enqueue_email(
    *,
    task: str,
    recipient: str,
    language: str,
    context: dict[str, Any] | None = None,
    min_interval: timedelta | None = None,
) -> None:
    """Store a mail in the caller's transaction, and publish its task when the transaction commits.

    If the broker is down, beat publishes the task later.

    With `min_interval`, a mail that follows the last one too soon is delayed. It replaces a mail of the
    same task and recipient that is already waiting.

    Args:
        task: the name of the Celery task that renders and sends the mail, called with `email_id`.
        recipient: one e-mail address.
        language: "ru" or "en".
        context: variables of the template; they must not contain secrets.
        min_interval: the least time between two mails of this task to this recipient.
    """
    now = timezone.now()
    last_sent_at = _replace_waiting(task, recipient, now) if min_interval is not None else None
    earliest = last_sent_at + min_interval if last_sent_at is not None and min_interval is not None else now
    email = OutgoingEmail(
        task=task,
        recipient=recipient,
        language=language,
        context=context or {},
        due_at=earliest if earliest > now else now + STALE_AFTER,
    )
    _INSERT_EMAIL.run([email])
    if earliest <= now:
        transaction.on_commit(lambda: _publish([email]), robust=True)


def send_email(*, email_id: int, render: Callable[[OutgoingEmail], EmailContent | None]) -> None:
    """Send a queued mail over SMTP, unless it is finished or another worker is sending it.

    The row is locked while the mail is sent. If the worker dies, the mail stays queued.

    Args:
        email_id: primary key of the `OutgoingEmail`.
        render: returns the content, or None if the mail is no longer needed; the mail is then skipped.
    """
    with transaction.atomic():
        queued = OutgoingEmail.objects.select_for_update(skip_locked=True).filter(
            pk=email_id, status=OutgoingEmail.Status.QUEUED
        )
        email = queued.first()
        if email is None:
            return
        email.attempts += 1
        try:
            content = render(email)
            if content is not None:
                _deliver(email, content)
        except (smtplib.SMTPException, OSError, Unavailable) as error:
            _schedule_retry(email, error)
            return
        except DatabaseError:
            raise
        except Exception as error:
            # A bug must count as an attempt, or the mail would be tried every minute forever. The message
            # of the exception is not logged, because it can contain the code.
            trace = "".join(traceback.format_tb(error.__traceback__))
            logger.error("Mail %s (%s) could not be rendered:\n%s", email.pk, email.task, trace)
            _schedule_retry(email, error)
            return
        if content is not None:
            email.status = OutgoingEmail.Status.SENT
            email.sent_at = timezone.now()
        else:
            email.status = OutgoingEmail.Status.SKIPPED
        email.last_error = ""
        email.save()
    logger.info("Mail %s (%s) %s at attempt %s", email.pk, email.task, email.status, email.attempts)


def publish_due_emails() -> int:
    """Publish the tasks of queued mails that are due. Return their number.

    Rows that a worker has locked are skipped: the worker itself sets the time of the next attempt.
    """
    with transaction.atomic():
        due = (
            OutgoingEmail.objects.select_for_update(skip_locked=True)
            .filter(status=OutgoingEmail.Status.QUEUED, due_at__lte=timezone.now())
            .order_by("due_at")
        )
        emails = list(due[:MAX_PUBLISHED_AT_ONCE])
        OutgoingEmail.objects.filter(pk__in=[email.pk for email in emails]).update(
            due_at=timezone.now() + STALE_AFTER
        )
        # Publish after the commit: a fast worker would find the rows locked and skip them.
        transaction.on_commit(lambda: _publish(emails), robust=True)
    return len(emails)


def delete_emails(*, recipient: str) -> None:
    """Delete all mails to an address, except one that a worker is sending."""
    emails = OutgoingEmail.objects.filter(recipient=recipient)
    emails.filter(pk__in=emails.select_for_update(skip_locked=True).values("pk")).delete()


def delete_finished_emails() -> int:
    """Delete the mails that were finished long ago. Return their number."""
    finished = OutgoingEmail.objects.exclude(status=OutgoingEmail.Status.QUEUED)
    return delete_in_batches(finished.filter(created_at__lte=timezone.now() - FINISHED_RETENTION))


def _replace_waiting(task: str, recipient: str, now: datetime) -> datetime | None:
    """Delete the waiting mail of a task and recipient. Return when their last mail was sent.

    A mail whose row a worker has locked counts as sent now: its content may be older than the caller's
    transaction, so it does not replace the new mail.
    """
    with connection.cursor() as cursor:
        # Serializes callers even if there is no row to lock.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{task} {recipient}"])
    emails = OutgoingEmail.objects.filter(task=task, recipient=recipient)
    queued = emails.filter(status=OutgoingEmail.Status.QUEUED)
    emails.filter(pk__in=queued.select_for_update(skip_locked=True).values("pk")).delete()
    last_sent_at: datetime | None = emails.filter(
        status__in=[OutgoingEmail.Status.QUEUED, OutgoingEmail.Status.SENT]
    ).aggregate(last=Max(Coalesce("sent_at", Value(now))))["last"]
    return last_sent_at


def _publish(emails: list[OutgoingEmail]) -> None:
    enqueue((email.task, {"email_id": email.pk}) for email in emails)


def _deliver(email: OutgoingEmail, content: EmailContent) -> None:
    message = EmailMultiAlternatives(content.subject, content.text, to=[email.recipient])
    message.attach_alternative(content.html, "text/html")
    message.send()


def _schedule_retry(email: OutgoingEmail, error: Exception) -> None:
    """Set the time of the next attempt, with exponential backoff.

    A mail fails for good after `MAX_ATTEMPTS`, or at once if the server refuses the address.
    """
    is_refused = isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _ in error.recipients.values()
    )
    delay = min(MIN_RETRY_DELAY * 2 ** min(email.attempts - 1, 10), MAX_RETRY_DELAY)
    email.due_at = timezone.now() + delay
    # The message of the server can contain the address, so only the class of the error is stored.
    email.last_error = type(error).__name__
    if is_refused or email.attempts >= MAX_ATTEMPTS:
        email.status = OutgoingEmail.Status.FAILED
    email.save()
    logger.warning("Mail %s (%s) not sent: %s", email.pk, email.task, email.last_error)
