"""Pictures in local files when the disk is full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

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
        assert not self.path.exists()
        assert self.storage.save(NAME, ContentFile(b"x" * (LIMIT + 1))) == NAME

    def test_file_that_fits_is_stored(self) -> None:
        with limited_file_size():
            assert self.storage.save(NAME, ContentFile(b"x" * LIMIT)) == NAME
        assert self.path.stat().st_size == LIMIT
