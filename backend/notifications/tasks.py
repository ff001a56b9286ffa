"""What beat does about mail."""

from celery import shared_task

from backend.notifications.services import publish_due_emails


@shared_task(name="notifications.publish_due_emails")
def publish_due_emails_task() -> None:
    """Hand over the mails whose time has come, or that the broker has lost."""
    publish_due_emails()
