"""Test cases with the response cache switched on. It is off in all other tests."""

import json
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpResponse
from django.test import Client, SimpleTestCase, TestCase, TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext

from backend.core import redis
from backend.core.redis import PREFIX, get_redis_client
from backend.core.response_cache import responses
from tests.accounts.cases import clear_redis
from tests.catalog.factories import make_category, make_product

# Longer than a test takes.
SECONDS = 600

Read = Callable[..., HttpResponse]


def count_stored() -> int:
    """Return the number of entries and locks in Redis."""
    return sum(1 for _ in get_redis_client().scan_iter(f"{PREFIX}responses:*"))


def drop_entries() -> None:
    """Drop the entries of this process, as in a process that has just started."""
    responses._memory.clear()


class CachedReads(SimpleTestCase):
    """An empty cache, a category, a product and requests that read them."""

    def setUp(self) -> None:
        super().setUp()
        clear_redis()
        self.addCleanup(setattr, redis, "_skip_until", 0.0)
        self.addCleanup(clear_redis)
        self.category = make_category("Tea")
        self.product = make_product("Sencha", self.category)
        responses._version.increase()
        self.client = Client()

    def graphql(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> HttpResponse:
        return self.client.post(
            "/graphql",
            json.dumps({"query": query, "variables": variables}),
            content_type="application/json",
            headers=headers,
        )

    def rest(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        if body is None:
            return self.client.get(path, headers=headers)
        return self.client.post(path, json.dumps(body), content_type="application/json", headers=headers)

    def reads(self) -> dict[str, Read]:
        """Return a cacheable request for each route, as functions of further headers."""
        query = f'{{ __typename product(id: "{self.product.pk}") {{ name similar(first: 2) {{ name }} }} }}'
        return {
            "POST /graphql": lambda **headers: self.graphql(query, **headers),
            "GET /graphql": lambda **headers: self.client.get("/graphql", {"query": query}, headers=headers),
            "POST /products": lambda **headers: self.rest("/products", {"in_stock": True}, **headers),
            "GET /products": lambda **headers: self.rest("/products?in_stock=true", **headers),
            "GET /product": lambda **headers: self.rest(f"/product?id={self.product.pk}", **headers),
            "GET /categories": lambda **headers: self.rest("/categories", **headers),
        }

    def assert_hit(self, read: Callable[[], HttpResponse]) -> HttpResponse:
        with CaptureQueriesContext(connection) as queries:
            response = read()
        assert len(queries) == 0
        return response

    def assert_miss(self, read: Callable[[], HttpResponse]) -> HttpResponse:
        with CaptureQueriesContext(connection) as queries:
            response = read()
        assert len(queries) > 0
        return response


@override_settings(CATALOG_CACHE_SECONDS=SECONDS)
class CacheCase(CachedReads, TestCase):
    """A test that commits nothing, so that edits make no cached response obsolete."""


@override_settings(CATALOG_CACHE_SECONDS=SECONDS)
class CommittingCacheCase(CachedReads, TransactionTestCase):
    """A test that commits its edits."""
