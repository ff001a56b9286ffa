"""Scalars that are parsed more strictly than Strawberry's own."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry
from graphql import FloatValueNode, GraphQLError, IntValueNode, ValueNode, value_from_ast_untyped
from strawberry_django.fields.types import field_type_map

from backend.core.decimals import parse_decimal
from backend.core.text import CleanCharField, CleanTextField

# strawberry-django looks the type of a model field up by its exact class.
field_type_map.update({CleanCharField: str, CleanTextField: str})


def _parse_value(value: Any) -> Decimal:
    """Parse a finite decimal number from a string or a number."""
    try:
        return parse_decimal(value)
    except ValueError as error:
        raise GraphQLError(f"Decimal {error}.") from None


def _parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Decimal:
    """Parse a decimal number from a literal; an error has the location of the literal."""
    if isinstance(node, IntValueNode | FloatValueNode):
        # The digits as written: Python's float rounds them and its int accepts 4300 at most.
        value = node.value
    else:
        value = value_from_ast_untyped(node, variables)
    try:
        return _parse_value(value)
    except GraphQLError as error:
        raise GraphQLError(error.message, node) from None


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description='Date and time with offset by ISO 8601, such as "2026-11-26T08:40:24.118+00:00".',
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=datetime.isoformat,
    parse_value=datetime.fromisoformat,
)
DECIMAL = strawberry.scalar(
    name="Decimal",
    description='Exact decimal number, serialized as a string such as "28.99".',
    serialize=str,
    parse_value=_parse_value,
    parse_literal=_parse_literal,
)
