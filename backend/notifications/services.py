"""Queueing and sending mail. A row is the truth; the broker only makes it quick."""

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

from backend.core.batches import delete_in_batches
from backend.core.broker import enqueue
from backend.core.errors import Unavailable
from backend.notifications.models import OutgoingEmail

logger = logging.getLogger(__name__)

# A row that nobody has taken up by then is handed to the broker again.
STALE_AFTER = timedelta(seconds=60)
FIRST_RETRY_AFTER = timedelta(seconds=30)
LAST_RETRY_AFTER = timedelta(hours=1)
# With the delays doubling from the first to the last, about a day of trying.
MAX_ATTEMPTS = 30
MAX_PUBLISHED_AT_ONCE = 500
FINISHED_KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Letter:
    """The text of a mail, as plain text and as HTML."""

    subject: str
    text: str
    html: str


def queue_email(
    *,
    task: str,
    recipient: str,
    language: str,
    context: dict[str, Any] | None = None,
    at_most_every: timedelta | None = None,
) -> None:
    """Record a mail in the caller's transaction; it is handed to the broker once that is committed.

    A broker that is down costs nothing but time: beat hands the row over later.

    With `at_most_every`, one that comes too soon after the last waits for its time, and at most one
    waits: it takes the place of one that is there already.

    Args:
        task: the name of the Celery task that writes and sends it, called with `email_id`.
        recipient: one address.
        language: "ru" or "en".
        context: what the task makes the text from; nothing secret.
        at_most_every: the least time between two mails of this task to this recipient.
    """
    now = timezone.now()
    since = _last_sent(task, recipient, now) if at_most_every is not None else None
    free_at = since + at_most_every if since is not None and at_most_every is not None else now
    email = OutgoingEmail.objects.create(
        task=task,
        recipient=recipient,
        language=language,
        context=context or {},
        due_at=free_at if free_at > now else now + STALE_AFTER,
    )
    if free_at <= now:
        transaction.on_commit(lambda: _publish([email]), robust=True)


def send_email(*, email_id: int, write: Callable[[OutgoingEmail], Letter | None]) -> None:
    """Send a queued mail over SMTP unless it is sent already or somebody else is at it.

    The row is locked while the mail is sent: a worker that dies on the way leaves it queued.

    Args:
        email_id: the row.
        write: makes the text now; None when there is nothing to say (any more), which ends the row too.
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
            letter = write(email)
            if letter is not None:
                _deliver(email, letter)
        except (smtplib.SMTPException, OSError, Unavailable) as error:
            _postpone(email, error)
            return
        except DatabaseError:
            raise
        except Exception as error:
            # A fault of ours, which must not come back every minute for ever. Its message is not logged:
            # it can hold the code.
            trace = "".join(traceback.format_tb(error.__traceback__))
            logger.error("Mail %s (%s) could not be written:\n%s", email.pk, email.task, trace)
            _postpone(email, error)
            return
        if letter is not None:
            email.status = OutgoingEmail.Status.SENT
            email.sent_at = timezone.now()
        else:
            email.status = OutgoingEmail.Status.SKIPPED
        email.last_error = ""
        email.save()
    logger.info("Mail %s (%s) %s at attempt %s", email.pk, email.task, email.status, email.attempts)


def publish_due_emails() -> int:
    """Hand over the mails that are due and still queued, and return how many those are.

    A row that is being sent is left to its worker, who knows when it is due next.
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
        # Not before: a worker that is quick would find the rows locked and leave them.
        transaction.on_commit(lambda: _publish(emails), robust=True)
    return len(emails)


def forget_emails(*, recipient: str) -> None:
    """Delete the mails to somebody; one that is being sent at this moment is left to its worker."""
    emails = OutgoingEmail.objects.filter(recipient=recipient)
    emails.filter(pk__in=emails.select_for_update(skip_locked=True).values("pk")).delete()


def forget_finished_emails() -> int:
    """Delete the mails that were done with long ago, and return how many."""
    finished = OutgoingEmail.objects.exclude(status=OutgoingEmail.Status.QUEUED)
    return delete_in_batches(finished.filter(created_at__lte=timezone.now() - FINISHED_KEPT_FOR))


def _last_sent(task: str, recipient: str, now: datetime) -> datetime | None:
    """Clear the way for a mail that takes the place of what waits, and return when the last was sent.

    One that is being sent, whose row its worker has locked, counts as sent now: it may tell what was
    true before the caller's transaction. A row that is free is gone when a worker comes for it.
    """
    with connection.cursor() as cursor:
        # One at a time, also where there is no row yet to be locked.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{task} {recipient}"])
    emails = OutgoingEmail.objects.filter(task=task, recipient=recipient)
    queued = emails.filter(status=OutgoingEmail.Status.QUEUED)
    emails.filter(pk__in=queued.select_for_update(skip_locked=True).values("pk")).delete()
    known: datetime | None = emails.filter(
        status__in=[OutgoingEmail.Status.QUEUED, OutgoingEmail.Status.SENT]
    ).aggregate(last=Max(Coalesce("sent_at", Value(now))))["last"]
    return known


def _publish(emails: list[OutgoingEmail]) -> None:
    enqueue((email.task, {"email_id": email.pk}) for email in emails)


def _deliver(email: OutgoingEmail, letter: Letter) -> None:
    message = EmailMultiAlternatives(letter.subject, letter.text, to=[email.recipient])
    message.attach_alternative(letter.html, "text/html")
    message.send()


def _postpone(email: OutgoingEmail, error: Exception) -> None:
    """Plan the next attempt, each after twice the time; give up on a refused address at once."""
    refused = isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _ in error.recipients.values()
    )
    delay = min(FIRST_RETRY_AFTER * 2 ** min(email.attempts - 1, 10), LAST_RETRY_AFTER)
    email.due_at = timezone.now() + delay
    # The server's words can hold the address; what kind of error it was is enough.
    email.last_error = type(error).__name__
    if refused or email.attempts >= MAX_ATTEMPTS:
        email.status = OutgoingEmail.Status.FAILED
    email.save()
    logger.warning("Mail %s (%s) not sent: %s", email.pk, email.task, email.last_error)
