"""What beat does about mail."""

from celery import shared_task

from backend.notifications import services


@shared_task(name="notifications.publish_due_emails")
def publish_due_emails_task() -> None:
    """Hand over the mails whose time has come, or that the broker has lost."""
    services.publish_due_emails()


@shared_task(name="notifications.forget_finished_emails")
def forget_finished_emails() -> None:
    """Delete the mails of long ago."""
    services.forget_finished_emails()
