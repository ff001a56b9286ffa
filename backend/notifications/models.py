"""Outgoing mails and their delivery status."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class OutgoingEmail(models.Model):
    """A mail, stored in the transaction that causes it, so that it is sent if and only if that commits.

    The row names the Celery task that renders and sends the mail. The content is rendered only then, so
    that the row never contains a code or a password.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        FAILED = "failed"
        SKIPPED = "skipped"  # The mail was no longer needed.

    task = models.CharField(max_length=100)
    recipient = models.EmailField(max_length=254)
    language = models.CharField(max_length=2, choices=settings.LANGUAGES)
    context = models.JSONField(default=dict, blank=True, help_text="Variables of the template.")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, help_text="Time of the next attempt.")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)

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
            models.Index(fields=["due_at"], name="email_due", condition=models.Q(status="queued")),
            models.Index(fields=["recipient", "task"], name="email_recipient_task"),
            models.Index(fields=["created_at", "id"], name="email_created"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.pk} ({self.status})"
