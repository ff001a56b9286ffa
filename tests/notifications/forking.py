"""Signal handlers for a worker that log the connections of its processes.

The parent opens connections before each fork, so that a child that inherited them would be noticed.
"""

import logging
import os
from typing import Any

from celery.signals import task_prerun, worker_before_create_process
from django.db import connection

from backend.core.redis import get_redis_client

logger = logging.getLogger(__name__)


def log_connections(role: str) -> None:
    """Log the ids of this process's connections to PostgreSQL and Redis."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [(database,)] = cursor.fetchall()
    redis = get_redis_client().client_id()
    logger.warning("%s %s has database %s, redis %s", role, os.getpid(), database, redis)


@worker_before_create_process.connect
def _log_parent_connections(**_: Any) -> None:
    log_connections("parent")


@task_prerun.connect
def _log_child_connections(**_: Any) -> None:
    log_connections("child")
