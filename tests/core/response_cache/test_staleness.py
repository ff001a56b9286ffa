"""Maximum age of cached responses, in one process and in several."""

import time

from django.http import HttpResponse
from django.test import LiveServerTestCase, override_settings

from backend.catalog.models import Category
from backend.catalog.services import update_category
from backend.core.response_cache import respond
from tests.accounts.cases import clear_redis
from tests.catalog.factories import make_category, make_product
from tests.core.response_cache.cases import SECONDS, CommittingCacheCase, drop_entries
from tests.support.people import make_user
from tests.support.shopping import RestShopper
from tests.support.web import Web

# Seconds within which an edit must be visible in all processes.
VISIBLE_WITHIN = 1.0


class StockTest(CommittingCacheCase):
    def read_stock(self) -> set[int]:
        """Return the available quantity by each API."""
        query = f'{{ product(id: "{self.product.pk}") {{ availableQuantity }} }}'
        return {
            self.graphql(query).json()["data"]["product"]["availableQuantity"],
            self.rest(f"/product?id={self.product.pk}").json()["available_quantity"],
            self.rest("/products").json()["items"][0]["available_quantity"],
        }

    def order(self) -> None:
        shopper = RestShopper(make_user())
        shopper.add(self.product.pk, 2)
        assert shopper.order().status == 201

    def test_order_is_visible_after_the_cache_time(self) -> None:
        with self.settings(CATALOG_CACHE_SECONDS=2):
            assert self.read_stock() == {5}
            cached_until = time.monotonic() + 2
            self.order()
            assert self.read_stock() == {5}
            time.sleep(max(0, cached_until - time.monotonic()))
            assert self.read_stock() == {3}

    def test_time_is_not_prolonged_by_a_second_process(self) -> None:
        with self.settings(CATALOG_CACHE_SECONDS=3):
            assert self.read_stock() == {5}
            cached_until = time.monotonic() + 3
            self.order()
            time.sleep(1.5)
            drop_entries()
            assert self.read_stock() == {5}
            time.sleep(max(0, cached_until - time.monotonic()))
            assert self.read_stock() == {3}

    def test_time_counts_from_the_start_of_the_computation(self) -> None:
        def compute() -> HttpResponse:
            time.sleep(0.6)
            return HttpResponse(str(time.monotonic()))

        request = self.rest("/categories").wsgi_request
        request.META["QUERY_STRING"] = "slow"
        with self.settings(CATALOG_CACHE_SECONDS=1):
            started = time.monotonic()
            first = respond(request, compute).content
            assert respond(request, compute).content == first
            time.sleep(max(0, started + 1.01 - time.monotonic()))
            assert respond(request, compute).content != first


@override_settings(CATALOG_CACHE_SECONDS=SECONDS)
class SeveralProcessesTest(LiveServerTestCase):
    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)
        self.category = make_category("Tea")
        self.product = make_product("Sencha", self.category)
        self.webs = [Web(CATALOG_CACHE_SECONDS=str(SECONDS), WEB_WORKERS="2") for _ in range(2)]
        for web in self.webs:
            web.start()
            self.addCleanup(web.stop)

    def read_names(self) -> set[str]:
        """Read the category's name by both APIs, several times from each of the four processes."""
        names = set()
        query = f'{{ category(id: "{self.category.pk}") {{ name }} }}'
        for web in self.webs:
            for _ in range(8):
                _, answer = web.send_request("POST", "/graphql", {"query": query})
                names.add(answer["data"]["category"]["name"])
                _, tree = web.send_request("GET", "/categories")
                names.add(tree[0]["name"])
        return names

    def test_edit_is_visible_in_every_process_within_a_second(self) -> None:
        assert self.read_names() == {"Tea"}
        # Not counted as an edit: every process answers from the cache, however long it takes.
        Category.objects.update(name="Herbal tea")
        time.sleep(VISIBLE_WITHIN)
        assert self.read_names() == {"Tea"}
        for name in ("Green tea", "Black tea", "White tea"):
            update_category(category_id=self.category.pk, name=name)
            time.sleep(VISIBLE_WITHIN)
            assert self.read_names() == {name}
