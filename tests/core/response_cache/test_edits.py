"""Edits make cached responses obsolete when they are committed; orders do not."""

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import HttpResponse

from backend.catalog import services
from backend.catalog.bulk import ProductUpsert, upsert_products
from backend.catalog.models import Brand, Category, Characteristic, CharacteristicValue, Product, ProductImage
from backend.catalog.pictures.rendition_queue import make_renditions
from backend.catalog.stock import update_popularity
from backend.core.redis import PREFIX, get_redis_client
from backend.core.response_cache import mark_catalogue_changed, responses
from backend.feeds.importer import import_feed
from backend.recommendations.models import Recommendation, RelatedProduct
from backend.recommendations.services import build_model, replace_model, update_model
from tests.catalog.admin.pages import AdminCase, picture
from tests.catalog.factories import make_brand, make_category, make_product
from tests.catalog.pictures.storage import StorageCase
from tests.catalog.pictures.test_rendition_queue import make_picture
from tests.core.response_cache.cases import SECONDS, CommittingCacheCase, drop_entries
from tests.feeds.helpers import product_row, table
from tests.support.people import make_user
from tests.support.shopping import RestShopper


def read_version() -> int:
    return int(get_redis_client().get(f"{PREFIX}catalogue-version") or 0)  # type: ignore[arg-type]


class VisibilityTest(CommittingCacheCase):
    def names(self) -> set[str]:
        """Return the product's name by each API."""
        pages = [read().json() for name, read in self.reads().items() if "categories" not in name]
        return {
            (
                page["data"]["product"]["name"]
                if "data" in page
                else page["items"][0]["name"]
                if "items" in page
                else page["name"]
            )
            for page in pages
        }

    def test_edit_is_visible_at_once(self) -> None:
        for name in ("Gyokuro", "Matcha"):
            self.names()
            with transaction.atomic():
                Product.objects.update(name=name)
                mark_catalogue_changed()
            assert self.names() == {name}

    def test_change_without_a_mark_is_not_visible(self) -> None:
        self.names()
        Product.objects.update(name="Matcha")
        assert self.names() == {"Sencha"}
        drop_entries()
        assert self.names() == {"Sencha"}

    def test_edit_is_not_counted_before_its_commit(self) -> None:
        before = read_version()
        with transaction.atomic():
            mark_catalogue_changed()
            assert read_version() == before
        assert read_version() == before + 1

    def test_transaction_is_counted_once(self) -> None:
        before = read_version()
        with transaction.atomic():
            for _ in range(3):
                mark_catalogue_changed()
                with transaction.atomic():
                    mark_catalogue_changed()
        assert read_version() == before + 1
        mark_catalogue_changed()
        assert read_version() == before + 2

    def test_rolled_back_edit_is_not_counted(self) -> None:
        before = read_version()
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            mark_catalogue_changed()
            raise ZeroDivisionError
        assert read_version() == before

    def test_edit_after_a_rolled_back_savepoint_is_counted(self) -> None:
        before = read_version()
        with transaction.atomic():
            with self.assertRaises(ZeroDivisionError), transaction.atomic():
                mark_catalogue_changed()
                raise ZeroDivisionError
            mark_catalogue_changed()
        assert read_version() == before + 1

    def test_nothing_is_counted_without_a_cache(self) -> None:
        before = read_version()
        with self.settings(CATALOG_CACHE_SECONDS=0):
            mark_catalogue_changed()
        assert read_version() == before

    def test_lost_version_starts_above_all_versions_before(self) -> None:
        before = read_version()
        for recreate in (mark_catalogue_changed, lambda: time.sleep(0.6) or self.names()):
            time.sleep(0.01)
            get_redis_client().delete(f"{PREFIX}catalogue-version")
            recreate()
            assert read_version() > before + 1
            before = read_version()


class WritersTest(StorageCase, CommittingCacheCase):
    def assert_counted(self, edit: Callable[[], Any], times: int = 1) -> None:
        before = read_version()
        edit()
        assert read_version() - before == times

    def test_services_of_categories(self) -> None:
        category = self.category.pk
        self.assert_counted(lambda: services.create_category(name="Coffee"))
        self.assert_counted(lambda: services.update_category(category_id=category, name="Green tea"))
        self.assert_counted(lambda: services.update_category(category_id=category), times=0)
        target = make_category("Drinks").pk
        self.assert_counted(lambda: services.move_category(category_id=category, target_id=target))
        empty = make_category("Empty").pk
        self.assert_counted(lambda: services.delete_category(category_id=empty))

    def test_rebuilt_tables(self) -> None:
        self.assert_counted(services.rebuild_category_tree)
        self.assert_counted(services.rebuild_listing)
        self.assert_counted(services.rebuild_characteristics)

    def test_services_of_products(self) -> None:
        products = Product.objects.all()
        self.assert_counted(lambda: services.publish_products(products=products, published=False))
        new = [services.NewProduct(sku="N-1", name="New", price=self.product.price, stock=1)]
        self.assert_counted(lambda: services.create_missing_products(new))
        self.assert_counted(lambda: services.create_missing_products(new), times=0)
        with transaction.atomic():
            upsert = ProductUpsert(Product.objects.get(sku="N-1"), is_new=False)
            before = read_version()
            upsert_products([upsert])
        assert read_version() == before + 1

    def test_import_counts_each_batch(self) -> None:
        feed = table(*(product_row(sku) for sku in ("A-1", "A-2", "A-3")))
        import_feed(BytesIO(table(product_row("A-0"))))
        self.assert_counted(lambda: import_feed(BytesIO(feed), batch_size=2), times=2)
        assert Product.objects.filter(sku__startswith="A-").count() == 4
        self.assert_counted(lambda: import_feed(BytesIO(feed)), times=0)

    def test_renditions(self) -> None:
        image = make_picture()
        self.assert_counted(lambda: make_renditions(kind="product", picture_id=image.pk))
        self.assert_counted(lambda: make_renditions(kind="product", picture_id=image.pk), times=0)

    def test_recommendations(self) -> None:
        other = make_product()
        rows = [(Recommendation.Kind.SIMILAR.value, self.product.pk, other.pk, 1.0)]
        self.assert_counted(lambda: replace_model(rows=rows, last_order_id=0))
        self.assert_counted(build_model)
        self.assert_counted(update_model, times=0)
        shopper = RestShopper(make_user())
        for product in (self.product, other):
            shopper.add(product.pk)
        assert shopper.order().status == 201
        self.assert_counted(update_model)

    def test_orders_and_popularity_are_not_counted(self) -> None:
        def order_and_cancel() -> None:
            shopper = RestShopper(make_user())
            shopper.add(self.product.pk)
            answer = shopper.order()
            assert answer.status == 201
            assert shopper.cancel(answer.data["number"]).status == 200

        self.assert_counted(order_and_cancel, times=0)
        self.assert_counted(lambda: update_popularity({self.product.pk: 3}), times=0)


class AdminTest(StorageCase, AdminCase):
    """Writes of the admin that do not go through a service."""

    def setUp(self) -> None:
        StorageCase.setUp(self)
        AdminCase.setUp(self)
        # Redis and this process then know the same version. A lower one in Redis is a failover.
        responses._version.increase()
        self.product = make_product("Sencha", make_category("Tea"), {"Volume (ml)": "250"})

    def assert_counted(self, path: str, data: dict[str, Any], times: int = 1) -> HttpResponse:
        before = read_version()
        with self.settings(CATALOG_CACHE_SECONDS=SECONDS), self.captureOnCommitCallbacks(execute=True):
            response = self.client.post(path, data)
        if times:
            self.assert_saved(response)
        assert read_version() - before == times
        return response

    def product_form(self) -> tuple[str, dict[str, Any]]:
        path = f"/admin/catalog/product/{self.product.pk}/change/"
        return path, self.form(path, "product_form")

    def test_edit_of_a_product(self) -> None:
        path, form = self.product_form()
        self.assert_counted(path, form | {"name": "Gyokuro"})

    def test_refused_edit_is_not_counted(self) -> None:
        path, form = self.product_form()
        self.assert_counted(path, form | {"price": "-1"}, times=0)

    def test_edit_of_a_characteristic_value(self) -> None:
        path, form = self.product_form()
        self.assert_counted(path, form | {"characteristic_values-0-value": "500"})
        assert CharacteristicValue.objects.get().value == "500"

    def test_deletion_of_a_characteristic_value(self) -> None:
        path, form = self.product_form()
        self.assert_counted(path, form | {"characteristic_values-0-DELETE": "on"})
        assert not CharacteristicValue.objects.exists()

    def test_upload_of_a_picture(self) -> None:
        path, form = self.product_form()
        upload: SimpleUploadedFile = picture()
        image = {"images-TOTAL_FORMS": 1, "images-0-file": upload, "images-0-position": "0"}
        self.assert_counted(path, form | image)
        assert ProductImage.objects.exists()

    def test_edit_of_the_related_products(self) -> None:
        path, form = self.product_form()
        related = {"related_products-TOTAL_FORMS": 1, "related_products-0-position": "0"}
        self.assert_counted(path, form | related | {"related_products-0-related": make_product().pk})
        assert RelatedProduct.objects.exists()

    def test_deletion_of_a_related_product(self) -> None:
        RelatedProduct.objects.create(product=self.product, related=make_product())
        path, form = self.product_form()
        self.assert_counted(path, form | {"related_products-0-DELETE": "on"})
        assert not RelatedProduct.objects.exists()

    def test_edit_in_the_list(self) -> None:
        path = "/admin/catalog/product/"
        form = self.form(path, "changelist-form") | {"_save": "Save", "form-0-stock": "77"}
        self.assert_counted(path, form)

    def test_deletion_of_a_product(self) -> None:
        self.assert_counted(f"/admin/catalog/product/{self.product.pk}/delete/", {"post": "yes"})
        assert not Product.objects.exists()

    def test_actions(self) -> None:
        selected = {"_selected_action": [self.product.pk]}
        self.assert_counted("/admin/catalog/product/", selected | {"action": "unpublish"})

    def test_deletion_of_several_products(self) -> None:
        selected = {"_selected_action": [self.product.pk]}
        data = selected | {"action": "delete_selected", "post": "yes"}
        self.assert_counted("/admin/catalog/product/", data)
        assert not Product.objects.exists()

    def test_edit_of_a_category(self) -> None:
        path = f"/admin/catalog/category/{Category.objects.get().pk}/change/"
        self.assert_counted(path, self.form(path, "category_form") | {"name": "Green tea"})

    def test_edit_of_the_seo_texts_of_a_category(self) -> None:
        path = f"/admin/catalog/category/{Category.objects.get().pk}/change/"
        texts = {"seo_title": "Fresh tea", "seo_description": "Tea from Japan."}
        self.assert_counted(path, self.form(path, "category_form") | texts)

    def test_edit_of_a_brand(self) -> None:
        path = f"/admin/catalog/brand/{make_brand('Acme').pk}/change/"
        self.assert_counted(path, self.form(path, "brand_form") | {"name": "Zen"})

    def test_deletion_of_a_brand(self) -> None:
        self.assert_counted(f"/admin/catalog/brand/{make_brand('Acme').pk}/delete/", {"post": "yes"})
        assert not Brand.objects.exists()

    def test_deletion_of_several_brands(self) -> None:
        selected = {"_selected_action": [make_brand("Acme").pk, make_brand("Zen").pk]}
        self.assert_counted("/admin/catalog/brand/", selected | {"action": "delete_selected", "post": "yes"})
        assert not Brand.objects.exists()

    def test_edit_of_a_characteristic(self) -> None:
        path = f"/admin/catalog/characteristic/{Characteristic.objects.get().pk}/change/"
        self.assert_counted(path, self.form(path, "characteristic_form") | {"name": "Content"})

    def test_edit_in_the_list_of_characteristics(self) -> None:
        path = "/admin/catalog/characteristic/"
        form = self.form(path, "changelist-form") | {"_save": "Save", "form-0-position": "3"}
        self.assert_counted(path, form)

    def test_deletion_of_a_characteristic(self) -> None:
        characteristic = Characteristic.objects.create(name="Unused")
        self.assert_counted(f"/admin/catalog/characteristic/{characteristic.pk}/delete/", {"post": "yes"})
