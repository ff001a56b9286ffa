"""Celery beat's scheduler: ``celery beat --scheduler backend.config.beat:Scheduler``."""

import logging
import signal
from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError

logger = logging.getLogger(__name__)


class Scheduler(PersistentScheduler):
    """Scheduler that touches the file ``<schedule>-alive`` after every tick, for a health check.

    The modification time of the schedule itself is no heartbeat: some dbm modules write it only at the end.
    """

    def setup_schedule(self) -> None:
        """Open the schedule. Meanwhile a signal ends beat: Celery's handler would open the schedule again."""
        handlers = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGINT)}
        super().setup_schedule()
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Enqueue a task, or log one line if the broker is down. The schedule has its next time."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            logger.error("%s", " ".join(str(error).split()))

    def tick(self, *args: Any, **options: Any) -> float:
        interval: float = super().tick(*args, **options)
        Path(f"{self.schedule_filename}-alive").touch()
        return interval


def _end(*_: Any) -> None:
    raise SystemExit
