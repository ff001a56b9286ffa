"""The category tree in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backend.catalog.models import Category, Characteristic, CharacteristicValue
from tests.catalog.admin.pages import AdminCase, picture
from tests.catalog.derived import assert_listing_is_right, assert_tree_is_valid
from tests.catalog.factories import make_product
from tests.catalog.trees import make_tree, outline

LIST = "/admin/catalog/category/"
ADD = f"{LIST}add/"
SHOP = {"Tea": {"Green": {"Sencha": {}}, "Black": {}}, "Coffee": {}}


class CategoryCase(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.tree = make_tree(SHOP)
        make_product(category=self.tree["Sencha"])

    def path(self, name: str, page: str = "change") -> str:
        return f"{LIST}{self.tree[name].pk}/{page}/"

    def open(self, name: str) -> dict[str, Any]:
        return self.form(self.path(name), "category_form")


class MoveTest(CategoryCase):
    def move(self, name: str, target: str, position: str) -> Any:
        return self.client.post(
            LIST,
            {
                "cmd": "move_node",
                "position": position,
                "cut_item": self.tree[name].pk,
                "pasted_on": self.tree[target].pk,
            },
        )

    def test_category_is_moved_by_dragging(self) -> None:
        response = self.move("Green", "Coffee", "last-child")
        assert (response.status_code, self.messages(response)) == (200, ["“Green” has been moved."])
        assert outline() == {"Tea": {"Black": {}}, "Coffee": {"Green": {"Sencha": {}}}}
        assert LogEntry.objects.get().object_repr == "Green"
        self.move("Coffee", "Tea", "left")
        assert list(outline()) == ["Coffee", "Tea"]
        assert_tree_is_valid()
        assert_listing_is_right()

    def test_invalid_move_is_refused_with_a_message(self) -> None:
        make_tree({"Sencha": {}}, self.tree["Coffee"])
        for name, target, position, status, message in [
            ("Tea", "Sencha", "last-child", 409, "own subtree"),
            ("Tea", "Tea", "right", 409, "itself"),
            ("Sencha", "Coffee", "last-child", 409, "The parent already has a category “Sencha”"),
            ("Tea", "Coffee", "sideways", 400, "position must be one of"),
        ]:
            with self.subTest(name=name, target=target, position=position):
                before = outline()
                response = self.move(name, target, position)
                assert response.status_code == status
                assert message in "".join(self.messages(response))
                assert outline() == before

    def test_responses_are_plain_text(self) -> None:
        """A message contains the name of the category, which may look like markup."""
        script = "<script>alert(1)</script>"
        self.tree |= make_tree({script: {}})
        refused = self.move(script, script, "right")
        assert script in refused.content.decode()
        for response in (refused, self.move(script, "Tea", "right")):
            assert response["Content-Type"] == "text/plain"

    def test_malformed_ids_are_refused(self) -> None:
        for cut, pasted in [("x", "y"), ("9" * 30, "1"), ("9" * 5000, "1"), ("", ""), ("0", "0")]:
            with self.subTest(cut=cut[:40]):
                data = {"cmd": "move_node", "position": "left", "cut_item": cut, "pasted_on": pasted}
                assert self.client.post(LIST, data).status_code == 409
        assert outline() == SHOP

    def test_permissions(self) -> None:
        self.log_in_with("view_category", "change_product")
        assert self.move("Green", "Coffee", "last-child").status_code == 403
        assert outline() == SHOP


class FormTest(CategoryCase):
    def test_category_is_added(self) -> None:
        data = {"name": "Улун", "slug": "", "parent": self.tree["Tea"].pk, "image": picture()}
        self.assert_saved(self.client.post(ADD, data))
        added = Category.objects.get(name="Улун")
        self.addCleanup(added.image.delete, save=False)
        assert (added.slug, added.parent) == ("ulun", self.tree["Tea"])
        assert added.image
        assert list(outline()["Tea"]) == ["Green", "Black", "Улун"]
        assert_tree_is_valid()
        assert LogEntry.objects.get().object_id == str(added.pk)

    def test_category_is_changed(self) -> None:
        page = self.open("Green") | {"name": "Зелёный", "parent": self.tree["Coffee"].pk}
        self.assert_saved(self.client.post(self.path("Green"), page))
        assert outline()["Coffee"] == {"Зелёный": {"Sencha": {}}}
        self.assert_saved(
            self.client.post(self.path("Green"), self.open("Green") | {"parent": "", "slug": ""})
        )
        assert list(outline()) == ["Tea", "Coffee", "Зелёный"]
        assert Category.objects.get(pk=self.tree["Green"].pk).slug == "zelenyi"
        assert_tree_is_valid()
        assert_listing_is_right()

    def test_texts_for_search_engines_are_changed(self) -> None:
        page = self.open("Green") | {"seo_title": "Green  tea", "seo_description": "x" * 500}
        self.assert_saved(self.client.post(self.path("Green"), page))
        green = Category.objects.get(pk=self.tree["Green"].pk)
        assert (green.seo_title, green.seo_description) == ("Green tea", "x" * 500)
        response = self.client.post(self.path("Green"), page | {"seo_description": "x" * 501})
        assert "at most 500 characters" in "".join(self.errors(response)["seo_description"])

    def test_image_is_set_and_removed(self) -> None:
        self.assert_saved(self.client.post(self.path("Tea"), self.open("Tea") | {"image": picture()}))
        image = Category.objects.get(name="Tea").image
        self.addCleanup(image.delete, save=False)
        self.assert_saved(self.client.post(self.path("Tea"), self.open("Tea") | {"slug": "tea-2"}))
        assert Category.objects.get(name="Tea").image == image
        self.assert_saved(self.client.post(self.path("Tea"), self.open("Tea") | {"image-clear": "on"}))
        assert not Category.objects.get(name="Tea").image

    def test_page_opened_before_a_move_does_not_move_back(self) -> None:
        page = self.open("Green")
        Category.objects.filter(pk=self.tree["Green"].pk).update(parent=self.tree["Coffee"])
        Category.objects.rebuild()
        self.assert_saved(self.client.post(self.path("Green"), page | {"name": "Verde"}))
        assert outline()["Coffee"] == {"Verde": {"Sencha": {}}}

    def test_invalid_input_is_refused(self) -> None:
        for field, value, message in [
            ("parent", self.tree["Sencha"].pk, "cannot be moved into itself or its own subtree"),
            ("parent", self.tree["Green"].pk, "cannot be moved into itself or its own subtree"),
            ("parent", "9" * 5000, "valid choice"),
            ("parent", "x", "valid choice"),
            ("slug", "black", "already exists"),
            ("slug", "a b", "valid “slug”"),
            ("name", "", "required"),
            ("name", "x" * 201, "at most 200 characters"),
            ("name", "Black", "The parent already has a category with this name."),
            ("image", picture("a.bmp", kind="BMP"), "is not a supported image"),
        ]:
            with self.subTest(field=field, value=str(value)[:20]):
                response = self.client.post(self.path("Green"), self.open("Green") | {field: value})
                errors = self.errors(response)
                assert message in "".join(errors.get(field, []) + errors.get("__all__", [])), errors
                assert outline() == SHOP

    def test_permissions(self) -> None:
        self.log_in_with("view_category")
        assert self.client.get(LIST).status_code == 200
        assert self.client.get(ADD).status_code == 403
        assert self.client.post(self.path("Black", "delete"), {"post": "yes"}).status_code == 403
        assert outline() == SHOP


class DeleteTest(CategoryCase):
    def test_empty_category_is_deleted(self) -> None:
        self.assert_saved(self.client.post(self.path("Black", "delete"), {"post": "yes"}))
        assert list(outline()["Tea"]) == ["Green"]
        assert_tree_is_valid()

    def test_category_that_is_not_empty_is_kept(self) -> None:
        for name, reason in [("Tea", "“Tea” has 2 subcategories"), ("Sencha", "“Sencha” has 1 product")]:
            with self.subTest(name):
                self.assertContains(self.client.get(self.path(name, "delete")), reason)
                self.assertContains(self.client.post(self.path(name, "delete"), {"post": "yes"}), reason)
        assert outline() == SHOP

    def test_several_categories_are_deleted_if_all_are_empty(self) -> None:
        def delete(*names: str) -> Any:
            chosen = [self.tree[name].pk for name in names]
            action = {"action": "delete_selected", "index": 0, "_selected_action": chosen}
            self.client.post(LIST, action)
            return self.client.post(LIST, action | {"post": "yes"})

        self.assertContains(delete("Coffee", "Tea"), "“Tea” has 2 subcategories")
        assert outline() == SHOP
        delete("Coffee", "Black")
        assert outline() == {"Tea": {"Green": {"Sencha": {}}}}
        assert_tree_is_valid()


class TreePageTest(CategoryCase):
    def test_tree_is_listed_with_product_counts(self) -> None:
        page = self.client.get(LIST)
        rows = [
            (category.name, category.level, category.product_count)
            for category in page.context["cl"].result_list
        ]
        assert rows == [("Tea", 0, 1), ("Green", 1, 1), ("Sencha", 2, 1), ("Black", 1, 0), ("Coffee", 0, 0)]
        self.assertContains(page, "Lavka")

    def test_query_count_is_independent_of_the_tree(self) -> None:
        counts = []
        for turn in range(2):
            with CaptureQueriesContext(connection) as queries:
                self.client.get(LIST)
            counts.append(len(queries))
            make_tree({f"New {turn} {number}": {"a": {"b": {}}} for number in range(10)})
        assert counts[0] == counts[1] < 8

    def test_suggestions_show_paths(self) -> None:
        query = {"app_label": "catalog", "model_name": "category", "field_name": "parent", "term": "e"}
        results = self.client.get("/admin/autocomplete/", query).json()["results"]
        assert [result["text"] for result in results] == [
            "Tea",
            "Tea › Green",
            "Tea › Green › Sencha",
            "Coffee",
        ]


class CharacteristicsTest(AdminCase):
    def test_characteristics_are_listed_and_deleted(self) -> None:
        volume = Characteristic.objects.create(name="Volume", unit="ml")
        value = CharacteristicValue.objects.create(product=make_product(), characteristic=volume, value="1")
        path = "/admin/catalog/characteristic/"
        page = self.form(path, "changelist-form") | {"_save": "Save", "form-0-position": "4"}
        del page["form-0-is_facet"]
        self.assert_saved(self.client.post(path, page))
        volume.refresh_from_db()
        assert (volume.position, volume.is_facet) == (4, False)
        response = self.client.post(f"{path}{volume.pk}/delete/", {"post": "yes"})
        self.assertContains(response, "“Volume, ml” has 1 value of a product")
        value.delete()
        self.assert_saved(self.client.post(f"{path}{volume.pk}/delete/", {"post": "yes"}))
        with pytest.raises(Characteristic.DoesNotExist):
            volume.refresh_from_db()
