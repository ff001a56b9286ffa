"""Concurrent writes of categories keep the tree valid."""

import random
from unittest import mock

import pytest
from django.db import IntegrityError
from django.test import TransactionTestCase

from backend.catalog.models import Category
from backend.catalog.services import (
    CategoryBelowItself,
    CategoryNameTaken,
    create_category,
    delete_category,
    move_category,
)
from backend.core.errors import ShopError
from tests.catalog.derived import assert_listing_is_right, assert_tree_is_valid
from tests.catalog.factories import make_product
from tests.catalog.trees import make_tree, outline
from tests.concurrency.actors import MAX_SECONDS, Actor, without_triggers
from tests.concurrency.crowds import run_together

no_lock = mock.patch("backend.catalog.services.lock_tree")


class TwoWritersTest(TransactionTestCase):
    def setUp(self) -> None:
        self.tree = make_tree({"A": {"A1": {}, "A2": {}}, "B": {"B1": {}, "B2": {}}})

    def move(self, name: str, target: str) -> Category:
        return move_category(category_id=self.tree[name].pk, target_id=self.tree[target].pk)

    def two_moves(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(self.move, "A1", "B")
            move = second.start(self.move, "A2", "B1")
            assert not move.done()
            first.commit()
            move.result(MAX_SECONDS)
            second.commit()

    def test_second_move_uses_the_result_of_the_first(self) -> None:
        self.two_moves()
        assert_tree_is_valid()
        assert outline() == {"A": {}, "B": {"B1": {"A2": {}}, "B2": {}, "A1": {}}}

    def test_without_the_lock_the_tree_becomes_invalid(self) -> None:
        with no_lock:
            self.two_moves()
        with pytest.raises(AssertionError):
            assert_tree_is_valid()

    def two_moves_into_each_other(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(self.move, "A", "B")
            move = second.start(self.move, "B", "A")
            assert not move.done()
            first.commit()
            move.result(MAX_SECONDS)
            second.commit()

    def test_second_of_two_moves_into_each_other_is_refused(self) -> None:
        with pytest.raises(CategoryBelowItself):
            self.two_moves_into_each_other()
        assert_tree_is_valid()

    def test_without_the_lock_only_the_trigger_refuses_the_cycle(self) -> None:
        with no_lock, pytest.raises(IntegrityError, match="below itself"):
            self.two_moves_into_each_other()

    def test_without_lock_and_trigger_a_cycle_is_created(self) -> None:
        with no_lock, without_triggers(catalog_category="category_below_itself"):
            self.two_moves_into_each_other()
        assert Category.objects.get(name="A").parent == self.tree["B"]
        assert Category.objects.get(name="B").parent == self.tree["A"]

    def create_two_at_once(self, parent: str) -> Category:
        """Create "New" in A, and a second category before the first is committed. Return the second."""
        with Actor() as first, Actor() as second:
            first.do(create_category, name="New", parent_id=self.tree["A"].pk)
            creation = second.start(create_category, name="New", parent_id=self.tree[parent].pk)
            assert not creation.done()
            first.commit()
            created: Category = creation.result(MAX_SECONDS)
            second.commit()
        return created

    def test_concurrent_category_with_the_same_name_is_refused(self) -> None:
        with pytest.raises(CategoryNameTaken):
            self.create_two_at_once("A")

    def test_concurrent_category_with_the_same_slug_gets_another(self) -> None:
        assert self.create_two_at_once("B").slug == "new-2"
        assert_tree_is_valid()

    def test_without_the_lock_name_and_slug_are_refused_by_the_database(self) -> None:
        """The error of the database names only one of them and has no message for staff."""
        for parent in "AB":
            with self.subTest(parent), no_lock, pytest.raises(IntegrityError, match="unique"):
                self.create_two_at_once(parent)
            Category.objects.filter(name="New").delete()


class CrowdTest(TransactionTestCase):
    def test_random_concurrent_writes_keep_the_tree_valid(self) -> None:
        tree = make_tree({name: {f"{name}{i}": {} for i in range(3)} for name in "ABCD"})
        for category in tree.values():
            make_product(category=category)
        for turn in range(3):
            run_together([rearrange] * 4, times=25, seed=turn)
            assert_tree_is_valid()
            assert_listing_is_right()


def rearrange(rng: random.Random) -> None:
    categories = list(Category.objects.values_list("pk", flat=True))
    try:
        match rng.randrange(6):
            case 0:
                create_category(name=f"{rng.random()}", parent_id=rng.choice([None, *categories]))
            case 1:
                delete_category(category_id=rng.choice(categories))
            case _:
                move_category(
                    category_id=rng.choice(categories),
                    target_id=rng.choice([None, *categories]),
                    position=rng.choice(["first-child", "last-child", "left", "right"]),
                )
    except ShopError:
        pass
