"""Has the worker make the renditions of pictures. A row says whether it waits for them; the broker only
makes it quick."""

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
from backend.catalog.pictures.discarding import discard_renditions
from backend.catalog.pictures.rendering import Rendered, render
from backend.catalog.renditions import rendition_name
from backend.core.broker import LOW_PRIORITY, enqueue

logger = logging.getLogger(__name__)

TASK = "catalog.make_renditions"
LAST_RETRY_AFTER = timedelta(hours=6)
# A minute: what two processes do, so that the queue of a large import is not doubled meanwhile.
MAX_ENQUEUED_AT_ONCE = 500

Kind = Literal["product", "category"]


class _Table(NamedTuple):
    """Where pictures of a kind are: the model, its columns, and the first key of the advisory locks under
    which their renditions are made."""

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
    """Have renditions made of some pictures once the caller's transaction is committed.

    A broker that is down costs nothing but time: beat hands the rows over later.

    Args:
        ids: of pictures of products, or of categories.
    """
    calls = [(TASK, {"kind": kind, "picture_id": pk}) for pk in ids]
    if calls:
        transaction.on_commit(lambda: enqueue(calls, priority=LOW_PRIORITY), robust=True)


def enqueue_due_renditions() -> int:
    """Hand over the pictures that should have renditions by now, and return how many those are."""
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
    """Make the renditions of a picture unless it has them, is gone, or somebody else is at it.

    When the storage fails it is tried again, each time after twice as long. A picture that Pillow cannot
    read keeps its original alone. One that is replaced or deleted meanwhile leaves no rendition behind.
    """
    table = _TABLES[kind]
    with try_rendition_lock(table.lock_key, picture_id) as is_locked:
        name = _claim(table, picture_id) if is_locked else ""
        if not name:
            return
        try:
            with default_storage.open(name) as original:
                data = original.read()
            rendered = _render(name, data)
            for place, format, content in rendered.files if rendered else ():
                _store(rendition_name(name, place, format), content)
        except Exception:  # each storage has errors of its own
            logger.warning("The storage failed; the renditions of %s wait", name, exc_info=True)
            return
        done: dict[str, Any] = {"renditions_due_at": None, "renditions_attempts": 0}
        if rendered:
            done["renditions"] = sorted({place for place, _, _ in rendered.files})
            # Known of every picture but those stored before it was noted.
            done |= {table.width: rendered.width, table.height: rendered.height}
        if not table.rows.filter(**{"pk": picture_id, table.file: name}).update(**done):
            discard_renditions(name)


def _claim(table: _Table, picture_id: int) -> str:
    """Note the attempt, so that one that kills the worker counts, and return the name of the picture.

    It is empty if nothing is to be done.
    """
    waiting = table.rows.filter(pk=picture_id, renditions_due_at__isnull=False)
    found = waiting.values_list(table.file, "renditions_attempts").first()
    if found is None:
        return ""
    name, attempts = found
    delay = min(RENDITIONS_STALE_AFTER * 2 ** min(attempts, 10), LAST_RETRY_AFTER)
    waiting.update(renditions_attempts=attempts + 1, renditions_due_at=timezone.now() + delay)
    return str(name)


def _render(name: str, data: bytes) -> Rendered | None:
    try:
        return render(data)
    except Exception:  # Pillow's decoders raise whatever a broken file leads them to
        logger.error("%s cannot be read as a picture; it has no renditions", name, exc_info=True)
        return None


def _store(name: str, data: bytes) -> None:
    """Store a file under exactly this name."""
    stored = default_storage.save(name, ContentFile(data))
    if stored != name:
        # A worker that died on the way has left one, perhaps half of it.
        default_storage.delete(stored)
        default_storage.delete(name)
        default_storage.save(name, ContentFile(data))
