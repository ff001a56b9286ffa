"""Feed import and export in the admin: permissions, preview and confirmation."""

import gzip
import re
from typing import ClassVar

from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

from backend.accounts.models import User
from backend.catalog.models import Product
from backend.feeds import admin as feed_admin
from tests.catalog.factories import make_product
from tests.feeds.helpers import FeedTestCase, product_row, table

IMPORT = "/admin/catalog/product/feed/import/"
EXPORT = "/admin/catalog/product/feed/export/{}/"


class FeedAdminTest(FeedTestCase):
    user: ClassVar[User]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = User.objects.create_user(email="staff@example.com", password="x", is_staff=True)

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(cache.clear)
        self.allow("view_product", "add_product", "change_product", "add_category")
        self.client.force_login(self.user)

    def allow(self, *names: str) -> None:
        self.user.user_permissions.set(Permission.objects.filter(codename__in=names))

    def upload(self, data: bytes, **options: object) -> HttpResponse:
        file = SimpleUploadedFile("feed.tsv", data)
        return self.client.post(IMPORT, {"feed": file, "default_stock": "10", **options})  # type: ignore[return-value]

    def confirm(self, response: HttpResponse) -> str:
        token = re.search(r'name="token" value="([^"]+)"', response.content.decode())
        assert token
        return self.client.post(IMPORT, {"token": token[1]}).content.decode()

    def test_import_happens_once_after_the_preview_is_confirmed(self) -> None:
        feed = table(
            product_row("A-1", color="red", product_type="A > B"),
            product_row("A-2", color="", product_type="") | {"price": "x"},
        )
        response = self.upload(feed)
        page = response.content.decode()
        assert "1 created, 0 updated, 0 unchanged, 1 refused; 2 categories created" in page
        assert "is not a price such as" in page
        assert not Product.objects.exists()
        page = self.confirm(response)
        assert "feed.tsv: imported" in page
        assert Product.objects.get().sku == "A-1"
        assert "The preview has expired" in self.confirm(response)

    def test_gzipped_feed_is_imported_with_the_chosen_options(self) -> None:
        response = self.upload(
            gzip.compress(table(product_row(price="5 USD"))), accept_currency="usd", default_stock="3"
        )
        self.confirm(response)
        assert Product.objects.get().stock == 3

    def test_preview_cannot_be_confirmed_by_another_user(self) -> None:
        response = self.upload(table(product_row()))
        other = User.objects.create_user(
            email="other@example.com", password="x", is_staff=True, is_superuser=True
        )
        self.client.force_login(other)
        assert "The preview has expired" in self.confirm(response)
        assert not Product.objects.exists()

    def test_invalid_files_are_refused_on_the_form(self) -> None:
        for data, message in [
            (b"hello\n", "This is not a product feed"),
            (b"\x1f\x8bbroken", "The gzip file is damaged"),
            (b"x" * (feed_admin.MAX_UPLOAD + 1), "The feed is larger than 5 MB"),
            (gzip.compress(b"x" * (feed_admin.MAX_UPLOAD + 1)), "The feed is larger than 5 MB"),
            (gzip.compress(gzip.compress(table(product_row()))), "compressed twice"),
        ]:
            with self.subTest(message=message):
                assert message in self.upload(data).content.decode()

    def test_problems_are_described_in_the_language_of_the_account(self) -> None:
        self.user.language = "ru"
        self.user.save()
        page = self.upload(b"PK\x03\x04broken").content.decode()
        assert "ZIP-архив повреждён или неполон: в нём нет оглавления" in page
        # Pictures are read by other threads.
        rows = [
            product_row("A-1", image_link="") | {"price": "ten"},
            product_row("A-2", image_link="a.jpg") | {"title": ""},
            product_row("A-3", image_link="https://example.com/a.jpg"),
        ]
        page = self.upload(table(*rows)).content.decode()
        for text in ("&#x27;ten&#x27; — не цена вида", "Не заполнено", "файлы по URL не загружаются"):
            assert text in page

    def test_values_in_the_preview_are_escaped(self) -> None:
        page = self.upload(table(product_row(title="<script>x</script>"))).content.decode()
        assert "&lt;script&gt;x" in page
        assert "<script>x" not in page

    def test_repeated_problems_are_counted(self) -> None:
        rows = [product_row(f"A-{number}") | {"price": f"x{number}"} for number in range(3000)]
        page = self.upload(table(*rows)).content.decode()
        assert page.count("is not a price such as") == 3
        assert "… and 2,997 more rows" in page

    def test_import_requires_all_three_permissions(self) -> None:
        for missing in ("add_product", "change_product", "add_category"):
            names = {"view_product", "add_product", "change_product", "add_category"} - {missing}
            self.allow(*names)
            with self.subTest(missing=missing):
                assert self.client.get(IMPORT).status_code == 403
                assert self.upload(table(product_row())).status_code == 403
                assert "Import feed" not in self.client.get("/admin/catalog/product/").content.decode()

    def test_download_requires_view_permission(self) -> None:
        make_product(sku="A-1")
        make_product(sku="A-2")
        page = self.client.get("/admin/catalog/product/").content.decode()
        assert "Import feed" in page
        for format in ("tsv", "csv", "xml", "yml"):
            assert EXPORT.format(format) in page
            response = self.client.get(EXPORT.format(format))
            assert response["Content-Disposition"] == f'attachment; filename="products.{format}"'
            assert response.getvalue().count(b"A-") == 2
        assert self.client.get(EXPORT.format("exe")).status_code == 404
        self.allow("add_product")
        assert self.client.get(EXPORT.format("tsv")).status_code == 403

    def test_export_action_downloads_the_selected_products(self) -> None:
        make_product(sku="A-1")
        chosen = make_product(sku="A-2")
        data = {"action": "export_selected_feed", "_selected_action": [chosen.pk]}
        response = self.client.post("/admin/catalog/product/", data)
        assert b"A-2" in response.getvalue()
        assert b"A-1" not in response.getvalue()
