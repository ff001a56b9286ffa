"""Limits of a GraphQL request, at the limit and beyond it."""

import json
from typing import Any

import strawberry
from django.test import TestCase, override_settings

from backend.core.graphql import make_schema
from tests.catalog.factories import make_category, make_product
from tests.clients import GraphQLClient


class Limits(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        make_product(category=make_category("Clothes"))

    def setUp(self) -> None:
        self.graphql = GraphQLClient()

    def assert_too_complex(self, query: str, variables: dict[str, Any] | None = None) -> None:
        with self.assertNumQueries(0):
            error = self.graphql.error(query, variables)
        self.assertEqual(error["extensions"]["code"], "TOO_COMPLEX")

    def test_query_beyond_the_depth_limit_is_refused(self) -> None:
        def nested(levels: int) -> str:
            return "{ categories " + "{ children " * (levels - 1) + "{ id " + "}" * (levels + 1)

        self.graphql.data(nested(15))
        self.assert_too_complex(nested(16))

    def test_query_beyond_the_alias_limit_is_refused(self) -> None:
        def aliased(count: int) -> str:
            return "{" + " ".join(f"a{n}: categories {{ id }}" for n in range(count)) + "}"

        self.graphql.data(aliased(30))
        self.assert_too_complex(aliased(31))

    def test_document_beyond_the_token_limit_is_refused(self) -> None:
        def long(tokens: int) -> str:
            # 16 tokens before the values and 9 after them.
            head = '{ products(filter: { characteristics: [{ name: "x", values: ['
            tail = "] }] }) { totalCount } }"
            return head + '"v" ' * (tokens - 25) + tail

        self.assertEqual(self.graphql.error(long(2000))["extensions"]["code"], "TOO_LONG")
        self.assert_too_complex(long(2001))

    def test_syntax_error_that_mentions_tokens_is_malformed(self) -> None:
        error = self.graphql.error("{ categories { id } } tokens")
        self.assertEqual(error["extensions"]["code"], "MALFORMED")

    def test_selection_that_repeats_a_field_too_often_is_refused(self) -> None:
        def repeated(count: int) -> str:
            return "{ categories { " + "id " * count + "} }"

        self.graphql.data(repeated(100))
        self.assert_too_complex(repeated(1000))

    def test_cost_multiplies_through_pages(self) -> None:
        query = "query($first: Int) { products(first: $first) { nodes { id category { id } } } }"
        body = self.graphql.post(query, {"first": 7}).json()
        # The connection, its nodes and their categories cost 7 each.
        self.assertEqual(body["extensions"]["cost"], {"requested": 21, "maximum": 20_000})

    def test_query_beyond_the_cost_limit_is_refused(self) -> None:
        query = "{ products(first: 10) { nodes { category { id } } } }"
        with override_settings(GRAPHQL_MAX_COST=30):
            self.graphql.data(query)
        with override_settings(GRAPHQL_MAX_COST=29):
            self.assert_too_complex(query)

    def test_cost_counts_page_sizes_however_they_are_passed(self) -> None:
        with override_settings(GRAPHQL_MAX_COST=50):
            for query in (
                "{ products(first: 100) { nodes { id } } }",
                "{ products(last: 100) { nodes { id } } }",
                "query($n: Int = 100) { products(first: $n) { nodes { id } } }",
                "{ ...page } fragment page on Query { products(first: 100) { nodes { id } } }",
                "{ ... on Query { products(first: 100) { nodes { id } } } }",
            ):
                with self.subTest(query):
                    self.assert_too_complex(query)
            with self.subTest("a variable"):
                self.assert_too_complex("query($n: Int) { products(first: $n) { nodes { id } } }", {"n": 100})

    def test_fragments_that_multiply_are_refused(self) -> None:
        """Sixty levels of two spreads each have 2^60 paths, too many to follow."""
        spreads = "".join(
            f"fragment f{n} on Category {{ a: parent {{ ...f{n + 1} }} b: parent {{ ...f{n + 1} }} }} "
            for n in range(60)
        )
        self.assert_too_complex("{ categories { ...f0 } } " + spreads + "fragment f60 on Category { id }")

    def test_repeated_fragments_are_visited_once(self) -> None:
        spreads = "".join(f"fragment f{n} on Category {{ ...f{n + 1} ...f{n + 1} }} " for n in range(60))
        self.graphql.data("{ categories { ...f0 } } " + spreads + "fragment f60 on Category { id }")

    def test_batch_of_queries_is_refused(self) -> None:
        response = self.client.post(
            "/graphql",
            json.dumps([{"query": "{ categories { id } }"}] * 2),
            content_type="application/json",
        )
        self.assertEqual(response.status_code, 400)
        self.assertEqual(response.json()["errors"][0]["extensions"]["code"], "MALFORMED")

    def test_request_beyond_the_mutation_limit_writes_nothing(self) -> None:
        done: list[int] = []

        @strawberry.type
        class Query:
            here: bool = True

        @strawberry.type
        class Mutation:
            @strawberry.mutation
            def write(self) -> bool:
                done.append(1)
                return True

        schema = make_schema(Query, Mutation)

        def run(count: int) -> Any:
            return schema.execute_sync("mutation {" + " ".join(f"m{n}: write" for n in range(count)) + "}")

        self.assertIsNone(run(5).errors)
        self.assertEqual(len(done), 5)
        self.assertEqual(run(6).errors[0].extensions["code"], "TOO_COMPLEX")
        self.assertEqual(len(done), 5)


class Introspection(TestCase):
    QUERY = "{ __schema { queryType { name } } }"

    @strawberry.type
    class Query:
        here: bool = True

    def test_introspection_can_be_disabled(self) -> None:
        self.assertIsNone(make_schema(self.Query).execute_sync(self.QUERY).errors)
        with override_settings(GRAPHQL_INTROSPECTION=False):
            self.assertTrue(make_schema(self.Query).execute_sync(self.QUERY).errors)
