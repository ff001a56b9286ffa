"""What becomes of an order, through both APIs: its snapshot, its history, and the person it is of."""

from typing import Any

from django.test import TestCase

from backend.carts.models import Cart
from backend.catalog.models import Product
from backend.orders import services
from backend.orders.models import Order, OrderContact
from tests.carts.factories import fill_cart, make_products
from tests.catalog.factories import make_product
from tests.people import make_user
from tests.shopping import GraphQLShopper, RestShopper, Shopper

WISHES = {"contact": {"name": "Vera", "phone": "1234567"}, "comment": "Ring twice"}


class Behaviour:
    shopper_class: type[Shopper]

    def setUp(self: Any) -> None:
        self.user = make_user()
        self.product = make_product("dress", price="10.00", stock=5)
        self.shopper = self.shopper_class(self.user)
        self.shopper.add(self.product.pk, 2)

    def stock(self: Any) -> int:
        return Product.objects.get(pk=self.product.pk).stock

    def order(self: Any) -> dict[str, Any]:
        answer = self.shopper.order(WISHES)
        self.assertIsNone(answer.code, answer)
        return answer.data

    def test_an_order_takes_the_stock_and_empties_the_cart(self: Any) -> None:
        self.order()
        self.assertEqual(self.stock(), 3)
        self.assertEqual(self.shopper.cart().data["lines"], [])

    def test_the_snapshot_outlives_the_product(self: Any) -> None:
        order = self.order()
        line = dict(order["lines"][0])
        Product.objects.update(name="gown", sku="OTHER", price="99.00")
        self.assertEqual(self.shopper.read(order["number"]).data["lines"], [line])
        self.product.delete()
        read = self.shopper.read(order["number"]).data
        self.assertEqual(read["lines"], [line | {"product_id": None}])
        self.assertEqual(read["total"], "20.00")
        self.assertIsNone(self.shopper.cancel(order["number"]).code)

    def test_a_deleted_account_leaves_its_orders_without_the_person(self: Any) -> None:
        self.order()
        self.shopper.add(self.product.pk)
        self.user.delete()
        order = Order.objects.get()
        self.assertIsNone(order.user)
        self.assertEqual((order.contact, order.delivery_address, order.comment), (None, None, ""))
        self.assertEqual([(line.name, line.quantity) for line in order.lines.all()], [("dress", 2)])
        self.assertIsNone(order.history.get().changed_by)
        self.assertFalse(OrderContact.objects.exists() or Cart.objects.exists())

    def test_cancelling_gives_the_stock_back_once(self: Any) -> None:
        number = self.order()["number"]
        cancelled = self.shopper.cancel(number).data
        self.assertEqual((cancelled["status"], cancelled["is_cancellable"]), ("cancelled", False))
        self.assertEqual([change["status"] for change in cancelled["history"]], ["placed", "cancelled"])
        again = self.shopper.cancel(number)
        self.assertEqual((again.code, again.field, again.status), ("ORDER_STATUS", "number", 409))
        self.assertEqual(self.stock(), 5)

    def test_cancelling_while_placed_or_paid(self: Any) -> None:
        number = self.order()["number"]
        order_id, staff = Order.objects.get().pk, make_user(is_staff=True)
        history = ["placed"]
        for status in ("paid", "shipped", "delivered"):
            services.change_order_status(order_id=order_id, status=status, changed_by=staff.pk)
            history.append(status)
            read = self.shopper.read(number).data
            self.assertEqual(read["is_cancellable"], status == "paid")
            self.assertEqual([change["status"] for change in read["history"]], history)
            if status != "paid":
                self.assertEqual(self.shopper.cancel(number).code, "ORDER_STATUS")
        self.assertEqual(self.stock(), 3)

    def test_a_paid_order_can_be_cancelled(self: Any) -> None:
        number = self.order()["number"]
        services.change_order_status(
            order_id=Order.objects.get().pk, status="paid", changed_by=make_user(is_staff=True).pk
        )
        self.assertEqual(self.shopper.cancel(number).data["status"], "cancelled")
        self.assertEqual(self.stock(), 5)


class BehaviourThroughGraphQL(Behaviour, TestCase):
    shopper_class = GraphQLShopper

    def test_pages_in_both_directions(self) -> None:
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
        self.assertEqual((found, info), (numbers[:2], {"hasNextPage": True, "hasPreviousPage": False}))
        found, cursors, info = page(first=3, after=cursors[-1])
        self.assertEqual((found, info), (numbers[2:], {"hasNextPage": False, "hasPreviousPage": True}))
        found, cursors, info = page(last=1, before=cursors[0])
        self.assertEqual((found, info), (numbers[1:2], {"hasNextPage": True, "hasPreviousPage": True}))
        self.assertEqual(page(last=100)[0], numbers)


class BehaviourThroughRest(Behaviour, TestCase):
    shopper_class = RestShopper


class Numbers(TestCase):
    def test_numbers_count_up_and_cannot_be_guessed(self) -> None:
        orders = [
            Order.objects.create(total=0, currency="RUB", fingerprint="", user=make_user()) for _ in range(50)
        ]
        numbers = [Order.objects.get(pk=order.pk).number.split("-") for order in orders]
        counted = [int(count) for count, _ in numbers]
        self.assertEqual(counted, list(range(counted[0], counted[0] + 50)))
        self.assertEqual(len({random for _, random in numbers}), 50)
        for _, random in numbers:
            self.assertRegex(random, r"^[0-9a-f]{8}$")
