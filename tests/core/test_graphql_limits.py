"""Limits of a GraphQL request, at the limit and beyond it."""

import json
from itertools import product
from typing import Any
from unittest import mock

import strawberry
from django.conf import settings
from django.test import TestCase, override_settings
from graphql import (
    get_introspection_query,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    is_object_type,
)

from backend.api.graphql import schema
from backend.core.graphql import Constraint, GraphQLView, make_schema
from backend.core.graphql.limits import MAX_ALIAS_LENGTH, Budget
from tests.catalog.factories import make_category, make_product
from tests.support.clients import GraphQLClient


class LimitsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        make_product(category=make_category("Clothes"))

    def setUp(self) -> None:
        self.graphql = GraphQLClient()

    def cost(self, query: str, variables: dict[str, Any] | None = None) -> int:
        body = self.graphql.post(query, variables).json()
        assert "errors" not in body
        return body["extensions"]["cost"]["requested"]

    def assert_too_complex(self, query: str, variables: dict[str, Any] | None = None) -> None:
        with self.assertNumQueries(0):
            error = self.graphql.error(query, variables)
        assert error["extensions"]["code"] == "TOO_COMPLEX"

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

    def test_alias_beyond_the_length_limit_is_refused(self) -> None:
        def aliased(length: int) -> str:
            return "{ categories { " + "a" * length + ": id } }"

        self.graphql.data(aliased(MAX_ALIAS_LENGTH))
        self.assert_too_complex(aliased(MAX_ALIAS_LENGTH + 1))

    def test_excluded_fields_cost_nothing(self) -> None:
        query = "query($all: Boolean!) { categories { id name @include(if: $all) slug @skip(if: true) } }"
        assert self.cost(query, {"all": False}) == 1 + 1
        assert self.cost(query, {"all": True}) == 1 + 2

    def test_document_beyond_the_token_limit_is_refused(self) -> None:
        def long(tokens: int) -> str:
            # 16 tokens before the values and 9 after them.
            head = '{ products(filter: { characteristics: [{ name: "x", values: ['
            tail = "] }] }) { totalCount } }"
            return head + '"v" ' * (tokens - 25) + tail

        assert self.graphql.error(long(2000))["extensions"]["code"] == "TOO_LONG"
        self.assert_too_complex(long(2001))

    def test_syntax_error_that_mentions_tokens_is_malformed(self) -> None:
        error = self.graphql.error("{ categories { id } } tokens")
        assert error["extensions"]["code"] == "MALFORMED"

    def test_selection_that_repeats_a_field_too_often_is_refused(self) -> None:
        def repeated(count: int) -> str:
            return "{ categories { " + "id " * count + "} }"

        self.graphql.data(repeated(100))
        self.assert_too_complex(repeated(1000))

    def test_cost_is_reported(self) -> None:
        query = "query($first: Int) { products(first: $first) { nodes { id category { id } } } }"
        body = self.graphql.post(query, {"first": 7}).json()
        # 1,700 for the list, 1 for its nodes, and 5 for each of them beside its three fields.
        assert body["extensions"]["cost"] == {"requested": 1757, "maximum": 50000}

    def test_query_beyond_the_cost_limit_is_refused(self) -> None:
        query = "{ products(first: 10) { nodes { category { id } } } }"
        with override_settings(GRAPHQL_MAX_COST=1771):
            self.graphql.data(query)
        with override_settings(GRAPHQL_MAX_COST=1770):
            self.assert_too_complex(query)

    def test_refusal_before_the_execution_reports_the_whole_cost(self) -> None:
        for query, cost in (
            # 1,700 for the list, 1 for its nodes, and 5 for each of them beside its field.
            ("{ " + "a: products(first: 100) { nodes { id } } " * 30 + "}", 30 * (1_701 + 600)),
            # Nested page sizes can make it larger than the integers of JavaScript.
            (
                "{ products(first: 100) { nodes { " + "similar(first: 50) { " * 12 + "id" + " }" * 15,
                2**53 - 1,
            ),
        ):
            with self.subTest(query[:60]):
                self.assert_too_complex(query)
                body = self.graphql.post(query).json()
                assert body["extensions"]["cost"] == {"requested": cost, "maximum": 50000}

    def test_refusal_during_the_execution_reports_the_cost_until_then(self) -> None:
        for number in range(30):
            make_category(f"Category {number}")
        with override_settings(GRAPHQL_MAX_COST=30):
            body = self.graphql.post("{ categories { id name } }").json()
        assert body["errors"][0]["extensions"]["code"] == "TOO_COMPLEX"
        assert body["extensions"]["cost"] == {"requested": 1 + 31 * 2, "maximum": 30}

    def test_refusal_of_another_limit_reports_no_cost(self) -> None:
        query = "{ categories " + "{ children " * 15 + "{ id " + "}" * 17
        assert "extensions" not in self.graphql.post(query).json()

    def test_field_cost_is_not_multiplied_by_the_page_size(self) -> None:
        one = self.cost("{ products(first: 1) { totalCount facets { priceMin } } }")
        hundred = self.cost("{ products(first: 100) { totalCount facets { priceMin } } }")
        assert one == hundred

    def test_lists_without_a_page_size_are_charged_by_their_items(self) -> None:
        query = "{ categories { id name } }"
        assert self.cost(query) == 1 + 2
        for number in range(9):
            make_category(f"Category {number}")
        assert self.cost(query) == 1 + 10 * 2
        with override_settings(GRAPHQL_MAX_COST=21):
            self.graphql.data(query)
        with override_settings(GRAPHQL_MAX_COST=20):
            error = self.graphql.error(query)
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_fields_in_fragments_on_interfaces_cost_too(self) -> None:
        @strawberry.interface
        class Animal:
            name: str

        @strawberry.type
        class Dog(Animal):
            tricks: list[str]

        @strawberry.type
        class Query:
            @strawberry.field
            def animal(self) -> Animal:
                return Dog(name="Rex", tricks=["sit"] * 7)

        context = Budget()
        schema = make_schema(Query, types=[Dog])
        done = schema.execute_sync("{ animal { name ... on Dog { tricks a: name } } }", context_value=context)
        assert done.errors is None
        assert done.extensions["cost"]["requested"] == 4 + 7

    def test_cost_counts_page_sizes_however_they_are_passed(self) -> None:
        with override_settings(GRAPHQL_MAX_COST=2_000):
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
        assert response.status_code == 400
        assert response.json()["errors"][0]["extensions"]["code"] == "MALFORMED"

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

        assert run(5).errors is None
        assert len(done) == 5
        assert run(6).errors[0].extensions["code"] == "TOO_COMPLEX"
        assert len(done) == 5


class ListLimitsTest(TestCase):
    """Lists beyond the maximum length are refused before their items are converted."""

    LINES = "mutation($lines: [CartLineInput!]!) { cartLinesAdd(lines: $lines) { errors { code field } } }"
    IDS = "mutation($ids: [ID!]!) { cartLinesRemove(productIds: $ids) { errors { code field } } }"
    FILTER = "query($filter: ProductFilter) { products(filter: $filter) { nodes { id } } }"

    def setUp(self) -> None:
        self.graphql = GraphQLClient()

    def assert_too_long(self, query: str, variables: dict[str, Any], field: list[str]) -> None:
        with mock.patch("graphql.execution.values.coerce_input_value") as coerce, self.assertNumQueries(0):
            error = self.graphql.error(query, variables)
        coerce.assert_not_called()
        assert error["extensions"] == {"code": "TOO_LONG", "field": field}

    def test_cart_lines_are_limited(self) -> None:
        line = {"productId": "0", "quantity": 1}
        body = self.graphql.post(self.LINES, {"lines": [line] * 200}).json()
        assert body["data"]["cartLinesAdd"]["errors"][0]["code"] == "NOT_FOUND"
        self.assert_too_long(self.LINES, {"lines": [line] * 201}, ["lines"])

    def test_ids_are_limited(self) -> None:
        body = self.graphql.post(self.IDS, {"ids": ["1"] * 200}).json()
        assert body["data"]["cartLinesRemove"]["errors"] == []
        self.assert_too_long(self.IDS, {"ids": ["1"] * 201}, ["productIds"])

    def test_lists_within_inputs_are_limited(self) -> None:
        def wanted(characteristics: int, values: int = 1) -> dict[str, Any]:
            return {
                "filter": {
                    "characteristics": [
                        {"name": f"Property {number}", "values": ["red"] * values}
                        for number in range(characteristics)
                    ]
                }
            }

        for accepted, refused in (((20, 1), (21, 1)), ((1, 50), (1, 51))):
            error = self.graphql.error(self.FILTER, wanted(*accepted))
            assert error["extensions"]["code"] == "NOT_FOUND"
            self.assert_too_long(self.FILTER, wanted(*refused), ["filter", "characteristics"])

    def test_variables_are_limited_in_any_position(self) -> None:
        ids, lines = ["1"] * 201, [{"productId": "0"}] * 201
        values = ["red"] * 51
        characteristics = [{"name": "Color", "values": values}]
        products = "{ products(filter: {characteristics: %s}) { nodes { id } } }"
        in_filter = ["filter", "characteristics"]
        for query, variables, field in (
            (f"query($x: [CharacteristicFilter!]) {products % '$x'}", {"x": characteristics}, in_filter),
            (
                "query($x: [String!]!) " + products % '[{name: "Color", values: $x}]',
                {"x": values},
                in_filter,
            ),
            ("query($x: [String!]!) " + products % '{name: "Color", values: $x}', {"x": values}, in_filter),
            (
                "mutation($x: [ID!]!) { ...f } "
                "fragment f on Mutation { cartLinesRemove(productIds: $x) { errors { code } } }",
                {"x": ids},
                ["productIds"],
            ),
            (
                "mutation($x: [CartLineInput!]!) "
                "{ cartLinesAdd(lines: $x) @skip(if: true) { errors { code } } __typename }",
                {"x": lines},
                ["lines"],
            ),
        ):
            with self.subTest(query):
                self.assert_too_long(query, variables, field)

    def test_literals_are_limited(self) -> None:
        def remove(count: int) -> str:
            ids = ", ".join(['"1"'] * count)
            return f"mutation {{ cartLinesRemove(productIds: [{ids}]) {{ errors {{ code }} }} }}"

        def remove_default(count: int) -> str:
            ids = ", ".join(['"1"'] * count)
            remove = "cartLinesRemove(productIds: $x) { errors { code } }"
            return f"mutation($x: [ID!]! = [{ids}]) {{ {remove} }}"

        for query in (remove, remove_default):
            self.graphql.data(query(200))
            error = self.graphql.error(query(201))
            assert error["extensions"] == {"code": "TOO_LONG", "field": ["productIds"]}

    def test_every_list_declares_its_maximum(self) -> None:
        core_schema = schema._schema
        accepted = [
            (f"{owner.name}.{name}", entry)
            for owner in core_schema.type_map.values()
            if is_input_object_type(owner)
            for name, entry in owner.fields.items()
        ] + [
            (f"{owner.name}.{name}({argument})", entry)
            for owner in core_schema.type_map.values()
            if is_object_type(owner)
            for name, definition in owner.fields.items()
            for argument, entry in definition.args.items()
        ]
        lists = [(name, entry) for name, entry in accepted if is_list_type(get_nullable_type(entry.type))]
        assert len(lists) >= 5
        for name, entry in lists:
            with self.subTest(name):
                directives = entry.extensions["strawberry-definition"].directives
                assert any(isinstance(directive, Constraint) for directive in directives)


class ResponseSizeTest(TestCase):
    QUERY = "{ products { nodes { description } } }"

    def test_response_to_a_query_is_limited_in_bytes(self) -> None:
        make_product(category=make_category("Clothes"), description="Long. " * 100)
        client = GraphQLClient()
        size = len(client.post(self.QUERY).content)
        with override_settings(GRAPHQL_MAX_RESPONSE_BYTES=size):
            client.data(self.QUERY)
        with override_settings(GRAPHQL_MAX_RESPONSE_BYTES=size - 1):
            body = client.post(self.QUERY).json()
        assert body["errors"][0]["extensions"]["code"] == "TOO_COMPLEX"
        assert body["extensions"]["cost"]["maximum"] == settings.GRAPHQL_MAX_COST

    def test_strings_are_counted_before_the_response_is_encoded(self) -> None:
        make_product(category=make_category("Clothes"), description="x" * 600)
        length = 600
        query = "{ products { nodes { a: description b: description } } }"
        client = GraphQLClient()
        encode = mock.patch.object(
            GraphQLView, "encode_json", autospec=True, side_effect=GraphQLView.encode_json
        )
        with override_settings(GRAPHQL_MAX_RESPONSE_BYTES=2 * length), encode as encoded:
            # The strings alone fit, but not the response with its keys.
            assert client.error(query)["extensions"]["code"] == "TOO_COMPLEX"
        assert encoded.call_args_list[0].args[1]["data"] is not None
        with override_settings(GRAPHQL_MAX_RESPONSE_BYTES=2 * length - 1), encode as encoded:
            assert client.error(query)["extensions"]["code"] == "TOO_COMPLEX"
        assert "data" not in encoded.call_args_list[0].args[1]

    def test_response_to_a_mutation_is_not_limited(self) -> None:
        product = make_product(category=make_category("Clothes"))
        query = f"""mutation {{ cartLinesAdd(lines: [{{productId: {product.pk}}}]) {{
            cart {{ lines {{ quantity product {{ name }} }} }} }} }}"""
        with override_settings(GRAPHQL_MAX_RESPONSE_BYTES=1):
            assert len(GraphQLClient().data(query)["cartLinesAdd"]["cart"]["lines"]) == 1


class IntrospectionTest(TestCase):
    QUERY = "{ __schema { queryType { name } } }"

    @strawberry.type
    class Query:
        here: bool = True

    def run_query(self, query: str) -> Any:
        return make_schema(self.Query).execute_sync(query, context_value=Budget())

    def test_whole_schema_can_be_read_once(self) -> None:
        whole = get_introspection_query(
            descriptions=True,
            specified_by_url=True,
            directive_is_repeatable=True,
            schema_description=True,
            input_value_deprecation=True,
        )
        body = GraphQLClient().post(whole).json()
        assert "errors" not in body
        twice = whole.replace("__schema {", "a: __schema { queryType { name } } __schema {", 1)
        error = GraphQLClient().error(twice)
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_every_variant_of_the_full_introspection_is_accepted(self) -> None:
        for flags in product([False, True], repeat=2):
            query = get_introspection_query(
                descriptions=flags[0],
                specified_by_url=flags[1],
                directive_is_repeatable=flags[1],
                schema_description=flags[0],
                input_value_deprecation=flags[1],
            )
            if flags[1]:
                query = query.replace(
                    "fragment FullType on __Type {", "fragment FullType on __Type { isOneOf "
                )
            with self.subTest(flags):
                body = GraphQLClient().post(query).json()
                assert "errors" not in body
                assert body["extensions"]["cost"]["requested"] < 0.9 * settings.GRAPHQL_MAX_COST

    def test_aliases_within_an_introspection_are_charged(self) -> None:
        def aliased(count: int) -> str:
            types = "types { name fields { name description type { name } args { name } } }"
            return "{ __schema { " + " ".join(f"a{n}: {types}" for n in range(count)) + " } }"

        GraphQLClient().data(aliased(1))
        assert GraphQLClient().error(aliased(30))["extensions"]["code"] == "TOO_COMPLEX"

    def test_types_can_be_read_by_name_up_to_the_limit(self) -> None:
        def types(count: int) -> str:
            return "{" + " ".join(f'a{n}: __type(name: "Query") {{ name }}' for n in range(count)) + "}"

        assert self.run_query(types(24)).errors is None
        assert self.run_query(types(25)).errors[0].extensions["code"] == "TOO_COMPLEX"

    def test_typename_costs_as_much_as_a_field(self) -> None:
        assert self.run_query("{ __typename here }").extensions["cost"]["requested"] == 2

    def test_root_fields_are_limited_without_aliases_and_in_fragments(self) -> None:
        maximum = settings.GRAPHQL_MAX_ROOT_FIELDS
        for accepted in (
            "{" + " __typename" * maximum + "}",
            "{ ...A __typename } fragment A on Query {" + " __typename" * (maximum - 1) + "}",
            # Fields below the root are not counted.
            "{ __schema { queryType {" + " __typename" * (maximum + 1) + "} } }",
        ):
            assert self.run_query(accepted).errors is None
        for refused in (
            "{" + " __typename" * (maximum + 1) + "}",
            "{ ...A __typename } fragment A on Query {" + " __typename" * maximum + "}",
        ):
            (error,) = self.run_query(refused).errors
            assert error.extensions["code"] == "TOO_COMPLEX"
            assert (
                error.message == f"The request has {maximum + 1} root fields; at most {maximum} are accepted."
            )

    def test_introspection_can_be_disabled(self) -> None:
        assert make_schema(self.Query).execute_sync(self.QUERY).errors is None
        with override_settings(GRAPHQL_INTROSPECTION=False):
            assert make_schema(self.Query).execute_sync(self.QUERY).errors

    def test_names_are_suggested_only_with_introspection(self) -> None:
        documents = [
            ("{ productss { totalCount } }", None),
            ("{ products(firstt: 1) { totalCount } }", None),
            ("{ products(sortBy: PRICE_AS) { totalCount } }", None),
            ("query($sort: ProductSor) { products(sortBy: $sort) { totalCount } }", None),
            ("query($sort: ProductSort) { products(sortBy: $sort) { totalCount } }", {"sort": "PRICE_AS"}),
            (
                "query($filter: ProductFilter) { products(filter: $filter) { totalCount } }",
                {"filter": {"searc": "mug"}},
            ),
        ]
        for document, variables in documents:
            for is_on in (True, False):
                with self.subTest(document, is_on=is_on), override_settings(GRAPHQL_INTROSPECTION=is_on):
                    error = GraphQLClient().error(document, variables)
                    assert ("Did you mean" in error["message"]) is is_on
