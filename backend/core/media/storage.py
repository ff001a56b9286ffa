"""Where pictures are stored, and whether they can be now."""

import re
from typing import Any

from django.core.files.storage import FileSystemStorage, default_storage

from backend.core.errors import Unavailable

# Browsers and CDNs keep for ever what has its content's digest in its name, and ask again for the rest.
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_AN_HOUR = "public, max-age=3600"
_CONTENT_DIGEST = re.compile(r"-[0-9a-f]{12}[._]")


class StorageUnavailable(Unavailable):
    """The object storage does not answer, or refuses the shop, or the disk is full; the message tells staff
    why."""


class LocalStorage(FileSystemStorage):
    """Files of this machine; what cannot be written raises `StorageUnavailable`."""

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Write a file, and return under which name."""
        try:
            return super().save(name, content, max_length)
        except OSError as error:
            raise StorageUnavailable(f"Pictures cannot be stored: {error}.") from error


def require_media_storage() -> None:
    """Find out within two seconds whether pictures can be stored, before anything is written.

    Raises:
        StorageUnavailable: the object storage does not answer, or refuses the shop.
    """
    ask = getattr(default_storage, "ping", None)
    if ask is not None:
        ask()


def check_media_storage() -> str | None:
    """Return what is wrong with the object storage, or None; it is asked anew every few seconds at most."""
    fault = getattr(default_storage, "last_error", None)
    return fault() if fault is not None else None


def media_cache_control(name: str) -> str:
    """Return how long the file of a name may be kept: for ever if its content can never be another."""
    return _FOR_EVER if _CONTENT_DIGEST.search(name) else _FOR_AN_HOUR


def fetch_stored(name: str) -> tuple[bytes, dict[str, str]]:
    """Return a file of the object storage and the headers to show it with.

    Raises:
        FileNotFoundError: there is none.
        SuspiciousOperation: its name leads out of the bucket.
        StorageUnavailable: the object storage does not answer, or refuses the shop.
    """
    storage: Any = default_storage
    content, headers = storage.fetch(name)
    return content, headers
