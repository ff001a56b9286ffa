"""Enqueue Celery tasks without waiting for a broker that is down."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError as BrokerError
from redis import RedisError

from backend.core.redis import get_redis_client, is_redis_available
from backend.core.request_record import get_request_id

logger = logging.getLogger(__name__)

# With Redis as the broker, workers take tasks with a lower number first. Customers wait for mail.
HIGH_PRIORITY = 0
LOW_PRIORITY = 9
# The message header with the id of the request that has caused a task.
REQUEST_ID_KEY = "shop_request_id"


def enqueue(calls: Iterable[tuple[str, dict[str, Any]]], *, priority: int = HIGH_PRIORITY) -> int:
    """Send tasks to the broker, in order, and return their number. Log a warning if it is down.

    Each task must belong to a database row from which a beat task can enqueue it again.

    Args:
        calls: task names with their keyword arguments.
        priority: `HIGH_PRIORITY` or `LOW_PRIORITY`; a worker starts the latter when no other task waits.
    """
    waiting = list(calls)
    count = len(waiting)
    headers = {REQUEST_ID_KEY: get_request_id()}
    # Celery waits for seconds on a broker that is down; checking first costs one round trip.
    if waiting and is_redis_available():
        try:
            while waiting:
                name, arguments = waiting[0]
                current_app.send_task(name, kwargs=arguments, retry=False, priority=priority, headers=headers)
                del waiting[0]
        except (BrokerError, RedisError):
            # Redis does not respond, or refuses the task because its memory is full.
            pass
    if waiting:
        logger.warning("The broker does not respond; beat will enqueue %s tasks", len(waiting))
    return count - len(waiting)


def count_queued_tasks() -> Mapping[str, float]:
    """Return the number of tasks that no worker has taken, by priority.

    Raises:
        RedisError: the broker does not respond.
    """
    queue = current_app.conf.task_default_queue
    names = {HIGH_PRIORITY: queue, LOW_PRIORITY: f"{queue}\x06\x16{LOW_PRIORITY}"}
    pipeline = get_redis_client().pipeline(transaction=False)
    for name in names.values():
        pipeline.llen(name)
    return dict(zip(("high", "low"), pipeline.execute(), strict=True))
