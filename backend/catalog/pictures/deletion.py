"""Delete picture files that no row refers to.

Files of replaced or deleted pictures are deleted on commit. Files left behind by an interrupted upload or
worker ("orphans") are found by a periodic scan of the storage.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from backend.catalog.models import Category, ProductImage
from backend.catalog.renditions import FOLDER, WIDTHS, list_rendition_names, parse_rendition_name
from backend.core.media.storage import StorageUnavailable

logger = logging.getLogger(__name__)

# Archives that wait for the confirmation of their import. No row refers to them.
IMPORTS_FOLDER = "imports"
# The storage folders that hold files of the shop only.
FOLDERS = ("products", "categories", FOLDER, IMPORTS_FOLDER)
# A newer file without a row may belong to a running upload or import.
GRACE = timedelta(days=1)
# More orphans than this, and than files in use, suggest that another shop uses the same storage.
MAX_ORPHANS = 100

_BATCH = 500


def discard_files_on_commit(names: Iterable[str]) -> None:
    """After the commit, delete the pictures that no row refers to, with their renditions."""
    discarded = [name for name in names if name]
    if discarded:
        transaction.on_commit(lambda: discard_files(discarded), robust=True)


def discard_files(names: Iterable[str]) -> None:
    """Delete pictures and their renditions from the storage, except those that a row refers to.

    If the storage is down, the files are kept.
    """
    names = set(names)
    unused = sorted(names - _read_rendition_widths(names).keys())
    _delete([file for name in unused for file in (name, *list_rendition_names(name))])


def discard_renditions(name: str) -> None:
    """Delete all renditions of the picture with this storage name."""
    _delete(list_rendition_names(name))


def _delete(names: Iterable[str]) -> int:
    """Delete files until the storage is unavailable, and return the number of deleted files."""
    count = 0
    for name in names:
        try:
            default_storage.delete(name)
            count += 1
        except StorageUnavailable as error:
            logger.warning("could not delete %s and the files after it: %s", name, error)
            break
        except Exception:  # every storage raises its own error types; a leftover file is harmless
            logger.warning("could not delete %s from the storage", name, exc_info=True)
    return count


@dataclass(slots=True)
class StorageScan:
    """The result of a scan of the storage.

    Attributes:
        used: the number of files that belong to a row or are newer than the grace period.
        orphans: the names of all other files.
    """

    used: int = 0
    orphans: list[str] = field(default_factory=list)

    @property
    def has_suspicious_orphans(self) -> bool:
        """True if the number of orphans suggests that another shop uses the same storage."""
        return len(self.orphans) > max(self.used, MAX_ORPHANS)


def find_orphans(*, grace: timedelta = GRACE) -> StorageScan:
    """Scan the storage for picture files that no row refers to.

    Args:
        grace: files newer than this count as used.
    """
    scan = StorageScan()
    oldest = timezone.now() - grace
    for names in _split_batches(name for folder in FOLDERS for name in _list_stored_files(folder)):
        used = _find_used(names)
        orphans = [name for name in names if name not in used and _is_older(name, oldest)]
        scan.orphans += orphans
        scan.used += len(names) - len(orphans)
    return scan


def remove_orphans(orphans: Sequence[str]) -> int:
    """Delete the orphans that are still unused, and return the number of deleted files.

    If the storage is down, the files are kept.
    """
    count = sum(_delete(sorted(set(names) - _find_used(names))) for names in _split_batches(iter(orphans)))
    if count:
        logger.info("%s unused picture files have been deleted from the storage", count)
    return count


def _list_stored_files(folder: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from _list_stored_files(f"{folder}/{name}")


def _split_batches(names: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(names, _BATCH)):
        yield batch


def _read_rendition_widths(names: Iterable[str]) -> dict[str, Sequence[int]]:
    """Return the widths of the existing or expected renditions of each picture that a row refers to."""
    names = list(names)
    rows = (
        ProductImage.objects.filter(file__in=names)
        .order_by()
        .values_list("file", *_RENDITION_COLUMNS)
        .union(
            Category.objects.filter(image__in=names).order_by().values_list("image", *_RENDITION_COLUMNS),
            all=True,
        )
    )
    return {name: WIDTHS if due_at else widths for name, widths, due_at in rows}


_RENDITION_COLUMNS = ("renditions", "renditions_due_at")


def _find_used(names: Sequence[str]) -> set[str]:
    """Return the files that are a picture that a row refers to, or a rendition of one."""
    originals = {
        name: parse_rendition_name(name) if name.startswith(f"{FOLDER}/") else (name, None) for name in names
    }
    widths = _read_rendition_widths({original for original, _ in originals.values()})
    return {
        name
        for name, (original, width) in originals.items()
        if original in widths and (width is None or width in widths[original])
    }


def _is_older(name: str, moment: datetime) -> bool:
    try:
        return default_storage.get_modified_time(name) < moment
    except FileNotFoundError:
        return False
