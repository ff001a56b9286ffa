"""Every limit of a GraphQL request, on both sides."""

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

    def test_depth(self) -> None:
        def nested(levels: int) -> str:
            return "{ categories " + "{ children " * (levels - 1) + "{ id " + "}" * (levels + 1)

        self.graphql.data(nested(15))
        self.assert_too_complex(nested(16))

    def test_aliases(self) -> None:
        def aliased(count: int) -> str:
            return "{" + " ".join(f"a{n}: categories {{ id }}" for n in range(count)) + "}"

        self.graphql.data(aliased(30))
        self.assert_too_complex(aliased(31))

    def test_tokens(self) -> None:
        def long(tokens: int) -> str:
            # 16 tokens before the values and 9 after them.
            head = '{ products(filter: { characteristics: [{ name: "x", values: ['
            tail = "] }] }) { totalCount } }"
            return head + '"v" ' * (tokens - 25) + tail

        self.assertEqual(self.graphql.error(long(2000))["extensions"]["code"], "TOO_LONG")
        self.assert_too_complex(long(2001))

    def test_a_syntax_error_that_speaks_of_tokens_is_malformed(self) -> None:
        error = self.graphql.error("{ categories { id } } tokens")
        self.assertEqual(error["extensions"]["code"], "MALFORMED")

    def test_a_selection_that_is_too_much_to_compare(self) -> None:
        self.assert_too_complex("{ categories { " + "id " * 1990 + "} }")

    def test_cost_multiplies_through_pages(self) -> None:
        query = "query($first: Int) { products(first: $first) { nodes { id category { id } } } }"
        body = self.graphql.post(query, {"first": 7}).json()
        # 7 pages' worth of nodes and of categories, and of the connection itself.
        self.assertEqual(body["extensions"]["cost"], {"requested": 21, "maximum": 20_000})

    def test_cost_at_the_limit(self) -> None:
        query = "{ products(first: 10) { nodes { category { id } } } }"
        with override_settings(GRAPHQL_MAX_COST=30):
            self.graphql.data(query)
        with override_settings(GRAPHQL_MAX_COST=29):
            self.assert_too_complex(query)

    def test_cost_counts_every_way_to_give_a_size(self) -> None:
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

    def test_fragments_that_multiply_are_cut_short(self) -> None:
        """Sixty levels of two spreads each are 2^60 paths; following them all would never end."""
        spreads = "".join(
            f"fragment f{n} on Category {{ a: parent {{ ...f{n + 1} }} b: parent {{ ...f{n + 1} }} }} "
            for n in range(60)
        )
        self.assert_too_complex("{ categories { ...f0 } } " + spreads + "fragment f60 on Category { id }")

    def test_fragments_that_repeat_are_read_once(self) -> None:
        spreads = "".join(f"fragment f{n} on Category {{ ...f{n + 1} ...f{n + 1} }} " for n in range(60))
        self.graphql.data("{ categories { ...f0 } } " + spreads + "fragment f60 on Category { id }")

    def test_no_batches(self) -> None:
        response = self.client.post(
            "/graphql",
            json.dumps([{"query": "{ categories { id } }"}] * 2),
            content_type="application/json",
        )
        self.assertEqual(response.status_code, 400)
        self.assertEqual(response.json()["errors"][0]["extensions"]["code"], "MALFORMED")

    def test_mutations_in_one_request(self) -> None:
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

    def test_can_be_switched_off(self) -> None:
        self.assertIsNone(make_schema(self.Query).execute_sync(self.QUERY).errors)
        with override_settings(GRAPHQL_INTROSPECTION=False):
            self.assertTrue(make_schema(self.Query).execute_sync(self.QUERY).errors)
