"""The Celery application: ``celery -A backend.config.celery worker``."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, setup_logging, task_postrun, task_prerun
from django.conf import settings
from django.utils.log import configure_logging
from kombu.transport.redis import SentinelChannel

from backend.config.broker_connection import ReconnectingAMQP
from backend.core.broker import REQUEST_ID_KEY
from backend.core.redis_sentinels import MasterConnection
from backend.core.request_record import RequestRecord, set_record

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")

SentinelChannel.connection_class = MasterConnection

app = Celery("lavka", amqp=ReconnectingAMQP)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Without this, the application is current in this thread only, and other threads use one without settings.
app.set_default()


@setup_logging.connect
def _configure_logging(**_: Any) -> None:
    """Log as the web processes do. Without this receiver, Celery would add handlers with its own format."""
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    logging.captureWarnings(True)


@celeryd_init.connect
def _prepare_worker(**_: Any) -> None:
    """Format the messages that a worker writes before it configures logging, and those about signals."""
    # Only workers need this module.
    from celery.apps import worker

    _configure_logging()
    worker.safe_say = _write_message


def _write_message(message: str, stream: Any = None) -> None:
    """Write a message of a signal handler, which must not wait for the lock of a logger."""
    formatter = logging.getLogger().handlers[0].formatter
    assert formatter
    record = logging.LogRecord("celery.apps.worker", logging.INFO, "", 0, message, None, None)
    os.write(2, f"{formatter.format(record)}\n".encode())


@task_prerun.connect
def _set_record(task_id: str, task: Any, **_: Any) -> None:
    """Log the task under the id of its request, or under its own if beat has enqueued it."""
    request_id = task.request.get(REQUEST_ID_KEY) or (task.request.headers or {}).get(REQUEST_ID_KEY)
    set_record(RequestRecord(request_id or task_id, task=task.name, task_id=task_id))


@task_postrun.connect
def _reset_record(**_: Any) -> None:
    set_record(None)
