"""Concurrent uses and edits of a promo code. Each test has a twin without the guard."""

from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, OperationalError
from django.test import Client
from django.utils import timezone

from backend.carts import promo_code_services, promo_codes
from backend.carts.models import Cart, PromoCode, PromoCodeUse
from backend.carts.promo_code_services import apply_promo_code, remove_promo_code
from backend.carts.promo_codes import PromoCodeUsedUp
from backend.carts.services import CartEmpty
from backend.catalog.models import Product
from backend.core.errors import Conflict
from backend.core.viewer import Viewer
from backend.orders.models import Order
from backend.orders.services import WrongOrderStatus, cancel_order, create_order, creation
from tests.accounts.cases import clear_rate_limits
from tests.carts.factories import make_promo_code
from tests.catalog.admin.pages import Form
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.locks import without_constraints, without_row_locks
from tests.concurrency.shoppers import ShopCase, assert_orders_are_whole, read_account_cart
from tests.concurrency.test_deletion_races import delete_users
from tests.support.people import ADDRESS, make_user, make_viewer


class PromoCodeCase(ShopCase):
    """Two customers with different products in their carts."""

    def setUp(self) -> None:
        super().setUp()
        clear_rate_limits()
        self.addCleanup(clear_rate_limits)
        self.other = make_user()
        self.add(self.a)
        self.add(self.b, user=self.other)

    def apply_both(self, code: PromoCode) -> PromoCode:
        for user in (self.user, self.other):
            apply_promo_code(viewer=make_viewer(user), code=code.code, address=ADDRESS)
        return code

    def uses(self, code: PromoCode) -> tuple[int, int]:
        """Return the counter of a code and the number of its uses."""
        code.refresh_from_db()
        return code.uses, PromoCodeUse.objects.filter(promo_code=code).count()

    def run_concurrently(self, first_step: Any, second_step: Any) -> Any:
        """Start the second step before the first one commits, assert that it waits, and return its result."""
        with Actor() as first, Actor() as second:
            first.do(first_step)
            waiting = second.start(second_step)
            assert not waiting.done()
            first.commit()
            result = waiting.result(MAX_SECONDS)
            second.commit()
        return result


class LastUseTest(PromoCodeCase):
    def order_twice(self, code: PromoCode) -> None:
        self.apply_both(code)
        self.run_concurrently(self.order, lambda: self.order(self.other))

    def test_second_order_is_refused_and_keeps_its_cart(self) -> None:
        code = make_promo_code(max_uses=1)
        with pytest.raises(PromoCodeUsedUp):
            self.order_twice(code)
        assert self.uses(code) == (1, 1)
        assert self.stock() == {"A": 9, "B": 10, "C": 10}
        assert (self.in_cart(), self.in_cart(self.other)) == ({}, {"B": 1})
        assert Order.objects.count() == 1
        assert_orders_are_whole()

    def test_last_two_uses_are_taken_by_both(self) -> None:
        code = make_promo_code(max_uses=2)
        self.order_twice(code)
        assert self.uses(code) == (2, 2)

    def test_without_the_condition_the_last_use_is_taken_twice(self) -> None:
        code = make_promo_code(max_uses=1)
        unconditional = promo_codes._COUNT_USE.removesuffix(" AND uses < max_uses")
        assert unconditional != promo_codes._COUNT_USE
        with mock.patch.object(promo_codes, "_COUNT_USE", unconditional):
            self.order_twice(code)
        assert self.uses(code) == (2, 2)

    def test_rolled_back_order_leaves_the_last_use(self) -> None:
        code = self.apply_both(make_promo_code(max_uses=1))

        def fail() -> None:
            self.order()
            raise RuntimeError

        with Actor() as second:
            with pytest.raises(RuntimeError), Actor() as first:
                first.do(fail)
            order = second.do(self.order, self.other)
            second.commit()
        assert order.promo_code == code.code
        assert self.uses(code) == (1, 1)

    def test_orders_with_a_code_without_maximum_do_not_wait(self) -> None:
        code = self.apply_both(make_promo_code())
        with Actor() as first, Actor() as second:
            first.do(self.order)
            second.do(self.order, self.other)
            second.commit()
            first.commit()
        assert self.uses(code) == (0, 2)


class DeletedAccountTest(PromoCodeCase):
    """An account is deleted while its cart gets a promo code, or while that is removed."""

    def change_and_delete(self, change: Any, *arguments: Any, **options: Any) -> None:
        with Actor() as shopper, Actor() as staff:
            shopper.do(change, *arguments, **options)
            deletion = staff.start(delete_users, self.user)
            assert not deletion.done()
            shopper.commit()
            deletion.result(MAX_SECONDS)
            staff.commit()

    def change(self, change: Any, **options: Any) -> None:
        self.change_and_delete(change, viewer=make_viewer(self.user), **options)

    def test_deletion_waits_for_the_change(self) -> None:
        make_promo_code("SALE")
        self.change(apply_promo_code, code="SALE", address=ADDRESS)
        assert not Cart.objects.filter(user=self.user).exists()

    def test_deletion_waits_for_the_removal(self) -> None:
        self.apply_both(make_promo_code())
        self.change(remove_promo_code)
        assert not Cart.objects.filter(user=self.user).exists()

    def test_second_update_of_the_cart_deadlocks(self) -> None:
        make_promo_code("SALE")
        lock_own_cart = promo_code_services.lock_own_cart

        def lock_and_touch(viewer: Viewer) -> Cart | None:
            Cart.objects.filter(user_id=viewer.user_id).update(touched_at=timezone.now())
            return lock_own_cart(viewer)

        with (
            mock.patch.object(promo_code_services, "lock_own_cart", lock_and_touch),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.change(apply_promo_code, code="SALE", address=ADDRESS)


class LastUseOfCustomerTest(PromoCodeCase):
    def order_twice(self) -> PromoCode:
        code = self.apply_both(make_promo_code(max_uses_per_customer=1))
        self.run_concurrently(self.order, self.order)
        return code

    def test_second_request_of_an_account_does_not_use_the_code(self) -> None:
        with pytest.raises(CartEmpty):
            self.order_twice()
        assert PromoCodeUse.objects.count() == 1

    def test_second_cart_of_an_account_is_refused(self) -> None:
        """The second request refills the cart after the first one has emptied it."""
        code = self.apply_both(make_promo_code(max_uses_per_customer=1))

        def refill_and_order() -> None:
            self.add(self.c)
            Cart.objects.filter(user=self.user).update(promo_code=code)
            self.order()

        with pytest.raises(PromoCodeUsedUp):
            self.run_concurrently(self.order, refill_and_order)
        assert PromoCodeUse.objects.count() == 1

    def test_without_locks_an_account_uses_the_code_twice(self) -> None:
        with (
            without_row_locks(Product),
            mock.patch.object(creation, "lock_account_cart", read_account_cart),
        ):
            code = self.order_twice()
        assert self.uses(code)[1] == 2


class CancelTest(PromoCodeCase):
    def setUp(self) -> None:
        super().setUp()
        self.code = self.apply_both(make_promo_code(max_uses=2))
        self.placed = self.order()
        self.order(self.other)

    def cancel(self) -> Order:
        return cancel_order(viewer=make_viewer(self.user), number=self.placed.number)

    def test_second_cancellation_does_not_return_the_use_again(self) -> None:
        with pytest.raises(WrongOrderStatus):
            self.run_concurrently(self.cancel, self.cancel)
        assert self.uses(self.code) == (1, 1)

    def test_without_lock_and_constraint_the_use_is_still_returned_once(self) -> None:
        unique = without_constraints("orders_orderstatuschange", about="UNIQUE (order_id, status)")
        with unique, without_row_locks(Order):
            self.run_concurrently(self.cancel, self.cancel)
        assert self.uses(self.code) == (1, 1)

    def test_without_deleting_the_use_first_it_is_returned_twice(self) -> None:
        careless = (
            "WITH returned AS (SELECT promo_code_id FROM carts_promocodeuse WHERE order_number = %s)"
            " UPDATE carts_promocode SET uses = greatest(uses - 1, 0) FROM returned WHERE id = promo_code_id"
        )
        unique = without_constraints("orders_orderstatuschange", about="UNIQUE (order_id, status)")
        with unique, without_row_locks(Order), mock.patch.object(promo_codes, "_RETURN_USE", careless):
            self.run_concurrently(self.cancel, self.cancel)
        assert self.uses(self.code)[0] == 0

    def test_returned_use_is_taken_by_the_order_that_waits(self) -> None:
        self.add(self.c, user=self.other)
        Cart.objects.filter(user=self.other).update(promo_code=self.code)
        with Actor() as first:
            first.do(self.cancel)
            # The uncommitted cancellation does not give the use to others yet.
            with pytest.raises(PromoCodeUsedUp):
                self.order(self.other)
            first.commit()
        assert self.order(self.other).promo_code == self.code.code
        assert self.uses(self.code) == (2, 2)


class EditedPromoCodeTest(PromoCodeCase):
    """Staff edit a promo code while it is used."""

    def setUp(self) -> None:
        super().setUp()
        self.code = self.apply_both(make_promo_code())
        self.client = Client()
        self.client.force_login(make_user("boss@example.com", is_staff=True, is_superuser=True))
        self.page = f"/admin/carts/promocode/{self.code.pk}/change/"
        self.form = Form(self.client.get(self.page).content.decode(), "promocode_form").data

    def edit(self, **fields: str) -> None:
        response = self.client.post(self.page, self.form | fields)
        assert response.status_code == 302, response.content

    def test_new_maximum_counts_the_order_that_is_being_created(self) -> None:
        self.run_concurrently(self.order, lambda: self.edit(max_uses="1"))
        assert self.uses(self.code) == (1, 1)
        with pytest.raises(PromoCodeUsedUp):
            self.order(self.other)

    def test_without_the_shared_lock_the_order_is_not_counted(self) -> None:
        unlocked = promo_codes._LOCK_UNLIMITED.removesuffix(" FOR SHARE")
        assert unlocked != promo_codes._LOCK_UNLIMITED
        with mock.patch.object(promo_codes, "_LOCK_UNLIMITED", unlocked), Actor() as shopper:
            shopper.do(self.order)
            self.edit(max_uses="1")
            shopper.commit()
        assert self.uses(self.code) == (0, 1)
        self.order(self.other)
        assert self.uses(self.code) == (1, 2)

    def test_order_with_terms_that_have_just_been_changed_is_refused(self) -> None:
        for edit in ({"percent": "5"}, {"max_uses": "3"}):
            with self.subTest(edit), pytest.raises(Conflict):
                self.run_concurrently(lambda edit=edit: self.edit(**edit), self.order)
            self.form = Form(self.client.get(self.page).content.decode(), "promocode_form").data
        assert self.in_cart() == {"A": 1}
        order = self.order()
        assert order.discount == Decimal("0.50")
        assert self.uses(self.code) == (1, 1)

    def test_without_comparing_the_terms_the_old_ones_are_used(self) -> None:
        careless = promo_codes._LOCK_UNLIMITED.replace("updated_at = %s", "%s IS NOT NULL")
        with mock.patch.object(promo_codes, "_LOCK_UNLIMITED", careless):
            order = self.run_concurrently(lambda: self.edit(percent="5"), self.order)
        assert order.discount == 1

    def delete(self) -> None:
        response = self.client.post(f"/admin/carts/promocode/{self.code.pk}/delete/", {"post": "yes"})
        assert response.status_code == 302

    def test_deletion_waits_for_the_order(self) -> None:
        self.run_concurrently(self.order, self.delete)
        assert Order.objects.get().promo_code == self.code.code
        assert not PromoCodeUse.objects.exists()

    def test_code_that_is_being_deleted_cannot_be_applied(self) -> None:
        remove_promo_code(viewer=make_viewer(self.user))

        def apply() -> Cart:
            apply_promo_code(viewer=make_viewer(self.user), code=self.code.code, address=ADDRESS)
            return Cart.objects.get(user=self.user)

        with Actor() as staff, Actor() as shopper:
            staff.do(self.delete)
            shopper.do(apply)
            commit = shopper.start_commit()
            assert not commit.done()
            staff.commit()
            # Deferred foreign keys make the later transaction fail, which the services report as a conflict.
            with pytest.raises(IntegrityError):
                commit.result(MAX_SECONDS)
        assert not PromoCode.objects.exists()
        assert Cart.objects.get(user=self.user).promo_code_id is None

    def test_create_order_after_the_deletion_has_no_discount(self) -> None:
        self.delete()
        assert create_order(viewer=make_viewer(self.user)).discount == 0
