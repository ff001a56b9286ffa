"""Unpublished products in carts: what staff edit after unpublishing is not revealed in either API."""

import json
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import TestCase, TransactionTestCase
from django.test.utils import CaptureQueriesContext

from backend.carts.models import CartLine
from backend.catalog.models import CharacteristicValue, Product, ProductImage
from backend.orders.models import Order
from tests.carts.factories import fill_cart, make_products
from tests.catalog.factories import make_category, make_image, make_product
from tests.recommendations.factories import Kind, add_recommendations
from tests.support.clients import GraphQLClient
from tests.support.people import make_user
from tests.support.shopping import GraphQLShopper, RestShopper, Shopper

# Part of every value that staff set after they unpublished the product.
SECRET = "secret"
SECRET_PRICE = "77.77"

ALL_PRODUCT_FIELDS = """
    id sku slug name description price compareAtPrice currency inStock availableQuantity createdAt updatedAt
    category { name } image { url alt } images { url alt } characteristics { name value unit }
    similar { name } boughtTogether { name }
"""


class UnpublishedProductCase:
    shopper_class: type[Shopper]

    def setUp(self: Any) -> None:
        self.user = make_user()
        self.category = make_category("Clothes")
        self.product = make_product("dress", self.category, {"Color": "red"}, price="10.00", stock=5)
        make_image(self.product, alt="dress")
        (self.other,) = make_products(1, name="sock", price="1.00", category=self.category)
        self.shopper = self.shopper_class(self.user)

    def unpublish_and_edit(self: Any) -> None:
        """Unpublish the product, then change everything that a shopper can see of a product."""
        Product.objects.filter(pk=self.product.pk).update(is_published=False)
        Product.objects.filter(pk=self.product.pk).update(
            sku=SECRET,
            slug=SECRET,
            name=SECRET,
            description=SECRET,
            price=SECRET_PRICE,
            compare_at_price=f"1{SECRET_PRICE}",
            stock=43,
            category=make_category(SECRET),
        )
        CharacteristicValue.objects.filter(product=self.product).update(value=SECRET)
        ProductImage.objects.filter(product=self.product).update(alt=SECRET)

    def assert_nothing_revealed(self: Any, response: Any) -> None:
        text = json.dumps(response, default=str)
        for value in (SECRET, SECRET_PRICE):
            assert value not in text

    def line(self: Any) -> Any:
        """Return the line of the unpublished product."""
        cart = self.shopper.cart().data
        self.assert_nothing_revealed(cart)
        return next(line for line in cart["lines"] if line["product"]["id"] == self.product.pk)

    def test_line_shows_the_name_and_price_that_the_shopper_saw(self: Any) -> None:
        self.shopper.add(self.product.pk, 2)
        self.unpublish_and_edit()
        assert self.line() == {
            "product": {
                "id": self.product.pk,
                "sku": "",
                "slug": "",
                "name": "dress",
                "description": "",
                "price": "10.00",
                "compare_at_price": None,
                "is_on_sale": False,
                "is_new": True,
                "currency": "RUB",
                "brand": None,
                "category": None,
                "image": None,
                "characteristics": [],
                "in_stock": False,
                "available_quantity": 0,
            },
            "quantity": 2,
            "unit_price": "10.00",
            "line_total": "20.00",
            "discount": "0.00",
            "is_available": False,
        }

    def test_warning_has_the_name_that_the_shopper_saw(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.unpublish_and_edit()
        (warning,) = self.shopper.cart().data["warnings"]
        assert warning["code"] == "NO_LONGER_SOLD"
        assert "“dress”" in warning["message"]

    def test_total_excludes_the_line(self: Any) -> None:
        self.shopper.add(self.product.pk, 2)
        self.shopper.add(self.other.pk, 3)
        assert self.shopper.cart().data["total"] == "23.00"
        self.unpublish_and_edit()
        cart = self.shopper.cart().data
        assert (cart["total"], cart["total_quantity"]) == ("3.00", 5)

    def test_order_is_refused_with_the_name_that_the_shopper_saw(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.shopper.add(self.other.pk)
        self.unpublish_and_edit()
        for fields in ({}, {"expected_total": "1.00"}):
            refused = self.shopper.order(fields)
            assert (refused.status, refused.code) == (409, "NO_LONGER_SOLD")
            assert "“dress”" in refused.message
            self.assert_nothing_revealed(refused.message)
        assert not Order.objects.exists()
        self.shopper.remove(self.product.pk)
        assert self.shopper.order().data["total"] == "1.00"

    def test_every_change_of_the_cart_keeps_what_the_shopper_saw(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.unpublish_and_edit()
        self.assert_nothing_revealed(self.shopper.add(self.other.pk).data)
        self.assert_nothing_revealed(self.shopper.set(self.product.pk, 4).data)
        self.assert_nothing_revealed(self.shopper.remove(self.other.pk).data)
        assert self.shopper.add(self.product.pk).code == "NOT_FOUND"
        assert (self.line()["quantity"], self.line()["line_total"]) == (4, "40.00")
        line = CartLine.objects.get()
        assert (line.name_seen, line.price_seen) == ("dress", Decimal("10.00"))

    def test_merging_a_guest_cart_keeps_what_the_guest_saw(self: Any) -> None:
        guest = self.shopper_class()
        guest.add(self.product.pk)
        self.unpublish_and_edit()
        self.shopper = self.shopper_class(self.user, guest.cart_token)
        assert self.line()["product"]["name"] == "dress"
        line = CartLine.objects.get(cart__user=self.user)
        assert (line.name_seen, line.price_seen) == ("dress", Decimal("10.00"))

    def test_name_seen_is_refreshed_with_price_seen(self: Any) -> None:
        for change, arguments in (("add", ()), ("set", (3,))):
            with self.subTest(change):
                self.shopper.add(self.product.pk)
                Product.objects.update(name=f"gown {change}", price="12.00")
                getattr(self.shopper, change)(self.product.pk, *arguments)
                Product.objects.update(name=SECRET, price=SECRET_PRICE, is_published=False)
                assert self.line()["product"]["name"] == f"gown {change}"
                assert self.line()["unit_price"] == "12.00"
                Product.objects.update(is_published=True)

    def test_republished_product_shows_its_current_name_and_price(self: Any) -> None:
        self.shopper.add(self.product.pk)
        self.unpublish_and_edit()
        Product.objects.filter(pk=self.product.pk).update(is_published=True)
        cart = self.shopper.cart().data
        assert cart["lines"][0]["product"]["name"] == SECRET
        assert [warning["code"] for warning in cart["warnings"]] == ["PRICE_CHANGED"]

    def test_query_count_does_not_depend_on_the_number_of_unpublished_products(self: Any) -> None:
        counts = set()
        for number in (1, 20):
            user = make_user()
            products = make_products(number)
            fill_cart(user, dict.fromkeys([*products, self.other], 1))
            Product.objects.filter(pk__in=[product.pk for product in products]).update(is_published=False)
            shopper = self.shopper_class(user)
            with CaptureQueriesContext(connection) as queries:
                cart = shopper.cart().data
            assert len(cart["warnings"]) == number
            counts.add(len(queries))
        assert counts == {2}


class GraphQLUnpublishedProductTest(UnpublishedProductCase, TestCase):
    shopper_class = GraphQLShopper

    def read(self, fields: str) -> Any:
        response = GraphQLClient().post(f"{{ cart {{ {fields} }} }}", **self.shopper.headers)
        return response.json()["data"]["cart"]

    def test_no_field_of_the_product_reveals_an_edit(self) -> None:
        add_recommendations(Kind.SIMILAR, self.product, self.other)
        add_recommendations(Kind.BOUGHT_TOGETHER, self.product, self.other)
        self.shopper.add(self.product.pk)
        fields = f"lines {{ product {{ {ALL_PRODUCT_FIELDS} }} }}"
        published = self.read(fields)["lines"][0]["product"]
        assert [item["name"] for item in published["similar"]] == ["sock"]
        self.unpublish_and_edit()
        unpublished = self.read(fields)
        self.assert_nothing_revealed(unpublished)
        product = unpublished["lines"][0]["product"]
        for name in ("images", "similar", "boughtTogether", "characteristics"):
            assert product[name] == []
        assert (product["inStock"], product["availableQuantity"]) == (False, 0)
        assert product["updatedAt"] == product["createdAt"]

    def test_suggestions_do_not_depend_on_an_unpublished_product(self) -> None:
        (complement,) = make_products(1, name="complement", stock=1)
        make_products(3)
        add_recommendations(Kind.COMPLEMENT, self.product, complement)
        self.shopper.add(self.product.pk)
        fields = "suggestions(first: 1) { name }"
        assert self.read(fields) == {"suggestions": [{"name": "complement"}]}
        self.unpublish_and_edit()
        assert self.read(fields) != {"suggestions": [{"name": "complement"}]}


class RestUnpublishedProductTest(UnpublishedProductCase, TestCase):
    shopper_class = RestShopper


class MigrationTest(TransactionTestCase):
    def test_existing_lines_get_the_current_name_of_their_product(self) -> None:
        executor = MigrationExecutor(connection)
        self.addCleanup(lambda: MigrationExecutor(connection).migrate(executor.loader.graph.leaf_nodes()))
        executor.migrate([("carts", "0002_lines_go_with_cart_and_product")])
        products = [make_product("dress"), make_product("sock", is_published=False)]
        with connection.cursor() as cursor:
            # The models have columns of later migrations.
            cursor.execute(
                "INSERT INTO carts_cart (user_id, created_at, touched_at) VALUES (%s, now(), now()) "
                "RETURNING id",
                [make_user().pk],
            )
            (cart_id,) = cursor.fetchone()
            for product in products:
                cursor.execute(
                    "INSERT INTO carts_cartline (cart_id, product_id, quantity, price_seen) "
                    "VALUES (%s, %s, 1, 5)",
                    [cart_id, product.pk],
                )
        MigrationExecutor(connection).migrate([("carts", "0003_cartline_name_seen")])
        assert list(CartLine.objects.values_list("name_seen", flat=True)) == ["dress", "sock"]
