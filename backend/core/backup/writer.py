"""Write a backup."""

import io
import json
import tarfile
import time
from hashlib import sha256
from typing import IO, Any, cast

from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from backend.core.backup import COMPLETE, FORMAT, MANIFEST, MEDIA, PART_SIZE, PARTS
from backend.core.backup.contents import Contents
from backend.core.backup.postgres_tools import run_pg_dump


def write_backup(output: IO[bytes]) -> Contents:
    """Write the database and the media files of the shop, and return their numbers.

    The shop can be in use. The backup contains the state of the database at one time.

    Raises:
        ToolError: pg_dump is missing, too old, or fails.
        StorageUnavailable: the media storage fails.
        OSError: the output cannot be written.
    """
    contents = Contents()
    written: set[bytes] = set()
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        _add_bytes(archive, contents, MANIFEST, json.dumps(_describe_shop()).encode())
        _add_new_media(archive, contents, written)
        _add_database(archive, contents)
        _add_new_media(archive, contents, written)
        _add_bytes(archive, contents, COMPLETE, contents.digest.encode())
    return contents


def _describe_shop() -> dict[str, Any]:
    migrations = MigrationRecorder(connection).applied_migrations()
    return {
        "format": FORMAT,
        "created_at": timezone.now().isoformat(),
        "migrations": sorted(f"{app}.{name}" for app, name in migrations),
    }


def _add_new_media(archive: tarfile.TarFile, contents: Contents, written: set[bytes]) -> None:
    """Add the media files that are not yet written, or whose size has changed because they were incomplete.

    Args:
        written: digests of the names and sizes of the files in the archive, 16 bytes for each.
    """
    storage: Any = default_storage
    for name, listed_size in storage.list_files():
        if _digest_entry(name, listed_size) in written:
            continue
        try:
            with storage.stream(name) as (size, file):
                _add(archive, contents, MEDIA + name, size, file)
        except FileNotFoundError:
            # Deleted after it was listed, so no row refers to it any more.
            continue
        written.add(_digest_entry(name, size))


def _digest_entry(name: str, size: int) -> bytes:
    return sha256(f"{name}\n{size}".encode()).digest()[:16]


def _add_database(archive: tarfile.TarFile, contents: Contents) -> None:
    number = 0
    with run_pg_dump() as dump:
        while part := dump.read(PART_SIZE):
            number += 1
            _add_bytes(archive, contents, f"{PARTS}{number:06}", part)


def _add_bytes(archive: tarfile.TarFile, contents: Contents, name: str, data: bytes) -> None:
    _add(archive, contents, name, len(data), io.BytesIO(data))


def _add(archive: tarfile.TarFile, contents: Contents, name: str, size: int, file: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(time.time())
    archive.addfile(member, cast(IO[bytes], contents.add(name, size, file)))
    # `tarfile` would keep all members in memory.
    archive.members.clear()  # type: ignore[attr-defined]
