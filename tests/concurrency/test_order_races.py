"""Concurrent orders, cancellations and edits of a product. Each test has a twin without the lock."""

from collections.abc import Iterable
from concurrent.futures import Future
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, OperationalError

from backend.carts.models import Cart, CartLine
from backend.carts.selectors import CartLineRow, read_unredacted_lines
from backend.carts.services import OutOfStock
from backend.catalog import stock
from backend.catalog.models import Product
from backend.catalog.services import publish_products
from backend.orders.models import Order
from backend.orders.services import (
    NoLongerSold,
    TotalChanged,
    WrongOrderStatus,
    cancel_order,
    change_order_status,
    create_order,
    creation,
)
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.locks import without_constraints, without_index, without_row_locks
from tests.concurrency.shoppers import ShopCase, ordered_quantities, read_account_cart, sold
from tests.support.people import make_user, make_viewer


class LastUnitTest(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        Product.objects.filter(pk=self.a.pk).update(stock=1)
        self.other = make_user()
        self.add(self.a)
        self.add(self.a, user=self.other)

    def order_twice(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(self.order)
            order = second.start(self.order, self.other)
            assert not order.done()
            first.commit()
            order.result(MAX_SECONDS)
            second.commit()

    def test_second_order_is_refused_and_keeps_its_cart(self) -> None:
        with pytest.raises(OutOfStock):
            self.order_twice()
        assert (self.stock()["A"], sold(self.a)) == (0, 1)
        assert (self.in_cart(), self.in_cart(self.other)) == ({}, {"A": 1})

    def test_without_the_lock_only_the_constraint_refuses_the_second_order(self) -> None:
        with without_row_locks(Product), pytest.raises(IntegrityError, match="violates check constraint"):
            self.order_twice()
        assert (self.stock()["A"], sold(self.a)) == (0, 1)

    def test_without_lock_and_constraint_the_unit_is_sold_twice(self) -> None:
        with without_constraints("catalog_product", about="stock >= 0"), without_row_locks(Product):
            self.order_twice()
            assert (self.stock()["A"], sold(self.a)) == (-1, 2)


class OppositeOrderTest(ShopCase):
    """Two transactions lock products in opposite orders. A third one locks B until both wait."""

    def run_until_both_wait(self, first_step: Any, second_step: Any) -> None:
        with Actor() as staff, Actor() as first, Actor() as second:
            staff.do(Product.objects.filter(pk=self.b.pk).update, price=7)
            one: Future[Any] = first.start(first_step)
            two: Future[Any] = second.start(second_step)
            assert not one.done()
            assert not two.done()
            staff.commit()
            one.result(MAX_SECONDS)
            first.commit()
            two.result(MAX_SECONDS)
            second.commit()

    def order_twice(self) -> None:
        other = make_user()
        self.add(self.a, self.b, self.c)
        self.add(self.c, self.b, self.a, user=other)
        self.run_until_both_wait(self.order, lambda: self.order(other))

    def test_two_orders_succeed(self) -> None:
        self.order_twice()
        assert self.stock() == {"A": 8, "B": 8, "C": 8}

    def test_two_orders_that_lock_in_cart_order_deadlock(self) -> None:
        def lock_as_added(cart: Cart) -> list[CartLineRow]:
            lines = CartLine.objects.select_for_update(of=["product"], no_key=True)
            list(lines.filter(cart=cart).select_related("product").order_by("id"))
            return read_unredacted_lines(cart)

        with (
            mock.patch.object(creation, "_lock_lines", lock_as_added),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.order_twice()

    def cancel_and_order(self) -> None:
        self.add(self.c, self.b, self.a)
        number = self.order().number
        other = make_user()
        self.add(self.a, self.b, self.c, user=other)
        self.run_until_both_wait(
            lambda: self.order(other), lambda: cancel_order(viewer=make_viewer(self.user), number=number)
        )

    def test_cancellation_and_order_succeed(self) -> None:
        self.cancel_and_order()
        assert self.stock() == {"A": 9, "B": 9, "C": 9}

    def test_cancellation_that_locks_backwards_deadlocks(self) -> None:
        def lock_backwards(product_ids: Iterable[int]) -> list[int]:
            products = Product.objects.select_for_update(no_key=True).filter(pk__in=list(product_ids))
            return list(products.order_by("-pk").values_list("pk", flat=True))

        with (
            mock.patch.object(stock, "lock_product_rows", lock_backwards),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.cancel_and_order()


class SameIdempotencyKeyTest(ShopCase):
    def order_twice(self) -> tuple[Order, Order]:
        self.add(self.a)
        with Actor() as first, Actor() as second:
            one = first.do(self.order, key="k")
            order = second.start(self.order, key="k")
            assert not order.done()
            first.commit()
            two = order.result(MAX_SECONDS)
            second.commit()
        return one, two

    def test_second_request_gets_the_order_of_the_first(self) -> None:
        one, two = self.order_twice()
        assert one.number == two.number
        assert sold(self.a) == 1

    def test_without_locks_only_the_index_refuses_the_second_order(self) -> None:
        with (
            without_row_locks(Product),
            mock.patch.object(creation, "lock_account_cart", read_account_cart),
            pytest.raises(IntegrityError, match="order_once_per_key"),
        ):
            self.order_twice()

    def test_without_locks_and_index_two_orders_are_created(self) -> None:
        with (
            without_index("order_once_per_key"),
            without_row_locks(Product),
            mock.patch.object(creation, "lock_account_cart", read_account_cart),
        ):
            self.order_twice()
            assert sold(self.a) == 2


class CancelTest(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.staff = make_user(is_staff=True)
        self.add(self.a, quantity=4)
        self.placed = self.order()

    def cancel(self) -> Order:
        return cancel_order(viewer=make_viewer(self.user), number=self.placed.number)

    def change(self, status: str) -> Order:
        return change_order_status(order_id=self.placed.pk, status=status, changed_by=self.staff.pk)

    def run_concurrently(self, first_step: Any, second_step: Any, *arguments: object) -> None:
        with Actor() as first, Actor() as second:
            first.do(first_step, *arguments)
            cancel = second.start(second_step)
            assert not cancel.done()
            first.commit()
            cancel.result(MAX_SECONDS)
            second.commit()

    def test_second_cancellation_is_refused(self) -> None:
        with pytest.raises(WrongOrderStatus):
            self.run_concurrently(self.cancel, self.cancel)
        assert self.stock()["A"] == 10

    def test_without_the_lock_only_the_constraint_refuses_the_second_cancellation(self) -> None:
        with without_row_locks(Order), pytest.raises(IntegrityError, match="order_status_once"):
            self.run_concurrently(self.cancel, self.cancel)
        assert self.stock()["A"] == 10

    def test_without_lock_and_constraint_stock_is_returned_twice(self) -> None:
        unique = without_constraints("orders_orderstatuschange", about="UNIQUE (order_id, status)")
        with unique, without_row_locks(Order):
            self.run_concurrently(self.cancel, self.cancel)
        assert self.stock()["A"] == 14

    def test_cancellation_by_staff_excludes_one_by_the_customer(self) -> None:
        with pytest.raises(WrongOrderStatus):
            self.run_concurrently(self.change, self.cancel, Order.Status.CANCELLED)
        assert self.stock()["A"] == 10
        with pytest.raises(WrongOrderStatus):
            self.change(Order.Status.PAID)

    def ship_and_cancel(self) -> None:
        self.change(Order.Status.PAID)
        self.run_concurrently(self.change, self.cancel, Order.Status.SHIPPED)

    def test_order_that_is_being_shipped_cannot_be_cancelled(self) -> None:
        with pytest.raises(WrongOrderStatus):
            self.ship_and_cancel()
        assert self.stock()["A"] == 6

    def test_without_the_lock_a_shipped_order_is_cancelled(self) -> None:
        with without_row_locks(Order):
            self.ship_and_cancel()
        assert self.stock()["A"] == 10
        assert list(self.placed.history.values_list("status", flat=True))[-2:] == ["shipped", "cancelled"]


class EditedProductTest(ShopCase):
    """Staff edit a product while it is ordered. The order waits and uses the edited product."""

    def order_during(self, edit: Any, *arguments: object, **options: Any) -> Order:
        self.add(self.a, self.b, quantity=2)
        with Actor() as staff, Actor() as shopper:
            staff.do(edit, *arguments)
            order = shopper.start(create_order, viewer=make_viewer(self.user), **options)
            assert not order.done()
            staff.commit()
            placed: Order = order.result(MAX_SECONDS)
            shopper.commit()
        return placed

    def change_price(self) -> None:
        Product.objects.filter(pk=self.a.pk).update(price=Decimal("12.50"))

    def unpublish(self) -> None:
        publish_products(products=Product.objects.filter(pk=self.a.pk), published=False)

    def prices(self, order: Order) -> list[Decimal]:
        return [line.unit_price for line in order.lines.all()]

    def test_order_uses_the_new_price(self) -> None:
        order = self.order_during(self.change_price, expected_total=Decimal("45.00"))
        assert (self.prices(order), order.total) == ([Decimal("12.50"), Decimal("10.00")], Decimal("45.00"))

    def test_expected_total_with_the_old_price_is_refused(self) -> None:
        with pytest.raises(TotalChanged, match=r"45\.00"):
            self.order_during(self.change_price, expected_total=Decimal("40.00"))
        assert self.in_cart() == {"A": 2, "B": 2}
        assert self.stock()["A"] == 10

    def test_without_the_lock_the_old_price_is_used(self) -> None:
        with without_row_locks(Product):
            order = self.order_during(self.change_price, expected_total=Decimal("40.00"))
        assert self.prices(order)[0] == 10

    def test_unpublished_product_is_refused(self) -> None:
        with pytest.raises(NoLongerSold):
            self.order_during(self.unpublish)
        assert self.in_cart() == {"A": 2, "B": 2}
        assert not Order.objects.exists()

    def test_without_the_lock_an_unpublished_product_is_sold(self) -> None:
        with without_row_locks(Product):
            assert ordered_quantities(self.order_during(self.unpublish)) == {"A": 2, "B": 2}
