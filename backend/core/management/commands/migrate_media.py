"""Copy local media files to the object storage."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from backend.core.media.storage import StorageUnavailable

# Maximum number of files that wait for a thread, so that memory does not grow with the number of files.
_WINDOW = 256


class Command(BaseCommand):
    help = (
        "Copy DATA_DIR/media to the object storage of OBJECT_STORAGE_*, under the same names. Files that are "
        "already stored with the same content are skipped, so an interrupted run can be repeated. Local "
        "files are kept."
    )
    _storage: Any = default_storage

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", choices=["s3"], required=True, help="destination")
        parser.add_argument(
            "--dry-run", action="store_true", help="count the files to copy without copying them"
        )
        parser.add_argument(
            "--parallel", type=int, default=8, metavar="N", help="number of threads, default: %(default)s"
        )

    def handle(self, *args: Any, dry_run: bool, parallel: int, **options: Any) -> None:
        if not settings.ENV.object_storage_url:
            raise CommandError("No object storage is configured. Set OBJECT_STORAGE_URL and its credentials.")
        if not 1 <= parallel <= 64:
            raise CommandError(f"--parallel must be between 1 and 64, not {parallel}.")
        try:
            self._copy_all(settings.MEDIA_ROOT, dry_run=dry_run, parallel=parallel)
        except StorageUnavailable as error:
            raise CommandError(f"{error.message} Run the command again to continue.") from None

    def _copy_all(self, root: Path, *, dry_run: bool, parallel: int) -> None:
        self._root, self._dry_run = root, dry_run
        self._stored = {name: (size, etag) for name, size, etag in self._storage.list_entries()}
        names = sorted(_list_files(root))
        copied, copied_bytes, failed = 0, 0, 0
        with (
            ThreadPoolExecutor(parallel) as pool,
            # Without a terminal `disable=None` shows no bar.
            tqdm(total=len(names), unit="file", disable=None) as bar,
        ):
            waiting = iter(names)
            while window := list(islice(waiting, _WINDOW)):
                for name, result in zip(window, pool.map(self._copy, window), strict=True):
                    bar.update()
                    if isinstance(result, OSError):
                        failed += 1
                        bar.clear()
                        self.stdout.write(f"{name}: {result}")
                    elif result is not None:
                        copied, copied_bytes = copied + 1, copied_bytes + result
        done = "would be copied" if dry_run else "copied"
        self.stdout.write(
            f"{copied} {done} ({copied_bytes / 1e6:.1f} MB), "
            f"{len(names) - copied - failed} were already stored, {failed} failed"
        )
        if failed:
            raise CommandError(f"{failed} files were not copied.")

    def _copy(self, name: str) -> int | OSError | None:
        """Copy a file unless it is stored. Return its size if it was copied, or the error."""
        try:
            data = (self._root / name).read_bytes()
        except OSError as error:
            return error
        if self._is_stored(name, data):
            return None
        if not self._dry_run:
            # The file is downloaded again only if the ETag is not its MD5 digest.
            self._stored[name] = self._storage.put(name, data)
            if not self._is_stored(name, data):
                return OSError("the stored content differs from the file")
        return len(data)

    def _is_stored(self, name: str, data: bytes) -> bool:
        size, etag = self._stored.get(name, (-1, ""))
        if size != len(data):
            return False
        return bool(etag == md5(data, usedforsecurity=False).hexdigest() or self._has_content(name, data))

    def _has_content(self, name: str, data: bytes) -> bool:
        with self._storage.open(name) as file:
            return bool(file.read() == data)


def _list_files(root: Path) -> Iterator[str]:
    for folder, _, files in os.walk(root):
        for file in files:
            yield (Path(folder) / file).relative_to(root).as_posix()
