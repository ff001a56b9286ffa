"""What a cart does, through both APIs: quantities, prices of now, warnings."""

from typing import Any

from django.db import IntegrityError, transaction
from django.test import TestCase

from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from tests.carts.factories import fill_cart, make_products
from tests.catalog.factories import make_product
from tests.people import make_user
from tests.shopping import GraphQLShopper, RestShopper, Shopper


class Behaviour:
    shopper_class: type[Shopper]

    def setUp(self: Any) -> None:
        self.user = make_user()
        self.product = make_product("dress", price="10.00", stock=5)
        self.shopper = self.shopper_class(self.user)

    def change(self: Any, **columns: Any) -> None:
        Product.objects.filter(pk=self.product.pk).update(**columns)

    def warned_of(self: Any) -> list[str]:
        """Return the codes of the cart's warnings, each of the one product."""
        warnings = self.shopper.cart().data["warnings"]
        for warning in warnings:
            self.assertEqual(warning["product_id"], self.product.pk)
            self.assertIn("dress", warning["message"])
        return [warning["code"] for warning in warnings]

    def test_a_line_without_a_quantity_is_of_one(self: Any) -> None:
        self.assertEqual(
            self.shopper.add_line({"product_id": self.product.pk}).data["lines"][0]["quantity"], 1
        )

    def test_adding_adds_and_setting_sets(self: Any) -> None:
        self.shopper.add(self.product.pk, 2)
        self.assertEqual(self.shopper.add(self.product.pk, 2).data["total_quantity"], 4)
        self.assertEqual(self.shopper.set(self.product.pk, 3).data["total_quantity"], 3)
        self.assertEqual(CartLine.objects.get().quantity, 3)

    def test_setting_0_removes(self: Any) -> None:
        self.shopper.add(self.product.pk, 2)
        cart = self.shopper.set(self.product.pk, 0).data
        self.assertEqual((cart["lines"], cart["total"], cart["warnings"]), ([], "0.00", []))
        self.assertFalse(CartLine.objects.exists())
        self.assertEqual(self.shopper.set(self.product.pk, 0).code, "NOT_FOUND")

    def test_lines_stay_in_the_order_that_they_were_added(self: Any) -> None:
        products = make_products(3)
        for product in reversed(products):
            self.shopper.add(product.pk)
        cart = self.shopper.add(products[1].pk).data
        shown = [line["product"]["id"] for line in cart["lines"]]
        self.assertEqual(shown, [product.pk for product in reversed(products)])
        self.assertEqual(self.shopper.cart().data, cart)

    def test_prices_are_of_now(self: Any) -> None:
        self.shopper.add(self.product.pk, 3)
        self.change(price="12.34")
        cart = self.shopper.cart().data
        (line,) = cart["lines"]
        self.assertEqual((line["unit_price"], line["line_total"], cart["total"]), ("12.34", "37.02", "37.02"))

    def test_a_changed_price_is_told_until_it_is_seen_or_changed_back(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.assertEqual(self.warned_of(), [])
        self.change(price="12.00")
        self.assertEqual(self.warned_of(), ["PRICE_CHANGED"])
        self.change(price="10.00")
        self.assertEqual(self.warned_of(), [])
        self.change(price="9.00")
        self.assertEqual(self.warned_of(), ["PRICE_CHANGED"])
        self.assertEqual(self.shopper.set(self.product.pk, 1).data["warnings"], [])
        self.assertEqual(self.warned_of(), [])

    def test_a_short_stock_is_told_until_there_is_enough(self: Any) -> None:
        self.shopper.add(self.product.pk, 5)
        self.assertEqual(self.warned_of(), [])
        self.change(stock=4)
        self.assertEqual(self.warned_of(), ["NOT_ENOUGH_STOCK"])
        self.assertFalse(self.shopper.cart().data["lines"][0]["is_available"])
        self.change(stock=0)
        self.assertEqual(self.warned_of(), ["NOT_ENOUGH_STOCK"])
        self.assertEqual(self.shopper.add(self.product.pk).code, "OUT_OF_STOCK")
        self.change(stock=5)
        self.assertEqual(self.warned_of(), [])
        self.assertTrue(self.shopper.cart().data["lines"][0]["is_available"])

    def test_more_than_there_is_can_be_wanted_with_a_warning(self: Any) -> None:
        answer = self.shopper.add(self.product.pk, 6)
        self.assertEqual([warning["code"] for warning in answer.data["warnings"]], ["NOT_ENOUGH_STOCK"])
        self.assertIn("only 5", answer.data["warnings"][0]["message"])
        self.change(stock=500)
        message = self.shopper.set(self.product.pk, 999).data["warnings"][0]["message"]
        self.assertNotIn("500", message)

    def test_what_is_no_longer_sold_is_told_until_it_is_sold_again(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.change(is_published=False, price="1.00", stock=0)
        self.assertEqual(self.warned_of(), ["NO_LONGER_SOLD"])
        self.assertFalse(self.shopper.cart().data["lines"][0]["is_available"])
        self.assertEqual(self.shopper.add(self.product.pk).code, "NOT_FOUND")
        self.change(is_published=True, price="10.00", stock=5)
        self.assertEqual(self.warned_of(), [])

    def test_several_warnings_of_one_line(self: Any) -> None:
        self.shopper.add(self.product.pk, 2)
        self.change(price="1.00", stock=1)
        self.assertEqual(self.warned_of(), ["NOT_ENOUGH_STOCK", "PRICE_CHANGED"])

    def test_a_deleted_product_is_gone_from_the_cart(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.product.delete()
        self.assertEqual(self.shopper.cart().data["lines"], [])

    def test_a_deleted_account_has_no_cart(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.user.delete()
        self.assertFalse(Cart.objects.exists() or CartLine.objects.exists())

    def test_the_longest_line_of_the_dearest_product(self: Any) -> None:
        self.change(price="9999999999.99")
        self.shopper.add(self.product.pk, 999)
        self.assertEqual(self.shopper.cart().data["total"], "9989999999990.01")


class BehaviourThroughGraphQL(Behaviour, TestCase):
    shopper_class = GraphQLShopper

    def test_warnings_stand_in_the_payload_too(self) -> None:
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
        self.assertEqual(payload["warnings"], [{"code": "NOT_ENOUGH_STOCK"}])
        self.assertEqual(payload["warnings"], payload["cart"]["warnings"])


class BehaviourThroughRest(Behaviour, TestCase):
    shopper_class = RestShopper


class Constraints(TestCase):
    """What the database keeps, whoever writes."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        (cls.product,) = make_products(1)
        cls.cart = fill_cart(cls.user, {cls.product: 1})

    def assert_impossible(self, constraint: str, **columns: Any) -> None:
        with self.assertRaisesRegex(IntegrityError, constraint), transaction.atomic():
            CartLine.objects.create(**{"cart": self.cart, "price_seen": 1, "quantity": 1} | columns)

    def test_lines(self) -> None:
        (other,) = make_products(1)
        self.assert_impossible("cart_line_once_per_product", product=self.product)
        for quantity in (0, 1000):
            self.assert_impossible("cart_line_quantity_from_1_to_999", product=other, quantity=quantity)
        CartLine.objects.create(cart=self.cart, product=other, quantity=999, price_seen=1)

    def test_a_cart_is_of_an_account_or_of_a_guest(self) -> None:
        for columns in ({}, {"user": make_user(), "token_digest": "0" * 64}):
            with self.assertRaisesRegex(IntegrityError, "cart_of_account_or_guest"), transaction.atomic():
                Cart.objects.create(**columns)
        with self.assertRaises(IntegrityError), transaction.atomic():
            Cart.objects.create(user=self.user)
