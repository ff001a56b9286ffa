"""The life of an order, through both APIs: snapshot, history, cancellation, and deletion of the account."""

import re
from typing import Any

from django.test import TestCase

from backend.accounts.models import User
from backend.carts.models import Cart
from backend.catalog.models import Product
from backend.orders import services
from backend.orders.models import Order, OrderContact
from tests.carts.factories import fill_cart, make_products
from tests.catalog.factories import make_product
from tests.support.people import make_user
from tests.support.shopping import GraphQLShopper, RestShopper, Shopper

DETAILS = {"contact": {"name": "Vera", "phone": "+7 900 123-45-67"}, "comment": "Ring twice"}


class OrderLifecycleTests:
    """Tests for one API. Subclasses set `shopper_class`."""

    shopper_class: type[Shopper]
    user: User
    product: Product
    shopper: Shopper

    def setUp(self) -> None:
        self.user = make_user()
        self.product = make_product("dress", price="10.00", stock=5)
        self.shopper = self.shopper_class(self.user)
        self.shopper.add(self.product.pk, 2)

    def stock(self) -> int:
        return Product.objects.get(pk=self.product.pk).stock

    def order(self) -> dict[str, Any]:
        response = self.shopper.order(DETAILS)
        assert response.code is None, response
        return response.data

    def test_order_takes_stock_and_empties_the_cart(self) -> None:
        self.order()
        assert self.stock() == 3
        assert self.shopper.cart().data["lines"] == []

    def test_order_lines_keep_names_and_prices_of_changed_and_deleted_products(self) -> None:
        order = self.order()
        line = dict(order["lines"][0])
        Product.objects.update(name="gown", sku="OTHER", price="99.00")
        assert self.shopper.read(order["number"]).data["lines"] == [line]
        self.product.delete()
        read = self.shopper.read(order["number"]).data
        assert read["lines"] == [line | {"product_id": None}]
        assert read["total"] == "20.00"
        assert self.shopper.cancel(order["number"]).code is None

    def test_deleted_account_leaves_orders_without_personal_data(self) -> None:
        self.order()
        self.shopper.add(self.product.pk)
        self.user.delete()
        order = Order.objects.get()
        assert order.user is None
        assert (order.contact, order.delivery_address, order.comment) == (None, None, "")
        assert [(line.name, line.quantity) for line in order.lines.all()] == [("dress", 2)]
        assert order.history.get().changed_by is None
        assert not (OrderContact.objects.exists() or Cart.objects.exists())

    def test_cancelled_order_returns_stock_once(self) -> None:
        number = self.order()["number"]
        cancelled = self.shopper.cancel(number).data
        assert (cancelled["status"], cancelled["is_cancellable"]) == ("cancelled", False)
        assert [change["status"] for change in cancelled["history"]] == ["placed", "cancelled"]
        again = self.shopper.cancel(number)
        assert (again.code, again.field, again.status) == ("ORDER_STATUS", "number", 409)
        assert self.stock() == 5

    def test_shipped_order_cannot_be_cancelled(self) -> None:
        number = self.order()["number"]
        order_id, staff = Order.objects.get().pk, make_user(is_staff=True)
        history = ["placed"]
        for status in ("paid", "shipped", "delivered"):
            services.change_order_status(order_id=order_id, status=status, changed_by=staff.pk)
            history.append(status)
            read = self.shopper.read(number).data
            assert read["is_cancellable"] == (status == "paid")
            assert [change["status"] for change in read["history"]] == history
            if status != "paid":
                assert self.shopper.cancel(number).code == "ORDER_STATUS"
        assert self.stock() == 3

    def test_paid_order_can_be_cancelled(self) -> None:
        number = self.order()["number"]
        services.change_order_status(
            order_id=Order.objects.get().pk, status="paid", changed_by=make_user(is_staff=True).pk
        )
        assert self.shopper.cancel(number).data["status"] == "cancelled"
        assert self.stock() == 5


class GraphQLOrderLifecycleTest(OrderLifecycleTests, TestCase):
    shopper_class = GraphQLShopper

    def test_orders_are_paginated_in_both_directions(self) -> None:
        (product,) = make_products(1)
        numbers = [self.order()["number"]]
        for _ in range(4):
            fill_cart(self.user, {product: 1})
            numbers.insert(0, self.order()["number"])
        query = """query($first: Int, $after: String, $last: Int, $before: String) { me { orders(
            first: $first, after: $after, last: $last, before: $before
        ) { nodes { number } edges { cursor } pageInfo { hasNextPage hasPreviousPage } } } }"""

        def page(**arguments: Any) -> tuple[list[str], list[str], dict[str, bool]]:
            response = self.shopper.client.post(
                "/graphql",
                {"query": query, "variables": arguments},
                content_type="application/json",
                headers=self.shopper.headers,
            )
            orders = response.json()["data"]["me"]["orders"]
            return (
                [node["number"] for node in orders["nodes"]],
                [edge["cursor"] for edge in orders["edges"]],
                orders["pageInfo"],
            )

        found, cursors, info = page(first=2)
        assert (found, info) == (numbers[:2], {"hasNextPage": True, "hasPreviousPage": False})
        found, cursors, info = page(first=3, after=cursors[-1])
        assert (found, info) == (numbers[2:], {"hasNextPage": False, "hasPreviousPage": True})
        found, cursors, info = page(last=1, before=cursors[0])
        assert (found, info) == (numbers[1:2], {"hasNextPage": True, "hasPreviousPage": True})
        assert page(last=100)[0] == numbers


class RestOrderLifecycleTest(OrderLifecycleTests, TestCase):
    shopper_class = RestShopper


class OrderNumbersTest(TestCase):
    def test_numbers_are_sequential_with_a_random_suffix(self) -> None:
        orders = [
            Order.objects.create(total=0, currency="RUB", fingerprint="", user=make_user()) for _ in range(50)
        ]
        numbers = [Order.objects.get(pk=order.pk).number.split("-") for order in orders]
        counted = [int(count) for count, _ in numbers]
        assert counted == list(range(counted[0], counted[0] + 50))
        assert len({random for _, random in numbers}) == 50
        for _, random in numbers:
            assert re.search(r"^[0-9a-f]{8}$", random)
