"""Concurrent writes of products and categories keep the listing index complete and do not deadlock."""

import random
from unittest import mock

import pytest
from django.db import IntegrityError, OperationalError
from django.test import TransactionTestCase

from backend.catalog.models import Category, Product
from backend.catalog.services import (
    CategoryNotEmpty,
    create_category,
    delete_category,
    move_category,
    publish_products,
)
from backend.core.errors import ShopError
from tests.catalog.derived import (
    actual_listing,
    assert_listing_is_right,
    assert_tree_is_valid,
    expected_listing,
)
from tests.catalog.factories import make_product
from tests.catalog.trees import make_tree
from tests.concurrency.actors import MAX_SECONDS, Actor, execute, function_without, without_triggers
from tests.concurrency.crowds import run_together

SHARED_LOCK = "PERFORM pg_advisory_xact_lock_shared(7203002);"


class RaceCase(TransactionTestCase):
    def setUp(self) -> None:
        self.tree = make_tree({"A": {"C": {}}, "B": {}})
        self.product = make_product(category=self.tree["C"])

    def move_to(self, name: str) -> Category:
        return move_category(category_id=self.tree["C"].pk, target_id=self.tree[name].pk)


class ProductBeforeMoveTest(RaceCase):
    def add_then_move(self) -> bool:
        """Move the category while a product is being added to it. Return whether the move waited."""
        with Actor() as seller, Actor() as mover:
            seller.do(make_product, category=self.tree["C"])
            move = mover.start(self.move_to, "B")
            waited = not move.done()
            if waited:
                seller.commit()
                move.result(MAX_SECONDS)
            mover.commit()
        return waited

    def test_move_waits_and_takes_the_product_along(self) -> None:
        assert self.add_then_move()
        assert_listing_is_right()

    def test_without_the_lock_the_product_stays_behind(self) -> None:
        with function_without("catalog_list_product", SHARED_LOCK):
            assert not self.add_then_move()
        assert actual_listing() != expected_listing()


class MoveBeforeProductTest(RaceCase):
    def move_then_add(self) -> bool:
        """Add a product to the category while it is being moved. Return whether the product waited."""
        with Actor() as seller, Actor() as mover:
            mover.do(self.move_to, "B")
            added = seller.start(make_product, category=self.tree["C"])
            waited = not added.done()
            mover.commit()
            added.result(MAX_SECONDS)
            seller.commit()
        return waited

    def test_product_waits_and_is_listed_in_the_new_place(self) -> None:
        assert self.move_then_add()
        assert_listing_is_right()

    def test_without_the_lock_it_is_listed_in_the_old_place(self) -> None:
        with function_without("catalog_list_product", SHARED_LOCK):
            assert not self.move_then_add()
        assert actual_listing() != expected_listing()


class PriceDuringMoveTest(RaceCase):
    def change_the_price_during_a_move(self) -> None:
        """Move a category while a price changes: the move reads the old price, and the writer waits."""
        with Actor() as seller, Actor() as mover:
            mover.do(self.move_to, "B")
            change = seller.start(Product.objects.update, price=7, stock=0)
            assert not change.done()
            mover.commit()
            change.result(MAX_SECONDS)
            seller.commit()

    def test_entries_made_by_the_move_get_the_new_price(self) -> None:
        self.change_the_price_during_a_move()
        assert_listing_is_right()

    def test_without_the_lock_they_keep_the_old_price(self) -> None:
        """The writer waits for an entry that the move deletes, and does not see the new entries."""
        with function_without("catalog_list_product", SHARED_LOCK):
            self.change_the_price_during_a_move()
        assert actual_listing() != expected_listing()


class DeadlockTest(RaceCase):
    def move_in_sql_while_a_product_is_added(self) -> None:
        """Insert a product whose foreign key check waits for the row that the move has locked."""
        with Actor() as seller, Actor() as mover:
            seller.do(make_product, category=self.tree["C"])
            move = mover.start(
                execute,
                "UPDATE catalog_category SET parent_id = %s WHERE id = %s",
                self.tree["B"].pk,
                self.tree["C"].pk,
            )
            assert not move.done()
            commit = seller.start_commit()
            move.result(MAX_SECONDS)
            mover.commit()
            commit.result(MAX_SECONDS)

    def test_lock_before_the_row_prevents_the_deadlock(self) -> None:
        self.move_in_sql_while_a_product_is_added()
        assert_listing_is_right()

    def test_with_the_row_before_the_lock_they_deadlock(self) -> None:
        late = "BEGIN\nPERFORM pg_advisory_xact_lock(7203002);\n"
        with (
            function_without("catalog_move_category", "BEGIN\n", late),
            without_triggers(catalog_category="category_about_to_move"),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.move_in_sql_while_a_product_is_added()

    def sell_out_while_a_category_moves(self) -> None:
        with Actor() as seller, Actor() as mover:
            seller.do(Product.objects.filter(pk=self.product.pk).update, stock=4)
            move = mover.start(self.move_to, "B")
            sold_out = seller.start(Product.objects.filter(pk=self.product.pk).update, stock=0)
            assert not sold_out.done()
            move.result(MAX_SECONDS)
            mover.commit()
            sold_out.result(MAX_SECONDS)
            seller.commit()

    def test_move_locks_no_product(self) -> None:
        self.sell_out_while_a_category_moves()
        assert_listing_is_right()

    def test_with_the_products_locked_by_the_move_they_deadlock(self) -> None:
        lock = "BEGIN\nPERFORM 1 FROM catalog_product FOR NO KEY UPDATE;\n"
        with (
            function_without("catalog_move_category", "BEGIN\n", lock),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.sell_out_while_a_category_moves()

    def test_adding_a_category_does_not_block_products(self) -> None:
        with Actor() as staff, Actor() as seller:
            staff.do(create_category, name="New", parent_id=self.tree["C"].pk)
            seller.do(make_product, category=self.tree["C"])
            seller.commit()
            staff.do(Product.objects.update, price=3)
            staff.commit()
        assert_listing_is_right()


class DeleteCategoryTest(RaceCase):
    def test_deletion_waits_for_a_product_that_is_being_added(self) -> None:
        with Actor() as seller, Actor() as staff:
            seller.do(make_product, category=self.tree["B"], is_published=False)
            delete = staff.start(delete_category, category_id=self.tree["B"].pk)
            assert not delete.done()
            seller.commit()
            with pytest.raises(CategoryNotEmpty):
                delete.result(MAX_SECONDS)

    def test_deletion_waits_for_a_hidden_product_that_is_being_moved_in(self) -> None:
        hidden = make_product(is_published=False)
        with Actor() as seller, Actor() as staff:
            seller.do(Product.objects.filter(pk=hidden.pk).update, category=self.tree["B"])
            delete = staff.start(delete_category, category_id=self.tree["B"].pk)
            assert not delete.done()
            seller.commit()
            with pytest.raises(CategoryNotEmpty):
                delete.result(MAX_SECONDS)

    def test_without_the_trigger_the_hidden_product_is_lost(self) -> None:
        hidden = make_product(is_published=False)
        with (
            without_triggers(catalog_product="product_relisted"),
            Actor() as seller,
            Actor() as staff,
        ):
            seller.do(Product.objects.filter(pk=hidden.pk).update, category=self.tree["B"])
            staff.do(delete_category, category_id=self.tree["B"].pk)
            staff.commit()
            with pytest.raises(IntegrityError):
                seller.commit()

    def test_without_the_lock_the_product_is_lost(self) -> None:
        with mock.patch("backend.catalog.services.lock_listing"), Actor() as seller, Actor() as staff:
            seller.do(make_product, category=self.tree["B"])
            staff.do(delete_category, category_id=self.tree["B"].pk)
            staff.commit()
            with pytest.raises(IntegrityError):
                seller.commit()


class CrowdTest(TransactionTestCase):
    def test_random_concurrent_writes_keep_the_index_complete(self) -> None:
        make_tree({name: {f"{name}{i}": {} for i in range(3)} for name in "ABC"})
        for category in Category.objects.all():
            make_product(category=category)
        for turn in range(4):
            run_together([sell, sell, manage_products, arrange], times=40, seed=turn)
            assert_listing_is_right()
            assert_tree_is_valid()
        assert Product.objects.count() > 10


def pick(rng: random.Random, model: type[Category] | type[Product]) -> int:
    return rng.choice(list(model.objects.values_list("pk", flat=True)))


def sell(rng: random.Random) -> None:
    chosen = Product.objects.filter(pk=pick(rng, Product))
    chosen.update(stock=rng.choice([0, 1, 2]), popularity=rng.randrange(100))


def manage_products(rng: random.Random) -> None:
    chosen = Product.objects.filter(pk=pick(rng, Product))
    try:
        match rng.randrange(6):
            case 0 | 1:
                make_product(category_id=pick(rng, Category))
            case 2:
                chosen.update(category=pick(rng, Category))
            case 3:
                chosen.update(name=f"Ё{rng.random()}", price=rng.randrange(1000))
            case 4:
                publish_products(
                    products=Product.objects.filter(category=pick(rng, Category)),
                    published=rng.random() < 0.7,
                )
            case 5 if Product.objects.count() > 12:
                chosen.delete()
    except IntegrityError as error:
        # Its category may be deleted between the choice and the write.
        if "foreign key" not in str(error):
            raise


def arrange(rng: random.Random) -> None:
    try:
        match rng.randrange(5):
            case 0:
                create_category(name=f"{rng.random()}", parent_id=pick(rng, Category))
            case 1:
                delete_category(category_id=pick(rng, Category))
            case _:
                move_category(category_id=pick(rng, Category), target_id=pick(rng, Category))
    except ShopError:
        pass
