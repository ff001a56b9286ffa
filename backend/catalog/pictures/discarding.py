"""Removes the files of pictures that are no more: at once when they are replaced or deleted, and now and
then whatever an upload or a worker that was cut off has left behind."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from backend.catalog.models import Category, ProductImage
from backend.catalog.renditions import FOLDER, WIDTHS, read_rendition_name, rendition_names
from backend.core.media import StorageUnavailable

logger = logging.getLogger(__name__)

# Everything below these folders of the storage is ours.
FOLDERS = ("products", "categories", FOLDER)
# A file that nothing needs may be that of an upload or import under way.
GRACE = timedelta(days=1)
# More orphans than this, and than files that are needed, look like somebody else's files.
MAX_ORPHANS = 100

_BATCH = 500


def discard_files_on_commit(names: Iterable[str]) -> None:
    """Delete those of some pictures that no row has by the time of the commit, with their renditions."""
    given = [name for name in names if name]
    if given:
        transaction.on_commit(lambda: discard_files(given), robust=True)


def discard_files(names: Iterable[str]) -> None:
    """Delete pictures from the storage with their renditions, except those that a row still has. While it
    is down they stay."""
    names = set(names)
    gone = sorted(names - _read_rows(names).keys())
    _delete([file for name in gone for file in (name, *rendition_names(name))])


def discard_renditions(name: str) -> None:
    """Delete all renditions of the picture that is stored under a name."""
    _delete(rendition_names(name))


def _delete(names: Iterable[str]) -> int:
    """Delete files until the storage fails, and return how many are gone."""
    count = 0
    for name in names:
        try:
            default_storage.delete(name)
            count += 1
        except StorageUnavailable as error:
            logger.warning("could not delete %s and what goes with it: %s", name, error)
            break
        except Exception:  # each storage has errors of its own; a file too many harms nobody
            logger.warning("could not delete %s from the storage", name, exc_info=True)
    return count


@dataclass(slots=True)
class StoredFiles:
    """The files of pictures in the storage.

    Attributes:
        needed: how many there are that a row needs, or that are too new to judge.
        orphans: the names of the others.
    """

    needed: int = 0
    orphans: list[str] = field(default_factory=list)

    @property
    def are_strange(self) -> bool:
        """Whether there are so many orphans that the storage may be another shop's, too."""
        return len(self.orphans) > max(self.needed, MAX_ORPHANS)


def find_orphans(*, grace: timedelta = GRACE) -> StoredFiles:
    """Look through the storage for files that no picture needs.

    Args:
        grace: a file that is newer counts as needed.
    """
    found = StoredFiles()
    oldest = timezone.now() - grace
    for names in _batches(name for folder in FOLDERS for name in _stored_below(folder)):
        needed = _needed(names)
        orphans = [name for name in names if name not in needed and _is_older(name, oldest)]
        found.orphans += orphans
        found.needed += len(names) - len(orphans)
    return found


def remove_orphans(orphans: Sequence[str]) -> int:
    """Delete files that `find_orphans` has found, except those that are needed after all, and return how
    many are gone. While the storage is down they stay."""
    count = sum(_delete(sorted(set(names) - _needed(names))) for names in _batches(iter(orphans)))
    if count:
        logger.info("%s files that no picture needs are removed from the storage", count)
    return count


def _stored_below(folder: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from _stored_below(f"{folder}/{name}")


def _batches(names: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(names, _BATCH)):
        yield batch


def _read_rows(names: Iterable[str]) -> dict[str, Sequence[int]]:
    """Return, for those of some stored pictures that a row has, in which of `WIDTHS` it has renditions
    or is about to have them."""
    names = list(names)
    rows = (
        ProductImage.objects.filter(file__in=names)
        .order_by()
        .values_list("file", *_STATE)
        .union(Category.objects.filter(image__in=names).order_by().values_list("image", *_STATE), all=True)
    )
    return {name: WIDTHS if due_at else widths for name, widths, due_at in rows}


_STATE = ("renditions", "renditions_due_at")


def _needed(names: Sequence[str]) -> set[str]:
    """Return those of some stored files that are a picture that a row has, or a rendition of it."""
    originals = {
        name: read_rendition_name(name) if name.startswith(f"{FOLDER}/") else (name, None) for name in names
    }
    rows = _read_rows({original for original, _ in originals.values()})
    return {
        name
        for name, (original, width) in originals.items()
        if original in rows and (width is None or width in rows[original])
    }


def _is_older(name: str, moment: datetime) -> bool:
    try:
        return default_storage.get_modified_time(name) < moment
    except FileNotFoundError:
        return False
