"""Pictures in local files when the disk is full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from django.core.files.base import ContentFile
from django.test import SimpleTestCase

from backend.core.media.storage import LocalStorage, StorageUnavailable

LIMIT = 64 * 1024
NAME = "products/tea-0123456789ab.jpg"


@contextmanager
def limited_file_size() -> Iterator[None]:
    """Make the kernel refuse to write more than `LIMIT` bytes to a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class FullDiskTest(SimpleTestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.storage = LocalStorage(location=directory.name)
        self.path = Path(directory.name) / NAME

    def test_file_that_does_not_fit_is_removed(self) -> None:
        with limited_file_size(), self.assertRaises(StorageUnavailable):
            self.storage.save(NAME, ContentFile(b"x" * (LIMIT + 1)))
        assert self.list_names() == []
        assert self.storage.save(NAME, ContentFile(b"x" * (LIMIT + 1))) == NAME

    def save_after_another_upload(self, size: int) -> str:
        """Save a file whose name another upload takes after it was chosen."""
        choose = self.storage.get_available_name

        def choose_first(name: str, **options: Any) -> str:
            chosen = choose(name, **options)
            self.path.parent.mkdir()
            self.path.write_bytes(b"other")
            return chosen

        names = mock.Mock(side_effect=[choose_first, choose])
        with mock.patch.object(
            self.storage, "get_available_name", lambda name, **options: names()(name, **options)
        ):
            return self.storage.save(NAME, ContentFile(b"x" * size))

    def test_file_of_another_upload_with_the_same_name_is_kept(self) -> None:
        with limited_file_size(), self.assertRaises(StorageUnavailable):
            self.save_after_another_upload(LIMIT + 1)
        assert self.path.read_bytes() == b"other"
        assert self.list_names() == [self.path.name]

    def test_upload_with_a_taken_name_gets_another_one(self) -> None:
        saved = Path(self.save_after_another_upload(LIMIT)).name
        assert self.path.read_bytes() == b"other"
        assert self.list_names() == sorted([self.path.name, saved])
        assert (self.path.parent / saved).stat().st_size == LIMIT

    def list_names(self) -> list[str]:
        return sorted(path.name for path in self.path.parent.iterdir())

    def test_file_that_fits_is_stored(self) -> None:
        with limited_file_size():
            assert self.storage.save(NAME, ContentFile(b"x" * LIMIT)) == NAME
        assert self.path.stat().st_size == LIMIT
        assert self.list_names() == [self.path.name]
