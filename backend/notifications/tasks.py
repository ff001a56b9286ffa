"""Periodic tasks for outgoing mails."""

from celery import shared_task

from backend.notifications import services


@shared_task(name="notifications.publish_due_emails")
def publish_due_emails() -> None:
    """Send the tasks of due mails to the broker, including those that the broker has lost."""
    services.publish_due_emails()


@shared_task(name="notifications.delete_finished_emails")
def delete_finished_emails() -> None:
    """Delete mails that were finished long ago."""
    services.delete_finished_emails()
