"""Assembly of the executable schema from the types of the apps."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry
from django.conf import settings
from graphql import FieldNode, GraphQLError
from strawberry.extensions import DisableIntrospection, MaxTokensLimiter, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from backend.core.graphql.compiled import CompiledExecutor
from backend.core.graphql.documents import DocumentCache, DocumentLoader
from backend.core.graphql.errors import locate_errors, log_errors
from backend.core.graphql.limits import Budget, QueryLimits
from backend.core.graphql.replica_reads import ReplicaReads
from backend.core.graphql.scalars import DATE_TIME, DECIMAL
from backend.core.replica import REPLICA


class Executor(CompiledExecutor):
    """Charge lists and strings to the budget of the request, and suggest names if introspection is on."""

    @classmethod
    def build(cls, *arguments: Any, **options: Any) -> Any:
        # Errors of variables suggest names too.
        options["hide_suggestions"] = not settings.GRAPHQL_INTROSPECTION
        return super().build(*arguments, **options)

    def execute_operation(self, serially: bool | None = None) -> Any:
        try:
            return super().execute_operation(serially)
        finally:
            # They refer to the executor, which refers to all rows of the request. Resolvers are synchronous
            # and do not need them. Without the cycle, the rows are freed without the garbage collector.
            del self.async_helpers

    def complete_list(self, nodes: Sequence[FieldNode], items: Sequence[Any]) -> Sequence[Any]:
        budget = self.context_value
        # A short query can go up and down a tree and multiply its response at every step. Lists beyond the
        # budget are empty, so that execution ends soon, and `GraphQLView` refuses the request.
        if isinstance(budget, Budget) and not budget.charge_items(nodes, len(items)):
            return ()
        return items

    def count_text(self, length: int) -> None:
        if isinstance(self.context_value, Budget):
            self.context_value.charge_text(length)

    def save_state(self) -> Any:
        budget = self.context_value
        return (budget.spent, budget.text_length) if isinstance(budget, Budget) else None

    def restore_state(self, state: Any) -> None:
        if state is not None:
            self.context_value.spent, self.context_value.text_length = state


class StandardExecutor(Executor):
    """Leave every operation to graphql-core."""

    is_enabled = False


class Schema(strawberry.Schema):
    """A schema with the cache of its documents."""

    documents: DocumentCache

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        log_errors(errors)
        if execution_context and execution_context.graphql_document:
            locate_errors(errors, execution_context.graphql_document)


def make_schema(query: type, mutation: type | None = None, *, types: Iterable[type] = ()) -> Schema:
    """Build the schema with the scalars, limits, document cache and error handling of the project."""
    extensions: list[type[SchemaExtension] | Callable[[], SchemaExtension]] = [
        lambda: MaxTokensLimiter(settings.GRAPHQL_MAX_TOKENS),
        QueryLimits,
        *([ReplicaReads] if REPLICA in settings.DATABASES else []),
        lambda: DocumentLoader(schema.documents),
    ]
    if not settings.GRAPHQL_INTROSPECTION:
        extensions.append(DisableIntrospection)
    schema = Schema(
        query,
        mutation,
        types=types,
        extensions=extensions,
        execution_context_class=Executor if settings.GRAPHQL_COMPILED_EXECUTOR else StandardExecutor,
        config=StrawberryConfig(scalar_map={datetime: DATE_TIME, Decimal: DECIMAL}),
    )
    schema.documents = DocumentCache(settings.GRAPHQL_DOCUMENT_CACHE_BYTES)
    _describe_by_docstrings(schema)
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
