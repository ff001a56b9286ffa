"""manage.py check_categories finds and repairs inconsistent data."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import TestCase

from backend.catalog.models import Category, Characteristic, ListingEntry, Product
from backend.catalog.selectors.integrity import find_characteristics_problems, find_listing_problems
from tests.catalog.derived import (
    assert_characteristics_are_right,
    assert_listing_is_right,
    assert_tree_is_valid,
)
from tests.catalog.factories import make_product
from tests.catalog.trees import make_tree, outline

SHOP = {"A": {"B": {"C": {}}, "D": {}}, "E": {}}


class CheckCategoriesTest(TestCase):
    def setUp(self) -> None:
        self.tree = make_tree(SHOP)
        self.product = make_product(category=self.tree["C"])
        make_product(category=self.tree["E"])
        make_product(category=None)

    def check(self, *arguments: str) -> str:
        output = StringIO()
        call_command("check_categories", *arguments, stdout=output)
        return output.getvalue()

    def assert_found_and_repaired(self, problem: str, counts: str) -> None:
        output = StringIO()
        with self.assertRaisesMessage(CommandError, counts):
            call_command("check_categories", stdout=output)
        assert problem in output.getvalue()
        assert "are correct" in self.check("--fix")
        assert "are correct" in self.check()
        assert outline() == SHOP
        assert_tree_is_valid()
        assert_listing_is_right()
        assert_characteristics_are_right()

    def test_consistent_data_has_no_problems(self) -> None:
        assert self.check() == ("The category tree, the listing index and the characteristics are correct.\n")

    def test_wrong_tree_columns_are_found_and_repaired(self) -> None:
        Category.objects.filter(name="D").update(lft=4, level=3)
        self.assert_found_and_repaired("expected", "Problems: 1 in the category tree, 0 in the listing index")

    def test_wrong_tree_id_is_found_and_repaired(self) -> None:
        tree_id = Category.objects.get(name="A").tree_id
        Category.objects.filter(name="E").update(tree_id=tree_id)
        self.assert_found_and_repaired("shares tree_id", "in the category tree")

    def test_missing_surplus_and_outdated_entries_are_found_and_repaired(self) -> None:
        a, e = self.tree["A"].pk, self.tree["E"].pk
        ListingEntry.objects.filter(ancestor_id=a).delete()
        ListingEntry.objects.filter(ancestor_id=0, product=self.product).update(price=1)
        ListingEntry.objects.create(
            ancestor_id=e, product=self.product, price=1, name_key="", created_at=self.product.created_at,
            popularity=0, in_stock=False,
        )  # fmt: skip
        assert find_listing_problems() == [
            f"outdated entry: product {self.product.pk} under the whole shop",
            f"missing entry: product {self.product.pk} under category {a}",
            f"surplus entry: product {self.product.pk} under category {e}",
        ]
        self.assert_found_and_repaired("entry", "0 in the category tree, 3 in the listing index")

    def test_products_moved_without_triggers_are_relisted(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            Product.objects.update(category=self.tree["D"], name="Ёлка", stock=0)
            cursor.execute("SET session_replication_role = DEFAULT")
        self.assert_found_and_repaired("missing", "0 in the category tree")

    def test_characteristics_written_without_triggers_are_recomputed(self) -> None:
        copied = make_product()
        renamed = make_product(characteristics={"Origin": "Japan"})
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            Product.objects.filter(pk=copied.pk).update(characteristics=[["Origin", "Mars", ""]])
            Characteristic.objects.update(name="Country")
            cursor.execute("SET session_replication_role = DEFAULT")
        assert find_characteristics_problems() == [
            f'product {copied.pk}: characteristics are [["Origin", "Mars", ""]], expected []',
            f'product {renamed.pk}: characteristics are [["Origin", "Japan", ""]],'
            ' expected [["Country", "Japan", ""]]',
        ]
        self.assert_found_and_repaired(
            "characteristics are", "0 in the listing index, 2 in the characteristics of products."
        )

    def test_cycle_is_reported_and_not_changed(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            Category.objects.filter(name="B").update(parent=self.tree["C"])
            cursor.execute("SET session_replication_role = DEFAULT")
        output = StringIO()
        with pytest.raises(CommandError):
            call_command("check_categories", "--fix", stdout=output)
        assert f"category {self.tree['B'].pk} (B): is part of a cycle" in output.getvalue()
