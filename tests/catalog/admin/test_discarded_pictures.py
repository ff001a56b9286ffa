"""Picture files are deleted with their rows, after the commit."""

import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from django.core.files.storage import FileSystemStorage
from django.test import override_settings

from backend.catalog.models import Category, Product, ProductImage
from tests.catalog.admin.pages import AdminCase, picture
from tests.catalog.factories import make_image, make_product
from tests.catalog.trees import make_tree


class StorageCase(AdminCase):
    """A test with a media folder of its own."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.media = Path(temporary.name)
        settings = override_settings(MEDIA_ROOT=self.media)
        settings.enable()
        self.addCleanup(settings.disable)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.media)) for path in self.media.rglob("*") if path.is_file()}

    def post(self, path: str, data: dict[str, Any]) -> Any:
        """Post a form and run the on-commit callbacks."""
        with self.captureOnCommitCallbacks(execute=True):
            return self.client.post(path, data)


class ProductPicturesTest(StorageCase):
    def setUp(self) -> None:
        super().setUp()
        self.product = make_product()
        self.first, self.second = make_image(self.product), make_image(self.product)
        self.path = f"/admin/catalog/product/{self.product.pk}/"

    def edit(self, **fields: Any) -> None:
        page = self.form(f"{self.path}change/", "product_form")
        self.assert_saved(self.post(f"{self.path}change/", page | fields))

    def test_file_of_a_removed_picture_is_deleted(self) -> None:
        self.edit(**{"images-0-DELETE": "on"})
        assert self.files() == {self.second.file.name}

    def test_file_of_a_replaced_picture_is_deleted(self) -> None:
        self.edit(**{"images-0-file": picture("new.png")})
        self.first.refresh_from_db()
        assert self.first.file.name.startswith("products/new-")
        assert self.files() == {self.first.file.name, self.second.file.name}

    def test_rows_that_lost_their_file_to_an_error_are_not_required(self) -> None:
        rows = {"images-TOTAL_FORMS": "4", "images-2-position": "2", "images-3-position": "3"}
        page = self.form(f"{self.path}change/", "product_form") | rows
        files = {"images-2-file": picture("a.png"), "images-3-file": picture("b.png")}
        response = self.post(f"{self.path}change/", page | files | {"price": "-1"})
        assert "price" in self.errors(response)
        (message,) = self.messages(response)
        assert message.endswith("Add these files again: a.png, b.png.")
        self.assert_saved(self.post(f"{self.path}change/", page))
        assert self.product.images.count() == 2
        # A description without a picture is still refused.
        response = self.post(f"{self.path}change/", page | {"images-2-alt": "Tea"})
        assert self.errors(response) == {"file": ["This field is required."]}

    def test_file_of_an_unchanged_picture_is_kept(self) -> None:
        self.edit(name="Another", **{"images-0-alt": "A cup"})
        assert self.files() == {self.first.file.name, self.second.file.name}

    def test_files_are_deleted_with_the_product(self) -> None:
        self.post(f"{self.path}delete/", {"post": "yes"})
        assert self.files() == set()

    def test_files_are_deleted_with_selected_products(self) -> None:
        kept = make_image(make_product())
        chosen = {"action": "delete_selected", "_selected_action": [self.product.pk], "post": "yes"}
        self.post("/admin/catalog/product/", chosen)
        assert Product.objects.count() == 1
        assert self.files() == {kept.file.name}

    def test_file_shared_with_another_picture_is_kept(self) -> None:
        other = make_product()
        ProductImage.objects.create(product=other, file=self.first.file.name, width=4, height=3)
        self.post(f"{self.path}delete/", {"post": "yes"})
        assert self.files() == {self.first.file.name}

    def test_no_file_is_deleted_before_the_commit(self) -> None:
        self.client.post(f"{self.path}delete/", {"post": "yes"})
        assert self.files() == {self.first.file.name, self.second.file.name}

    def test_write_failure_is_reported_and_saves_nothing(self) -> None:
        shutil.rmtree(self.media / "products", ignore_errors=True)
        (self.media / "products").write_text("in the way")
        page = self.form(f"{self.path}change/", "product_form")
        response = self.post(f"{self.path}change/", page | {"name": "Another", "images-0-file": picture()})
        assert response.status_code == 302
        (message,) = self.messages(response)
        assert "Pictures cannot be stored" in message
        self.product.refresh_from_db()
        assert self.product.name != "Another"
        assert set(ProductImage.objects.values_list("file", flat=True)) == {
            self.first.file.name,
            self.second.file.name,
        }

    def test_storage_failure_during_deletion_keeps_only_the_file(self) -> None:
        with mock.patch.object(FileSystemStorage, "delete", side_effect=OSError("gone")):
            assert self.post(f"{self.path}delete/", {"post": "yes"}).status_code == 302
        assert not Product.objects.exists()


class CategoryPicturesTest(StorageCase):
    def setUp(self) -> None:
        super().setUp()
        self.category = make_tree({"Tea": {}})["Tea"]
        self.path = f"/admin/catalog/category/{self.category.pk}/"
        self.edit(image=picture("old.png"))
        self.assert_the_one_file_is("categories/old-")

    def edit(self, **fields: Any) -> None:
        page = self.form(f"{self.path}change/", "category_form")
        self.assert_saved(self.post(f"{self.path}change/", page | fields))

    def assert_the_one_file_is(self, beginning: str) -> None:
        (file,) = self.files()
        assert file.startswith(beginning)

    def test_file_of_a_replaced_image_is_deleted(self) -> None:
        self.edit(image=picture("new.png"))
        self.assert_the_one_file_is("categories/new-")
        self.edit(slug="tea-2")
        self.assert_the_one_file_is("categories/new-")

    def test_file_of_a_removed_image_is_deleted(self) -> None:
        self.edit(**{"image-clear": "on"})
        assert self.files() == set()

    def test_file_is_deleted_with_the_category(self) -> None:
        self.post(f"{self.path}delete/", {"post": "yes"})
        assert not Category.objects.exists()
        assert self.files() == set()
