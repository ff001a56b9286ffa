"""Scalars that the schema reads more strictly than Strawberry does."""

from decimal import Decimal, InvalidOperation
from typing import Any

import strawberry
from graphql import GraphQLError, ValueNode, value_from_ast_untyped


def _parse(value: Any) -> Decimal:
    """Return the finite number that a text or a number stands for."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            pass
        else:
            if number.is_finite():
                return number
    raise GraphQLError(f"This is not a decimal number: {str(value)[:50]!r}.")


def _parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Decimal:
    """Say where in the query a wrong number stands, which the value alone cannot."""
    try:
        return _parse(value_from_ast_untyped(node, variables))
    except GraphQLError as error:
        raise GraphQLError(error.message, node) from None


DECIMAL = strawberry.scalar(
    name="Decimal",
    description='An exact decimal number, as a text: "28.99".',
    serialize=str,
    parse_value=_parse,
    parse_literal=_parse_literal,
)
