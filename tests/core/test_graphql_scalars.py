"""Values that the Decimal scalar accepts, as literals and as variables."""

from decimal import Decimal
from typing import Any
from unittest import TestCase

import strawberry

from backend.core.graphql import make_schema

LONG = "1" * 5000


@strawberry.type
class Query:
    @strawberry.field
    def echo(self, value: Decimal) -> Decimal:
        return value


class DecimalScalarTest(TestCase):
    def setUp(self) -> None:
        self.schema = make_schema(Query)

    def echo_literal(self, literal: str) -> Any:
        result = self.schema.execute_sync(f"{{ echo(value: {literal}) }}")
        return result.data and result.data["echo"]

    def echo_variable(self, value: Any) -> Any:
        result = self.schema.execute_sync(
            "query($value: Decimal!) { echo(value: $value) }", variable_values={"value": value}
        )
        return result.data and result.data["echo"]

    def test_literal_keeps_its_digits(self) -> None:
        for literal in ("28.99", "5", "-0.10", "12345678901234567.123456789", LONG):
            with self.subTest(literal[:30]):
                assert self.echo_literal(literal) == literal
                assert self.echo_literal(f'"{literal}"') == literal

    def test_variable_can_be_a_string_or_a_number(self) -> None:
        for value, echoed in (("28.99", "28.99"), (28.99, "28.99"), (5, "5")):
            assert self.echo_variable(value) == echoed

    def test_value_that_is_no_finite_number_is_refused(self) -> None:
        for literal in ('"ten"', '"NaN"', '"Infinity"', "true", "[1]", "{a: 1}", "ten", '""'):
            with self.subTest(literal):
                assert self.echo_literal(literal) is None
        for value in ("ten", "NaN", "-Infinity", True, [1], {"a": 1}, ""):
            with self.subTest(value):
                assert self.echo_variable(value) is None

    def test_error_has_the_location_of_the_literal(self) -> None:
        result = self.schema.execute_sync('{ echo(value: "ten") }')
        [error] = result.errors or []
        assert error.message == "Decimal must be a finite number such as \"28.99\", not 'ten'."
        assert [location.formatted for location in error.locations or ()] == [{"line": 1, "column": 15}]
