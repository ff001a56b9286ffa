"""Pictures in local files when the disk is full, and on file systems without hard links."""

import errno
import os
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


class LocalStorageCase(SimpleTestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.storage = LocalStorage(location=directory.name)
        self.path = Path(directory.name) / NAME

    def list_names(self) -> list[str]:
        return sorted(path.name for path in self.path.parent.iterdir())

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


class FullDiskTest(LocalStorageCase):
    def test_file_that_does_not_fit_is_removed(self) -> None:
        with limited_file_size(), self.assertRaises(StorageUnavailable):
            self.storage.save(NAME, ContentFile(b"x" * (LIMIT + 1)))
        assert self.list_names() == []
        assert self.storage.save(NAME, ContentFile(b"x" * (LIMIT + 1))) == NAME

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

    def test_file_that_fits_is_stored(self) -> None:
        with limited_file_size():
            assert self.storage.save(NAME, ContentFile(b"x" * LIMIT)) == NAME
        assert self.path.stat().st_size == LIMIT
        assert self.list_names() == [self.path.name]


class NoHardLinksTest(LocalStorageCase):
    def setUp(self) -> None:
        super().setUp()
        patch = mock.patch("os.link", side_effect=OSError(errno.EPERM, os.strerror(errno.EPERM)))
        patch.start()
        self.addCleanup(patch.stop)

    def test_file_is_stored(self) -> None:
        assert self.storage.save(NAME, ContentFile(b"x")) == NAME
        assert self.path.read_bytes() == b"x"
        assert self.list_names() == [self.path.name]

    def test_upload_with_a_taken_name_gets_another_one(self) -> None:
        saved = Path(self.save_after_another_upload(5)).name
        assert self.path.read_bytes() == b"other"
        assert self.list_names() == sorted([self.path.name, saved])
        assert (self.path.parent / saved).read_bytes() == b"xxxxx"

    def test_error_leaves_no_file(self) -> None:
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        with mock.patch("os.replace", side_effect=error), self.assertRaises(StorageUnavailable):
            self.storage.save(NAME, ContentFile(b"x"))
        assert self.list_names() == []

    def test_other_errors_are_not_retried(self) -> None:
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with mock.patch("os.link", side_effect=error), self.assertRaises(StorageUnavailable):
            self.storage.save(NAME, ContentFile(b"x"))
        assert self.list_names() == []
