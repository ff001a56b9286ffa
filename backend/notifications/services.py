"""Enqueue and send mails. Mails are stored as rows; the broker only makes their delivery faster.

A mail is sent at least once, and normally once. A worker claims the row in a transaction of its own, sends
the mail outside of any transaction, and records the result as soon as the SMTP server has answered. If the
worker dies between the answer and the record, the mail is sent again when the claim has expired, with the
same Message-ID.
"""

import logging
import smtplib
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Max, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from backend.core.broker import enqueue
from backend.core.compiled_query import CompiledInsert
from backend.core.db import delete_in_batches
from backend.core.errors import Unavailable
from backend.notifications.models import OutgoingEmail

logger = logging.getLogger(__name__)

# Beat publishes the task of a mail again if no worker has started it in this time.
STALE_AFTER = timedelta(seconds=60)
# A worker has died if it has not recorded the result of an attempt in this time. The steps of a delivery,
# each limited by EMAIL_TIMEOUT, take two minutes at most, and the record RECORD_SECONDS.
CLAIM_LIFETIME = timedelta(minutes=3)
RECORD_SECONDS = 30.0
# The delay between two attempts doubles from the first to the second value.
MIN_RETRY_DELAY = timedelta(seconds=30)
MAX_RETRY_DELAY = timedelta(hours=1)
# About one day of attempts.
MAX_ATTEMPTS = 30
# The delay after an outage of PostgreSQL or Redis, which does not count as an attempt.
OUTAGE_RETRY_DELAY = timedelta(seconds=5)
MAX_PUBLISHED_AT_ONCE = 500
FINISHED_RETENTION = timedelta(days=30)

_INSERT_EMAIL = CompiledInsert(OutgoingEmail)


@dataclass(frozen=True, slots=True)
class EmailContent:
    """The subject and the body of a mail, as plain text and as HTML.

    Attributes:
        headers: other headers of the mail.
    """

    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


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
        language: "ru" or "en"; empty if the recipient has none, for DEFAULT_LANGUAGE.
        context: variables of the template; they must not contain secrets.
        min_interval: the least time between two mails of this task to this recipient.
    """
    now = timezone.now()
    last_sent_at = _replace_waiting(task, recipient, now) if min_interval is not None else None
    earliest = last_sent_at + min_interval if last_sent_at is not None and min_interval is not None else now
    email = OutgoingEmail(
        task=task,
        recipient=recipient,
        language=language or settings.DEFAULT_LANGUAGE,
        context=context or {},
        due_at=earliest if earliest > now else now + STALE_AFTER,
    )
    _INSERT_EMAIL.run([email])
    if earliest <= now:
        transaction.on_commit(lambda: _publish([email]), robust=True)


def send_email(*, email_id: int, render: Callable[[OutgoingEmail], EmailContent | None]) -> None:
    """Send a queued mail over SMTP, unless another worker has claimed or finished it.

    Args:
        email_id: primary key of the `OutgoingEmail`.
        render: returns the content, or None if the mail is no longer needed; the mail is then skipped. An
            attempt that follows a lost one must return the same content.
    """
    email = _claim(email_id)
    if email is None:
        return
    mail_server = get_connection()
    try:
        _record(email, _attempt(email, render, mail_server))
    finally:
        # After the record, because a slow server can take seconds to respond to QUIT.
        with suppress(OSError, smtplib.SMTPException):
            mail_server.close()


def publish_due_emails() -> int:
    """Publish the tasks of mails that are due. Return their number.

    Mails whose task has been lost, whose worker has died and whose last attempt has failed are due alike.
    """
    now = timezone.now()
    with transaction.atomic():
        # A worker that claims a mail in this moment has locked it.
        due = (
            OutgoingEmail.objects.select_for_update(skip_locked=True)
            .filter(status__in=OutgoingEmail.WAITING, due_at__lte=now)
            .order_by("due_at")
        )
        emails = list(due[:MAX_PUBLISHED_AT_ONCE])
        OutgoingEmail.objects.filter(pk__in=[email.pk for email in emails]).update(
            status=OutgoingEmail.Status.QUEUED, due_at=now + STALE_AFTER
        )
        # Publish after the commit: a fast worker would find the rows locked and skip them.
        transaction.on_commit(lambda: _publish(emails), robust=True)
    return len(emails)


def retry_failed_emails(*, email_ids: Iterable[int]) -> int:
    """Let beat publish failed mails again, with all their attempts. Return their number."""
    failed = OutgoingEmail.objects.filter(pk__in=email_ids, status=OutgoingEmail.Status.FAILED)
    return failed.update(status=OutgoingEmail.Status.RETRYING, attempts=0, due_at=timezone.now())


def delete_emails(*, recipient: str, context: Mapping[str, Any] | None = None) -> None:
    """Delete all mails to an address. One that a worker is sending still arrives.

    Args:
        context: delete only the mails whose context contains these variables.
    """
    OutgoingEmail.objects.filter(recipient=recipient, context__contains=context or {}).delete()


def skip_emails(*, task: str, recipient: str, context: Mapping[str, Any] | None = None) -> None:
    """Skip the mails of a task to an address that are not sent yet. One that a worker is sending can arrive.

    Args:
        context: skip only the mails whose context contains these variables.
    """
    waiting = OutgoingEmail.objects.filter(task=task, recipient=recipient, status__in=OutgoingEmail.WAITING)
    waiting.filter(context__contains=context or {}).update(status=OutgoingEmail.Status.SKIPPED)


def delete_finished_emails() -> int:
    """Delete the mails that were finished long ago. Return their number."""
    finished = OutgoingEmail.objects.exclude(status__in=OutgoingEmail.WAITING)
    return delete_in_batches(finished.filter(created_at__lte=timezone.now() - FINISHED_RETENTION))


def _replace_waiting(task: str, recipient: str, now: datetime) -> datetime | None:
    """Delete the waiting mail of a task and recipient. Return when their last mail was sent.

    A mail that a worker has claimed, or is claiming, counts as sent now: its content may be older than the
    caller's transaction, so it does not replace the new mail.
    """
    with connection.cursor() as cursor:
        # Serializes callers even if there is no row to lock.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{task} {recipient}"])
    emails = OutgoingEmail.objects.filter(task=task, recipient=recipient)
    waiting = emails.filter(status__in=[OutgoingEmail.Status.QUEUED, OutgoingEmail.Status.RETRYING])
    emails.filter(pk__in=waiting.select_for_update(skip_locked=True).values("pk")).delete()
    last_sent_at: datetime | None = emails.filter(
        status__in=[*OutgoingEmail.WAITING, OutgoingEmail.Status.SENT]
    ).aggregate(last=Max(Coalesce("sent_at", Value(now))))["last"]
    return last_sent_at


def _publish(emails: list[OutgoingEmail]) -> None:
    calls = [(email.task, {"email_id": email.pk}) for email in emails]
    published = enqueue(calls)
    if published < len(calls):
        # Beat publishes them as soon as the broker responds again.
        left = [email.pk for email in emails[published:]]
        OutgoingEmail.objects.filter(pk__in=left, status=OutgoingEmail.Status.QUEUED).update(
            due_at=timezone.now()
        )


def _claim(email_id: int) -> OutgoingEmail | None:
    """Mark a queued mail as being sent, or return None if it is not queued or has failed. Commits at once."""
    with transaction.atomic(durable=True):
        queued = OutgoingEmail.objects.select_for_update(skip_locked=True).filter(
            pk=email_id, status=OutgoingEmail.Status.QUEUED
        )
        email = queued.first()
        if email is not None and email.attempts >= MAX_ATTEMPTS:
            # The worker has died in every attempt.
            email.status, email.last_error = OutgoingEmail.Status.FAILED, "No attempt has ended."
            email.save(update_fields=["status", "last_error"])
            return None
        if email is not None:
            email.status = OutgoingEmail.Status.SENDING
            email.attempts += 1
            email.claimed_at = timezone.now()
            email.due_at = email.claimed_at + CLAIM_LIFETIME
            email.save(update_fields=["status", "attempts", "claimed_at", "due_at"])
    return email


def _attempt(
    email: OutgoingEmail,
    render: Callable[[OutgoingEmail], EmailContent | None],
    mail_server: BaseEmailBackend,
) -> dict[str, Any]:
    """Send a claimed mail and return the new values of its columns."""
    try:
        content = render(email)
        if content is None:
            return {"status": OutgoingEmail.Status.SKIPPED, "last_error": ""}
        # `send_messages` leaves a connection open that was open before.
        mail_server.open()
        mail_server.send_messages([_make_message(email, content)])
    except (Unavailable, OperationalError, InterfaceError) as error:
        return {
            "status": OutgoingEmail.Status.RETRYING,
            "attempts": email.attempts - 1,
            "due_at": timezone.now() + OUTAGE_RETRY_DELAY,
            "last_error": _describe(error),
        }
    except (smtplib.SMTPException, OSError) as error:
        return _fail(email, error)
    except Exception as error:
        # A bug must count as an attempt, or the mail would be tried every minute forever. The message
        # of the exception is not logged, because it can contain the code.
        trace = "".join(traceback.format_tb(error.__traceback__))
        logger.error("Mail %s (%s) could not be rendered:\n%s", email.pk, email.task, trace)
        return _fail(email, error)
    return {"status": OutgoingEmail.Status.SENT, "sent_at": timezone.now(), "last_error": ""}


def _fail(email: OutgoingEmail, error: Exception) -> dict[str, Any]:
    """Return the new values of a mail's columns after an error, with exponential backoff.

    A mail fails for good after `MAX_ATTEMPTS`, or at once if the server refuses the address.
    """
    is_refused = isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _ in error.recipients.values()
    )
    is_last = is_refused or email.attempts >= MAX_ATTEMPTS
    delay = min(MIN_RETRY_DELAY * 2 ** min(email.attempts - 1, 10), MAX_RETRY_DELAY)
    return {
        "status": OutgoingEmail.Status.FAILED if is_last else OutgoingEmail.Status.RETRYING,
        "due_at": timezone.now() + delay,
        "last_error": _describe(error),
    }


def _describe(error: Exception) -> str:
    """Return the class of an error and the code of the SMTP response.

    The text of the response is left out, because it can contain the address.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {code for code, _ in error.recipients.values()}
    else:
        codes = {error.smtp_code} if isinstance(error, smtplib.SMTPResponseException) else set()
    return " ".join([type(error).__name__, *map(str, sorted(codes))])


def _record(email: OutgoingEmail, result: Mapping[str, Any]) -> None:
    """Write the result of an attempt, unless the claim has expired and another worker has the mail.

    Waits while PostgreSQL restarts: a mail whose result is lost is sent again. If PostgreSQL has stored the
    result and only its reply was lost, the next attempt finds it.

    Raises:
        OperationalError, InterfaceError: PostgreSQL has not responded for `RECORD_SECONDS`.
    """
    claimed = OutgoingEmail.objects.filter(pk=email.pk, claimed_at=email.claimed_at)
    deadline = time.monotonic() + RECORD_SECONDS
    while True:
        try:
            is_recorded = (
                claimed.filter(status=OutgoingEmail.Status.SENDING).update(**result)
                or claimed.filter(**result).exists()
            )
            break
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    if not is_recorded:
        logger.warning("Mail %s (%s) has been deleted, or its claim has expired", email.pk, email.task)
    elif result["last_error"]:
        logger.warning("Mail %s (%s) not sent: %s", email.pk, email.task, result["last_error"])
    else:
        logger.info("Mail %s (%s) %s at attempt %s", email.pk, email.task, result["status"], email.attempts)


def _make_message(email: OutgoingEmail, content: EmailContent) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        content.subject,
        content.text,
        to=[email.recipient],
        headers={**content.headers, "Message-ID": email.message_id},
    )
    message.attach_alternative(content.html, "text/html")
    return message
