"""The schema that the shop's types are put together in."""

import inspect
from collections.abc import Callable
from decimal import Decimal

import strawberry
from django.conf import settings
from graphql import GraphQLError
from strawberry.extensions import (
    DisableIntrospection,
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from backend.core.graphql.errors import log_error
from backend.core.graphql.execution import Executor, shorten_plain_fields
from backend.core.graphql.limits import QueryLimits
from backend.core.graphql.scalars import DECIMAL


class _Schema(strawberry.Schema):
    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        for error in errors:
            log_error(error)


def make_schema(query: type, mutation: type | None = None) -> strawberry.Schema:
    """Return the schema with the shop's scalars, limits, caches and error handling."""
    extensions: list[type[SchemaExtension] | Callable[[], SchemaExtension]] = [
        lambda: MaxTokensLimiter(settings.GRAPHQL_MAX_TOKENS),
        QueryLimits,
        ParserCache,
        ValidationCache,
    ]
    if not settings.GRAPHQL_INTROSPECTION:
        extensions.append(DisableIntrospection)
    schema = _Schema(
        query,
        mutation,
        extensions=extensions,
        execution_context_class=Executor,
        config=StrawberryConfig(scalar_map={Decimal: DECIMAL}),
    )
    _describe_by_docstrings(schema)
    shorten_plain_fields(schema._schema)
    return schema


def _describe_by_docstrings(schema: strawberry.Schema) -> None:
    """Give every type of ours without a description the docstring of its class."""
    for graphql_type in schema._schema.type_map.values():
        definition = graphql_type.extensions.get("strawberry-definition")
        origin = getattr(definition, "origin", None)
        if graphql_type.description is None and origin and origin.__module__.startswith("backend."):
            docstring = inspect.getdoc(origin) or ""
            # A dataclass without a docstring of its own has its signature for one.
            if not docstring.startswith(f"{origin.__name__}("):
                graphql_type.description = docstring or None
