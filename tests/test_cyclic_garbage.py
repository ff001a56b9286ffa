"""Reads leave no objects behind that only the garbage collector frees.

The collector runs after many requests. Until then, such objects would take memory in every web process.
"""

import gc
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import TestCase, override_settings

from backend.recommendations.models import Recommendation
from tests.accounts.cases import clear_redis
from tests.catalog.factories import make_category, make_image, make_product

PRODUCT = "id name slug price image { url } characteristics { name value unit }"
LIST = f"query($id: ID!) {{ products(category: $id) {{ nodes {{ {PRODUCT} category {{ name }} }} }} }}"
FACETS = """query($id: ID!) { products(category: $id) { totalCount pageInfo { endCursor }
    facets { characteristics { name values { value count } } categories { category { name } count } } } }"""
CARD = f"""query($id: ID!) {{ product(id: $id) {{ {PRODUCT} category {{ ancestors {{ name }} }}
    images {{ alt }}
    similar {{ {PRODUCT} }} boughtTogether {{ {PRODUCT} }} }} }}"""
CATEGORY = (
    "query($id: ID!) { category(id: $id) { name parent { name } children { name } ancestors { name } } }"
)
TREE = "{ categories { name children { name productCount children { name } } } }"
# The first requests fill the caches of the process.
WARM_UP = 3
REQUESTS = 5
SEARCH = (
    f"query($text: String) {{ products(filter: {{ search: $text }}) {{ totalCount nodes {{ {PRODUCT} }} }} }}"
)
RECOMMENDATIONS = f"{{ recommendations(first: 5) {{ {PRODUCT} }} }}"
# As many as a card lists.
RECOMMENDED = 10


@contextmanager
def collect_garbage() -> Iterator[Counter[str]]:
    """Count the objects by type that the block leaves to the garbage collector."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(type(item).__name__ for item in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


class CyclicGarbageTest(TestCase):
    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)
        parent = make_category("Kitchen")
        self.category = make_category("Tea", parent)
        make_category("Green tea", self.category)
        products = [
            make_product(f"Sencha {n}", self.category, characteristics={"Weight": "100"})
            for n in range(RECOMMENDED + 1)
        ]
        self.product, *others = products
        self.product_with_short_lists = others[0]
        for product in products:
            make_image(product)
        Recommendation.objects.bulk_create(
            Recommendation(kind=kind, subject_id=self.product.pk, other=other, score=1)
            for kind in Recommendation.Kind
            for other in others
        )
        self.handler = WSGIHandler()
        # The connection of the test's transaction stays open.
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)
            self.addCleanup(signal.connect, close_old_connections)

    def send(self, path: str, body: Any = None) -> None:
        """Send a request as a web server does. Django's test client would keep parts of it."""
        content = b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": "GET" if body is None else "POST",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        statuses: list[str] = []
        response = self.handler(environ, lambda status, headers: statuses.append(status))
        content = b"".join(response)
        response.close()
        assert statuses == ["200 OK"], content
        assert b'"errors"' not in content, content

    def graphql(self, query: str, id: int) -> Callable[[], None]:
        return lambda: self.send("/graphql", {"query": query, "variables": {"id": str(id)}})

    def search(self, text: str) -> None:
        self.send("/graphql", {"query": SEARCH, "variables": {"text": text}})

    def reads(self) -> dict[str, Callable[[], None]]:
        """Return a request of each kind that reads the catalogue."""
        product, category = self.product.pk, self.category.pk
        return {
            "GraphQL list": self.graphql(LIST, category),
            "GraphQL list with facets": self.graphql(FACETS, category),
            "GraphQL card": self.graphql(CARD, product),
            "GraphQL card with short lists": self.graphql(CARD, self.product_with_short_lists.pk),
            "GraphQL recommendations": lambda: self.send("/graphql", {"query": RECOMMENDATIONS}),
            "GraphQL search": lambda: self.search("sencha 1"),
            "GraphQL search with a typo": lambda: self.search("senhca"),
            "GraphQL category": self.graphql(CATEGORY, category),
            "GraphQL tree": lambda: self.send("/graphql", {"query": TREE}),
            "REST list": lambda: self.send(f"/products?category={category}"),
            "REST list by POST": lambda: self.send("/products", {"category": category}),
            "REST search": lambda: self.send("/products?search=sencha&price_min=1"),
            "REST card": lambda: self.send(f"/product?id={product}"),
            "REST card with short lists": lambda: self.send(
                f"/product?id={self.product_with_short_lists.pk}"
            ),
            "REST tree": lambda: self.send("/categories"),
        }

    def count_garbage(self, read: Callable[[], None]) -> Counter[str]:
        for _ in range(WARM_UP):
            read()
        with collect_garbage() as found:
            for _ in range(REQUESTS):
                read()
        return found

    def test_reads_leave_no_cyclic_garbage(self) -> None:
        for seconds in (0, 600):
            for name, read in self.reads().items():
                with (
                    self.subTest(name, cache_seconds=seconds),
                    override_settings(CATALOG_CACHE_SECONDS=seconds),
                ):
                    assert self.count_garbage(read) == {}

    def test_requests_are_garbage_unless_their_cycles_are_removed(self) -> None:
        """Check that the test above can fail: Django's middleware makes cycles."""
        with mock.patch("backend.core.middleware._CYCLIC_ATTRIBUTES", ()):
            assert self.count_garbage(self.reads()["REST list"])["WSGIRequest"] == REQUESTS
