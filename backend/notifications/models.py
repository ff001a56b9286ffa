"""Mail that is to be sent, is sent, or could not be."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class OutgoingEmail(models.Model):
    """A mail as a row, written in the transaction that causes it, so that none is lost.

    It names the Celery task that writes its text and sends it. What it says is worked out then: no
    code or password is ever in the row.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        FAILED = "failed"
        SKIPPED = "skipped"  # There was nothing to say any more.

    task = models.CharField(max_length=100)
    recipient = models.EmailField(max_length=254)
    language = models.CharField(max_length=2, choices=settings.LANGUAGES)
    context = models.JSONField(default=dict, blank=True, help_text="What the text is made from.")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is to be tried (again).")
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
