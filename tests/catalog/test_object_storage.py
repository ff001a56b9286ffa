"""Pictures in object storage: URLs, access and outages."""

import socket
import time
import urllib.request
from base64 import b64encode
from contextlib import contextmanager
from hashlib import md5
from typing import Any
from unittest import mock
from urllib.error import HTTPError

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import override_settings

from backend.catalog.models import Category, Product, ProductImage
from backend.core.media.storage import StorageUnavailable
from tests.catalog.admin.pages import AdminCase, picture
from tests.catalog.factories import make_category, make_image, make_product
from tests.faults.test_services_down import MAX_SECONDS
from tests.support.clients import GraphQLClient
from tests.support.object_storage import BUCKET, Moto, Rclone, Server

LIST = "{ products(first: 50) { nodes { databaseId image { url alt width height } } } }"


class StorageCase(AdminCase):
    """A test with an object storage that is emptied afterwards."""

    server: Any
    kind: type[Server]

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = cls.kind()
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        self.store_pictures_on_server()
        self.addCleanup(self.delete_objects)

    def store_pictures_on_server(self, **options: Any) -> None:
        overridden = self.server.as_media(**options)
        overridden.enable()
        self.addCleanup(overridden.disable)

    def delete_objects(self) -> None:
        client = self.server.client()
        for name in self.server.objects():
            client.delete_object(Bucket=BUCKET, Key=name)

    def add_product(self, sku: str, *uploads: SimpleUploadedFile) -> Any:
        page = self.form("/admin/catalog/product/add/", "product_form")
        page |= {"name": sku, "sku": sku, "price": "10", "images-TOTAL_FORMS": str(len(uploads))}
        for number, upload in enumerate(uploads):
            page |= {f"images-{number}-file": upload, f"images-{number}-position": str(number)}
        return self.client.post("/admin/catalog/product/add/", page)


class MediaTest(StorageCase):
    kind = Moto

    def test_upload_is_visible_in_both_apis_and_public(self) -> None:
        upload = picture("tea.html", kind="PNG")
        # Browsers send any content type.
        upload.content_type = "text/html"
        content = upload.read()
        upload.seek(0)
        self.assert_saved(self.add_product("TEA", upload))
        (node,) = GraphQLClient().data(LIST)["products"]["nodes"]
        (item,) = self.client.get("/products").json()["items"]
        assert node["image"]["url"] == item["image"]["url"]
        assert node["image"]["url"].startswith(f"{self.server.url}/{BUCKET}/products/")
        with urllib.request.urlopen(node["image"]["url"]) as response:
            assert response.read() == content
            assert response.headers["Content-Type"] == "image/png"
            assert response.headers["Cache-Control"].startswith("public, max-age=")

    def test_url_with_a_digest_is_immutable(self) -> None:
        for name, is_immutable in (
            ("products/tea-0123456789ab.jpg", True),
            ("products/tea-012345678901_x7Gh3kD.png", True),
            ("renditions/products/tea-0123456789ab.jpg.640.webp", True),
            ("products/tea.jpg", False),
            ("products/4601234567890.jpg", False),
            ("products/tea-0123456789abcdef.gif", False),
        ):
            with self.subTest(name):
                default_storage.save(name, ContentFile(b"x"))
                head = self.server.client().head_object(Bucket=BUCKET, Key=name)
                assert head["CacheControl"].endswith("immutable") == is_immutable
                assert head["ContentType"].startswith("image/")

    def test_list_does_not_access_the_storage(self) -> None:
        category = make_category("Tea")
        for count in (1, 20):
            while Product.objects.count() < count:
                make_image(make_product(category=category))
            before = self.server.requests()
            assert before, "pictures of another storage"
            nodes = GraphQLClient().data(LIST)["products"]["nodes"]
            assert len([node for node in nodes if node["image"]["url"]]) == count
            for path in ("/products?limit=50", "/categories", f"/product?id={nodes[0]['databaseId']}"):
                assert self.client.get(path).status_code == 200
            assert self.client.get("/admin/catalog/product/").status_code == 200
            assert self.server.requests() == before

    def test_existing_object_is_not_overwritten(self) -> None:
        names = [default_storage.save("products/a.jpg", ContentFile(data)) for data in (b"one", b"two")]
        assert names[0] == "products/a.jpg" != names[1]
        assert [default_storage.open(name).read() for name in names] == [b"one", b"two"]
        with self.assertRaises(FileNotFoundError):
            default_storage.open("products/none.jpg")
        with self.assertRaises(FileNotFoundError):
            default_storage.size("products/none.jpg")
        default_storage.delete("products/none.jpg")

    def test_uploads_use_widely_supported_checksums(self) -> None:
        sent: list[Any] = []
        events = default_storage.client.meta.events  # type: ignore[attr-defined]
        events.register("before-send.s3.PutObject", lambda request, **_: sent.append(request.headers))
        default_storage.save("products/a.jpg", ContentFile(b"x"))
        (headers,) = sent
        assert headers["Content-MD5"] == b64encode(md5(b"x").digest())
        names = {name.lower() for name in headers}
        assert not [name for name in names if "checksum" in name or "trailer" in name or "encoding" in name]

    def test_cdn_url_is_escaped(self) -> None:
        self.store_pictures_on_server(public_url="https://cdn.example.com/shop/", location="static")
        assert default_storage.url("a b/ч.jpg") == "https://cdn.example.com/shop/static/a%20b/%D1%87.jpg"
        default_storage.save("a b/ч.jpg", ContentFile(b"x"))
        assert list(self.server.objects()) == ["static/a b/ч.jpg"]
        assert default_storage.listdir("a b") == ([], ["ч.jpg"])

    def test_bucket_in_the_hostname_is_supported(self) -> None:
        self.store_pictures_on_server(url=f"http://localhost:{self.server.port}", addressing="virtual")
        with resolve_every_localhost() as resolved_hosts:
            name = default_storage.save("products/a.jpg", ContentFile(b"x"))
            assert default_storage.open(name).read() == b"x"
        assert resolved_hosts == {f"{BUCKET}.localhost"}
        assert list(self.server.objects()) == ["products/a.jpg"]

    @override_settings(MEDIA_THROUGH_SHOP=True)
    def test_development_serves_pictures_through_the_shop(self) -> None:
        image = make_image(make_product())
        response = self.client.get(f"/media/{image.file.name}")
        assert (response.status_code, response["Content-Type"]) == (200, "image/png")
        assert response["Cache-Control"].startswith("public")
        assert response.content == self.server.objects()[image.file.name]
        for path in ("products/none.jpg", "", "../secret", "%00", "products/"):
            assert self.client.get(f"/media/{path}").status_code == 404, path
        with override_settings(MEDIA_THROUGH_SHOP=False):
            assert self.client.get(f"/media/{image.file.name}").status_code == 404

    def test_development_serves_static_files(self) -> None:
        static = {**self.server.as_media().options["STORAGES"]}
        static["staticfiles"] = {
            **static["default"],
            "OPTIONS": static["default"]["OPTIONS"] | {"location": "static"},
        }
        with override_settings(STORAGES=static):
            call_command("collectstatic", interactive=False, verbosity=0)
        url = f"{self.server.url}/{BUCKET}/static/admin/css/base.css"
        with urllib.request.urlopen(url) as response:
            assert response.headers["Content-Type"] == "text/css"
        with self.assertRaises(HTTPError):
            urllib.request.urlopen(f"{self.server.url}/{BUCKET}/static/none.css")


@contextmanager
def resolve_every_localhost() -> Any:
    """Resolve subdomains of localhost, which not every machine does; yield the set of resolved names."""
    resolved_hosts: set[str] = set()
    resolve = socket.getaddrinfo

    def resolved(host: str, *arguments: Any, **options: Any) -> Any:
        if host.endswith(".localhost"):
            resolved_hosts.add(host)
            host = "127.0.0.1"
        return resolve(host, *arguments, **options)

    with mock.patch("socket.getaddrinfo", resolved):
        yield resolved_hosts


class OutageTest(StorageCase):
    kind = Rclone

    def ways(self) -> Any:
        """Yield each kind of outage in turn, then restore the service, also if the test fails."""
        self.addCleanup(self.server.restore)
        with self.subTest("refuses"):
            self.server.stop()
            yield
            self.server.start()
        with self.subTest("is silent"):
            self.server.freeze()
            yield
            self.server.resume()

    @contextmanager
    def in_time(self) -> Any:
        start = time.monotonic()
        yield
        assert time.monotonic() - start < MAX_SECONDS

    def test_upload_during_an_outage_is_refused_and_succeeds_later(self) -> None:
        for _ in self.ways():
            with self.in_time():
                # The storage is checked once, however many pictures there are.
                errors = self.errors(self.add_product("TEA", picture("a.png"), picture("b.png"), picture()))
            assert "The picture cannot be stored." in errors["images"][0]
            assert not Product.objects.exists()
        self.assert_saved(self.add_product("TEA", picture()))
        assert set(self.server.objects()) == {ProductImage.objects.get().file.name}

    def test_product_can_be_edited_during_an_outage(self) -> None:
        product = make_product()
        make_image(product)
        path = f"/admin/catalog/product/{product.pk}/change/"
        for number, _ in enumerate(self.ways()):
            page = self.form(path, "product_form") | {"price": f"{number}.50", "images-0-alt": f"{number}"}
            with self.in_time():
                self.assert_saved(self.client.post(path, page))
            product.refresh_from_db()
            assert str(product.price) == f"{number}.50"
            assert ProductImage.objects.get().alt == str(number)

    def test_category_image_during_an_outage_is_refused(self) -> None:
        page = self.form("/admin/catalog/category/add/", "category_form") | {
            "name": "Tea",
            "image": picture(),
        }
        for _ in self.ways():
            with self.in_time():
                errors = self.errors(self.client.post("/admin/catalog/category/add/", page))
            assert "The picture cannot be stored." in errors["image"][0]
            assert not Category.objects.exists()
            page["image"].seek(0)

    def test_an_outage_after_the_check_writes_nothing(self) -> None:
        for _ in self.ways():
            with self.in_time(), mock.patch("backend.catalog.admin.fields.require_media_storage"):
                response = self.add_product("TEA", picture("a.png"), picture("b.png"))
            assert response.status_code == 302
            (message,) = self.messages(response)
            assert "The object storage fails" in message
            assert not Product.objects.exists()
        assert self.server.objects() == {}

    def test_deletion_during_an_outage_succeeds_quickly(self) -> None:
        product = make_product()
        for _ in range(5):
            make_image(product)
        self.server.freeze()
        with self.in_time(), self.captureOnCommitCallbacks(execute=True):
            self.client.post(f"/admin/catalog/product/{product.pk}/delete/", {"post": "yes"})
        self.server.resume()
        assert not Product.objects.exists()
        # The frozen server may have received the first request.
        assert len(self.server.objects()) >= 4

    @override_settings(MEDIA_THROUGH_SHOP=True)
    def test_catalogue_can_be_read_during_an_outage(self) -> None:
        image = make_image(make_product())
        for _ in self.ways():
            with self.in_time():
                assert self.client.get("/products").json()["items"][0]["image"]["url"]
                response = self.client.get(f"/media/{image.file.name}")
            assert (response.status_code, response.json()["code"]) == (503, "UNAVAILABLE")
            assert "127.0.0.1" not in response.json()["detail"]
        assert self.client.get(f"/media/{image.file.name}").status_code == 200

    def test_wrong_key_is_reported_without_the_secret(self) -> None:
        self.store_pictures_on_server(secret_key="a-wrong-secret")
        with self.assertRaises(StorageUnavailable) as refusal:
            default_storage.ping()  # type: ignore[attr-defined]
        assert "OBJECT_STORAGE_SECRET_KEY" in refusal.exception.message
        assert "a-wrong-secret" not in refusal.exception.message
        errors = self.errors(self.add_product("TEA", picture()))
        assert "OBJECT_STORAGE_SECRET_KEY" in errors["images"][0]
