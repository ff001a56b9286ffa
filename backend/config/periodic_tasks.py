"""The tasks that beat enqueues: `CELERY_BEAT_SCHEDULE`.

A task has a schedule, in seconds or as a time in UTC, and a number of seconds until an enqueued run expires.
Without an expiry, a worker that was down runs the task once for every missed run.
"""

from typing import Any

from celery.schedules import crontab

_SCHEDULES: dict[str, tuple[float | crontab, int | None]] = {
    "notifications.publish_due_emails": (5, 60),
    "carts.delete_expired_carts": (crontab(hour=2, minute=40), None),
    "orders.count_popularity": (3600, None),
    "notifications.delete_finished_emails": (crontab(hour=2, minute=10), None),
    "accounts.delete_ended_sessions": (crontab(hour=2, minute=20), None),
    "accounts.delete_unconfirmed_accounts": (crontab(hour=2, minute=30), None),
    "catalog.enqueue_due_renditions": (60, None),
    "catalog.remove_orphaned_media": (crontab(minute=0, hour=4, day_of_week="sunday"), None),
    "wishlists.enqueue_back_in_stock": (60, 60),
    "recommendations.build": (crontab(hour=3, minute=10), 6 * 3600),
    "recommendations.update": (300, 300),
    "recommendations.save_clicks": (60, 60),
}
PERIODIC_TASKS: dict[str, dict[str, Any]] = {
    name: {"task": name, "schedule": schedule, "options": {"expires": expires} if expires else {}}
    for name, (schedule, expires) in _SCHEDULES.items()
}
