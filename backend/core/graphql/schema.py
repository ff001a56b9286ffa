"""The schema that the shop's types are put together in."""

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
    return _Schema(
        query,
        mutation,
        extensions=extensions,
        config=StrawberryConfig(scalar_map={Decimal: DECIMAL}),
    )
