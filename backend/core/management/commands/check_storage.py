"""Check every operation on the media storage that the shop uses."""

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
        "Connect to the media storage, write, read, list and delete a file in it, and fetch the file by its "
        "public URL. Exits with status 1 if a step fails, except for the public URL, which is a warning."
    )
    _storage: Any = default_storage

    def handle(self, *args: Any, **options: Any) -> None:
        self._data = secrets.token_bytes(1000)
        self._name = f"{_FOLDER}/{secrets.token_hex(8)}.bin"
        self._failed: list[str] = []
        self.stdout.write(f"Media storage: {self._describe_storage()}.")
        if self._run_step("reach", require_media_storage) and self._run_step("write", self._write):
            self._run_step("read", self._read)
            self._run_step("list", self._list)
            self._check_public_url()
            self._run_step("delete", self._delete)
        if self._failed:
            raise CommandError(f"The media storage is not usable: {', '.join(self._failed)} failed.")

    def _describe_storage(self) -> str:
        if not settings.ENV.object_storage_url:
            return str(settings.MEDIA_ROOT)
        return f"the bucket “{self._storage.bucket_name}” at {self._storage.endpoint_url}"

    def _run_step(self, step: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except StorageUnavailable as error:
            self._report(step, f"FAILED  {error.message}")
        except OSError as error:
            self._report(step, f"FAILED  {error}")
        else:
            self._report(step, "ok")
            return True
        self._failed.append(step)
        return False

    def _report(self, step: str, result: str) -> None:
        self.stdout.write(f"{step:<7} {result}")

    def _write(self) -> None:
        self._name = self._storage.save(self._name, ContentFile(self._data))

    def _read(self) -> None:
        with self._storage.open(self._name) as file:
            if file.read() != self._data:
                raise OSError("the content differs from what was written")

    def _list(self) -> None:
        if self._name.removeprefix(f"{_FOLDER}/") not in self._storage.listdir(_FOLDER)[1]:
            raise OSError("the list does not contain the file")

    def _delete(self) -> None:
        self._storage.delete(self._name)
        if self._storage.exists(self._name):
            raise OSError("the file still exists")

    def _check_public_url(self) -> None:
        """Warn if the public URL does not return the file. Some CDNs are not reachable from this host."""
        if not settings.ENV.object_storage_url or settings.MEDIA_THROUGH_SHOP:
            return
        url = self._storage.url(self._name)
        try:
            with urllib.request.urlopen(url, timeout=_PUBLIC_TIMEOUT) as response:  # noqa: S310 (a web URL)
                is_same = response.read() == self._data
        except HTTPError as error:
            reason = f"responds with {error.code}"
        except OSError as error:
            reason = f"is not reachable from this host ({getattr(error, 'reason', error)})"
        else:
            reason = "" if is_same else "returns other content"
        if reason:
            hint = "Make the objects of the bucket public, or set OBJECT_STORAGE_PUBLIC_URL."
            self._report("public", f"WARNING  {url} {reason}. {hint}")
        else:
            self._report("public", "ok")
