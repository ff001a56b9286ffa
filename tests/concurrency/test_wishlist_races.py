"""Concurrent changes of one wishlist: no item is lost, and no wishlist exceeds its limit."""

from collections.abc import Callable
from unittest import mock
from uuid import uuid4

import pytest
from django.db import IntegrityError, OperationalError

from backend.accounts.models import User
from backend.accounts.services import delete_account
from backend.carts import locks
from backend.carts.models import Cart
from backend.carts.services import get_cart
from backend.catalog.models import Product
from backend.core.errors import TooLong
from backend.core.viewer import Viewer
from backend.notifications.models import OutgoingEmail
from backend.wishlists import merging, services
from backend.wishlists.models import WishlistItem
from backend.wishlists.selectors import Wishlist
from backend.wishlists.services import add_item, enqueue_back_in_stock_mails, get_wishlist, remove_item
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.locks import without_cascade, without_joined_locks, without_row_locks
from tests.concurrency.shoppers import ShopCase, read_account_cart
from tests.concurrency.test_cart_races import read_cart_of, run_blocked
from tests.concurrency.test_deletion_races import delete_products
from tests.support.people import ADDRESS, make_user, make_viewer


class WishlistCase(ShopCase):
    def save(self, product: Product, viewer: Viewer | None = None) -> Wishlist:
        return add_item(viewer=viewer or make_viewer(self.user), product_id=product.pk, address=ADDRESS)

    def saved(self, **owner: object) -> list[str]:
        """Return the names of the products on a wishlist, by default on that of the account."""
        items = WishlistItem.objects.filter(**(owner or {"user": self.user}))
        return sorted(items.values_list("product__name", flat=True))


class LimitTest(WishlistCase):
    """A wishlist of one product that can have two."""

    def setUp(self) -> None:
        super().setUp()
        for module in (services, merging):
            limit = mock.patch.object(module, "MAX_ITEMS", 2)
            limit.start()
            self.addCleanup(limit.stop)
        self.save(self.a)

    def save_two(self) -> None:
        run_blocked(lambda: self.save(self.b), lambda: self.save(self.c))

    def test_second_of_two_products_exceeds_the_limit(self) -> None:
        with pytest.raises(TooLong):
            self.save_two()
        assert self.saved() == ["A", "B"]

    def test_without_the_lock_both_are_added(self) -> None:
        with (
            mock.patch.object(services, "lock_account"),
            mock.patch.object(
                services, "lock_or_create_cart", lambda viewer: read_account_cart(viewer.user_id)
            ),
            Actor() as first,
            Actor() as second,
        ):
            first.do(self.save, self.b)
            second.do(self.save, self.c)
            first.commit()
            second.commit()
        assert self.saved() == ["A", "B", "C"]

    def test_merge_after_an_addition_respects_the_limit(self) -> None:
        token = self.save(self.c, Viewer()).token
        run_blocked(lambda: self.save(self.b), lambda: get_wishlist(viewer=make_viewer(self.user, token)))
        assert self.saved() == ["A", "B"]
        assert WishlistItem.objects.count() == 2


class SameProductTest(WishlistCase):
    def test_concurrent_additions_of_a_product_save_it_once(self) -> None:
        run_blocked(lambda: self.save(self.a), lambda: self.save(self.a))
        assert self.saved() == ["A"]

    def test_removal_after_an_addition_removes_it(self) -> None:
        self.save(self.b)
        run_blocked(
            lambda: self.save(self.a),
            lambda: remove_item(viewer=make_viewer(self.user), product_id=self.a.pk),
        )
        assert self.saved() == ["B"]


class MergeTest(WishlistCase):
    """A guest with A on the wishlist, and the account of another shopper."""

    def setUp(self) -> None:
        super().setUp()
        self.other = make_user()
        self.token = self.save(self.a, Viewer()).token
        self.save(self.b)

    def save_as_guest(self) -> Wishlist:
        return self.save(self.c, Viewer(cart_token=self.token))

    def merge(self) -> Wishlist:
        return get_wishlist(viewer=make_viewer(self.user, self.token))

    def test_concurrent_accounts_merge_once(self) -> None:
        run_blocked(self.merge, lambda: get_wishlist(viewer=make_viewer(self.other, self.token)))
        assert (self.saved(), self.saved(user=self.other)) == (["A", "B"], [])

    def test_cart_and_wishlist_merge_once(self) -> None:
        run_blocked(lambda: get_cart(viewer=make_viewer(self.user, self.token)), self.merge)
        assert self.saved() == ["A", "B"]
        assert not Cart.objects.filter(user=None).exists()

    def test_addition_before_the_merge_is_merged(self) -> None:
        run_blocked(self.save_as_guest, self.merge)
        assert self.saved() == ["A", "B", "C"]

    def test_without_the_lock_the_addition_before_the_merge_is_lost(self) -> None:
        with (
            mock.patch.object(services, "lock_or_create_cart", read_cart_of),
            without_row_locks(Cart),
            Actor() as guest,
            Actor() as account,
        ):
            guest.do(self.save_as_guest)
            account.do(self.merge)
            account.commit()
            with pytest.raises(IntegrityError):
                guest.commit()
        assert self.saved() == ["A", "B"]

    def test_addition_after_the_merge_creates_a_new_cart(self) -> None:
        _, wishlist = run_blocked(self.merge, self.save_as_guest)
        assert wishlist.token not in (None, self.token)
        assert self.saved() == ["A", "B"]
        assert self.saved(user=None) == ["C"]


class AccountDeletionTest(WishlistCase):
    """The deletion of an account that has just added a product or merged a guest's wishlist."""

    def setUp(self) -> None:
        super().setUp()
        self.add(self.b)
        self.token = self.save(self.a, Viewer()).token

    def act_then_delete(self, act: Callable[[], object]) -> None:
        viewer = Viewer(user_id=self.user.pk, session_id=uuid4())
        with Actor() as shopper, Actor() as leaver:
            shopper.do(act)
            deletion = leaver.start(delete_account, viewer=viewer, password="correct horse")
            assert not deletion.done()
            shopper.commit()
            deletion.result(MAX_SECONDS)
            leaver.commit()
        assert not WishlistItem.objects.filter(user=self.user.pk).exists()

    def merge(self) -> Wishlist:
        return get_wishlist(viewer=make_viewer(self.user, self.token))

    def test_deletion_waits_for_the_addition(self) -> None:
        self.act_then_delete(lambda: self.save(self.a))

    def test_deletion_waits_for_the_merge(self) -> None:
        self.act_then_delete(self.merge)

    def test_addition_with_only_the_cart_locked_deadlocks(self) -> None:
        with (
            mock.patch.object(services, "lock_account"),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.act_then_delete(lambda: self.save(self.a))

    def test_merge_with_only_the_carts_locked_deadlocks(self) -> None:
        with (
            mock.patch.object(locks, "lock_account"),
            pytest.raises(OperationalError, match="deadlock detected"),
        ):
            self.act_then_delete(self.merge)


class BackInStockTest(WishlistCase):
    """An account that waits for a product, which is in stock again."""

    def setUp(self) -> None:
        super().setUp()
        self.save(self.a)
        WishlistItem.objects.update(notify=True)

    def enqueue_twice(self) -> tuple[int, int]:
        """Run the task while another one has not committed, and return the mails of both."""
        with Actor() as first, Actor() as second:
            counts = first.do(enqueue_back_in_stock_mails), second.start(enqueue_back_in_stock_mails)
            first.commit()
            result = counts[0], counts[1].result(MAX_SECONDS)
            second.commit()
        return result

    def test_two_tasks_enqueue_one_mail(self) -> None:
        assert self.enqueue_twice() == (1, 0)
        assert OutgoingEmail.objects.count() == 1

    def test_without_the_lock_both_tasks_enqueue_it(self) -> None:
        with without_row_locks(WishlistItem):
            assert self.enqueue_twice() == (1, 1)
        assert OutgoingEmail.objects.count() == 2

    def delete_account_meanwhile(self) -> None:
        """Delete the account while a task that has enqueued its mail has not committed."""
        with Actor() as task, Actor() as leaver:
            task.do(enqueue_back_in_stock_mails)
            viewer = Viewer(user_id=self.user.pk, session_id=uuid4())
            deletion = leaver.start(delete_account, viewer=viewer, password="correct horse")
            task.commit()
            deletion.result(MAX_SECONDS)
            leaver.commit()

    def test_mail_is_deleted_with_the_account(self) -> None:
        self.delete_account_meanwhile()
        assert not User.objects.filter(pk=self.user.pk).exists()
        assert not OutgoingEmail.objects.exists()

    def test_without_the_lock_of_the_account_its_mail_stays(self) -> None:
        with without_joined_locks():
            self.delete_account_meanwhile()
        assert OutgoingEmail.objects.filter(recipient=self.user.email).exists()


class ProductDeletionTest(WishlistCase):
    def delete_while_it_is_added(self) -> None:
        """Delete a product that is added to a wishlist after the deletion has searched for its items."""
        other = make_viewer(make_user())
        self.save(self.a, other)
        with Actor() as remover, Actor() as staff, Actor() as shopper:
            remover.do(remove_item, viewer=other, product_id=self.a.pk)
            deletion = staff.start(delete_products, self.a)
            assert not deletion.done()
            shopper.do(self.save, self.a)
            shopper.commit()
            remover.commit()
            deletion.result(MAX_SECONDS)
            staff.commit()

    def test_late_item_is_deleted_with_the_product(self) -> None:
        self.delete_while_it_is_added()
        assert self.saved() == []

    def test_without_the_cascade_the_deletion_fails(self) -> None:
        with without_cascade("wishlists_wishlistitem"), pytest.raises(IntegrityError):
            self.delete_while_it_is_added()
        assert self.saved() == ["A"]
