"""Storage of pictures: local files, and the functions that both kinds of storage share."""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Any

from django.core.files.storage import FileSystemStorage, default_storage
from django.utils.encoding import filepath_to_uri
from django.utils.translation import gettext_lazy as _

from backend.core.errors import Unavailable

# A name with a digest of the content always has the same content, so browsers and CDNs keep it.
_IMMUTABLE = "public, max-age=31536000, immutable"
_ONE_HOUR = "public, max-age=3600"
_CONTENT_DIGEST = re.compile(r"-[0-9a-f]{12}[._]")


# Errors of `os.link` on file systems without hard links, such as exFAT and some network file systems.
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP}


class StorageUnavailable(Unavailable):
    """Pictures cannot be read or stored. The message is the reason, for staff."""


def _move_to_free_name(unfinished: str, path: str) -> None:
    """Give a complete file its name. The unfinished name may continue to exist.

    Raises:
        FileExistsError: another file has the name.
    """
    try:
        os.link(unfinished, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
    else:
        return
    # Readers can see an empty file for a moment, but no other upload can take its name.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    with ExitStack() as stack:
        stack.callback(os.unlink, path)
        os.replace(unfinished, path)
        stack.pop_all()


@contextmanager
def open_until_complete(path: Path) -> Iterator[IO[bytes]]:
    """Provide a new file that appears under its name when the block ends, and is deleted after an error.

    It is readable by its owner only, unless the block changes its mode.
    """
    descriptor, unfinished = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with ExitStack() as stack:
        stack.callback(os.unlink, unfinished)
        with open(descriptor, "wb") as file:
            yield file
        os.replace(unfinished, path)
        stack.pop_all()


class LocalStorage(FileSystemStorage):
    """Local files. A file that cannot be written raises `StorageUnavailable`."""

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Write a file and return its name."""
        try:
            return super().save(name, content, max_length)
        except OSError as error:
            raise StorageUnavailable(
                _("Pictures cannot be stored: %(error)s."), params={"error": error}
            ) from error

    def url(self, name: str | None) -> str:
        """Return the URL of a file."""
        # Django joins URLs for names such as "../x", which no file has. That takes three times as long.
        return f"{self.base_url}{filepath_to_uri(name)}"

    def _save(self, name: str, content: Any) -> str:
        # The file is complete when it gets its name, and an error removes no file of another upload.
        unfinished = os.path.join(os.path.dirname(name), f".{secrets.token_hex(8)}")
        with ExitStack() as stack:
            stack.callback(self.delete, unfinished)
            super()._save(unfinished, content)  # type: ignore[misc]
            while True:
                try:
                    _move_to_free_name(self.path(unfinished), self.path(name))
                except FileExistsError:
                    name = self.get_available_name(name)
                else:
                    return name

    def list_files(self) -> Iterator[tuple[str, int]]:
        """Yield name and size in bytes of all files."""
        for folder, _folders, files in os.walk(self.location):
            for file in files:
                path = Path(folder, file)
                # A file can be deleted after its folder was read.
                with suppress(FileNotFoundError):
                    size = path.stat().st_size
                    yield path.relative_to(self.location).as_posix(), size

    @contextmanager
    def stream(self, name: str) -> Iterator[tuple[int, IO[bytes]]]:
        """Provide the size in bytes and a stream of a file."""
        with open(self.path(name), "rb") as file:
            yield os.fstat(file.fileno()).st_size, file

    def store(self, name: str, stream: IO[bytes]) -> None:
        """Write a file under exactly this name, replacing an existing one when the new one is complete."""
        path = Path(self.path(name))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_until_complete(path) as file:
                shutil.copyfileobj(stream, file)
                os.fchmod(file.fileno(), self.file_permissions_mode or 0o644)
        except OSError as error:
            raise StorageUnavailable(
                _("Pictures cannot be stored: %(error)s."), params={"error": error}
            ) from error


def require_media_storage() -> None:
    """Check within two seconds that pictures can be stored, before anything is written.

    Raises:
        StorageUnavailable: the object storage does not respond, or rejects the credentials.
    """
    ping = getattr(default_storage, "ping", None)
    if ping is not None:
        ping()


def check_media_storage() -> str | None:
    """Return the error of the object storage, or None. The result is cached for some seconds."""
    last_error = getattr(default_storage, "last_error", None)
    return last_error() if last_error is not None else None


def choose_cache_control(name: str) -> str:
    """Return the `Cache-Control` header of a file: immutable if its name contains a digest of its content."""
    return _IMMUTABLE if _CONTENT_DIGEST.search(name) else _ONE_HOUR


def fetch_stored(name: str) -> tuple[bytes, dict[str, str]]:
    """Return a file of the object storage with its response headers.

    Raises:
        FileNotFoundError: the file does not exist.
        SuspiciousOperation: the name is not a path within the bucket.
        StorageUnavailable: the object storage does not respond, or rejects the credentials.
    """
    storage: Any = default_storage
    content, headers = storage.fetch(name)
    return content, headers
