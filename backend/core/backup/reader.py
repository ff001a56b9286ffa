"""Restore a backup."""

import json
import logging
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import IO, Any, cast

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from backend.core.backup import COMPLETE, FORMAT, MANIFEST, MEDIA, PARTS
from backend.core.backup.contents import Contents
from backend.core.backup.postgres_tools import DatabaseReplacement, replace_database
from backend.core.media.storage import StorageUnavailable

logger = logging.getLogger(__name__)

# The tables that `migrate` fills.
_FILLED_BY_MIGRATE = {"django_migrations", "django_content_type", "auth_permission"}


class BackupInvalid(Exception):
    """The file is not a complete backup that this version can read. The message says why."""


def find_contents() -> str | None:
    """Return a description of something that the shop contains, or None if it is empty.

    A shop whose tables have been created by `migrate` is empty.
    """
    with connection.cursor() as cursor:
        for table in sorted({*connection.introspection.table_names(cursor)} - _FILLED_BY_MIGRATE):
            cursor.execute(f"SELECT EXISTS (SELECT FROM {connection.ops.quote_name(table)})")  # noqa: S608
            if cursor.fetchone()[0]:
                return f"the table {table} of the database {connection.settings_dict['NAME']} has rows"
    storage: Any = default_storage
    with closing(storage.list_files()) as files:
        file = next(files, None)
    return f"the media storage has the file {file[0]}" if file is not None else None


def restore_backup(source: IO[bytes]) -> Contents:
    """Replace the database by that of a backup, store its media files, and return their numbers.

    Other media files are kept. After an error, the database is unchanged and new media files are deleted.

    Raises:
        BackupInvalid: the file is not a backup, is truncated, damaged, or of a newer version of the shop.
        ToolError: psql is missing, too old, or fails.
        StorageUnavailable: the media storage fails.
        OSError: the file cannot be read.
    """
    contents = Contents()
    with ExitStack() as stack:
        stack.enter_context(_translate_errors())
        archive = stack.enter_context(tarfile.open(fileobj=source, mode="r|"))
        members = _read_members(archive, contents)
        _check_manifest(*next(members, ("", None)))
        stored = stack.enter_context(_delete_after_error())
        database: DatabaseReplacement | None = None
        for name, file in members:
            if name.startswith(MEDIA):
                _store_media(name.removeprefix(MEDIA), file, stored)
            elif name.startswith(PARTS):
                # Not earlier, because the transaction locks every table.
                database = database or stack.enter_context(replace_database())
                database.write(file)
            else:
                raise BackupInvalid(f"“{name}” does not belong to a backup")
        if database is None:
            raise BackupInvalid("it has no database")
        database.commit()
    return contents


def find_unapplied_migrations() -> bool:
    """Return whether the database lacks migrations of this version of the shop."""
    loader = MigrationLoader(connection)
    return not loader.disk_migrations.keys() <= loader.applied_migrations.keys()


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zlib.error, SuspiciousOperation) as error:
        raise BackupInvalid(str(error)) from error


def _read_members(archive: tarfile.TarFile, contents: Contents) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the names and files of the members, and check the digest after the last one."""
    while (member := archive.next()) is not None:
        # `tarfile` would keep all members in memory.
        archive.members.clear()  # type: ignore[attr-defined]
        file = archive.extractfile(member)
        if file is None:
            raise BackupInvalid(f"“{member.name}” is not a file")
        if member.name == COMPLETE:
            if file.read() != contents.digest.encode():
                raise BackupInvalid("it is damaged: its digest differs")
            return
        yield member.name, cast(IO[bytes], contents.add(member.name, member.size, file))
    raise BackupInvalid("its end is missing")


def _check_manifest(name: str, file: IO[bytes] | None) -> None:
    if file is None or name != MANIFEST:
        raise BackupInvalid(f"it does not begin with {MANIFEST}")
    try:
        manifest = json.loads(file.read())
        version, migrations = manifest["format"], manifest["migrations"]
    except (ValueError, KeyError, TypeError) as error:
        raise BackupInvalid(f"its {MANIFEST} is damaged") from error
    if version != FORMAT:
        raise BackupInvalid(f"it has format {version}, and this version of the shop reads format {FORMAT}")
    known = {f"{app}.{migration}" for app, migration in MigrationLoader(None).disk_migrations}
    if unknown := [migration for migration in migrations if migration not in known]:
        raise BackupInvalid(
            f"this version of the shop is older and does not know the migration {unknown[-1]}"
        )


@contextmanager
def _delete_after_error() -> Iterator[list[str]]:
    """Provide a list for the names of new media files, which are deleted if the block raises an error."""
    names: list[str] = []
    with ExitStack() as stack:
        stack.callback(_delete_media, names)
        yield names
        stack.pop_all()


def _delete_media(names: list[str]) -> None:
    for done, name in enumerate(names):
        try:
            default_storage.delete(name)
        except (StorageUnavailable, OSError) as error:
            logger.warning(
                "%s media files could not be deleted: %s. Run `manage.py remove_orphaned_media` later.",
                len(names) - done,
                error,
            )
            break


def _store_media(name: str, file: IO[bytes], stored: list[str]) -> None:
    if not default_storage.exists(name):
        # Before it is stored, since an interruption can follow immediately.
        stored.append(name)
    storage: Any = default_storage
    storage.store(name, file)
