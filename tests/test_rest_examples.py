"""The examples of ``examples/rest`` against web processes with the deployed configuration."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from django.test import TransactionTestCase

from backend.accounts.services.sessions import open_session
from backend.core.redis import get_redis_client
from backend.orders.models import Order
from examples.rest.shop_client import ShopClient, ShopError
from tests.catalog.factories import make_product
from tests.support.people import make_user
from tests.support.web import Web
from tests.support.worker import MAX_SECONDS

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "rest"
EXPIRED = timedelta(hours=1)


class RestExamplesTest(TransactionTestCase):
    def setUp(self) -> None:
        get_redis_client().flushdb()
        self.product = make_product("Headphones", sku="HPH-001", stock=5)
        web = Web(WEB_WORKERS="1")
        self.addCleanup(web.stop)
        web.start()
        self.url = f"http://127.0.0.1:{web.port}"
        self.shop = ShopClient(self.url)

    def run_example(self, *command: str) -> list[str]:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAX_SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def test_script_orders_and_cancels(self) -> None:
        lines = self.run_example("sh", str(EXAMPLES / "order.sh"), self.url, "HPH-001")

        order = Order.objects.get()
        assert lines == [f"Order {order.number}: 10.00, placed", f"Order {order.number}: cancelled"]
        assert order.status == Order.Status.CANCELLED

    def test_client_orders_and_cancels(self) -> None:
        lines = self.run_example(sys.executable, str(EXAMPLES / "shop_client.py"), self.url, "headphones")

        order = Order.objects.get()
        assert lines == [
            "Headphones: 10.00 RUB",
            f"Order {order.number}: 10.00 RUB, placed",
            f"Order {order.number}: cancelled",
        ]
        assert order.status == Order.Status.CANCELLED

    def test_client_follows_cursors(self) -> None:
        for _ in range(4):
            make_product()

        names = [product["name"] for product in self.shop.list_products(limit=2, sort="name")]

        assert len(names) == 5
        assert names == sorted(names)

    def test_client_refreshes_an_expired_access_token(self) -> None:
        user = make_user()
        with mock.patch("backend.accounts.tokens.datetime") as clock:
            clock.now.return_value = datetime.now(UTC) - EXPIRED
            session = open_session(user)
        self.shop.access_token, self.shop.refresh_token = session.access_token, session.refresh_token

        assert self.shop.send("GET", "/orders") == {"items": [], "next_cursor": None}

        assert self.shop.access_token != session.access_token
        assert self.shop.refresh_token != session.refresh_token

    def test_client_reports_a_refusal(self) -> None:
        with self.assertRaises(ShopError) as refused:
            self.shop.add_to_cart(self.product.pk, 1000)

        assert (refused.exception.status, refused.exception.code) == (422, "OUT_OF_RANGE")
        assert refused.exception.field == "quantity"
