"""Orders stay complete and unique when web processes and a worker are killed while they are placed."""

import random
import threading
import time
from collections import Counter
from http.client import HTTPException
from typing import Any
from unittest import mock

import orjson
from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone

from backend.accounts.models import User
from backend.carts.models import Cart, CartLine
from backend.carts.services import LineQuantity, add_lines
from backend.catalog.models import Product
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import publish_due_emails
from backend.orders.models import Order, OrderLine
from backend.orders.services import creation
from tests.catalog.factories import make_product
from tests.concurrency.crowds import run_together
from tests.concurrency.locks import without_row_locks
from tests.concurrency.shoppers import ShopCase, assert_orders_are_whole, sold
from tests.support.people import ADDRESS, make_user, make_viewer, open_session_token
from tests.support.web import Web
from tests.support.worker import MAX_SECONDS, MailServer, Worker, wait_until

SHOPPERS = 8
ORDERS_OF_EACH = 25
STOCK = 100_000


class Shopper:
    """A client that orders its cart and repeats the request with the same key until it gets a response.

    Attributes:
        orders: the number and the quantities of each order, by idempotency key.
        responses, failures: the number of requests with and without a response.
    """

    def __init__(self, web: Web, user: User, products: list[Product]) -> None:
        self.user = user
        self.orders: dict[str, tuple[str, dict[int, int]]] = {}
        self.responses = self.failures = 0
        self._web = web
        self._products = products
        self._login = {"Authorization": f"Bearer {open_session_token(user)}"}

    def shop(self, rng: random.Random) -> None:
        """Place an order of two products."""
        wanted = {product.pk: rng.randint(1, 5) for product in rng.sample(self._products, 2)}
        lines = [LineQuantity(product_id, quantity) for product_id, quantity in wanted.items()]
        cart = add_lines(viewer=make_viewer(self.user), lines=lines, address=ADDRESS)
        # The previous order has emptied the cart.
        assert {line.product_id: line.quantity for line in cart.lines} == wanted
        key = f"order {len(self.orders)}"
        order = self._order(key, str(cart.total))
        self.orders[key] = (order["number"], wanted)

    def _order(self, key: str, total: str) -> Any:
        deadline = time.monotonic() + MAX_SECONDS
        while True:
            try:
                status, response = self._web.send_request(
                    "POST", "/order", {"expected_total": total}, Idempotency_Key=key, **self._login
                )
            except (OSError, HTTPException, orjson.JSONDecodeError):
                assert time.monotonic() < deadline, self._web.output()[-2000:]
                self.failures += 1
                time.sleep(0.02)
            else:
                assert status == 201, response
                self.responses += 1
                return response


class KilledTest(TransactionTestCase):
    def setUp(self) -> None:
        self.mail_server = MailServer()
        self.mail_server.start()
        self.addCleanup(self.mail_server.stop)
        self.worker = Worker(self.mail_server, LOG_LEVEL="INFO")
        self.web = Web("--threads", "4", "--preload", WEB_WORKERS="2")
        for process in (self.worker, self.web):
            self.addCleanup(process.stop)
            process.start()

    def test_every_order_is_complete_and_exists_once(self) -> None:
        products = [make_product(stock=STOCK) for _ in range(5)]
        shoppers = [Shopper(self.web, make_user(language="en"), products) for _ in range(SHOPPERS)]
        done = threading.Event()
        self.killed = 0
        killer = threading.Thread(target=self.kill_processes_randomly, args=[shoppers, done])
        killer.start()
        try:
            run_together([shopper.shop for shopper in shoppers], times=ORDERS_OF_EACH, seed=1)
        finally:
            done.set()
            killer.join()

        assert self.killed > 5
        assert sum(shopper.failures for shopper in shoppers) > 0
        self.assert_orders_match_responses(shoppers)
        self.assert_stock_is_right(products)
        self.assert_mailed_once()

    def kill_processes_randomly(self, shoppers: list[Shopper], done: threading.Event) -> None:
        """Kill web processes at random moments, and the worker once, while orders make progress."""
        rng = random.Random(1)
        next_kill = 0
        try:
            while not done.wait(rng.uniform(0, 0.03)):
                if sum(shopper.responses for shopper in shoppers) < next_kill:
                    continue
                next_kill = sum(shopper.responses for shopper in shoppers) + rng.randint(4, 12)
                workers = self.web.workers()
                if not workers:
                    continue
                self.web.kill(rng.choice(workers))
                self.killed += 1
                if self.killed == 3:
                    self.worker.kill()
        finally:
            connection.close()
            # The start of the worker takes longer than all orders.
            self.worker.start()

    def assert_orders_match_responses(self, shoppers: list[Shopper]) -> None:
        assert_orders_are_whole()
        # Every order has emptied its cart.
        assert not CartLine.objects.exists()
        assert Order.objects.count() == SHOPPERS * ORDERS_OF_EACH
        lines: dict[str, dict[int, int]] = {}
        for number, product_id, quantity in OrderLine.objects.values_list(
            "order__number", "product_id", "quantity"
        ):
            lines.setdefault(number, {})[product_id] = quantity
        for shopper in shoppers:
            placed = dict(shopper.user.orders.values_list("idempotency_key", "number"))
            assert placed == {key: number for key, (number, _) in shopper.orders.items()}
            assert [lines[number] for number, _ in shopper.orders.values()] == [
                wanted for _, wanted in shopper.orders.values()
            ]

    def assert_stock_is_right(self, products: list[Product]) -> None:
        for product in products:
            product.refresh_from_db()
            assert product.stock + sold(product) == STOCK

    def assert_mailed_once(self) -> None:
        """Assert that every order has one mail, which is sent once, although processes were killed."""
        # Beat enqueues the mails that a killed process did not enqueue or send, minutes later. Do it now.
        OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING).update(due_at=timezone.now())
        publish_due_emails()
        wait_until(lambda: not OutgoingEmail.objects.exclude(status="sent").exists(), "The last mail")
        recorded = OutgoingEmail.objects.values_list("context__order_id", flat=True)
        assert sorted(recorded) == sorted(Order.objects.values_list("pk", flat=True))
        numbers = dict(Order.objects.values_list("number", "user__email"))
        received = Counter(
            (number, str(mail["To"]))
            for mail in self.mail_server.mails
            for number in numbers
            if number in mail["Subject"]
        )
        assert set(received) == set(numbers.items())
        # A worker that is killed between the SMTP server's response and its commit sends the mail again.
        assert sum(received.values()) - len(numbers) <= 1


class Crash(BaseException):
    """A simulated crash of the process."""


class CrashAtEveryStatementTest(ShopCase):
    def crash_before(self, number: int) -> bool:
        """Place an order that crashes before this SQL statement. Return False if it was completed before."""
        statements = 0

        def count(execute: Any, *arguments: Any) -> Any:
            nonlocal statements
            statements += 1
            if statements == number:
                raise Crash
            return execute(*arguments)

        try:
            with connection.execute_wrapper(count):
                self.order()
        except Crash:
            return True
        return False

    def written(self) -> tuple[Any, ...]:
        counts = [model.objects.count() for model in (Order, OrderLine, OutgoingEmail)]
        return self.stock(), self.in_cart(), *counts

    def test_crash_before_any_statement_leaves_no_partial_order(self) -> None:
        self.add(self.a, self.b)
        before = self.written()
        number = 1
        while self.crash_before(number):
            assert self.written() == before, f"partial order after a crash before statement {number}"
            number += 1
        assert number > 8
        assert self.written() == ({"A": 9, "B": 9, "C": 10}, {}, 1, 2, 1)

    def test_crash_without_the_transaction_leaves_a_partial_order(self) -> None:
        self.add(self.a, self.b)
        before = self.written()
        number = 1
        undecorated = creation._create_order_once.__wrapped__
        with (
            mock.patch.object(creation, "_create_order_once", undecorated),
            without_row_locks(Cart, Product),
        ):
            while self.written() == before:
                assert self.crash_before(number)
                number += 1
        # The stock is taken, but there is no order, and the cart is not emptied.
        assert self.written() == ({"A": 9, "B": 9, "C": 10}, {"A": 1, "B": 1}, 0, 0, 0)
