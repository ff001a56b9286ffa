"""The Celery application: ``celery -A backend.config.celery worker``."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_postrun, task_prerun
from kombu.transport.redis import SentinelChannel

from backend.config.broker_connection import Protocol
from backend.core.broker import REQUEST_ID_KEY
from backend.core.redis_sentinels import MasterConnection
from backend.core.request_record import RequestRecord, set_record

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")

SentinelChannel.connection_class = MasterConnection

app = Celery("lavka", amqp=Protocol)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Without this, the application is current in this thread only, and other threads use one without settings.
app.set_default()


@task_prerun.connect
def _set_record(task_id: str, task: Any, **_: Any) -> None:
    """Log the task under the id of its request, or under its own if beat has enqueued it."""
    request_id = task.request.get(REQUEST_ID_KEY) or (task.request.headers or {}).get(REQUEST_ID_KEY)
    set_record(RequestRecord(request_id or task_id, task=task.name, task_id=task_id))


@task_postrun.connect
def _reset_record(**_: Any) -> None:
    set_record(None)
