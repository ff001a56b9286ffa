"""The Strawberry extension that refuses operations beyond a limit."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from graphql import OperationDefinitionNode, get_operation_ast, value_from_ast_untyped
from strawberry.extensions import SchemaExtension

from backend.core.graphql.limits.budget import Budget
from backend.core.graphql.limits.errors import describe_exceeded_cost, make_too_complex_error
from backend.core.graphql.limits.measurement import measure_operation

# The largest integer that JavaScript reads exactly. Nested lists can multiply page sizes beyond it.
_MAX_REPORTED_COST = 2**53 - 1


class QueryLimits(SchemaExtension):
    """Refuse an operation that exceeds a limit, before it is executed.

    Every field costs 1, or what its `@cost` directive declares. A list with a page size costs the fields of
    one item times that size. Lists without a page size are charged by `Executor` while they are resolved,
    because their length is known only then. `extensions.cost` reports the sum. One unit is about 20
    microseconds of CPU, PostgreSQL's included.

    All limits are checked in one walk, which stops at the first limit except the cost, because the cost of a
    refused operation is reported too. Strawberry's own limiters follow every path through nested fragments,
    and a short document can have 2^100 of them.
    """

    cost: int | None = None

    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        document = execution.graphql_document
        operation = get_operation_ast(document, execution.operation_name) if document else None
        if document and operation and execution.schema._schema.get_root_type(operation.operation):
            variables = _read_default_values(operation) | (execution.variables or {})
            measured = measure_operation(execution.schema._schema, document, operation, variables)
            self.cost = measured.cost
            if isinstance(execution.context, Budget):
                execution.context.start(measured)
            if measured.cost > settings.GRAPHQL_MAX_COST:
                raise make_too_complex_error(describe_exceeded_cost())
        yield

    def get_results(self) -> dict[str, Any]:
        if self.cost is None:
            return {}
        budget = self.execution_context.context
        cost = budget.spent if isinstance(budget, Budget) else self.cost
        requested = min(cost, _MAX_REPORTED_COST)
        return {"cost": {"requested": requested, "maximum": settings.GRAPHQL_MAX_COST}}


def _read_default_values(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
