"""Quantities, current prices and warnings of carts, through both APIs."""

from typing import Any

from django.db import IntegrityError, transaction
from django.test import TestCase

from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from tests.carts.factories import fill_cart, make_products
from tests.catalog.factories import make_image, make_product
from tests.support.people import make_user
from tests.support.shopping import GraphQLShopper, RestShopper, Shopper


class CartCase:
    shopper_class: type[Shopper]

    def setUp(self: Any) -> None:
        self.user = make_user()
        self.product = make_product("dress", price="10.00", stock=5)
        self.shopper = self.shopper_class(self.user)

    def change_product(self: Any, **columns: Any) -> None:
        Product.objects.filter(pk=self.product.pk).update(**columns)

    def warning_codes(self: Any) -> list[str]:
        """Return the codes of the cart's warnings, all of which are about the one product."""
        warnings = self.shopper.cart().data["warnings"]
        for warning in warnings:
            assert warning["product_id"] == self.product.pk
            assert "dress" in warning["message"]
        return [warning["code"] for warning in warnings]

    def test_lines_have_the_first_pictures_of_their_products(self: Any) -> None:
        plain = make_product("sock")
        make_image(self.product, alt="back", position=1)
        first = make_image(self.product)
        fill_cart(self.user, {self.product: 1, plain: 1})
        pictures = [line["product"]["image"] for line in self.shopper.cart().data["lines"]]
        assert (pictures[0]["url"], pictures[0]["alt"]) == (first.picture.url, "dress")
        assert pictures[1] is None

    def test_quantity_defaults_to_1(self: Any) -> None:
        assert self.shopper.add_line({"product_id": self.product.pk}).data["lines"][0]["quantity"] == 1

    def test_add_increases_the_quantity_and_update_replaces_it(self: Any) -> None:
        self.shopper.add(self.product.pk, 2)
        assert self.shopper.add(self.product.pk, 2).data["total_quantity"] == 4
        assert self.shopper.set(self.product.pk, 3).data["total_quantity"] == 3
        assert CartLine.objects.get().quantity == 3

    def test_quantity_0_removes_the_line(self: Any) -> None:
        self.shopper.add(self.product.pk, 2)
        cart = self.shopper.set(self.product.pk, 0).data
        assert (cart["lines"], cart["total"], cart["warnings"]) == ([], "0.00", [])
        assert not CartLine.objects.exists()
        assert self.shopper.set(self.product.pk, 0).code == "NOT_FOUND"

    def test_lines_are_oldest_first(self: Any) -> None:
        products = make_products(3)
        for product in reversed(products):
            self.shopper.add(product.pk)
        cart = self.shopper.add(products[1].pk).data
        shown = [line["product"]["id"] for line in cart["lines"]]
        assert shown == [product.pk for product in reversed(products)]
        assert self.shopper.cart().data == cart

    def test_line_has_the_current_price(self: Any) -> None:
        self.shopper.add(self.product.pk, 3)
        self.change_product(price="12.34")
        cart = self.shopper.cart().data
        (line,) = cart["lines"]
        assert (line["unit_price"], line["line_total"], cart["total"]) == ("12.34", "37.02", "37.02")

    def test_price_change_warns_until_the_line_is_updated_or_the_price_is_restored(self: Any) -> None:
        self.shopper.add(self.product.pk)
        assert self.warning_codes() == []
        self.change_product(price="12.00")
        assert self.warning_codes() == ["PRICE_CHANGED"]
        self.change_product(price="10.00")
        assert self.warning_codes() == []
        self.change_product(price="9.00")
        assert self.warning_codes() == ["PRICE_CHANGED"]
        assert self.shopper.set(self.product.pk, 1).data["warnings"] == []
        assert self.warning_codes() == []

    def test_insufficient_stock_warns_until_the_stock_suffices(self: Any) -> None:
        self.shopper.add(self.product.pk, 5)
        assert self.warning_codes() == []
        self.change_product(stock=4)
        assert self.warning_codes() == ["NOT_ENOUGH_STOCK"]
        assert not self.shopper.cart().data["lines"][0]["is_available"]
        self.change_product(stock=0)
        assert self.warning_codes() == ["NOT_ENOUGH_STOCK"]
        assert self.shopper.add(self.product.pk).code == "OUT_OF_STOCK"
        self.change_product(stock=5)
        assert self.warning_codes() == []
        assert self.shopper.cart().data["lines"][0]["is_available"]

    def test_quantity_above_the_stock_is_accepted_with_a_warning(self: Any) -> None:
        response = self.shopper.add(self.product.pk, 6)
        assert [warning["code"] for warning in response.data["warnings"]] == ["NOT_ENOUGH_STOCK"]
        assert "5 in stock" in response.data["warnings"][0]["message"]
        self.change_product(stock=500)
        message = self.shopper.set(self.product.pk, 999).data["warnings"][0]["message"]
        assert "500" not in message

    def test_unpublished_product_warns_until_it_is_published_again(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.change_product(is_published=False, price="1.00", stock=0)
        assert self.warning_codes() == ["NO_LONGER_SOLD"]
        assert not self.shopper.cart().data["lines"][0]["is_available"]
        assert self.shopper.add(self.product.pk).code == "NOT_FOUND"
        self.change_product(is_published=True, price="10.00", stock=5)
        assert self.warning_codes() == []

    def test_one_line_can_have_several_warnings(self: Any) -> None:
        self.shopper.add(self.product.pk, 2)
        self.change_product(price="1.00", stock=1)
        assert self.warning_codes() == ["NOT_ENOUGH_STOCK", "PRICE_CHANGED"]

    def test_deleted_product_is_removed_from_the_cart(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.product.delete()
        assert self.shopper.cart().data["lines"] == []

    def test_deleting_an_account_deletes_its_cart(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.user.delete()
        assert not (Cart.objects.exists() or CartLine.objects.exists())

    def test_maximum_quantity_at_the_maximum_price(self: Any) -> None:
        self.change_product(price="9999999999.99")
        self.shopper.add(self.product.pk, 999)
        assert self.shopper.cart().data["total"] == "9989999999990.01"


class GraphQLCartTest(CartCase, TestCase):
    shopper_class = GraphQLShopper

    def test_payload_repeats_the_warnings_of_the_cart(self) -> None:
        fill_cart(self.user, {self.product: 9})
        payload = self.shopper.client.post(
            "/graphql",
            {
                "query": f'mutation {{ cartLinesAdd(lines: [{{ productId: "{self.product.pk}" }}]) '
                "{ warnings { code } cart { warnings { code } } } }"
            },
            content_type="application/json",
            headers=self.shopper.headers,
        ).json()["data"]["cartLinesAdd"]
        assert payload["warnings"] == [{"code": "NOT_ENOUGH_STOCK"}]
        assert payload["warnings"] == payload["cart"]["warnings"]


class RestCartTest(CartCase, TestCase):
    shopper_class = RestShopper


class ConstraintsTest(TestCase):
    """Constraints that the database enforces."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        (cls.product,) = make_products(1)
        cls.cart = fill_cart(cls.user, {cls.product: 1})

    def assert_violates(self, constraint: str, **columns: Any) -> None:
        with self.assertRaisesRegex(IntegrityError, constraint), transaction.atomic():
            CartLine.objects.create(**{"cart": self.cart, "price_seen": 1, "quantity": 1} | columns)

    def test_lines_are_unique_per_product_and_quantities_are_1_to_999(self) -> None:
        (other,) = make_products(1)
        self.assert_violates("cart_line_once_per_product", product=self.product)
        for quantity in (0, 1000):
            self.assert_violates("cart_line_quantity_from_1_to_999", product=other, quantity=quantity)
        CartLine.objects.create(cart=self.cart, product=other, quantity=999, price_seen=1)

    def test_cart_belongs_to_one_account_or_one_guest(self) -> None:
        for columns in ({}, {"user": make_user(), "token_digest": "0" * 64}):
            with self.assertRaisesRegex(IntegrityError, "cart_of_account_or_guest"), transaction.atomic():
                Cart.objects.create(**columns)
        with self.assertRaises(IntegrityError), transaction.atomic():
            Cart.objects.create(user=self.user)
