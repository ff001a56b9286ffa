"""Celery beat with a sign of life: ``celery beat --scheduler backend.config.beat:Scheduler``."""

from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler


class Scheduler(PersistentScheduler):
    """Touches the file ``<schedule>-alive`` after every round, for a health check to look at.

    The schedule itself says nothing: some kinds of dbm write it only when beat ends.
    """

    def tick(self, *args: Any, **options: Any) -> float:
        interval: float = super().tick(*args, **options)
        Path(f"{self.schedule_filename}-alive").touch()
        return interval
