"""Assembly of the executable schema from the types of the apps."""

import inspect
from collections.abc import Callable, Iterable
from decimal import Decimal

import strawberry
from django.conf import settings
from graphql import GraphQLError
from strawberry.extensions import DisableIntrospection, MaxTokensLimiter, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from backend.core.graphql.documents import DocumentCache, DocumentLoader
from backend.core.graphql.errors import locate_errors, log_error
from backend.core.graphql.execution import Executor, mark_plain_fields
from backend.core.graphql.limits import QueryLimits
from backend.core.graphql.scalars import DECIMAL


class _Schema(strawberry.Schema):
    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        for error in errors:
            log_error(error)
        if execution_context and execution_context.graphql_document:
            locate_errors(errors, execution_context.graphql_document)


def make_schema(
    query: type, mutation: type | None = None, *, types: Iterable[type] = ()
) -> strawberry.Schema:
    """Build the schema with the scalars, limits, document cache and error handling of the project."""
    cache = DocumentCache(settings.GRAPHQL_DOCUMENT_CACHE_BYTES)
    extensions: list[type[SchemaExtension] | Callable[[], SchemaExtension]] = [
        lambda: MaxTokensLimiter(settings.GRAPHQL_MAX_TOKENS),
        QueryLimits,
        lambda: DocumentLoader(cache),
    ]
    if not settings.GRAPHQL_INTROSPECTION:
        extensions.append(DisableIntrospection)
    schema = _Schema(
        query,
        mutation,
        types=types,
        extensions=extensions,
        execution_context_class=Executor,
        config=StrawberryConfig(scalar_map={Decimal: DECIMAL}),
    )
    _describe_by_docstrings(schema)
    mark_plain_fields(schema._schema)
    return schema


def _describe_by_docstrings(schema: strawberry.Schema) -> None:
    """Set the docstrings of classes as descriptions of types that have none."""
    for graphql_type in schema._schema.type_map.values():
        definition = graphql_type.extensions.get("strawberry-definition")
        origin = getattr(definition, "origin", None)
        if graphql_type.description is None and origin and origin.__module__.startswith("backend."):
            docstring = inspect.getdoc(origin) or ""
            # The docstring that Python generates for a dataclass is its signature.
            if not docstring.startswith(f"{origin.__name__}("):
                graphql_type.description = docstring or None
