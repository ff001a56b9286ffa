"""The tasks that beat enqueues: `CELERY_BEAT_SCHEDULE`.

A schedule is a number of seconds or a time in UTC. A task with `expires`, in seconds, does not run once for
every missed run after the worker was down.
"""

from typing import Any

from celery.schedules import crontab

PERIODIC_TASKS: dict[str, dict[str, Any]] = {
    "notifications.publish_due_emails": {
        "task": "notifications.publish_due_emails",
        "schedule": 5.0,
        "options": {"expires": 60},
    },
    "carts.delete_expired_carts": {
        "task": "carts.delete_expired_carts",
        "schedule": crontab(hour=2, minute=40),
    },
    "orders.count_popularity": {"task": "orders.count_popularity", "schedule": 3600.0},
    "notifications.delete_finished_emails": {
        "task": "notifications.delete_finished_emails",
        "schedule": crontab(hour=2, minute=10),
    },
    "accounts.delete_ended_sessions": {
        "task": "accounts.delete_ended_sessions",
        "schedule": crontab(hour=2, minute=20),
    },
    "accounts.delete_unconfirmed_accounts": {
        "task": "accounts.delete_unconfirmed_accounts",
        "schedule": crontab(hour=2, minute=30),
    },
    "catalog.enqueue_due_renditions": {"task": "catalog.enqueue_due_renditions", "schedule": 60.0},
    "catalog.remove_orphaned_media": {
        "task": "catalog.remove_orphaned_media",
        "schedule": crontab(minute=0, hour=4, day_of_week="sunday"),
    },
    "wishlists.enqueue_back_in_stock": {
        "task": "wishlists.enqueue_back_in_stock",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "recommendations.build": {
        "task": "recommendations.build",
        "schedule": crontab(hour=3, minute=10),
        "options": {"expires": 6 * 3600},
    },
    "recommendations.update": {
        "task": "recommendations.update",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "recommendations.save_clicks": {
        "task": "recommendations.save_clicks",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
}
