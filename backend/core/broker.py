"""Handing tasks to Celery's broker without waiting for one that is down."""

import logging
from collections.abc import Iterable
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError as BrokerError

from backend.core.redis import redis_answers

logger = logging.getLogger(__name__)

# Redis hands out tasks of a lower number first; mail, which people wait for, has the lowest.
SOON = 0
LATER = 9


def hand_over(calls: Iterable[tuple[str, dict[str, Any]]], *, priority: int = SOON) -> None:
    """Send tasks to the broker; while it is down they wait for beat, which must know them by their rows.

    Args:
        calls: names of tasks with their arguments.
        priority: `SOON` or `LATER`, which waits until nothing is to be done soon.
    """
    waiting = list(calls)
    # Celery itself waits for seconds on a broker that is down; asking first costs a round trip.
    if waiting and redis_answers():
        try:
            while waiting:
                name, arguments = waiting[0]
                current_app.send_task(name, kwargs=arguments, retry=False, priority=priority)
                del waiting[0]
        except BrokerError:
            pass
    if waiting:
        logger.warning("The broker does not answer; %s tasks wait for beat", len(waiting))
