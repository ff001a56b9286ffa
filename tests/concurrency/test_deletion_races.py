"""Deletion of products and accounts during adds and orders."""

from collections.abc import Callable
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import IntegrityError, OperationalError

from backend.accounts.models import User
from backend.accounts.services import delete_account
from backend.carts.models import Cart, CartLine
from backend.carts.selectors import CartLineRow, read_unredacted_lines
from backend.carts.services import remove_lines
from backend.catalog.models import Product
from backend.core.db import run_atomic
from backend.core.errors import NotFound, ShopError
from backend.core.viewer import Viewer
from backend.orders.models import Order
from backend.orders.services import CartEmpty, cancel_order, creation
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.locks import without_cascade, without_joined_locks, without_row_locks
from tests.concurrency.shoppers import ShopCase, assert_orders_are_whole, ordered_quantities
from tests.support.people import make_user, make_viewer


def delete_products(*products: Product) -> None:
    """Delete products as the action of the admin list does."""
    chosen = Product.objects.filter(pk__in=[product.pk for product in products])
    run_atomic(lambda: admin.site._registry[Product].delete_queryset(None, chosen), name="delete_products")


def delete_users(*users: User) -> None:
    """Delete accounts as the action of the admin list does."""
    chosen = User.objects.filter(pk__in=[user.pk for user in users])
    run_atomic(lambda: admin.site._registry[User].delete_queryset(None, chosen), name="delete_users")


class ProductDuringOrderTest(ShopCase):
    def test_deletion_waits_for_the_order_that_has_the_product(self) -> None:
        self.add(self.a, self.b)
        with Actor() as shopper, Actor() as staff:
            order = shopper.do(self.order)
            deletion = staff.start(delete_products, self.b, self.a)
            assert not deletion.done()
            shopper.commit()
            deletion.result(MAX_SECONDS)
            staff.commit()
        assert ordered_quantities(order) == {"A": 1, "B": 1}
        assert not order.lines.filter(product__isnull=False).exists()
        assert self.stock() == {"C": 10}

    def order_during_deletion(self) -> Any:
        """Order during a deletion that has locked the products but not yet deleted the cart lines."""
        with Actor() as other, Actor() as staff, Actor() as shopper:
            other.do(self.add, self.a, user=self.other)
            deletion = staff.start(delete_products, self.a, self.b)
            order = shopper.start(self.order)
            assert not deletion.done()
            assert not order.done()
            other.commit()
            deletion.result(MAX_SECONDS)
            staff.commit()
            try:
                placed = order.result(MAX_SECONDS)
            except ShopError as refusal:
                return refusal
            shopper.commit()
        return placed

    def setUp(self) -> None:
        super().setUp()
        self.other = make_user()
        self.add(self.a, user=self.other)

    def test_order_waits_for_the_deletion(self) -> None:
        self.add(self.a, self.b)
        refusal = self.order_during_deletion()
        assert isinstance(refusal, CartEmpty)
        assert not Order.objects.exists()

    def test_remaining_lines_can_be_ordered(self) -> None:
        self.add(self.a, self.c)
        order = self.order_during_deletion()
        assert ordered_quantities(order) == {"C": 1}
        assert_orders_are_whole()
        assert self.in_cart() == {}

    def test_with_the_lines_locked_before_the_products_they_deadlock(self) -> None:
        def lock_both(cart: Cart) -> list[CartLineRow]:
            lines = CartLine.objects.select_for_update(of=["self", "product"], no_key=True)
            list(lines.filter(cart=cart).select_related("product").order_by("product_id"))
            return read_unredacted_lines(cart)

        self.add(self.a, self.b)
        with (
            mock.patch.object(creation, "_lock_lines", lock_both),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.order_during_deletion()


class ProductDuringAddTest(ShopCase):
    def test_add_during_the_deletion(self) -> None:
        with Actor() as staff, Actor() as shopper:
            staff.do(delete_products, self.a)
            shopper.do(self.add, self.a, self.b)
            commit = shopper.start_commit()
            assert not commit.done()
            staff.commit()
            # The service raises `Conflict`: see `CrowdTest`.
            with pytest.raises(IntegrityError):
                commit.result(MAX_SECONDS)
        assert self.in_cart() == {}

    def test_deletion_during_the_add(self) -> None:
        self.add(self.a)
        with Actor() as staff, Actor() as shopper:
            shopper.do(self.add, self.a, self.b)
            deletion = staff.start(delete_products, self.a)
            assert not deletion.done()
            shopper.commit()
            deletion.result(MAX_SECONDS)
            staff.commit()
        assert self.in_cart() == {"B": 1}

    def delete_both_while_one_is_added(self) -> None:
        """Delete both products. The deletion waits for the line of A and does not see the new line of B."""
        self.add(self.a)
        with Actor() as staff, Actor() as shopper:
            shopper.do(self.add, self.a, self.b)
            deletion = staff.start(delete_products, self.a, self.b)
            assert not deletion.done()
            shopper.commit()
            deletion.result(MAX_SECONDS)
            staff.commit()

    def test_late_line_is_deleted_with_the_product(self) -> None:
        self.delete_both_while_one_is_added()
        assert self.in_cart() == {}

    def test_without_the_cascade_the_deletion_fails(self) -> None:
        with without_cascade("carts_cartline"), pytest.raises(IntegrityError):
            self.delete_both_while_one_is_added()
        assert self.in_cart() == {"A": 2, "B": 1}


class AccountTest(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_user(password="correct horse")

    def delete(self) -> None:
        """Delete the account as its owner does."""
        viewer = Viewer(user_id=self.user.pk, session_id=uuid4())
        delete_account(viewer=viewer, password="correct horse")

    def act_then_delete(self, act: Callable[[], object]) -> None:
        with Actor() as shopper, Actor() as leaver:
            shopper.do(act)
            deletion = leaver.start(self.delete)
            assert not deletion.done()
            shopper.commit()
            deletion.result(MAX_SECONDS)
            leaver.commit()
        assert not Cart.objects.filter(user=self.user.pk).exists()

    def order_then_delete(self) -> None:
        self.add(self.a)
        self.act_then_delete(self.order)

    def cancel_then_delete(self) -> None:
        self.add(self.a)
        number = self.order().number
        self.act_then_delete(lambda: cancel_order(viewer=make_viewer(self.user), number=number))

    def test_deletion_during_an_order(self) -> None:
        self.order_then_delete()
        assert ordered_quantities(Order.objects.get(user=None)) == {"A": 1}
        assert self.stock()["A"] == 9

    def test_with_only_the_cart_locked_they_deadlock(self) -> None:
        """The foreign key of the order locks the account when the order is committed."""
        with without_joined_locks(), pytest.raises(OperationalError, match="deadlock detected"):
            self.order_then_delete()

    def test_deletion_during_a_cancellation(self) -> None:
        self.cancel_then_delete()
        assert Order.objects.get(user=None).status == Order.Status.CANCELLED
        assert self.stock()["A"] == 10

    def test_with_only_the_order_locked_they_deadlock(self) -> None:
        with without_joined_locks(), pytest.raises(OperationalError, match="deadlock detected"):
            self.cancel_then_delete()

    def test_deletion_during_an_add(self) -> None:
        self.add(self.a)
        self.act_then_delete(lambda: self.add(self.a, self.b))
        assert not CartLine.objects.exists()

    def test_lock_of_the_cart_suffices_without_the_cascade(self) -> None:
        self.add(self.a)
        with without_cascade("carts_cartline"):
            self.act_then_delete(lambda: self.add(self.a, self.b))
        assert not CartLine.objects.exists()

    def test_without_the_lock_and_the_cascade_the_new_line_keeps_the_account(self) -> None:
        self.add(self.a)
        with (
            mock.patch("backend.accounts.services.profile.lock_carts"),
            without_cascade("carts_cartline"),
            pytest.raises(IntegrityError),
        ):
            self.act_then_delete(lambda: self.add(self.a, self.b))
        assert self.in_cart() == {"A": 2, "B": 1}

    def delete_then_act(self, act: Callable[[], object]) -> None:
        with Actor() as leaver, Actor() as shopper:
            leaver.do(self.delete)
            acting = shopper.start(act)
            assert not acting.done()
            leaver.commit()
            acting.result(MAX_SECONDS)

    def test_order_during_the_deletion(self) -> None:
        self.add(self.a)
        with pytest.raises(CartEmpty):
            self.delete_then_act(self.order)
        assert not Order.objects.exists()
        assert self.stock()["A"] == 10

    def test_cancellation_during_the_deletion(self) -> None:
        self.add(self.a)
        number = self.order().number
        with pytest.raises(NotFound):
            self.delete_then_act(lambda: cancel_order(viewer=make_viewer(self.user), number=number))
        assert self.stock()["A"] == 9

    def test_first_add_during_the_deletion(self) -> None:
        with Actor() as leaver, Actor() as shopper:
            leaver.do(self.delete)
            shopper.do(self.add, self.a)
            commit = shopper.start_commit()
            assert not commit.done()
            leaver.commit()
            # The service raises `Conflict`: see `CrowdTest`.
            with pytest.raises(IntegrityError):
                commit.result(MAX_SECONDS)
        assert not Cart.objects.exists()


class AccountDeletedByStaffTest(ShopCase):
    def order_during_deletion(self) -> None:
        """Delete the account while another transaction holds one of its orders."""
        self.add(self.a)
        placed = self.order()
        self.add(self.b)
        with Actor() as other, Actor() as staff, Actor() as shopper:
            other.do(Order.objects.filter(pk=placed.pk).update, status=Order.Status.PAID)
            deletion = staff.start(delete_users, self.user)
            order = shopper.start(self.order)
            assert not deletion.done()
            assert not order.done()
            other.commit()
            deletion.result(MAX_SECONDS)
            staff.commit()
            order.result(MAX_SECONDS)

    def test_order_waits_for_the_deletion(self) -> None:
        with pytest.raises(CartEmpty):
            self.order_during_deletion()
        assert Order.objects.get().user is None
        assert self.stock() == {"A": 9, "B": 10, "C": 10}

    def test_with_the_account_locked_last_they_deadlock(self) -> None:
        with without_row_locks(User), pytest.raises(OperationalError, match="deadlock detected"):
            self.order_during_deletion()


class CartDuringAccountDeletionTest(ShopCase):
    def remove_during_deletion(self) -> None:
        """Delete an account while its shopper has locked the cart and will delete a line of it."""
        self.add(self.a, self.b)
        with Actor() as shopper, Actor() as staff:
            shopper.do(lambda: Cart.objects.select_for_update().get(user=self.user))
            deletion = staff.start(delete_users, self.user)
            assert not deletion.done()
            removal = shopper.start(remove_lines, viewer=make_viewer(self.user), product_ids=[self.a.pk])
            removal.result(MAX_SECONDS)
            shopper.commit()
            deletion.result(MAX_SECONDS)
            staff.commit()

    def test_deletion_waits_for_the_cart(self) -> None:
        self.remove_during_deletion()
        assert not User.objects.filter(pk=self.user.pk).exists()
        assert not CartLine.objects.exists()

    def test_with_the_lines_deleted_before_the_cart_is_locked_they_deadlock(self) -> None:
        with (
            mock.patch("backend.accounts.admin.lock_carts"),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.remove_during_deletion()
