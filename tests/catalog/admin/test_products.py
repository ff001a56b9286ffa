"""The product form in the admin, its inlines and its validation."""

import hashlib
from decimal import Decimal
from typing import Any
from unittest import mock

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from backend.catalog.models import Characteristic, CharacteristicValue, Product, ProductImage
from tests.catalog.admin.pages import AdminCase, picture
from tests.catalog.derived import assert_characteristics_are_right, assert_listing_is_right
from tests.catalog.factories import make_brand, make_product
from tests.catalog.pictures.image_files import animation, photo
from tests.catalog.trees import make_tree

ADD = "/admin/catalog/product/add/"
NO_INLINES = {
    "characteristic_values-TOTAL_FORMS": 0,
    "characteristic_values-INITIAL_FORMS": 0,
    "images-TOTAL_FORMS": 0,
    "images-INITIAL_FORMS": 0,
    "related_products-TOTAL_FORMS": 0,
    "related_products-INITIAL_FORMS": 0,
}
NEW = {"name": "Чай Сенча", "slug": "", "sku": "T-1", "category": "", "brand": "", "description": "",
       "price": "12.50", "stock": "3", "is_published": "on"} | NO_INLINES  # fmt: skip


def inline(prefix: str, number: int, **fields: Any) -> dict[str, Any]:
    return {f"{prefix}-TOTAL_FORMS": number + 1} | {
        f"{prefix}-{number}-{name}": value for name, value in fields.items()
    }


class AddProductTest(AdminCase):
    def test_product_is_added_with_all_values(self) -> None:
        category = make_tree({"Tea": {}})["Tea"]
        volume = Characteristic.objects.create(name="Volume", unit="ml")
        upload = picture()
        content = upload.read()
        upload.seek(0)
        self.assert_saved(
            self.client.post(
                ADD,
                NEW
                | {"category": category.pk}
                | inline("characteristic_values", 0, characteristic=volume.pk, value="250", position="0")
                | inline("images", 0, file=upload, alt="A cup", position="1"),
            )
        )
        product = Product.objects.get(sku="T-1")
        assert (product.slug, product.category_id, product.stock) == ("chai-sencha", category.pk, 3)
        assert product.characteristics == [["Volume", "250", "ml"]]
        image = product.images.get()
        self.addCleanup(image.file.delete, save=False)
        assert (image.alt, image.position, image.width, image.height) == ("A cup", 1, 4, 3)
        assert image.sha256 == hashlib.sha256(content).hexdigest()
        assert_listing_is_right()

    def test_used_slug_gets_the_sku_appended(self) -> None:
        make_product(slug="chai-sencha")
        self.assert_saved(self.client.post(ADD, NEW))
        assert Product.objects.get(sku="T-1").slug == "chai-sencha-t-1"

    def test_invalid_input_is_refused(self) -> None:
        make_product(slug="taken", sku="T-0")
        for field, value, message in [
            ("price", "-1", "greater than or equal to 0"),
            ("price", "9" * 30, "no more than 12 digits"),
            ("price", "1.999", "no more than 2 decimal places"),
            ("price", "NaN", "Enter a number."),
            ("price", "", "required"),
            ("stock", "-1", "greater than or equal to 0"),
            ("stock", "9" * 30, "less than or equal to 2147483647"),
            ("slug", "taken", "already exists"),
            ("slug", "чай", "Enter a valid “slug”"),
            ("sku", "T-0", "already exists"),
            ("name", "", "required"),
            ("name", "a\0b", "Null characters"),
            ("name", "x" * 256, "at most 255 characters"),
            ("description", "x" * 20_001, "at most 20000 characters"),
            ("category", "999", "valid choice"),
            ("category", "9" * 5000, "valid choice"),
        ]:
            with self.subTest(field=field, value=value[:20]):
                errors = self.errors(self.client.post(ADD, NEW | {field: value}))
                assert message in "".join(errors[field]), errors
        assert Product.objects.count() == 1

    def test_compare_at_price_must_be_above_the_price(self) -> None:
        for value in ("12.50", "12.49", "0"):
            with self.subTest(value=value):
                response = self.client.post(ADD, NEW | {"compare_at_price": value})
                self.assertContains(response, "The compare-at price must be above the price.")
        assert not Product.objects.exists()
        self.assert_saved(self.client.post(ADD, NEW | {"compare_at_price": "12.51"}))
        assert Product.objects.get().compare_at_price == Decimal("12.51")

    def test_database_conflict_is_shown_as_a_message(self) -> None:
        """The form is sent twice at once, so its own check does not see the other product."""
        make_product(sku="T-1")
        with mock.patch.object(Product, "validate_unique"):
            response = self.client.post(ADD, NEW)
        assert response.status_code == 302
        assert "A concurrent change conflicts with this one" in "".join(self.messages(response))
        assert Product.objects.count() == 1

    def test_duplicate_characteristic_is_refused(self) -> None:
        volume = Characteristic.objects.create(name="Volume")
        twice = NEW
        for number in range(2):
            twice = twice | inline(
                "characteristic_values", number, characteristic=volume.pk, value="1", position="0"
            )
        response = self.client.post(ADD, twice)
        self.assertContains(response, "Please correct the duplicate")
        assert not Product.objects.exists()

    def test_invalid_picture_is_refused(self) -> None:
        broken = picture(size=(200, 200)).read()[:60]
        for name, content, message in [
            (
                "a.svg",
                b"<svg xmlns='http://www.w3.org/2000/svg'/>",
                "is SVG, HTML or XML, which can contain scripts",
            ),
            ("a.png", b"hello", "is not a supported image"),
            ("a.png", broken, "is damaged or incomplete"),
            ("a.png", b"", "empty"),
            ("a.gif", animation("GIF"), "is animated; only still pictures are accepted"),
            (
                "a.jpg",
                photo("JPEG") + b"<?php evil(); ?>",
                "contains data other than the picture, starting with '<?php'",
            ),
            ("a.png", b"x" * (20 * 1024 * 1024 + 1), "is larger than 20 MB"),
            ("a.bmp", picture("a.bmp", kind="BMP").read(), "is not a supported image"),
            ("a.png", picture("a.png", size=(8000, 6400)).read(), "the limits are 50 million"),
        ]:
            with self.subTest(name=name, message=message):
                upload = inline("images", 0, file=SimpleUploadedFile(name, content), position="0")
                errors = self.errors(self.client.post(ADD, NEW | upload))
                assert message in "".join(errors["file"]), errors
        assert not Product.objects.exists()

    def test_picture_gets_the_suffix_of_its_format(self) -> None:
        upload = inline("images", 0, file=picture("page.html.JPG"), position="0")
        self.assert_saved(self.client.post(ADD, NEW | upload))
        image = ProductImage.objects.get()
        self.addCleanup(image.file.delete, save=False)
        assert image.file.name.endswith(".png")


class ChangeProductTest(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.tree = make_tree({"Tea": {"Green": {}}})
        self.product = make_product(category=self.tree["Green"], name="Sencha", stock=10)
        self.path = f"/admin/catalog/product/{self.product.pk}/change/"

    def open(self) -> dict[str, Any]:
        return self.form(self.path, "product_form")

    def test_saving_without_edits_writes_nothing(self) -> None:
        before = Product.objects.filter(pk=self.product.pk).values().get()
        self.assert_saved(self.client.post(self.path, self.open()))
        assert Product.objects.filter(pk=self.product.pk).values().get() == before

    def test_only_edited_columns_are_written(self) -> None:
        page = self.open()
        Product.objects.update(stock=4, price="7.00", category=self.tree["Tea"], is_published=False)
        self.assert_saved(self.client.post(self.path, page | {"name": "Gyokuro"}))
        changed = Product.objects.get()
        assert (changed.name, changed.stock, changed.price) == ("Gyokuro", 4, 7)
        assert (changed.category, changed.is_published) == (self.tree["Tea"], False)
        assert changed.updated_at > self.product.updated_at

    def test_concurrent_change_is_not_overwritten(self) -> None:
        page = self.open()
        Product.objects.update(stock=4, category=None)
        edited = page | {"stock": "12", "category": self.tree["Tea"].pk, "name": "Gyokuro"}
        response = self.client.post(self.path, edited)
        errors = self.errors(response)
        assert errors["stock"] == ["The stored value is now “4”. Reload the page to change it."]
        assert set(errors) == {"stock", "category"}
        assert Product.objects.get().name == "Sencha"

    def test_characteristics_and_pictures_are_changed(self) -> None:
        origin = Characteristic.objects.create(name="Origin")
        CharacteristicValue.objects.create(product=self.product, characteristic=origin, value="Japan")
        self.assert_saved(
            self.client.post(self.path, self.open() | inline("images", 0, file=picture(), position=0))
        )
        image = ProductImage.objects.get()
        self.addCleanup(image.file.delete, save=False)
        page = self.open()
        assert image.picture.url in self.client.get(self.path).content.decode()
        page |= {"characteristic_values-0-value": "China", "images-0-alt": "A cup", "images-0-position": "5"}
        self.assert_saved(self.client.post(self.path, page))
        assert Product.objects.get().characteristics == [["Origin", "China", ""]]
        assert ProductImage.objects.values_list("alt", "position", "sha256").get() == (
            "A cup",
            5,
            image.sha256,
        )
        self.assert_saved(self.client.post(self.path, self.open() | {"characteristic_values-0-DELETE": "on"}))
        assert Product.objects.get().characteristics == []
        assert_characteristics_are_right()

    def test_empty_slug_is_generated_again(self) -> None:
        self.assert_saved(self.client.post(self.path, self.open() | {"slug": "", "name": "Щука"}))
        assert Product.objects.get().slug == "shchuka"

    def test_published_product_links_to_its_page_in_the_shop(self) -> None:
        for settings, origin in (
            (
                {"STOREFRONT_URL": "https://shop.example", "PUBLIC_URL": "https://api.example"},
                "https://shop.example",
            ),
            ({"STOREFRONT_URL": "", "PUBLIC_URL": "https://api.example"}, "https://api.example"),
            ({"STOREFRONT_URL": "", "PUBLIC_URL": ""}, ""),
        ):
            with self.subTest(settings), self.settings(**settings):
                link = f'href="{origin}/p/{self.product.slug}"'
                assert link in self.client.get(self.path).content.decode()
        Product.objects.update(is_published=False)
        assert f"/p/{self.product.slug}" not in self.client.get(self.path).content.decode()
        assert "/p/" not in self.client.get(ADD).content.decode()

    def test_product_is_deleted(self) -> None:
        self.assert_saved(
            self.client.post(f"/admin/catalog/product/{self.product.pk}/delete/", {"post": "yes"})
        )
        assert_listing_is_right()
        assert not Product.objects.exists()

    def test_brand_is_chosen_by_name(self) -> None:
        brand = make_brand("Acme")
        suggestions = self.client.get(
            "/admin/autocomplete/",
            {"app_label": "catalog", "model_name": "product", "field_name": "brand", "term": "acm"},
        )
        assert suggestions.json()["results"] == [{"id": str(brand.pk), "text": "Acme"}]
        self.assert_saved(self.client.post(self.path, self.open() | {"brand": brand.pk}))
        assert Product.objects.get().brand == brand
        self.assert_saved(self.client.post(self.path, self.open() | {"brand": ""}))
        assert Product.objects.get().brand is None

    def test_category_is_shown_with_its_path(self) -> None:
        self.assertContains(self.client.get(self.path), "Tea › Green")
        suggestions = self.client.get(
            "/admin/autocomplete/",
            {"app_label": "catalog", "model_name": "product", "field_name": "category", "term": "gre"},
        )
        assert suggestions.json()["results"] == [{"id": str(self.tree["Green"].pk), "text": "Tea › Green"}]

    def test_permissions(self) -> None:
        page = self.open() | {"name": "Gyokuro"}
        self.log_in_with("view_product")
        assert self.client.post(self.path, page).status_code == 403
        assert self.client.get(ADD).status_code == 403
        assert self.client.get(self.path).status_code == 200
        self.client.logout()
        assert self.client.post(self.path, page).status_code == 302
        assert Product.objects.get().name == "Sencha"

    def test_unknown_ids_are_not_found(self) -> None:
        for object_id in ("0", "x", "9" * 30, "9" * 5000, "%00", "-1"):
            for page in ("change", "delete", "history"):
                path = f"/admin/catalog/product/{object_id}/{page}/"
                with self.subTest(path[:60]):
                    assert self.client.get(path).status_code in {302, 404}
                    assert self.client.post(path, {"post": "yes"}).status_code in {302, 403, 404, 405}

    @override_settings(USE_THOUSAND_SEPARATOR=True)
    def test_grouped_digits_are_not_an_edit(self) -> None:
        Product.objects.update(stock=12345, price="12345.60")
        before = Product.objects.values().get()
        self.assert_saved(self.client.post(self.path, self.open()))
        assert Product.objects.values().get() == before
