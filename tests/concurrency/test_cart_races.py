"""One cart, several writers: no piece is lost, and none counts twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError
from django.utils import timezone

from backend.carts import services
from backend.carts.models import Cart, CartLine
from backend.carts.selectors import CartContents
from backend.carts.services import (
    WantedLine,
    add_lines,
    clear_cart,
    get_cart,
    remove_lines,
    remove_old_carts,
    update_lines,
)
from backend.carts.tokens import digest_token
from backend.core.errors import NotFound
from backend.core.viewer import Viewer
from backend.orders import services as order_services
from backend.orders.services import CartEmpty
from tests.concurrency.actors import PATIENCE, Actor
from tests.concurrency.locks import without_row_locks
from tests.concurrency.shoppers import ShopCase, contents, read_account_cart
from tests.people import make_user, viewer_of


def one_after_the_other(first_step: Callable[[], Any], second_step: Callable[[], Any]) -> tuple[Any, Any]:
    """Take the second step while the first is not committed, which it must wait for; return both results."""
    with Actor() as first, Actor() as second:
        one = first.do(first_step)
        two = second.start(second_step)
        assert not two.done()
        first.commit()
        results = one, two.result(PATIENCE)
        second.commit()
    return results


class AddTest(ShopCase):
    def add_twice(self) -> None:
        one_after_the_other(lambda: self.add(self.a), lambda: self.add(self.a))

    def test_first_adds_of_an_account(self) -> None:
        self.add_twice()
        assert self.in_cart() == {"A": 2}

    def test_later_adds(self) -> None:
        self.add(self.a)
        self.add_twice()
        assert self.in_cart() == {"A": 3}

    def test_without_the_upsert_the_first_adds_collide(self) -> None:
        def make(user_id: int) -> Cart:
            return read_account_cart(user_id) or Cart.objects.create(user_id=user_id)

        with (
            mock.patch.object(services, "_lock_or_make_account_cart", make),
            pytest.raises(IntegrityError, match="carts_cart_user_id"),
        ):
            self.add_twice()

    def test_without_the_lock_a_piece_is_lost(self) -> None:
        self.add(self.a)
        with mock.patch.object(services, "_lock_or_make_account_cart", read_account_cart):
            self.add_twice()
        assert self.in_cart() == {"A": 2}


class GuestCase(ShopCase):
    """A guest with two pieces of A."""

    def setUp(self) -> None:
        super().setUp()
        self.token = add_lines(viewer=Viewer(), lines=[WantedLine(self.a.pk, 2)]).token
        assert self.token

    def add_as_guest(self) -> CartContents:
        return add_lines(viewer=Viewer(cart_token=self.token), lines=[WantedLine(self.a.pk)])

    def guests(self) -> int:
        """Return the pieces of A in guests' carts."""
        return sum(CartLine.objects.filter(cart__user=None).values_list("quantity", flat=True))

    def claim(self) -> CartContents:
        return get_cart(viewer=viewer_of(self.user, self.token))


def read_cart_of(viewer: Viewer) -> Cart | None:
    """Do what `_lock_cart` does for a guest, without its lock."""
    return Cart.objects.filter(token_digest=digest_token(viewer.cart_token or "")).first()


class GuestAddTest(GuestCase):
    def test_two_adds(self) -> None:
        one_after_the_other(self.add_as_guest, self.add_as_guest)
        assert self.guests() == 4

    def test_without_the_lock_a_piece_is_lost(self) -> None:
        with mock.patch.object(services, "_lock_cart", read_cart_of):
            one_after_the_other(self.add_as_guest, self.add_as_guest)
        assert self.guests() == 3


class MergeTest(GuestCase):
    def setUp(self) -> None:
        super().setUp()
        self.other = make_user()
        self.add(self.a, self.b)
        self.add(self.c, user=self.other)

    def claim_as_other(self) -> CartContents:
        return get_cart(viewer=viewer_of(self.other, self.token))

    def test_two_requests_of_one_account(self) -> None:
        one_after_the_other(self.claim, self.claim)
        assert self.in_cart() == {"A": 3, "B": 1}
        assert self.guests() == 0

    def test_two_accounts(self) -> None:
        one_after_the_other(self.claim, self.claim_as_other)
        assert (self.in_cart(), self.in_cart(self.other)) == ({"A": 3, "B": 1}, {"C": 1})

    def test_without_the_lock_both_accounts_get_the_lines(self) -> None:
        with without_row_locks(Cart):
            one_after_the_other(self.claim, self.claim_as_other)
        assert (self.in_cart(), self.in_cart(self.other)) == ({"A": 3, "B": 1}, {"C": 1, "A": 2})

    def test_guest_adds_first(self) -> None:
        one_after_the_other(self.add_as_guest, self.claim)
        assert self.in_cart() == {"A": 4, "B": 1}

    def test_without_the_lock_the_guests_piece_is_lost(self) -> None:
        with without_row_locks(Cart):
            one_after_the_other(self.add_as_guest, self.claim)
        assert self.in_cart() == {"A": 3, "B": 1}
        assert self.guests() == 0

    def test_guest_adds_too_late_and_gets_a_new_cart(self) -> None:
        _, cart = one_after_the_other(self.claim, self.add_as_guest)
        assert cart.token not in (None, self.token)
        assert self.in_cart() == {"A": 3, "B": 1}
        assert self.guests() == 1

    def test_merged_by_the_order_or_by_another_request_but_once(self) -> None:
        _, order = one_after_the_other(
            self.claim, lambda: order_services.create_order(viewer=viewer_of(self.user, self.token))
        )
        assert contents(order) == {"A": 3, "B": 1}
        assert self.in_cart() == {}


class DuringOrderTest(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.add(self.a)
        self.viewer = viewer_of(self.user)

    def add_then_order(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return what was ordered and what is left in the cart."""
        _, order = one_after_the_other(lambda: self.add(self.a, self.b), self.order)
        return contents(order), self.in_cart()

    def test_added_before_the_order_is_ordered(self) -> None:
        assert self.add_then_order() == ({"A": 2, "B": 1}, {})

    def test_without_the_lock_a_piece_is_lost(self) -> None:
        with mock.patch.object(order_services, "lock_account_cart", read_account_cart):
            assert self.add_then_order() == ({"A": 1}, {"B": 1})

    def test_added_after_the_order_stays_in_the_cart(self) -> None:
        order, _ = one_after_the_other(self.order, lambda: self.add(self.a, self.b))
        assert (contents(order), self.in_cart()) == ({"A": 1}, {"A": 1, "B": 1})

    def order_then_add(self) -> tuple[dict[str, int], dict[str, int]]:
        order, _ = one_after_the_other(self.order, lambda: self.add(self.a))
        return contents(order), self.in_cart()

    def test_without_the_adders_lock_a_piece_counts_twice(self) -> None:
        with mock.patch.object(services, "_lock_or_make_account_cart", read_account_cart):
            assert self.order_then_add() == ({"A": 1}, {"A": 2})

    def test_changes_before_the_order_count(self) -> None:
        self.add(self.b)
        _, order = one_after_the_other(
            lambda: update_lines(
                viewer=self.viewer, lines=[WantedLine(self.a.pk, 4), WantedLine(self.b.pk, 0)]
            ),
            self.order,
        )
        assert (contents(order), self.in_cart()) == ({"A": 4}, {})

    def test_without_the_lock_the_old_quantity_is_ordered(self) -> None:
        with mock.patch.object(order_services, "lock_account_cart", read_account_cart):
            _, order = one_after_the_other(
                lambda: update_lines(viewer=self.viewer, lines=[WantedLine(self.a.pk, 4)]), self.order
            )
        assert contents(order) == {"A": 1}

    def test_emptied_before_the_order(self) -> None:
        for empty in (
            lambda: clear_cart(viewer=self.viewer),
            lambda: remove_lines(viewer=self.viewer, product_ids=[self.a.pk]),
        ):
            with pytest.raises(CartEmpty):
                one_after_the_other(empty, self.order)
            self.add(self.a)
        assert self.stock()["A"] == 10

    def test_changes_after_the_order_find_nothing(self) -> None:
        with pytest.raises(NotFound):
            one_after_the_other(
                self.order, lambda: update_lines(viewer=self.viewer, lines=[WantedLine(self.a.pk, 4)])
            )
        assert self.in_cart() == {}
        self.add(self.a)
        _, cart = one_after_the_other(
            self.order, lambda: remove_lines(viewer=self.viewer, product_ids=[self.a.pk])
        )
        assert not cart.lines


class ForgottenCartTest(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.add(self.a)
        Cart.objects.update(touched_at=timezone.now() - timedelta(days=100))

    def remove_during_an_add(self) -> None:
        with Actor() as shopper, Actor() as beat:
            shopper.do(self.add, self.b)
            removal = beat.start(remove_old_carts)
            shopper.commit()
            removal.result(PATIENCE)
            beat.commit()

    def test_a_cart_that_is_touched_again_stays(self) -> None:
        self.remove_during_an_add()
        assert self.in_cart() == {"A": 1, "B": 1}

    def test_without_the_lock_it_is_removed(self) -> None:
        with without_row_locks(Cart):
            self.remove_during_an_add()
        assert self.in_cart() == {}

    def test_added_while_it_is_removed_is_in_a_new_cart(self) -> None:
        removed, _ = one_after_the_other(remove_old_carts, lambda: self.add(self.b))
        assert removed == 1
        assert self.in_cart() == {"B": 1}
