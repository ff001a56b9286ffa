"""Guest wishlists: tokens, lifetimes, and merging into the account's wishlist after login."""

from datetime import timedelta
from typing import Any

from django.test import TestCase
from django.utils import timezone

from backend.carts.locks import GUEST_CARTS_PER_ADDRESS
from backend.carts.models import Cart, CartLine
from backend.carts.tasks import delete_expired_carts
from backend.core.throttling import hit_rate_limit
from backend.wishlists.models import MAX_ITEMS, WishlistItem
from tests.accounts.cases import clear_rate_limits
from tests.carts.factories import forged_token, make_products
from tests.carts.test_guests import TokenTest as CartTokenTest
from tests.support.people import ADDRESS, make_user
from tests.wishlists.factories import fill_wishlist
from tests.wishlists.shoppers import (
    GraphQLWishlistShopper,
    RestWishlistShopper,
    WishlistShopper,
    list_ids,
    make_wishlist_shoppers,
)


class TokenTest(TestCase):
    def setUp(self) -> None:
        self.first, self.second = make_products(2)

    def test_token_is_returned_once_and_stored_as_a_digest(self) -> None:
        for guest in make_wishlist_shoppers():
            with self.subTest(guest.api):
                token = guest.save(self.first.pk).data["token"]
                assert len(token) == 43
                assert guest.save(self.second.pk).data["token"] is None
                assert guest.unsave(self.first.pk).data["token"] is None
                assert guest.wishlist().data["token"] is None
                assert list_ids(guest.wishlist()) == [self.second.pk]
                assert not CartTokenTest.is_stored(token)

    def test_cart_and_wishlist_have_one_token(self) -> None:
        for guest in make_wishlist_shoppers():
            with self.subTest(guest.api):
                guest.save(self.first.pk)
                assert guest.add(self.second.pk).data["token"] is None
                assert list_ids(guest.wishlist()) == [self.first.pk]
        for guest in make_wishlist_shoppers():
            with self.subTest(guest.api):
                guest.add(self.second.pk)
                assert guest.save(self.first.pk).data["token"] is None
                assert guest.cart().data["total_quantity"] == 1

    def test_account_gets_no_token(self) -> None:
        for shopper in make_wishlist_shoppers(make_user()):
            assert shopper.save(self.first.pk).data["token"] is None

    def test_unknown_token_is_an_empty_wishlist_and_is_never_adopted(self) -> None:
        for guest in make_wishlist_shoppers(None, forged_token()):
            with self.subTest(guest.api):
                token = guest.cart_token
                assert list_ids(guest.wishlist()) == []
                assert list_ids(guest.unsave(self.first.pk)) == []
                assert guest.save(self.first.pk).data["token"] not in (None, token)
                assert list_ids(guest.wishlist()) == [self.first.pk]

    def test_reading_creates_nothing(self) -> None:
        for guest in make_wishlist_shoppers():
            guest.wishlist()
            guest.unsave(self.first.pk)
        assert not Cart.objects.exists()

    def test_new_guests_count_for_the_rate_limit_of_guest_carts(self) -> None:
        clear_rate_limits()
        self.addCleanup(clear_rate_limits)
        per_minute = GUEST_CARTS_PER_ADDRESS[0]
        for _ in range(per_minute.amount - 2):
            hit_rate_limit([per_minute], "guest-cart", ADDRESS)
        for shopper_class in (GraphQLWishlistShopper, RestWishlistShopper):
            guest = shopper_class(address=ADDRESS)
            assert guest.save(0).code == "NOT_FOUND"
            assert guest.save(self.first.pk).code is None
        for shopper_class in (GraphQLWishlistShopper, RestWishlistShopper):
            refused = shopper_class(address=ADDRESS).save(self.first.pk)
            assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        assert guest.save(self.second.pk).code is None


class LifetimeTest(TestCase):
    def test_wishlist_is_deleted_with_the_expired_cart(self) -> None:
        first, second = make_products(2)
        fill_wishlist(make_user(), [first])
        for action in ("save", "unsave"):
            guest = RestWishlistShopper()
            guest.save(first.pk)
            Cart.objects.update(touched_at=timezone.now() - timedelta(days=31))
            # Every change extends the lifetime, but reading does not.
            guest.wishlist()
            getattr(guest, action)(second.pk)
            delete_expired_carts()
            assert list_ids(guest.wishlist())[-1] == first.pk
            Cart.objects.update(touched_at=timezone.now() - timedelta(days=31))
            delete_expired_carts()
            assert list_ids(guest.wishlist()) == []
        # The account's wishlist stays.
        assert WishlistItem.objects.count() == 1


class MergeCase:
    """A guest's wishlist, and an account that its guest logs in to."""

    shopper_class: type[WishlistShopper]

    def setUp(self: Any) -> None:
        self.user = make_user()
        self.mine, self.common, self.theirs = make_products(3)
        fill_wishlist(self.user, [self.mine, self.common])
        self.guest = self.shopper_class()
        self.guest.save(self.common.pk)
        self.guest.save(self.theirs.pk)
        self.shopper = self.shopper_class(self.user, self.guest.cart_token)

    def assert_merged(self: Any, ids: list[int]) -> None:
        saved = WishlistItem.objects.filter(user=self.user).values_list("product_id", flat=True)
        assert list(saved) == ids
        assert WishlistItem.objects.count() == len(ids)
        assert list_ids(self.guest.wishlist()) == []

    def test_reading_merges(self: Any) -> None:
        merged = [self.theirs.pk, self.common.pk, self.mine.pk]
        assert list_ids(self.shopper.wishlist()) == merged
        self.assert_merged(merged)

    def test_adding_merges(self: Any) -> None:
        (new,) = make_products(1)
        merged = [new.pk, self.theirs.pk, self.common.pk, self.mine.pk]
        assert list_ids(self.shopper.save(new.pk)) == merged
        self.assert_merged(merged)

    def test_removing_merges(self: Any) -> None:
        merged = [self.common.pk, self.mine.pk]
        assert list_ids(self.shopper.unsave(self.theirs.pk)) == merged
        self.assert_merged(merged)

    def test_every_request_for_the_cart_merges(self: Any) -> None:
        for action, arguments in {
            "cart": (),
            "add": (self.mine.pk,),
            "remove": (self.mine.pk,),
            "clear": (),
        }.items():
            user, guest = make_user(), self.shopper_class()
            guest.save(self.theirs.pk)
            shopper = self.shopper_class(user, guest.cart_token)
            assert getattr(shopper, action)(*arguments).code is None
            assert list_ids(self.shopper_class(user).wishlist()) == [self.theirs.pk]

    def test_reading_the_wishlist_merges_the_cart(self: Any) -> None:
        self.guest.add(self.mine.pk, 3)
        self.shopper.wishlist()
        assert list(CartLine.objects.values_list("cart__user", "quantity")) == [(self.user.pk, 3)]

    def test_oldest_items_are_dropped_beyond_the_limit(self: Any) -> None:
        fill_wishlist(self.user, make_products(MAX_ITEMS - 3))
        newer, newest = make_products(2)
        self.guest.save(newest.pk)
        assert self.shopper.wishlist().data["total"] == MAX_ITEMS
        assert list_ids(self.shopper.wishlist())[0] == newest.pk
        assert not WishlistItem.objects.filter(product=self.theirs).exists()
        # A full wishlist takes nothing more.
        other = self.shopper_class()
        other.save(newer.pk)
        shopper = self.shopper_class(self.user, other.cart_token)
        assert list_ids(shopper.wishlist(limit=1)) == [newest.pk]
        assert shopper.wishlist().data["total"] == MAX_ITEMS


class GraphQLMergeTest(MergeCase, TestCase):
    shopper_class = GraphQLWishlistShopper


class RestMergeTest(MergeCase, TestCase):
    shopper_class = RestWishlistShopper
