"""Many concurrent clients of two web processes: data stays consistent, and no response is a 5xx."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import permutations
from threading import Barrier
from typing import Any

from django.db import connection

from backend.accounts.models import User
from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from backend.orders.models import Order, OrderLine
from tests.catalog.factories import make_product
from tests.concurrency.actors import Actor
from tests.concurrency.crowds import MAX_SECONDS
from tests.concurrency.shoppers import ShopCase, assert_orders_are_whole, sold
from tests.concurrency.test_deletion_races import delete_products
from tests.support.people import make_user, open_session_token
from tests.support.web import Web
from tests.support.worker import wait_until

ADD_LINES = "mutation($lines: [CartLineInput!]!) { cartLinesAdd(lines: $lines) { errors { code } } }"


def together(steps: list[Callable[[], Any]]) -> list[Any]:
    """Run each step in a separate thread, all starting together, and return their results."""
    start = Barrier(len(steps))

    def take(step: Callable[[], Any]) -> Any:
        try:
            start.wait(MAX_SECONDS)
            return step()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(steps)) as threads:
        return [step.result(MAX_SECONDS) for step in [threads.submit(take, step) for step in steps]]


def is_any_connection_blocked() -> bool:
    """True if a connection to the test database waits for a lock of another one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0)"
        )
        waits: bool = cursor.fetchone()[0]
        return waits


class CrowdTest(ShopCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.web = Web("--threads", "25", WEB_WORKERS="2")
        cls.addClassCleanup(cls.web.stop)
        cls.web.start()

    def setUp(self) -> None:
        super().setUp()
        self.login = self.log_in(self.user)

    def log_in(self, user: User) -> dict[str, str]:
        return {"Authorization": f"Bearer {open_session_token(user)}"}

    def crowd(self, size: int) -> list[User]:
        return [make_user() for _ in range(size)]

    def send_together(self, *requests: tuple[Any, ...], **headers: str) -> "Counter[tuple[int, str | None]]":
        """Send requests at the same time and count the statuses and error codes."""
        self.responses = together(
            [lambda request=request: self.send(*request, **headers) for request in requests]
        )
        return Counter((status, response.get("code")) for status, response in self.responses)

    def send(self, method: str, path: str, body: Any = None, login: Any = None, **headers: str) -> Any:
        return self.web.send_request(method, path, body, **headers, **(login or {}))

    def test_fifty_clients_buy_exactly_ten_units(self) -> None:
        shoppers = self.crowd(50)
        for shopper in shoppers:
            self.add(self.a, user=shopper)
        responses = self.send_together(
            *[("POST", "/order", {}, self.log_in(shopper)) for shopper in shoppers]
        )
        assert responses == {(201, None): 10, (409, "OUT_OF_STOCK"): 40}
        assert (self.stock()["A"], sold(self.a)) == (0, 10)
        assert CartLine.objects.count() == 40
        assert sum(float(response["total"]) for status, response in self.responses if status == 201) == 100
        assert_orders_are_whole()

    def test_carts_with_products_in_any_order_do_not_deadlock(self) -> None:
        shoppers = self.crowd(18)
        chosen = [[self.a, self.b, self.c][:size] for size in (2, 3)]
        orders = [list(way) for products in chosen for way in permutations(products)]
        for shopper, products in zip(shoppers, orders * 3, strict=False):
            self.add(*products, user=shopper)
        responses = self.send_together(
            *[("POST", "/order", {}, self.log_in(shopper)) for shopper in shoppers]
        )
        assert set(responses) == {(201, None), (409, "OUT_OF_STOCK")}
        for product in (self.a, self.b, self.c):
            product.refresh_from_db()
            assert product.stock + sold(product) == 10
        assert 0 in self.stock().values()
        assert_orders_are_whole()

    def add_twenty(self, **headers: str) -> None:
        request = ("POST", "/cart", {"product_id": self.a.pk})
        assert self.send_together(*[request] * 20, **headers) == {(200, None): 20}
        status, cart = self.web.send_request("GET", "/cart", **headers)
        assert (status, [line["quantity"] for line in cart["lines"]]) == (200, [20])

    def test_twenty_first_adds_share_one_cart(self) -> None:
        self.add_twenty(**self.login)
        assert Cart.objects.count() == 1

    def test_twenty_adds_of_a_guest_all_count(self) -> None:
        _, cart = self.web.send_request("POST", "/cart", {"product_id": self.b.pk})
        self.web.send_request(
            "PUT", "/cart", {"product_id": self.b.pk, "quantity": 0}, X_Cart_Token=cart["token"]
        )
        self.add_twenty(X_Cart_Token=cart["token"])

    def test_added_units_are_ordered_or_in_the_cart(self) -> None:
        Product.objects.update(stock=1000)

        def add() -> Counter[int]:
            products = Counter()
            for product in random.Random(1).choices([self.a, self.b, self.c], k=10):
                status, _ = self.web.send_request("POST", "/cart", {"product_id": product.pk}, **self.login)
                assert status == 200
                products[product.pk] += 1
            return products

        def order() -> Counter[int]:
            for _ in range(8):
                status, response = self.web.send_request("POST", "/order", {}, **self.login)
                assert status == 201 or response["code"] == "CART_EMPTY"
            return Counter()

        added = sum(together([add] * 6 + [order] * 2), Counter())
        found = Counter(dict(CartLine.objects.values_list("product_id", "quantity")))
        for product_id, quantity in OrderLine.objects.values_list("product_id", "quantity"):
            found[product_id] += quantity
        assert found == added
        assert Order.objects.count() > 1
        assert_orders_are_whole()

    def test_twenty_requests_with_one_key_create_one_order(self) -> None:
        self.add(self.a, self.b)
        responses = self.send_together(*[("POST", "/order", {}, self.login)] * 20, Idempotency_Key="once")
        assert responses == {(201, None): 20}
        assert {response["number"] for _, response in self.responses} == {Order.objects.get().number}
        assert self.stock() == {"A": 9, "B": 9, "C": 10}

    def test_disconnected_client_gets_its_order_on_retry(self) -> None:
        self.add(self.a)
        with Actor() as staff:
            # The order waits for the product, so that the client disconnects before the response.
            staff.do(Product.objects.filter(pk=self.a.pk).update, price=7)
            client = HTTPConnection("127.0.0.1", self.web.port)
            headers = {"Content-Type": "application/json", "Idempotency-Key": "cut off"} | self.login
            client.request("POST", "/order", b"{}", headers)
            wait_until(is_any_connection_blocked, "The order's waiting")
            client.close()
            staff.commit()
        status, order = self.web.send_request("POST", "/order", {}, Idempotency_Key="cut off", **self.login)
        assert (status, order["number"]) == (201, Order.objects.get().number)
        assert self.stock()["A"] == 9

    def test_ten_cancellations_return_the_stock_once(self) -> None:
        self.add(self.a, self.b, quantity=3)
        path = f"/order/cancel?number={self.order().number}"
        responses = self.send_together(*[("POST", path, None, self.login)] * 10)
        assert responses == {(200, None): 1, (409, "ORDER_STATUS"): 9}
        assert self.stock() == {"A": 10, "B": 10, "C": 10}

    def test_deleting_and_hiding_products_causes_no_server_error(self) -> None:
        """Each request succeeds or is refused with an error code."""
        products = [make_product(stock=1000) for _ in range(12)]
        responses: list[tuple[int, list[str]]] = []

        def send(*request: Any) -> Any:
            status, response = self.send(*request)
            refusals = response.get("errors") or response.get("data", {}).get("cartLinesAdd", {}).get(
                "errors", []
            )
            responses.append((status, [refusal["code"] for refusal in refusals]))
            return response

        def buy(number: int, login: dict[str, str]) -> None:
            rng = random.Random(number)
            for _ in range(12):
                lines = [{"productId": product.pk} for product in rng.sample(products, 3)]
                send("POST", "/graphql", {"query": ADD_LINES, "variables": {"lines": lines}}, login)
                order = send("POST", "/order", {}, login)
                if order.get("code") == "NO_LONGER_SOLD":
                    send("DELETE", "/cart", None, login)
                elif "number" in order and rng.random() < 0.5:
                    send("POST", f"/order/cancel?number={order['number']}", None, login)

        def edit() -> None:
            for number in range(0, 8, 2):
                sent = len(responses)
                wait_until(lambda sent=sent: len(responses) > sent + 15, "Some shopping")
                delete_products(products[number + 1], products[number])
                Product.objects.filter(pk=products[8 + number // 2].pk).update(is_published=number == 4)

        logins = [self.log_in(shopper) for shopper in self.crowd(6)]
        together([*[lambda n=n, login=login: buy(n, login) for n, login in enumerate(logins)], edit])
        refusals = {code for _, codes in responses for code in codes}
        assert refusals <= {"CONFLICT", "NOT_FOUND", "CART_EMPTY", "NO_LONGER_SOLD"}
        assert "NOT_FOUND" in refusals
        assert {status for status, _ in responses} <= {200, 201, 404, 409}
        assert Order.objects.exists()
        for product in Product.objects.filter(pk__in=[product.pk for product in products]):
            assert product.stock + sold(product) == 1000
        assert_orders_are_whole()
