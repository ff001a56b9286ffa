"""Size limits, cache and operations of query documents."""

import json
import re
import tracemalloc
from threading import Thread
from typing import Any
from unittest import mock

from django.conf import settings
from django.http import HttpResponse
from django.test import SimpleTestCase, TestCase, override_settings
from graphql import DocumentNode, Source, get_introspection_query, parse
from graphql.language import parser

from backend.carts.models import Cart
from backend.core.graphql import documents
from backend.core.graphql.documents import DocumentCache, IndexedSource
from tests.catalog.factories import make_category, make_product
from tests.support.clients import GraphQLClient

# Every list of the schema with its facets and recommendations, as one page could select them.
LARGE_PAGE = """
query Page($category: ID, $after: String, $filter: ProductFilter) {
  me { id email }
  categories { ...Category children { ...Category children { ...Category } } }
  cart { totalQuantity total lines { quantity lineTotal product { ...Card similar(first: 4) { ...Card } } } }
  products(category: $category, after: $after, first: 24, filter: $filter) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { ...Card boughtTogether(first: 4) { ...Card } } }
  }
  recommendations(first: 10) { ...Card }
}
fragment Category on Category { id name slug }
fragment Card on Product { id name slug sku price category { ...Category } }
"""


def pad(query: str, size: int) -> str:
    """Lengthen a query to a number of bytes by a comment."""
    return f"{query}#".ljust(size, "x")


class DocumentSizeTest(TestCase):
    def setUp(self) -> None:
        self.graphql = GraphQLClient()

    def assert_too_large(self, response: HttpResponse) -> None:
        [error] = response.json()["errors"]
        assert (response.status_code, error["extensions"]["code"]) == (413, "TOO_LARGE")

    def test_largest_document_is_accepted(self) -> None:
        self.graphql.data(pad("{ __typename }", settings.GRAPHQL_MAX_DOCUMENT_BYTES))

    def test_larger_document_is_refused_before_parsing(self) -> None:
        with mock.patch.object(documents, "parse") as parse_document:
            self.assert_too_large(
                self.graphql.post(pad("{ __typename }", settings.GRAPHQL_MAX_DOCUMENT_BYTES + 1))
            )
        parse_document.assert_not_called()

    def test_limit_counts_bytes(self) -> None:
        query = "{ __typename }#" + "я" * 10
        with override_settings(GRAPHQL_MAX_DOCUMENT_BYTES=35):
            self.graphql.data(query)
        with override_settings(GRAPHQL_MAX_DOCUMENT_BYTES=34):
            self.assert_too_large(self.graphql.post(query))

    def test_limit_applies_to_get(self) -> None:
        client = self.graphql.client
        query = "{ __typename }"
        with override_settings(GRAPHQL_MAX_DOCUMENT_BYTES=14):
            assert client.get("/graphql", {"query": query}).status_code == 200
        with override_settings(GRAPHQL_MAX_DOCUMENT_BYTES=13):
            self.assert_too_large(client.get("/graphql", {"query": query}))

    def test_introspection_and_large_page_fit_many_times(self) -> None:
        for query in (get_introspection_query(), LARGE_PAGE):
            self.graphql.data(query)
            assert 10 * len(query) < settings.GRAPHQL_MAX_DOCUMENT_BYTES


class VariablesSizeTest(SimpleTestCase):
    QUERY = "query($filter: ProductFilter) { products(filter: $filter) { totalCount } }"

    def code(self, filters: Any) -> tuple[int, str]:
        response = GraphQLClient().post(self.QUERY, {"filter": filters})
        return response.status_code, response.json()["errors"][0]["extensions"]["code"]

    def test_variables_that_are_no_object_are_refused_by_name(self) -> None:
        query = "{ __typename }"
        for variables, fault in (("[]", "object"), ('"x"', "object"), ("7", "object"), ("{", "JSON")):
            with self.subTest(variables):
                response = self.client.get("/graphql", {"query": query, "variables": variables})
                assert response.status_code == 400
                (error,) = response.json()["errors"]
                assert error["extensions"]["code"] == "MALFORMED"
                assert re.search(f"variables.* must be .*{fault}", error["message"])
        body = {"query": query, "variables": []}
        response = self.client.post("/graphql", body, content_type="application/json")
        assert re.search("variables.* must be .*object", response.json()["errors"][0]["message"])
        for variables in ("{}", "null", ""):
            response = self.client.get("/graphql", {"query": query, "variables": variables})
            assert response.status_code == 200

    def test_variables_with_too_many_values_are_refused(self) -> None:
        # The variable itself is a value too.
        assert self.code({str(n): 1 for n in range(9999)}) == (200, "INVALID")
        assert self.code({str(n): 1 for n in range(10000)}) == (413, "TOO_LARGE")

    def test_values_are_counted_at_every_level(self) -> None:
        # 1 + 101 + 101 * 98 values.
        inputs = {str(n): {str(m): 1 for m in range(98)} for n in range(101)}
        assert self.code(inputs) == (200, "INVALID")
        assert self.code(inputs | {"101": {}}) == (413, "TOO_LARGE")

    def test_long_list_counts_up_to_the_list_limit(self) -> None:
        assert self.code(["x"] * 10000) == (200, "TOO_LONG")

    def test_refused_variables_are_not_coerced(self) -> None:
        with mock.patch.object(documents, "parse") as parse_document:
            self.code({str(n): 1 for n in range(10_000)})
        parse_document.assert_not_called()


class CacheTest(SimpleTestCase):
    def store(self, cache: DocumentCache, text: str) -> DocumentNode:
        document = parse(IndexedSource(text))
        cache.add(text, document)
        return document

    def test_least_recently_used_document_is_dropped(self) -> None:
        cache = DocumentCache(max_bytes=10**6)
        first = self.store(cache, "{ a }")
        cache.max_bytes = 2 * cache.size
        self.store(cache, "{ b }")
        assert cache.get("{ a }") is first
        self.store(cache, "{ c }")
        assert cache.get("{ a }") is first
        assert cache.get("{ b }") is None
        assert cache.get("{ c }") is not None

    def test_size_is_bounded_whatever_documents_are_stored(self) -> None:
        cache = DocumentCache(max_bytes=300_000)
        for number in range(300):
            self.store(cache, pad(f"{{ a{number} }}", 32_000))
            assert cache.size <= cache.max_bytes
        assert len(cache) == 4

    def test_document_larger_than_the_cache_is_not_kept(self) -> None:
        cache = DocumentCache(max_bytes=1000)
        self.store(cache, pad("{ a }", 1000))
        assert (len(cache), cache.size) == (0, 0)

    def test_estimate_is_not_below_the_memory_of_a_document(self) -> None:
        for text in (
            "{" + " ab" * 1990 + "}",
            "{" + " abcdefghijklmno" * 1990 + "}",
            "{ a(" + "a:1 " * 660 + ") }",
            "{ a(a: [" + "{a: 1}" * 380 + "]) }",
            "{ a }" + "#abcdef\n" * 1990,
            pad("{ a }", 32_000),
            pad("{ a } #😀", 32_000),
        ):
            with self.subTest(text[:20]):
                cache = DocumentCache(max_bytes=10**9)
                parse(text)
                tracemalloc.start()
                try:
                    # A copy, because the text counts too.
                    self.store(cache, f"{text} ")
                    memory, _ = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert memory <= cache.size
                assert cache.size < 10 * memory

    def test_size_is_right_after_concurrent_use(self) -> None:
        cache = DocumentCache(max_bytes=20_000)
        parsed = {text: parse(text) for text in (f"{{ a{number} }}" for number in range(50))}

        def use() -> None:
            for _ in range(50):
                for text, document in parsed.items():
                    if cache.get(text) is None:
                        cache.add(text, document)

        threads = [Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        size = sum(entry.size for entry in cache._entries.values())
        assert cache.size == size
        assert size <= cache.max_bytes


class ReuseTest(TestCase):
    def setUp(self) -> None:
        self.graphql = GraphQLClient()

    def count_work(self, query: str) -> tuple[int, int]:
        """Send a query twice and count how often it was parsed and validated."""
        with (
            mock.patch.object(documents, "parse", wraps=documents.parse) as parse_document,
            mock.patch.object(documents, "validate", wraps=documents.validate) as validate_document,
        ):
            first, second = (self.graphql.post(query).json() for _ in range(2))
        assert first == second
        return parse_document.call_count, validate_document.call_count

    def test_valid_document_is_parsed_and_validated_once(self) -> None:
        assert self.count_work("{ here: __typename }") == (1, 1)

    def test_invalid_document_is_not_stored(self) -> None:
        assert self.count_work("{ unknown }") == (2, 2)
        assert self.count_work("{ unknown") == (2, 0)


class LocationsTest(SimpleTestCase):
    def test_every_position_has_the_location_of_graphql_core(self) -> None:
        text = "\n{ a\r\n b\rc \n\n}\n"
        indexed, plain = IndexedSource(text), Source(text)
        # The position between the two characters of one line break belongs to no token.
        for position in set(range(len(text))) - {text.index("\r\n") + 1}:
            with self.subTest(position):
                assert indexed.get_location(position) == plain.get_location(position)

    def test_text_is_scanned_once_for_all_errors(self) -> None:
        source = IndexedSource("\n" * 1000)
        with mock.patch.object(documents, "_NEWLINE", wraps=documents._NEWLINE) as newline:
            for position in range(1000):
                source.get_location(position)
        newline.finditer.assert_called_once()


class OperationsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        product = make_product(category=make_category("Clothes"), stock=5)
        cls.document = (
            f'mutation Add {{ cartLinesAdd(lines: [{{productId: "{product.pk}", quantity: 1}}])'
            " { errors { code } } } query Name { __typename }"
        )

    def send(self, query: str, operation_name: Any = None, method: str = "POST") -> HttpResponse:
        parameters = {"query": query, "operationName": operation_name}
        if method == "GET":
            return self.client.get("/graphql", {key: value for key, value in parameters.items() if value})
        return self.client.post("/graphql", json.dumps(parameters), content_type="application/json")

    def assert_malformed(self, response: HttpResponse, status: int = 200) -> None:
        body = response.json()
        assert "data" not in body
        [error] = body["errors"]
        assert (response.status_code, error["extensions"]["code"]) == (status, "MALFORMED")
        assert "operation" in error["message"]
        assert Cart.objects.count() == 0

    def test_document_with_several_operations_runs_none_without_a_name(self) -> None:
        for name in (None, ""):
            self.assert_malformed(self.send(self.document, name))
        self.assert_malformed(self.send("query A { a: __typename } query B { b: __typename }", method="GET"))

    def test_named_operation_runs_alone(self) -> None:
        assert self.send(self.document, "Name").json()["data"] == {"__typename": "Query"}
        assert Cart.objects.count() == 0
        assert self.send(self.document, "Add").json()["data"] == {"cartLinesAdd": {"errors": []}}
        assert Cart.objects.count() == 1

    def test_named_operation_runs_by_get(self) -> None:
        query = "query A { a: __typename } query B { b: __typename }"
        assert self.send(query, "B", method="GET").json()["data"] == {"b": "Query"}

    def test_mutation_does_not_run_by_get(self) -> None:
        response = self.send(self.document, "Add", method="GET")
        assert (response.status_code, response["Allow"]) == (405, "POST")
        assert response.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
        assert Cart.objects.count() == 0

    def test_unknown_name_is_malformed(self) -> None:
        for method in ("POST", "GET"):
            self.assert_malformed(self.send(self.document, "name", method))
            self.assert_malformed(self.send("query Name { __typename }", "Other", method))
            self.assert_malformed(self.send("{ __typename }", "Other", method))

    def test_name_that_is_no_string_is_malformed(self) -> None:
        for name in (1, ["Name"], {}, False):
            self.assert_malformed(self.send(self.document, name), 400)

    def test_single_operation_needs_no_name(self) -> None:
        for name in (None, ""):
            assert self.send("query Name { __typename }", name).json()["data"] == {"__typename": "Query"}

    def test_document_without_an_operation_is_malformed(self) -> None:
        self.assert_malformed(self.send("fragment A on Query { __typename }"))

    def test_cached_document_needs_a_name_too(self) -> None:
        self.send(self.document, "Name")
        with mock.patch.object(parser, "Lexer", wraps=parser.Lexer) as lexer:
            self.assert_malformed(self.send(self.document))
        lexer.assert_not_called()
