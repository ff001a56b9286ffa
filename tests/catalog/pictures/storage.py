"""A media storage for one test, and access to its files."""

import tempfile
from pathlib import Path

from django.conf import settings
from django.test import SimpleTestCase, override_settings
from PIL import Image


class StorageCase(SimpleTestCase):
    """A test with a media folder of its own."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.media = Path(temporary.name)
        overridden = override_settings(MEDIA_ROOT=self.media)
        overridden.enable()
        self.addCleanup(overridden.disable)

    def files(self) -> set[str]:
        """Return the names of all files in the storage."""
        return {str(path.relative_to(self.media)) for path in self.media.rglob("*") if path.is_file()}


def open_stored(url: str) -> Image.Image:
    """Open the image file behind a URL of the shop, directly from the storage."""
    image = Image.open(Path(settings.MEDIA_ROOT) / url.removeprefix(settings.MEDIA_URL))
    image.load()
    return image
