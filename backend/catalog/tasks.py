"""Celery tasks of the catalogue."""

import logging

from celery import shared_task

from backend.catalog.pictures import deletion, rendition_queue

logger = logging.getLogger(__name__)


@shared_task(name=rendition_queue.TASK)
def make_renditions(*, kind: rendition_queue.Kind, picture_id: int) -> None:
    """Make the renditions of a picture."""
    rendition_queue.make_renditions(kind=kind, picture_id=picture_id)


@shared_task(name="catalog.enqueue_due_renditions")
def enqueue_due_renditions() -> None:
    """Enqueue the pictures whose renditions are overdue, because a task failed or was lost."""
    rendition_queue.enqueue_due_renditions()


@shared_task(name="catalog.remove_orphaned_media")
def remove_orphaned_media() -> None:
    """Delete unused picture files, unless there are suspiciously many."""
    scan = deletion.find_orphans()
    if scan.has_suspicious_orphans:
        logger.error(
            "The storage has %s unused and %s used picture files. Nothing was deleted: another shop may use "
            "the same storage. `manage.py remove_orphaned_media --dry-run` lists the unused files.",
            len(scan.orphans),
            scan.used,
        )
    else:
        deletion.remove_orphans(scan.orphans)
