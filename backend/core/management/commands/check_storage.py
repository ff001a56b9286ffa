"""Try everything that the shop does where it keeps its media, and say what fails and why."""

import secrets
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError

from backend.core.media.storage import StorageUnavailable, require_media_storage

_FOLDER = "check-storage"
_PUBLIC_TIMEOUT = 3


class Command(BaseCommand):
    help = (
        "Reach the place where media is kept, write, read, list and delete a file there, and look whether "
        "shoppers can see it; exits with 1 when one of the first five fails."
    )
    _storage: Any = default_storage

    def handle(self, *args: Any, **options: Any) -> None:
        self._data = secrets.token_bytes(1000)
        self._name = f"{_FOLDER}/{secrets.token_hex(8)}.bin"
        self._failed: list[str] = []
        self.stdout.write(f"Media is kept in {self._place()}.")
        if self._try("reach", require_media_storage) and self._try("write", self._write):
            self._try("read", self._read)
            self._try("list", self._list)
            self._look_as_a_shopper()
            self._try("delete", self._delete)
        if self._failed:
            raise CommandError(f"Media cannot be kept there: {', '.join(self._failed)} failed.")

    def _place(self) -> str:
        if not settings.ENV.object_storage_url:
            return str(settings.MEDIA_ROOT)
        return f"the bucket “{self._storage.bucket_name}” at {self._storage.endpoint_url}"

    def _try(self, step: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except StorageUnavailable as error:
            self._tell(step, f"FAILED  {error.message}")
        except OSError as error:
            self._tell(step, f"FAILED  {error}")
        else:
            self._tell(step, "ok")
            return True
        self._failed.append(step)
        return False

    def _tell(self, step: str, result: str) -> None:
        self.stdout.write(f"{step:<7} {result}")

    def _write(self) -> None:
        self._name = self._storage.save(self._name, ContentFile(self._data))

    def _read(self) -> None:
        with self._storage.open(self._name) as file:
            if file.read() != self._data:
                raise OSError("other bytes came back than were written")

    def _list(self) -> None:
        if self._name.removeprefix(f"{_FOLDER}/") not in self._storage.listdir(_FOLDER)[1]:
            raise OSError("the file is not in the list")

    def _delete(self) -> None:
        self._storage.delete(self._name)
        if self._storage.exists(self._name):
            raise OSError("the file is still there")

    def _look_as_a_shopper(self) -> None:
        """Warn when the file's public address does not show it; a CDN may be known to the outside alone."""
        if not settings.ENV.object_storage_url or settings.MEDIA_THROUGH_SHOP:
            return
        url = self._storage.url(self._name)
        try:
            with urllib.request.urlopen(url, timeout=_PUBLIC_TIMEOUT) as answer:  # noqa: S310 (a web address)
                shown = answer.read() == self._data
        except HTTPError as error:
            reason = f"answers {error.code}"
        except OSError as error:
            reason = f"cannot be reached from here ({getattr(error, 'reason', error)})"
        else:
            reason = "" if shown else "shows something else"
        if reason:
            look = "Let everybody read the bucket's objects, or see OBJECT_STORAGE_PUBLIC_URL."
            self._tell("public", f"WARNING  {url} {reason}. {look}")
        else:
            self._tell("public", "ok")
