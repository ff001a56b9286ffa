"""Number, length, codes and paths of the errors in a response."""

from typing import Any
from unittest import mock

import strawberry
from django.conf import settings
from django.test import SimpleTestCase, TestCase, override_settings
from graphql.language import parser

from backend.core.errors import ShopError
from backend.core.graphql import errors as errors_module
from backend.core.graphql import make_schema
from backend.core.graphql.errors import render_errors
from tests.support.clients import GraphQLClient

LIST_QUERY = "query($filter: ProductFilter) { products(filter: $filter) { totalCount } }"


@strawberry.type
class Item:
    @strawberry.field
    def name(self) -> str | None:
        raise ShopError("Refused.")


@strawberry.type
class Query:
    @strawberry.field
    def items(self, count: int) -> list[Item]:
        return [Item() for _ in range(count)]


class ErrorCountTest(TestCase):
    """Each phase of a request with as many errors as are listed, and with one more."""

    def assert_listed(self, errors: list[Any], count: int, code: str = "INVALID") -> None:
        listed = errors[: settings.GRAPHQL_MAX_ERRORS]
        assert len(listed) == min(count, settings.GRAPHQL_MAX_ERRORS)
        assert all("There are more errors" not in error["message"] for error in listed)
        if count <= settings.GRAPHQL_MAX_ERRORS:
            assert len(errors) == count
        else:
            assert errors[len(listed) :] == [
                {
                    "message": "There are more errors; only the first 10 are listed.",
                    "extensions": {"code": code, "field": None},
                }
            ]

    def test_validation_errors_are_limited(self) -> None:
        for count in (10, 11, 100):
            query = "{" + " ".join(f"unknown{number}" for number in range(count)) + "}"
            self.assert_listed(GraphQLClient().post(query).json()["errors"], count)

    def test_variable_errors_are_limited(self) -> None:
        for count in (10, 11, 100):
            body = (
                GraphQLClient()
                .post(LIST_QUERY, {"filter": {f"unknown{number}": 1 for number in range(count)}})
                .json()
            )
            self.assert_listed(body["errors"], count)

    def test_execution_errors_are_limited(self) -> None:
        schema = make_schema(Query)
        for count in (10, 11, 100):
            result = schema.execute_sync(f"{{ items(count: {count}) {{ name }} }}")
            assert result.data == {"items": [{"name": None}] * count}
            self.assert_listed(render_errors(result.errors or []), count)

    def test_notice_has_the_code_of_the_listed_errors(self) -> None:
        result = make_schema(Query).execute_sync("{ items(count: 2) { name } }")
        with override_settings(GRAPHQL_MAX_ERRORS=1), mock.patch.object(ShopError, "code", "NOT_FOUND"):
            codes = [error["extensions"]["code"] for error in render_errors(result.errors or [])]  # type: ignore[index]
        assert codes == ["NOT_FOUND", "NOT_FOUND"]


class ErrorWorkTest(TestCase):
    def test_document_is_read_once_whatever_the_number_of_errors(self) -> None:
        for count in (1, 10, 100):
            query = "{" + " ".join(f"unknown{number}" for number in range(count)) + "}"
            with mock.patch.object(parser, "Lexer", wraps=parser.Lexer) as lexer:
                GraphQLClient().post(query)
            lexer.assert_called_once()

    def test_document_is_searched_once_for_all_paths(self) -> None:
        query = "{ products(" + " ".join(f"unknown{number}: 1" for number in range(10)) + ") { totalCount } }"
        with mock.patch.object(
            errors_module, "_find_argument_paths", wraps=errors_module._find_argument_paths
        ) as find_paths:
            errors = GraphQLClient().post(query).json()["errors"]
        find_paths.assert_called_once()
        assert [error["extensions"]["field"] for error in errors] == [
            [f"unknown{number}"] for number in range(10)
        ]


class ErrorLengthTest(TestCase):
    def test_long_message_is_shortened(self) -> None:
        text = "Cannot query field '' on type 'Query'."
        name = "x" * (errors_module.MAX_MESSAGE_LENGTH - len(text))
        assert (
            GraphQLClient().error(f"{{ {name} }}")["message"]
            == f"Cannot query field '{name}' on type 'Query'."
        )
        assert (
            GraphQLClient().error(f"{{ {name}x }}")["message"]
            == f"Cannot query field '{name}x' on type 'Query'"[:499] + "…"
        )

    def test_long_field_name_is_shortened(self) -> None:
        for name, shown in (("x" * 100, "x" * 100), ("x" * 101, "x" * 99 + "…")):
            assert GraphQLClient().error(f"{{ {name} }}")["extensions"]["field"] == [shown]
            error = GraphQLClient().error(LIST_QUERY, {"filter": {name: 1}})
            assert error["extensions"]["field"] == ["filter", shown]

    def test_response_does_not_repeat_a_long_variable(self) -> None:
        for value in ("x" * 900_000, {"x" * 900_000: 1}, {"price": {"min": "x" * 900_000}}):
            response = GraphQLClient().post(LIST_QUERY, {"filter": value})
            assert response.json()["errors"][0]["extensions"]["code"] == "INVALID"
            assert len(response.content) < 2000


class ErrorFieldTest(TestCase):
    def field(self, query: str, variables: dict[str, Any] | None = None) -> list[str] | None:
        return GraphQLClient().error(query, variables)["extensions"]["field"]

    def test_error_names_the_argument(self) -> None:
        assert self.field("{ products(first: true) { totalCount } }") == ["first"]

    def test_error_names_the_input_field_in_a_list(self) -> None:
        query = """{
            products(filter: {characteristics: [{name: "a", values: ["b"]}, {name: 1, values: []}]}) {
                totalCount
            }
        }"""
        assert self.field(query) == ["filter", "characteristics", "name"]

    def test_error_names_the_argument_of_a_decimal_literal(self) -> None:
        query = '{ products(filter: {price: {min: "ten"}}) { totalCount } }'
        assert self.field(query) == ["filter", "price", "min"]

    def test_error_names_the_variable(self) -> None:
        characteristics = [{"name": "a", "values": ["b", 1]}]
        assert self.field(LIST_QUERY, {"filter": {"characteristics": characteristics}}) == [
            "filter",
            "characteristics",
            "0",
            "values",
            "1",
        ]

    def test_error_names_the_selected_field(self) -> None:
        assert self.field("{ categories { unknown } }") == ["unknown"]

    def test_error_names_the_most_deeply_nested_argument(self) -> None:
        # graphql-core parses 200 levels; a recursive search would exceed Python's limit in a deep stack.
        query = "{ products(unknown: " + "{a: " * 190 + "$b" + "}" * 190 + ") { totalCount } }"
        errors = GraphQLClient().post(query).json()["errors"]
        assert sorted(error["extensions"]["field"] for error in errors) == [
            ["unknown"],
            ["unknown", *(["a"] * 190)],
        ]


class ErrorCodesTest(SimpleTestCase):
    def code(self, query: str) -> str:
        return GraphQLClient().error(query)["extensions"]["code"]

    def test_integer_beyond_32_bits_is_out_of_range(self) -> None:
        for digits in (10, 4300, 4301, 30_000):
            with self.subTest(digits):
                assert self.code(f"{{ categories(depth: {'9' * digits}) {{ id }} }}") == "OUT_OF_RANGE"

    def test_text_that_quotes_such_a_message_is_invalid(self) -> None:
        message = "Int cannot represent non 32-bit signed integer value"
        assert self.code(f'{{ categories(depth: "{message}") {{ id }} }}') == "INVALID"

    def test_document_nested_too_deeply_is_too_complex(self) -> None:
        assert self.code("{ categories " * 201 + "}" * 201) == "TOO_COMPLEX"
        assert self.code("{ products(first: " + "[" * 201 + "]" * 201 + ") }") == "TOO_COMPLEX"
        assert self.code("{ products(first: " + "[" * 150 + "]" * 150 + ") { totalCount } }") == "INVALID"

    def test_syntax_error_that_quotes_a_limit_is_malformed(self) -> None:
        assert self.code('{ categories { id } } "Document contains more than"') == "MALFORMED"
