"""Outgoing mails and their delivery status."""

from email.utils import parseaddr

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class OutgoingEmail(models.Model):
    """A mail, stored in the transaction that causes it, so that it is sent if and only if that commits.

    The row names the Celery task that renders and sends the mail. The content is rendered only then, so
    that the row never contains a code or a password.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")  # Its task has been published, or will be at `due_at`.
        SENDING = "sending", _("Sending")  # A worker has claimed it, and has lost the claim at `due_at`.
        RETRYING = "retrying", _("Retrying")  # An attempt has failed. The next one is at `due_at`.
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")  # The address was refused, or there were too many attempts.
        SKIPPED = "skipped", _("Skipped")  # The mail was no longer needed.

    WAITING = (Status.QUEUED, Status.SENDING, Status.RETRYING)

    task = models.CharField(max_length=100)
    recipient = models.EmailField(max_length=254)
    language = models.CharField(max_length=2, choices=settings.LANGUAGES)
    context = models.JSONField(default=dict, blank=True, help_text=_("Variables of the template."))
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(
        default=timezone.now,
        help_text=_("Time when the task is published again, if the mail is not finished."),
    )
    claimed_at = models.DateTimeField(null=True, blank=True, help_text=_("Start of the last attempt."))
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(
        max_length=500,
        blank=True,
        help_text=_("Class of the error, and the code of the mail server's response."),
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="sent", sent_at__isnull=False)
                | (~models.Q(status="sent") & models.Q(sent_at__isnull=True)),
                name="email_sent_at_when_sent",
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="email_waiting",
                condition=models.Q(status__in=["queued", "sending", "retrying"]),
            ),
            models.Index(
                fields=["created_at", "id"], name="email_failed", condition=models.Q(status="failed")
            ),
            models.Index(fields=["recipient", "task"], name="email_recipient_task"),
            models.Index(fields=["created_at", "id"], name="email_created"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.pk} ({self.status})"

    @property
    def message_id(self) -> str:
        """The header Message-ID, equal in all attempts, so that servers can recognize a repeated mail."""
        domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
        return f"<{self.pk}.{self.created_at:%Y%m%d%H%M%S%f}@{domain}>"
