"""Loaded into a worker: its parent uses its connections before each fork, and every process tells its own."""

import logging
import os
from typing import Any

from celery.signals import task_prerun, worker_before_create_process
from django.db import connection

from backend.core.redis import redis_client

logger = logging.getLogger(__name__)


def tell_connections(role: str) -> None:
    """Log the numbers that PostgreSQL and Redis know this process's connections by."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [(database,)] = cursor.fetchall()
    redis = redis_client().client_id()
    logger.warning("%s %s has database %s, redis %s", role, os.getpid(), database, redis)


@worker_before_create_process.connect
def _before_a_fork(**_: Any) -> None:
    tell_connections("parent")


@task_prerun.connect
def _before_a_task(**_: Any) -> None:
    tell_connections("child")
