"""Pictures while the object storage loses connections."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client, SimpleTestCase, override_settings

from backend.core.media.storage import StorageUnavailable
from tests.support.fault_proxy import FaultProxy
from tests.support.object_storage import Moto

NAME = "products/tea.jpg"
PICTURE = bytes(range(256)) * 2000


class ObjectStorageConnectionTest(SimpleTestCase):
    storage: Moto
    proxy: FaultProxy

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.storage = Moto()
        cls.addClassCleanup(cls.storage.remove)
        cls.storage.start()
        cls.proxy = FaultProxy(cls.storage.port)
        cls.addClassCleanup(cls.proxy.stop)

    def setUp(self) -> None:
        self.proxy.clear()

    @contextmanager
    def as_media(self) -> Iterator[None]:
        """Store the pictures of this process behind the proxy."""
        url = f"http://127.0.0.1:{self.proxy.port}"
        with self.storage.as_media(url=url), override_settings(MEDIA_THROUGH_SHOP=True):
            yield

    def test_upload_that_is_cut_is_refused_and_leaves_no_file(self) -> None:
        with self.as_media():
            # The first call of an upload is small.
            self.proxy.cut_requests_after = len(PICTURE) // 2
            with self.assertRaises(StorageUnavailable):
                default_storage.save("products/cut.jpg", ContentFile(PICTURE))
            assert "products/cut.jpg" not in self.storage.names()
            self.proxy.clear()
            assert default_storage.save("products/cut.jpg", ContentFile(PICTURE)) == "products/cut.jpg"
        assert self.storage.objects()["products/cut.jpg"] == PICTURE

    def test_picture_that_is_cut_is_a_503_and_no_partial_picture(self) -> None:
        with self.as_media():
            default_storage.save(NAME, ContentFile(PICTURE))
            self.proxy.drop_connections()
            self.proxy.cut_responses_after = len(PICTURE) // 2
            response = Client().get(f"/media/{NAME}")
            assert (response.status_code, response.json()["code"]) == (503, "UNAVAILABLE")
            with self.assertRaises(StorageUnavailable):
                default_storage.open(NAME)
            self.proxy.drop_connections()
            self.proxy.clear()
            assert Client().get(f"/media/{NAME}").content == PICTURE
