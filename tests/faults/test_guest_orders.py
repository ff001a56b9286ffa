"""Guests order, and read and cancel their orders, without rate limits while Redis is frozen or stopped."""

import signal
from contextlib import ExitStack
from typing import Any

from django.test import LiveServerTestCase

from backend.embedded import valkey
from backend.orders.guests import ORDERS_PER_EMAIL
from tests.accounts.test_services_down import make_own_environment, run_own_valkey
from tests.carts.factories import make_products
from tests.faults.test_services_down import send_request, shop
from tests.support.worker import wait_until

DETAILS = {"email": "guest@example.com", "contact": {"name": "Vera", "phone": "+7 900 123-45-67"}}


class RedisDownTest(LiveServerTestCase):
    def setUp(self) -> None:
        (self.product,) = make_products(1)

    def order(self, url: str) -> tuple[int, Any]:
        status, cart = send_request(f"{url}/cart", {"product_id": self.product.pk})
        assert status == 200
        return send_request(f"{url}/order", DETAILS, **{"X-Cart-Token": cart["token"]})

    def assert_guests_can_order(self, url: str) -> None:
        status, order = self.order(url)
        assert status == 201
        document = (
            "query($number: String!, $token: String!) { order(number: $number, token: $token) { status } }"
        )
        variables = {"number": order["number"], "token": order["token"]}
        status, response = send_request(f"{url}/graphql", {"query": document, "variables": variables})
        assert (status, response["data"]) == (200, {"order": {"status": "PLACED"}})

    def test_guests_are_not_limited_without_redis_and_limited_again_with_it(self) -> None:
        with ExitStack() as running:
            directory, server = running.enter_context(run_own_valkey())
            url = running.enter_context(shop(**make_own_environment(directory)))
            self.assert_guests_can_order(url)

            server.send_signal(signal.SIGSTOP)
            self.assert_guests_can_order(url)
            server.send_signal(signal.SIGCONT)

            valkey.stop(server)
            for _ in range(ORDERS_PER_EMAIL[0].amount + 1):
                self.assert_guests_can_order(url)

            server = valkey.start(directory)
            self.addCleanup(valkey.stop, server)
            wait_until(lambda: self.order(url)[0] == 429, "The limit")
