"""Queue and make the renditions of pictures.

The rows record which pictures wait for renditions; the broker only makes the worker start sooner.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from backend.catalog.locks import (
    CATEGORY_RENDITIONS_LOCK_KEY,
    PRODUCT_RENDITIONS_LOCK_KEY,
    try_rendition_lock,
)
from backend.catalog.models import RENDITIONS_STALE_AFTER, Category, ProductImage, renditions_due
from backend.catalog.pictures.deletion import discard_renditions
from backend.catalog.pictures.rendering import RenderedPicture, render
from backend.catalog.renditions import format_rendition_name
from backend.core.broker import LOW_PRIORITY, enqueue
from backend.core.response_cache import mark_catalogue_changed

logger = logging.getLogger(__name__)

TASK = "catalog.make_renditions"
LAST_RETRY_AFTER = timedelta(hours=6)
# Per run of the beat task, once a minute. Two worker processes make about as many in that time, so the
# queue of a large import does not grow.
MAX_ENQUEUED_AT_ONCE = 500

Kind = Literal["product", "category"]


class _Table(NamedTuple):
    """The model and columns that hold pictures of a kind, and the key of their rendition locks."""

    model: type[ProductImage] | type[Category]
    file: str
    width: str
    height: str
    lock_key: int

    @property
    def rows(self) -> "QuerySet[Any]":
        return self.model._default_manager.order_by("pk")


_TABLES: dict[Kind, _Table] = {
    "product": _Table(ProductImage, "file", "width", "height", PRODUCT_RENDITIONS_LOCK_KEY),
    "category": _Table(Category, "image", "image_width", "image_height", CATEGORY_RENDITIONS_LOCK_KEY),
}


def queue_renditions(kind: Kind, ids: Iterable[int]) -> None:
    """Enqueue tasks that make renditions, after the caller's transaction has committed.

    If the broker is down, beat enqueues them later.

    Args:
        ids: primary keys of product images or of categories, depending on the kind.
    """
    calls = [(TASK, {"kind": kind, "picture_id": pk}) for pk in ids]
    if calls:
        transaction.on_commit(lambda: enqueue(calls, priority=LOW_PRIORITY), robust=True)


def enqueue_due_renditions() -> int:
    """Enqueue the pictures whose renditions are overdue, and return their number."""
    count = 0
    for kind, table in _TABLES.items():
        with transaction.atomic():
            due = table.rows.select_for_update(skip_locked=True, no_key=True).filter(
                renditions_due_at__lte=timezone.now()
            )
            ids = list(due.values_list("pk", flat=True)[:MAX_ENQUEUED_AT_ONCE])
            table.rows.filter(pk__in=ids).update(renditions_due_at=renditions_due())
            queue_renditions(kind, ids)
        count += len(ids)
    return count


def make_renditions(*, kind: Kind, picture_id: int) -> None:
    """Make the renditions of a picture unless they exist, the row is gone, or another process makes them.

    After a storage failure the picture is retried with exponential backoff. A picture that Pillow cannot
    decode gets no renditions. The renditions of a picture that is replaced or deleted in the meantime are
    deleted again.
    """
    table = _TABLES[kind]
    with try_rendition_lock(table.lock_key, picture_id) as is_locked:
        name = _start_attempt(table, picture_id) if is_locked else ""
        if not name:
            return
        try:
            with default_storage.open(name) as original:
                data = original.read()
            rendered = _render(name, data)
            for width, format, content in rendered.files if rendered else ():
                _store(format_rendition_name(name, width, format), content)
        except Exception:  # every storage raises its own error types
            logger.warning("The storage failed; the renditions of %s will be retried", name, exc_info=True)
            return
        done: dict[str, Any] = {"renditions_due_at": None, "renditions_attempts": 0}
        if rendered:
            done["renditions"] = sorted({width for width, _, _ in rendered.files})
            # Pictures stored before these columns existed have no size yet.
            done |= {table.width: rendered.width, table.height: rendered.height}
        if table.rows.filter(**{"pk": picture_id, table.file: name}).update(**done):
            mark_catalogue_changed()
        else:
            discard_renditions(name)


def _start_attempt(table: _Table, picture_id: int) -> str:
    """Record an attempt and return the name of the picture, or "" if it does not wait for renditions.

    Recorded before the work starts, so that an attempt that kills the worker counts.
    """
    waiting = table.rows.filter(pk=picture_id, renditions_due_at__isnull=False)
    found = waiting.values_list(table.file, "renditions_attempts").first()
    if found is None:
        return ""
    name, attempts = found
    delay = min(RENDITIONS_STALE_AFTER * 2 ** min(attempts, 10), LAST_RETRY_AFTER)
    waiting.update(renditions_attempts=attempts + 1, renditions_due_at=timezone.now() + delay)
    return str(name)


def _render(name: str, data: bytes) -> RenderedPicture | None:
    try:
        return render(data)
    except Exception:  # Pillow's decoders raise many types on damaged files
        logger.error("%s cannot be decoded; it gets no renditions", name, exc_info=True)
        return None


def _store(name: str, data: bytes) -> None:
    """Store a file under exactly this name, replacing an existing one."""
    stored = default_storage.save(name, ContentFile(data))
    if stored != name:
        # A worker that was killed has left a file, possibly incomplete.
        default_storage.delete(stored)
        default_storage.delete(name)
        default_storage.save(name, ContentFile(data))
