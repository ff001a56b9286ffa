"""Guest carts: tokens, and merging into the account's cart after login."""

import hashlib
import re
from typing import Any

from django.db import connection
from django.test import TestCase

from backend.carts.models import Cart, CartLine
from backend.orders.models import Order
from tests.carts.factories import fill_cart, make_products
from tests.support.people import make_user
from tests.support.shopping import GraphQLShopper, RestShopper, Shopper, make_shoppers


class TokenTest(TestCase):
    def test_token_is_returned_once_and_stored_as_a_digest(self) -> None:
        first, second = make_products(2)
        for guest in make_shoppers():
            with self.subTest(guest.api):
                assert guest.cart().data["token"] is None
                token = guest.add(first.pk).data["token"]
                assert re.search(r"^[A-Za-z0-9_-]{43}$", token)
                for response in (
                    guest.add(second.pk),
                    guest.cart(),
                    guest.set(first.pk, 4),
                    guest.remove(second.pk),
                ):
                    assert response.data["token"] is None
                assert guest.cart().data["total_quantity"] == 4
                cart = Cart.objects.get(user=None)
                assert cart.token_digest == hashlib.sha256(token.encode()).hexdigest()
                assert not self.is_stored(token)
                assert guest.clear().data["token"] is None
                cart.delete()

    @staticmethod
    def is_stored(text: str) -> bool:
        """True if any row of any table contains a text."""
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                name = connection.ops.quote_name(table)
                cursor.execute(f"SELECT EXISTS (SELECT FROM {name} t WHERE t::text LIKE %s)", [f"%{text}%"])
                if cursor.fetchone()[0]:
                    return True
        return False

    def test_account_gets_no_token(self) -> None:
        (product,) = make_products(1)
        for shopper in make_shoppers(make_user()):
            assert shopper.add(product.pk).data["token"] is None

    def test_each_add_without_a_token_creates_a_cart(self) -> None:
        (product,) = make_products(1)
        tokens = {shopper.add(product.pk).data["token"] for shopper in [*make_shoppers(), *make_shoppers()]}
        assert len(tokens) == 4
        assert Cart.objects.count() == 4

    def test_no_cart_is_created_for_a_guest_who_adds_nothing(self) -> None:
        for guest in make_shoppers():
            guest.cart()
            guest.clear()
            guest.remove(1)
            guest.set(1, 1)
        assert not Cart.objects.exists()

    def test_guest_cannot_order_without_an_email_address(self) -> None:
        (product,) = make_products(1)
        for guest in make_shoppers():
            with self.subTest(guest.api):
                guest.add(product.pk)
                response = guest.order()
                assert (response.status, response.code, response.field) == (422, "INVALID", "email")
                assert guest.cancel("1-00000000").code == "UNAUTHENTICATED"
                assert guest.cart().data["total_quantity"] == 1
        assert not Order.objects.exists()


class MergeCase:
    """A guest's cart, and an account that its guest logs in to."""

    shopper_class: type[Shopper]

    def setUp(self: Any) -> None:
        self.user = make_user()
        self.mine, self.common, self.theirs = make_products(3)
        fill_cart(self.user, {self.mine: 1, self.common: 2})
        self.guest = self.shopper_class()
        self.guest.add(self.common.pk, 3)
        self.guest.add(self.theirs.pk, 4)
        self.shopper = self.shopper_class(self.user, self.guest.cart_token)

    def quantities(self: Any) -> dict[int, int]:
        return dict(CartLine.objects.filter(cart__user=self.user).values_list("product_id", "quantity"))

    def assert_merged(self: Any, changes: dict[int, int] | None = None) -> None:
        merged = {self.mine.pk: 1, self.common.pk: 5, self.theirs.pk: 4}
        assert self.quantities() == merged | (changes or {})
        self.assert_token_invalid()

    def assert_token_invalid(self: Any) -> None:
        """Check that the token gives access to no cart, for the guest and for any account."""
        assert not Cart.objects.filter(user=None).exists()
        before = self.quantities()
        assert self.guest.cart().data["lines"] == []
        assert self.shopper_class(make_user(), self.guest.cart_token).cart().data["lines"] == []
        self.shopper.cart()
        assert self.quantities() == before

    def test_reading_merges(self: Any) -> None:
        cart = self.shopper.cart().data
        assert [(line["product"]["id"], line["quantity"]) for line in cart["lines"]] == [
            (self.mine.pk, 1),
            (self.common.pk, 5),
            (self.theirs.pk, 4),
        ]
        assert cart["token"] is None
        self.assert_merged()

    def test_adding_merges(self: Any) -> None:
        assert self.shopper.add(self.common.pk).data["total_quantity"] == 11
        self.assert_merged({self.common.pk: 6})

    def test_updating_merges(self: Any) -> None:
        assert self.shopper.set(self.theirs.pk, 9).data["total_quantity"] == 15
        self.assert_merged({self.theirs.pk: 9})

    def test_removing_merges(self: Any) -> None:
        cart = self.shopper.remove(self.theirs.pk).data
        assert cart["total_quantity"] == 6
        assert self.quantities() == {self.mine.pk: 1, self.common.pk: 5}
        self.assert_token_invalid()

    def test_clearing_merges(self: Any) -> None:
        assert self.shopper.clear().data["lines"] == []
        assert self.quantities() == {}
        self.assert_token_invalid()

    def test_ordering_merges(self: Any) -> None:
        order = self.shopper.order().data
        assert [line["quantity"] for line in order["lines"]] == [1, 5, 4]
        assert self.quantities() == {}
        self.assert_token_invalid()

    def test_refused_change_merges_nothing(self: Any) -> None:
        assert self.shopper.add(0).code == "NOT_FOUND"
        assert self.quantities() == {self.mine.pk: 1, self.common.pk: 2}
        assert self.guest.cart().data["total_quantity"] == 7

    def test_refused_order_leaves_the_merged_cart(self: Any) -> None:
        assert self.shopper.order({"expected_total": "1.00"}).code == "TOTAL_CHANGED"
        assert self.quantities() == {self.mine.pk: 1, self.common.pk: 5, self.theirs.pk: 4}
        assert self.guest.cart().data["total_quantity"] == 0

    def test_merged_quantity_is_at_most_999(self: Any) -> None:
        self.guest.set(self.common.pk, 997)
        self.guest.set(self.theirs.pk, 999)
        self.shopper.cart()
        assert self.quantities()[self.common.pk] == 999
        self.guest = self.shopper_class()
        self.guest.add(self.common.pk, 1)
        self.guest.add(self.theirs.pk, 999)
        self.shopper.cart_token = self.guest.cart_token
        self.shopper.cart()
        assert self.quantities() == {self.mine.pk: 1, self.common.pk: 999, self.theirs.pk: 999}

    def test_merged_cart_may_exceed_200_lines(self: Any) -> None:
        fill_cart(self.user, dict.fromkeys(make_products(198), 1))
        cart = self.shopper.cart().data
        assert len(cart["lines"]) == 201
        (one_more,) = make_products(1)
        assert self.shopper.add(one_more.pk).code == "TOO_LONG"
        assert self.shopper.add(self.mine.pk).data["total_quantity"] == 209
        assert len(self.shopper.order().data["lines"]) == 201

    def test_cart_of_more_than_200_lines_is_not_merged_into(self: Any) -> None:
        fill_cart(self.user, dict.fromkeys(make_products(200), 1))
        assert len(self.shopper.cart().data["lines"]) == 202
        assert self.guest.cart().data["total_quantity"] == 7
        self.shopper.remove(self.mine.pk)
        self.shopper.remove(self.common.pk)
        assert len(self.shopper.cart().data["lines"]) == 202
        self.assert_token_invalid()

    def test_merge_creates_the_cart_of_an_account_without_one(self: Any) -> None:
        newcomer = make_user()
        cart = self.shopper_class(newcomer, self.guest.cart_token).cart().data
        assert [line["quantity"] for line in cart["lines"]] == [3, 4]
        assert not Cart.objects.filter(user=None).exists()

    def test_price_change_since_the_guest_added_still_warns(self: Any) -> None:
        self.theirs.price = "99.00"
        self.theirs.save()
        warnings = self.shopper.cart().data["warnings"]
        assert [(warning["code"], warning["product_id"]) for warning in warnings] == [
            ("PRICE_CHANGED", self.theirs.pk)
        ]


class GraphQLMergeTest(MergeCase, TestCase):
    shopper_class = GraphQLShopper


class RestMergeTest(MergeCase, TestCase):
    shopper_class = RestShopper
