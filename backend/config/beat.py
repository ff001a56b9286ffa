"""Celery beat scheduler with a heartbeat file: ``celery beat --scheduler backend.config.beat:Scheduler``."""

from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler


class Scheduler(PersistentScheduler):
    """Scheduler that touches the file ``<schedule>-alive`` after every tick, for a health check.

    The modification time of the schedule itself is no heartbeat: some dbm modules write it only at the end.
    """

    def tick(self, *args: Any, **options: Any) -> float:
        interval: float = super().tick(*args, **options)
        Path(f"{self.schedule_filename}-alive").touch()
        return interval
