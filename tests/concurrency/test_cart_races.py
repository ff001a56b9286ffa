"""Concurrent changes of one cart: no quantity is lost or counted twice."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone
from limits import RateLimitItem, parse_many

from backend.carts import locks
from backend.carts.models import Cart, CartLine
from backend.carts.selectors import CartContents
from backend.carts.services import (
    LineQuantity,
    add_lines,
    clear_cart,
    delete_expired_carts,
    get_cart,
    remove_lines,
    update_lines,
)
from backend.carts.tokens import digest_token
from backend.core import throttling
from backend.core.digests import digest_secret
from backend.core.errors import NotFound, RateLimited
from backend.core.viewer import Viewer
from backend.orders.services import CartEmpty, creation
from tests.accounts.cases import clear_rate_limits
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.locks import without_row_locks
from tests.concurrency.shoppers import ShopCase, ordered_quantities, read_account_cart
from tests.support.people import ADDRESS, make_user, make_viewer


def run_blocked(first_step: Callable[[], Any], second_step: Callable[[], Any]) -> tuple[Any, Any]:
    """Run a step that must wait for the uncommitted transaction of another; return both results."""
    with Actor() as first, Actor() as second:
        one = first.do(first_step)
        two = second.start(second_step)
        assert not two.done()
        first.commit()
        results = one, two.result(MAX_SECONDS)
        second.commit()
    return results


class AddTest(ShopCase):
    def add_twice(self) -> None:
        run_blocked(lambda: self.add(self.a), lambda: self.add(self.a))

    def test_concurrent_first_adds_share_one_cart(self) -> None:
        self.add_twice()
        assert self.in_cart() == {"A": 2}

    def test_concurrent_later_adds_both_count(self) -> None:
        self.add(self.a)
        self.add_twice()
        assert self.in_cart() == {"A": 3}

    def test_without_the_upsert_the_second_first_add_fails(self) -> None:
        def make(user_id: int) -> Cart:
            return read_account_cart(user_id) or Cart.objects.create(user_id=user_id)

        with (
            mock.patch.object(locks, "_upsert_account_cart", make),
            pytest.raises(IntegrityError, match="carts_cart_user_id"),
        ):
            self.add_twice()

    def test_without_the_lock_an_add_is_lost(self) -> None:
        self.add(self.a)
        with mock.patch.object(locks, "_upsert_account_cart", read_account_cart):
            self.add_twice()
        assert self.in_cart() == {"A": 2}


class GuestCase(ShopCase):
    """A guest whose cart has two units of A."""

    def setUp(self) -> None:
        super().setUp()
        self.token = add_lines(viewer=Viewer(), lines=[LineQuantity(self.a.pk, 2)], address=ADDRESS).token
        assert self.token

    def add_as_guest(self) -> CartContents:
        return add_lines(
            viewer=Viewer(cart_token=self.token), lines=[LineQuantity(self.a.pk)], address=ADDRESS
        )

    def guest_quantity(self) -> int:
        """Return the number of units of A in guest carts."""
        return sum(CartLine.objects.filter(cart__user=None).values_list("quantity", flat=True))

    def merge(self) -> CartContents:
        return get_cart(viewer=make_viewer(self.user, self.token))


def read_cart_of(viewer: Viewer) -> Cart | None:
    """Return the cart of a guest as `lock_cart` does, without locking it."""
    return Cart.objects.filter(token_digest=digest_token(viewer.cart_token or "")).first()


class GuestAddTest(GuestCase):
    def test_concurrent_adds_both_count(self) -> None:
        run_blocked(self.add_as_guest, self.add_as_guest)
        assert self.guest_quantity() == 4

    def test_without_the_lock_an_add_is_lost(self) -> None:
        with mock.patch.object(locks, "lock_cart", read_cart_of):
            run_blocked(self.add_as_guest, self.add_as_guest)
        assert self.guest_quantity() == 3


class MergeTest(GuestCase):
    def setUp(self) -> None:
        super().setUp()
        self.other = make_user()
        self.add(self.a, self.b)
        self.add(self.c, user=self.other)

    def merge_into_other(self) -> CartContents:
        return get_cart(viewer=make_viewer(self.other, self.token))

    def test_concurrent_requests_of_one_account_merge_once(self) -> None:
        run_blocked(self.merge, self.merge)
        assert self.in_cart() == {"A": 3, "B": 1}
        assert self.guest_quantity() == 0

    def test_concurrent_accounts_merge_once(self) -> None:
        run_blocked(self.merge, self.merge_into_other)
        assert (self.in_cart(), self.in_cart(self.other)) == ({"A": 3, "B": 1}, {"C": 1})

    def test_without_the_lock_both_accounts_get_the_lines(self) -> None:
        with without_row_locks(Cart):
            run_blocked(self.merge, self.merge_into_other)
        assert (self.in_cart(), self.in_cart(self.other)) == ({"A": 3, "B": 1}, {"C": 1, "A": 2})

    def test_add_before_the_merge_is_merged(self) -> None:
        run_blocked(self.add_as_guest, self.merge)
        assert self.in_cart() == {"A": 4, "B": 1}

    def test_without_the_lock_the_add_before_the_merge_is_lost(self) -> None:
        with without_row_locks(Cart):
            run_blocked(self.add_as_guest, self.merge)
        assert self.in_cart() == {"A": 3, "B": 1}
        assert self.guest_quantity() == 0

    def test_add_after_the_merge_creates_a_new_cart(self) -> None:
        _, cart = run_blocked(self.merge, self.add_as_guest)
        assert cart.token not in (None, self.token)
        assert self.in_cart() == {"A": 3, "B": 1}
        assert self.guest_quantity() == 1

    def test_order_and_read_merge_once(self) -> None:
        _, order = run_blocked(
            self.merge, lambda: creation.create_order(viewer=make_viewer(self.user, self.token))
        )
        assert ordered_quantities(order) == {"A": 3, "B": 1}
        assert self.in_cart() == {}


class OrderTest(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.add(self.a)
        self.viewer = make_viewer(self.user)

    def add_then_order(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the quantities in the order and those left in the cart."""
        _, order = run_blocked(lambda: self.add(self.a, self.b), self.order)
        return ordered_quantities(order), self.in_cart()

    def test_add_before_the_order_is_ordered(self) -> None:
        assert self.add_then_order() == ({"A": 2, "B": 1}, {})

    def test_without_the_lock_an_add_is_lost(self) -> None:
        with mock.patch.object(creation, "lock_account_cart", read_account_cart):
            assert self.add_then_order() == ({"A": 1}, {"B": 1})

    def test_add_after_the_order_stays_in_the_cart(self) -> None:
        order, _ = run_blocked(self.order, lambda: self.add(self.a, self.b))
        assert (ordered_quantities(order), self.in_cart()) == ({"A": 1}, {"A": 1, "B": 1})

    def order_then_add(self) -> tuple[dict[str, int], dict[str, int]]:
        order, _ = run_blocked(self.order, lambda: self.add(self.a))
        return ordered_quantities(order), self.in_cart()

    def test_without_the_lock_of_the_add_a_quantity_counts_twice(self) -> None:
        with mock.patch.object(locks, "_upsert_account_cart", read_account_cart):
            assert self.order_then_add() == ({"A": 1}, {"A": 2})

    def test_update_before_the_order_is_ordered(self) -> None:
        self.add(self.b)
        _, order = run_blocked(
            lambda: update_lines(
                viewer=self.viewer, lines=[LineQuantity(self.a.pk, 4), LineQuantity(self.b.pk, 0)]
            ),
            self.order,
        )
        assert (ordered_quantities(order), self.in_cart()) == ({"A": 4}, {})

    def test_without_the_lock_the_old_quantity_is_ordered(self) -> None:
        with mock.patch.object(creation, "lock_account_cart", read_account_cart):
            _, order = run_blocked(
                lambda: update_lines(viewer=self.viewer, lines=[LineQuantity(self.a.pk, 4)]), self.order
            )
        assert ordered_quantities(order) == {"A": 1}

    def test_order_of_a_cart_emptied_before_is_refused(self) -> None:
        for empty in (
            lambda: clear_cart(viewer=self.viewer),
            lambda: remove_lines(viewer=self.viewer, product_ids=[self.a.pk]),
        ):
            with pytest.raises(CartEmpty):
                run_blocked(empty, self.order)
            self.add(self.a)
        assert self.stock()["A"] == 10

    def test_changes_after_the_order_find_an_empty_cart(self) -> None:
        with pytest.raises(NotFound):
            run_blocked(
                self.order, lambda: update_lines(viewer=self.viewer, lines=[LineQuantity(self.a.pk, 4)])
            )
        assert self.in_cart() == {}
        self.add(self.a)
        _, cart = run_blocked(self.order, lambda: remove_lines(viewer=self.viewer, product_ids=[self.a.pk]))
        assert not cart.lines


class ExpiredCartTest(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        self.add(self.a)
        Cart.objects.update(touched_at=timezone.now() - timedelta(days=100))

    def delete_during_an_add(self) -> None:
        with Actor() as shopper, Actor() as beat:
            shopper.do(self.add, self.b)
            deletion = beat.start(delete_expired_carts)
            shopper.commit()
            deletion.result(MAX_SECONDS)
            beat.commit()

    def test_cart_changed_during_the_deletion_stays(self) -> None:
        self.delete_during_an_add()
        assert self.in_cart() == {"A": 1, "B": 1}

    def test_without_the_lock_the_changed_cart_is_deleted(self) -> None:
        with without_row_locks(Cart):
            self.delete_during_an_add()
        assert self.in_cart() == {}

    def test_add_during_the_deletion_creates_a_new_cart(self) -> None:
        deleted, _ = run_blocked(delete_expired_carts, lambda: self.add(self.b))
        assert deleted == 1
        assert self.in_cart() == {"B": 1}


class GuestCartLimitTest(ShopCase):
    """Twelve guests behind one address, who add at once, and a limit of five."""

    def setUp(self) -> None:
        super().setUp()
        clear_rate_limits()
        self.addCleanup(clear_rate_limits)
        limits = mock.patch.object(locks, "GUEST_CARTS_PER_ADDRESS", parse_many("5/day"))
        limits.start()
        self.addCleanup(limits.stop)

    def add_as_twelve_guests(self) -> int:
        """Return the number of guests who were not refused."""
        start = Barrier(12)

        def add() -> bool:
            start.wait(MAX_SECONDS)
            try:
                add_lines(viewer=Viewer(), lines=[LineQuantity(self.a.pk)], address=ADDRESS)
            except RateLimited:
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(12) as threads:
            return sum(added.result(MAX_SECONDS) for added in [threads.submit(add) for _ in range(12)])

    def test_parallel_guests_get_as_many_carts_as_the_limit(self) -> None:
        assert self.add_as_twelve_guests() == 5
        assert Cart.objects.filter(user=None).count() == 5

    def test_more_carts_are_created_if_they_are_counted_after_the_check(self) -> None:
        checked = Barrier(12)

        def check_then_count(limits: Sequence[RateLimitItem], action: str, subject: str) -> None:
            keys = (action, digest_secret(subject))
            allowed = all(throttling._get_limiter().test(limit, *keys) for limit in limits)
            checked.wait(MAX_SECONDS)
            if not allowed:
                raise RateLimited(1)
            for limit in limits:
                throttling._get_limiter().hit(limit, *keys)

        with mock.patch.object(locks, "hit_rate_limit", check_then_count):
            assert self.add_as_twelve_guests() == 12
