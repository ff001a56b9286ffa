"""Concurrent writes to the orders of guests. Each test has a twin without the lock."""

from contextlib import ExitStack
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError

from backend.accounts.codes import Purpose, WrongCode
from backend.accounts.models import User
from backend.carts.models import Cart
from backend.carts.services import get_cart
from backend.catalog.models import Product
from backend.core.errors import Invalid, NotFound
from backend.core.viewer import Viewer
from backend.notifications.models import OutgoingEmail
from backend.orders.guests import confirm_account, erase_guest_data
from backend.orders.models import Order, OrderContact
from backend.orders.services import CartEmpty, WrongOrderStatus, cancel_guest_order
from tests.accounts.cases import FAST_HASHER, clear_redis, make_unconfirmed_user, new_code
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.locks import without_constraints, without_index, without_row_locks
from tests.concurrency.shoppers import ShopCase, sold
from tests.orders.factories import GUEST_EMAIL, make_guest_cart, make_guest_order, order_as_guest
from tests.support.people import ADDRESS, make_viewer


class GuestRaceCase(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        clear_redis()

    def run_concurrently(self, first_step: Any, second_step: Any) -> tuple[Any, Any]:
        """Run the first step, start the second one, which must wait, and commit both in this order."""
        with Actor() as first, Actor() as second:
            one = first.do(first_step)
            running = second.start(second_step)
            assert not running.done()
            first.commit()
            two = running.result(MAX_SECONDS)
            second.commit()
        return one, two


class SameKeyTest(GuestRaceCase):
    def order_twice(self, key: str | None = "k") -> tuple[Order, Order]:
        token = make_guest_cart((self.a, 1))
        return self.run_concurrently(
            lambda: order_as_guest(token, key=key), lambda: order_as_guest(token, key=key)
        )

    def test_second_request_gets_the_order_and_the_token_of_the_first(self) -> None:
        one, two = self.order_twice()
        assert (one.number, one.token) == (two.number, two.token)
        assert sold(self.a) == OutgoingEmail.objects.count() == 1

    def test_second_request_without_a_key_finds_an_empty_cart(self) -> None:
        with pytest.raises(CartEmpty):
            self.order_twice(None)
        assert sold(self.a) == 1

    def test_without_locks_only_the_index_refuses_the_second_order(self) -> None:
        with (
            without_row_locks(Cart, Product),
            pytest.raises(IntegrityError, match="order_once_per_guest_key"),
        ):
            self.order_twice()

    def test_without_locks_and_index_two_orders_are_created(self) -> None:
        with without_index("order_once_per_guest_key"), without_row_locks(Cart, Product):
            self.order_twice()
            assert sold(self.a) == 2

    def test_without_locks_a_cart_is_ordered_twice(self) -> None:
        with without_row_locks(Cart, Product):
            self.order_twice(None)
        assert sold(self.a) == 2


class MergedCartTest(GuestRaceCase):
    """A guest orders while the cart is merged into the cart of an account."""

    def setUp(self) -> None:
        super().setUp()
        self.token = make_guest_cart((self.a, 1))

    def merge(self) -> None:
        get_cart(viewer=make_viewer(self.user, self.token))

    def order_cart(self) -> Order:
        return order_as_guest(self.token)

    def test_merged_cart_is_not_ordered(self) -> None:
        with pytest.raises(CartEmpty):
            self.run_concurrently(self.merge, self.order_cart)
        assert (sold(self.a), self.in_cart()) == (0, {"A": 1})

    def test_ordered_cart_is_not_merged(self) -> None:
        self.run_concurrently(self.order_cart, self.merge)
        assert (sold(self.a), self.in_cart()) == (1, {})

    def test_without_the_lock_the_merged_cart_is_ordered_too(self) -> None:
        with without_row_locks(Cart):
            self.run_concurrently(self.order_cart, self.merge)
        assert (sold(self.a), self.in_cart()) == (1, {"A": 1})


class CancelTest(GuestRaceCase):
    def setUp(self) -> None:
        super().setUp()
        self.order_of_guest = make_guest_order((self.a, 4))

    def cancel(self) -> Order:
        order = self.order_of_guest
        return cancel_guest_order(number=order.number, token=str(order.token), address=ADDRESS)

    def cancel_twice(self) -> None:
        self.run_concurrently(self.cancel, self.cancel)

    def test_second_cancellation_is_refused(self) -> None:
        with pytest.raises(WrongOrderStatus):
            self.cancel_twice()
        assert self.stock()["A"] == 10

    def test_without_the_lock_only_the_constraint_refuses_the_second_cancellation(self) -> None:
        with without_row_locks(Order), pytest.raises(IntegrityError, match="order_status_once"):
            self.cancel_twice()
        assert self.stock()["A"] == 10

    def test_without_lock_and_constraint_stock_is_returned_twice(self) -> None:
        unique = without_constraints("orders_orderstatuschange", about="UNIQUE (order_id, status)")
        with unique, without_row_locks(Order):
            self.cancel_twice()
        assert self.stock()["A"] == 14


@FAST_HASHER
class ConfirmationTest(GuestRaceCase):
    """Orders are transferred to the account of their address while others change them."""

    def setUp(self) -> None:
        super().setUp()
        self.account = make_unconfirmed_user(GUEST_EMAIL)
        self.order_of_guest = make_guest_order((self.a, 4))
        self.code = new_code(Purpose.CONFIRMATION, GUEST_EMAIL)

    def confirm(self) -> None:
        confirm_account(email=GUEST_EMAIL, code=self.code, address=ADDRESS)

    def confirm_with_a_new_code(self) -> None:
        confirm_account(email=GUEST_EMAIL, code=new_code(Purpose.CONFIRMATION, GUEST_EMAIL), address=ADDRESS)

    def cancel(self) -> Order:
        order = self.order_of_guest
        return cancel_guest_order(number=order.number, token=str(order.token), address=ADDRESS)

    def erase(self) -> None:
        erase_guest_data(order_id=self.order_of_guest.pk)

    def stored(self) -> Order:
        return Order.objects.get(pk=self.order_of_guest.pk)

    def test_second_confirmation_is_refused(self) -> None:
        with pytest.raises(WrongCode):
            self.run_concurrently(self.confirm, self.confirm_with_a_new_code)
        assert self.stored().user == self.account

    def test_without_the_lock_of_the_account_the_second_one_is_refused_by_the_status(self) -> None:
        with without_row_locks(User), pytest.raises(WrongCode):
            self.run_concurrently(self.confirm, self.confirm_with_a_new_code)
        assert self.stored().user == self.account

    def test_transferred_order_is_not_cancelled_with_its_token(self) -> None:
        with pytest.raises(NotFound):
            self.run_concurrently(self.confirm, self.cancel)
        assert (self.stored().user, self.stored().status) == (self.account, Order.Status.PLACED)

    def test_without_the_lock_the_old_token_cancels_the_order_of_the_account(self) -> None:
        with without_row_locks(Order):
            self.run_concurrently(self.confirm, self.cancel)
        assert (self.stored().user, self.stored().status) == (self.account, Order.Status.CANCELLED)

    def test_cancelled_order_is_transferred(self) -> None:
        self.run_concurrently(self.cancel, self.confirm)
        assert (self.stored().user, self.stored().status) == (self.account, Order.Status.CANCELLED)
        assert self.stock()["A"] == 10

    def test_order_placed_during_the_confirmation_stays_an_order_of_a_guest(self) -> None:
        token = make_guest_cart((self.b, 1))
        with Actor() as guest, Actor() as owner:
            order = guest.do(order_as_guest, token)
            owner.do(self.confirm)
            owner.commit()
            guest.commit()
        assert Order.objects.get(pk=order.pk).email == GUEST_EMAIL
        assert self.stored().user == self.account

    def test_erased_order_is_not_transferred(self) -> None:
        self.run_concurrently(self.erase, self.confirm)
        assert self.stored().user is None

    def test_without_the_lock_an_erased_order_is_transferred(self) -> None:
        with without_row_locks(Order):
            self.run_concurrently(self.erase, self.confirm)
        assert self.stored().user == self.account

    def test_transferred_order_is_not_erased(self) -> None:
        with pytest.raises(Invalid):
            self.run_concurrently(self.confirm, self.erase)
        assert OrderContact.objects.get().user == self.account

    def test_without_the_lock_the_contact_of_the_account_is_erased(self) -> None:
        with without_row_locks(Order):
            self.run_concurrently(self.confirm, self.erase)
        assert self.stored().user == self.account
        assert not OrderContact.objects.exists()


class TokenTest(GuestRaceCase):
    def test_order_is_committed_together_with_its_token(self) -> None:
        """A failure after the mail was enqueued leaves neither order nor mail."""
        token = make_guest_cart((self.a, 1))
        with ExitStack() as stack:
            stack.enter_context(
                mock.patch("backend.orders.services.creation.attach_related", side_effect=RuntimeError)
            )
            stack.enter_context(pytest.raises(RuntimeError))
            order_as_guest(token, key="k")
        assert not Order.objects.exists()
        assert not OutgoingEmail.objects.exists()
        assert order_as_guest(token, key="k").token
        assert OutgoingEmail.objects.count() == 1
        assert get_cart(viewer=Viewer(cart_token=token)).lines == []
