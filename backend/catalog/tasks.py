"""What the worker and beat do for the catalogue."""

import logging

from celery import shared_task

from backend.catalog.pictures import discarding, making

logger = logging.getLogger(__name__)


@shared_task(name=making.TASK)
def make_renditions(*, kind: making.Kind, picture_id: int) -> None:
    """Make the renditions of one picture."""
    making.make_renditions(kind=kind, picture_id=picture_id)


@shared_task(name="catalog.enqueue_due_renditions")
def enqueue_due_renditions() -> None:
    """Hand over the pictures that still have no renditions, or whose tasks the broker has lost."""
    making.enqueue_due_renditions()


@shared_task(name="catalog.remove_orphaned_media")
def remove_orphaned_media() -> None:
    """Remove the files that no picture needs, unless there are so many that somebody had better look."""
    found = discarding.find_orphans()
    if found.are_strange:
        logger.error(
            "%s files in the storage are needed by nothing, only %s are: is it another shop's, too? "
            "`manage.py remove_orphaned_media` lists them.",
            len(found.orphans),
            found.needed,
        )
    else:
        discarding.remove_orphans(found.orphans)
