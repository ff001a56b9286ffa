"""Completion of values, and arguments of resolvers, for generated functions."""

import inspect
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.manager import BaseManager
from graphql import GraphQLField, GraphQLLeafType, Undefined, print_ast
from graphql.execution.values import get_argument_values
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

# Values that resolvers of several objects can share, because they cannot change them.
_IMMUTABLE = (str, int, float, bool, Decimal, datetime, date, time, UUID, Enum, type(None))


class Unsupported(Exception):
    """The operation needs something that generated functions cannot do."""


def make_leaf_completer(leaf: GraphQLLeafType) -> Callable[[Any], Any]:
    """Return a function that serializes a value, and raises an exception if the result is null."""
    coerce = leaf.coerce_output_value

    def complete(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        result = coerce(value)
        if result is None or result is Undefined:
            raise ValueError("a leaf is null")
        return result

    return complete


def check_list(value: Any) -> Any:
    """Return a list or tuple.

    Raises:
        Unsupported: the value is another iterable.
    """
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, Exception):
        raise value
    raise Unsupported


def check_object(value: Any) -> None:
    """Refuse values of resolvers that strawberry-django replaces.

    Raises:
        Unsupported: the value is a queryset, a manager or a function.
    """
    if callable(value) or isinstance(value, QuerySet | BaseManager):
        raise Unsupported


def make_type_checker(is_type_of: Callable[[Any, Any], Any]) -> tuple[set[type], Callable[[Any, Any], None]]:
    """Return a function that raises an exception if an object is not of a GraphQL type.

    Also return a set of classes whose instances need no check, which the function fills.
    """
    accepted: set[type] = set()

    def check(value: Any, info: Any) -> None:
        if isinstance(value, Exception):
            raise value
        verdict = is_type_of(value, info)
        if verdict is not True:
            raise Unsupported if inspect.isawaitable(verdict) else TypeError("an object of another type")
        # Strawberry stores the type of a cast object in its dictionary.
        if not hasattr(value, "__dict__"):
            accepted.add(type(value))

    return accepted, check


class Arguments:
    """The arguments of one field in a document.

    Args:
        definition: the field.
        details: the first node of the field, as graphql-core collects it.
        field: Strawberry's definition, to convert input objects; None for raw arguments.
    """

    def __init__(self, definition: GraphQLField, details: Any, field: StrawberryField | None) -> None:
        self._definition = definition
        self._details = details
        self._field = field
        # A dollar sign in a string only makes the arguments be read again.
        self._is_constant = not any("$" in print_ast(node) for node in details.node.arguments or ())
        self._constant: dict[str, Any] | None = None

    def read(self, executor: Any, info: Any = None) -> dict[str, Any]:
        """Return the keyword arguments of the resolver, the same ones for all objects if that is safe."""
        cache = executor.arguments
        arguments = self._constant if self._is_constant else cache.get(self)
        if arguments is not None:
            return arguments
        arguments = get_argument_values(
            self._definition, self._details.node, executor.variable_values, None, executor.hide_suggestions
        )
        if self._field is not None:
            converter = executor.schema._strawberry_schema.schema_converter
            arguments = convert_arguments(
                arguments,
                self._field.arguments,
                scalar_registry=converter.scalar_registry,
                config=converter.config,
                info=info,
            )
        if all(isinstance(value, _IMMUTABLE) for value in arguments.values()):
            if self._is_constant:
                self._constant = arguments
            else:
                cache[self] = arguments
        return arguments
