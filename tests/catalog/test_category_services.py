"""Services of categories and products: their effects, and refusals that write nothing."""

from typing import Any

import pytest
from django.test import TestCase

from backend.catalog.models import Category, Product
from backend.catalog.pictures.validation import accept_picture
from backend.catalog.services import (
    CategoryBelowItself,
    CategoryNameTaken,
    CategoryNotEmpty,
    SlugTaken,
    create_category,
    delete_category,
    find_free_product_slug,
    move_category,
    publish_products,
    update_category,
)
from backend.core.errors import Invalid, NotFound, ShopError, TooLong
from tests.catalog.derived import assert_listing_is_right, assert_tree_is_valid
from tests.catalog.factories import make_product
from tests.catalog.trees import make_tree, outline
from tests.feeds.helpers import picture

SHOP = {"Tea": {"Green": {"Sencha": {}, "Matcha": {}}, "Black": {}}, "Coffee": {"Arabica": {}}}


class TreeCase(TestCase):
    def setUp(self) -> None:
        self.tree = make_tree(SHOP)

    def pk(self, name: str) -> int:
        return self.tree[name].pk

    def assert_refused(
        self, error: type[ShopError], field: str, call: Any, /, mentions: str = "", **arguments: Any
    ) -> None:
        before = list(Category.objects.order_by("pk").values())
        with pytest.raises(error) as refused:
            call(**arguments)
        assert refused.value.field == field
        assert mentions in refused.value.message
        assert list(Category.objects.order_by("pk").values()) == before


class CreateCategoryTest(TreeCase):
    def test_new_category_is_the_last_child(self) -> None:
        created = create_category(name=" Oolong ", parent_id=self.pk("Tea"))
        assert (created.name, created.slug) == ("Oolong", "oolong")
        assert list(outline()["Tea"]) == ["Green", "Black", "Oolong"]
        assert_tree_is_valid()

    def test_slug_is_transliterated_and_unique(self) -> None:
        slugs = [create_category(name="Чёрный чай", parent_id=pk).slug for pk in (None, self.pk("Tea"))]
        assert slugs == ["chernyi-chai", "chernyi-chai-2"]

    def test_invalid_new_category_is_refused(self) -> None:
        for error, field, arguments in [
            (NotFound, "parent_id", {"name": "x", "parent_id": 10**30}),
            (CategoryNameTaken, "name", {"name": "Tea"}),
            (CategoryNameTaken, "name", {"name": "Green", "parent_id": self.pk("Tea")}),
            (Invalid, "name", {"name": "  "}),
            (Invalid, "name", {"name": "a\0b"}),
            (TooLong, "name", {"name": "x" * 201}),
            (SlugTaken, "slug", {"name": "x", "slug": "tea"}),
            (Invalid, "slug", {"name": "x", "slug": "чай"}),
            (TooLong, "slug", {"name": "x", "slug": "x" * 201}),
        ]:
            with self.subTest(field=field, **arguments):
                self.assert_refused(error, field, create_category, **arguments)


class UpdateCategoryTest(TreeCase):
    def test_only_given_values_change(self) -> None:
        update_category(category_id=self.pk("Green"), name="Зелёный")
        green = Category.objects.get(pk=self.pk("Green"))
        assert (green.name, green.slug) == ("Зелёный", "green")
        update_category(category_id=green.pk, slug="")
        green.refresh_from_db()
        assert green.slug == "zelenyi"
        assert_tree_is_valid()

    def test_own_name_and_slug_are_accepted(self) -> None:
        update_category(category_id=self.pk("Green"), name="Green", slug="green")
        assert outline() == SHOP

    def test_image_is_set_and_removed(self) -> None:
        update_category(category_id=self.pk("Tea"), image=accept_picture(picture(size=(40, 30)), "tea"))
        category = Category.objects.get(pk=self.pk("Tea"))
        self.addCleanup(category.image.storage.delete, category.image.name)
        assert category.image.name.startswith("categories/tea-")
        assert (category.picture.width, category.picture.height, category.picture.alt) == (40, 30, "Tea")
        assert category.renditions_due_at
        update_category(category_id=self.pk("Tea"), name="Чай", image_alt=" Чайник ")
        category.refresh_from_db()
        assert category.picture.alt == "Чайник"
        update_category(category_id=self.pk("Tea"), image="")
        category.refresh_from_db()
        assert (category.picture, category.renditions_due_at) == (None, None)

    def test_texts_are_changed(self) -> None:
        for field, limit in (("image_alt", 255), ("seo_title", 255), ("seo_description", 500)):
            with self.subTest(field):
                update_category(category_id=self.pk("Tea"), **{field: f" {'x' * limit} "})
                for text, refusal in [("x" * (limit + 1), TooLong), ("a\0b", Invalid)]:
                    with self.assertRaises(refusal) as raised:
                        update_category(category_id=self.pk("Tea"), **{field: text})
                    assert raised.exception.field == field
                assert getattr(Category.objects.get(pk=self.pk("Tea")), field) == "x" * limit

    def test_invalid_update_is_refused(self) -> None:
        green = self.pk("Green")
        for error, field, arguments in [
            (NotFound, "category_id", {"category_id": 0, "name": "x"}),
            (CategoryNameTaken, "name", {"category_id": green, "name": "Black"}),
            (Invalid, "name", {"category_id": green, "name": ""}),
            (SlugTaken, "slug", {"category_id": green, "name": "x", "slug": "black"}),
            (Invalid, "slug", {"category_id": green, "slug": "a b"}),
        ]:
            with self.subTest(field=field, **arguments):
                self.assert_refused(error, field, update_category, **arguments)


class MoveCategoryTest(TreeCase):
    def setUp(self) -> None:
        super().setUp()
        self.product = make_product(category=self.tree["Sencha"])

    def test_category_moves_to_every_position(self) -> None:
        for target, position, expected in [
            ("Coffee", "last-child", {"Coffee": {"Arabica": {}, "Green": SHOP["Tea"]["Green"]}}),
            ("Coffee", "first-child", {"Coffee": {"Green": SHOP["Tea"]["Green"], "Arabica": {}}}),
            ("Arabica", "left", {"Coffee": {"Green": SHOP["Tea"]["Green"], "Arabica": {}}}),
            ("Arabica", "right", {"Coffee": {"Arabica": {}, "Green": SHOP["Tea"]["Green"]}}),
            ("Coffee", "left", {"Green": SHOP["Tea"]["Green"], "Coffee": {"Arabica": {}}}),
            (None, "last-child", {"Coffee": {"Arabica": {}}, "Green": SHOP["Tea"]["Green"]}),
        ]:
            with self.subTest(target=target, position=position):
                target_id = self.pk(target) if target else None
                move_category(category_id=self.pk("Green"), target_id=target_id, position=position)
                wanted = {"Tea": {"Black": {}}} | expected
                assert (outline(), list(outline())) == (wanted, list(wanted))
                assert_tree_is_valid()
                assert_listing_is_right()

    def test_siblings_keep_their_order(self) -> None:
        move_category(category_id=self.pk("Black"), target_id=self.pk("Green"), position="left")
        assert list(outline()["Tea"]) == ["Black", "Green"]
        move_category(category_id=self.pk("Coffee"), target_id=self.pk("Tea"), position="left")
        assert list(outline()) == ["Coffee", "Tea"]
        move_category(category_id=self.pk("Coffee"), target_id=None)
        assert list(outline()) == ["Tea", "Coffee"]
        assert_tree_is_valid()

    def test_only_root_stays_in_place(self) -> None:
        Product.objects.all().delete()
        for name in ("Arabica", "Coffee"):
            delete_category(category_id=self.pk(name))
        move_category(category_id=self.pk("Tea"), target_id=None)
        assert outline() == {"Tea": SHOP["Tea"]}

    def test_invalid_move_is_refused(self) -> None:
        create_category(name="Green", parent_id=self.pk("Coffee"))
        tea, green, sencha = self.pk("Tea"), self.pk("Green"), self.pk("Sencha")
        for error, field, arguments in [
            (NotFound, "category_id", {"category_id": -1, "target_id": tea}),
            (NotFound, "target_id", {"category_id": green, "target_id": 10**30}),
            (CategoryBelowItself, "target_id", {"category_id": green, "target_id": green}),
            (CategoryBelowItself, "target_id", {"category_id": tea, "target_id": sencha}),
            (CategoryBelowItself, "target_id", {"category_id": tea, "target_id": sencha, "position": "left"}),
            (CategoryBelowItself, "target_id", {"category_id": tea, "target_id": tea, "position": "right"}),
            (CategoryNameTaken, "name", {"category_id": green, "target_id": self.pk("Coffee")}),
        ]:
            with self.subTest(field=field, **arguments):
                self.assert_refused(error, field, move_category, **arguments)


class DeleteCategoryTest(TreeCase):
    def test_empty_category_is_deleted(self) -> None:
        delete_category(category_id=self.pk("Black"))
        assert list(outline()["Tea"]) == ["Green"]
        assert_tree_is_valid()

    def test_deletion_of_missing_or_non_empty_category_is_refused(self) -> None:
        make_product(category=self.tree["Black"], is_published=False)
        for error, name, mentions in [
            (CategoryNotEmpty, "Black", "0 subcategories and 1 products"),
            (CategoryNotEmpty, "Tea", "2 subcategories and 0 products"),
        ]:
            with self.subTest(name=name):
                self.assert_refused(
                    error, "category_id", delete_category, mentions, category_id=self.pk(name)
                )
        self.assert_refused(NotFound, "category_id", delete_category, category_id=0)


class ProductServicesTest(TestCase):
    def test_products_are_published_and_unpublished(self) -> None:
        products = [make_product(is_published=number % 2 == 0) for number in range(4)]
        assert publish_products(products=Product.objects.all(), published=True) == 2
        assert publish_products(products=Product.objects.exclude(pk=products[0].pk), published=False) == 3
        assert list(Product.objects.filter(is_published=True)) == [products[0]]
        assert_listing_is_right()

    def test_unused_slug_is_generated(self) -> None:
        make_product(slug="chai")
        make_product(slug="chai-2")
        assert find_free_product_slug("Чай") == "chai-3"
        assert find_free_product_slug("***") == "product"
        assert len(find_free_product_slug("щ" * 255)) <= 255
