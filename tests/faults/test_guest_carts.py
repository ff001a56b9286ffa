"""Guest carts are created without a rate limit while Redis is frozen or stopped."""

import signal
from contextlib import ExitStack

from django.test import LiveServerTestCase

from backend.carts.locks import GUEST_CARTS_PER_ADDRESS
from backend.embedded import valkey
from tests.accounts.test_services_down import make_own_environment, run_own_valkey
from tests.carts.factories import make_products
from tests.faults.test_services_down import send_request, shop
from tests.support.worker import wait_until


class RedisDownTest(LiveServerTestCase):
    def setUp(self) -> None:
        (product,) = make_products(1)
        self.rest_body = {"product_id": product.pk}
        self.graphql_body = {
            "query": f'mutation {{ cartLinesAdd(lines: [{{ productId: "{product.pk}" }}]) '
            "{ cart { token } errors { code } } }"
        }

    def assert_guests_can_add(self, url: str) -> None:
        status, cart = send_request(f"{url}/cart", self.rest_body)
        assert status == 200
        assert cart["token"]
        status, response = send_request(f"{url}/graphql", self.graphql_body)
        assert status == 200
        assert response["data"]["cartLinesAdd"]["cart"]["token"]

    def count_created(self, url: str, attempts: int) -> int:
        return [send_request(f"{url}/cart", self.rest_body)[0] for _ in range(attempts)].count(200)

    def test_guests_are_not_limited_without_redis_and_limited_again_with_it(self) -> None:
        beyond_limit = GUEST_CARTS_PER_ADDRESS[0].amount + 5
        with ExitStack() as running:
            directory, server = running.enter_context(run_own_valkey())
            url = running.enter_context(shop(**make_own_environment(directory)))
            self.assert_guests_can_add(url)

            server.send_signal(signal.SIGSTOP)
            self.assert_guests_can_add(url)
            server.send_signal(signal.SIGCONT)

            valkey.stop(server)
            self.assert_guests_can_add(url)
            assert self.count_created(url, beyond_limit) == beyond_limit

            server = valkey.start(directory)
            self.addCleanup(valkey.stop, server)
            wait_until(lambda: send_request(f"{url}/cart", self.rest_body)[0] == 429, "The limit")
