"""How much one request may ask for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_operation_ast,
    value_from_ast_untyped,
)
from strawberry.extensions import SchemaExtension

from backend.core.errors import ErrorCode
from backend.core.pagination import MAX_PAGE_SIZE


class QueryLimits(SchemaExtension):
    """Refuses an operation that asks for too much, before anything is resolved.

    An object costs 1, a page of them `first` (or `last`) times what one item costs, a plain value
    nothing. The cost is told in `extensions.cost`. Lists without a page size are counted while they
    are resolved: see `Context.afford`. Depth, aliases and mutations are counted in the
    same walk, which stops at the first limit it meets: Strawberry's own limiters follow every path
    through nested fragments, and a short document can hold 2^100 of them.
    """

    cost: int | None = None

    def on_execute(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        operation = get_operation_ast(document, context.operation_name) if document else None
        root = operation and context.schema._schema.get_root_type(operation.operation)
        if document and operation and root:
            walk = _Walk(
                {
                    node.name.value: node
                    for node in document.definitions
                    if isinstance(node, FragmentDefinitionNode)
                },
                self._defaults(operation) | (context.variables or {}),
            )
            if operation.operation is OperationType.MUTATION:
                walk.check_mutations(operation.selection_set)
            walk.visit(operation.selection_set, root, times=1, depth=0)
            self.cost = walk.cost
        yield

    @staticmethod
    def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
        return {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }

    def get_results(self) -> dict[str, Any]:
        if self.cost is None:
            return {}
        return {"cost": {"requested": self.cost, "maximum": settings.GRAPHQL_MAX_COST}}


@dataclass
class _Walk:
    """A walk through an operation that adds up what it asks for."""

    fragments: Mapping[str, FragmentDefinitionNode]
    variables: dict[str, Any]
    cost: int = 0
    aliases: int = 0
    visited: int = 0

    def check_mutations(self, selections: SelectionSetNode) -> None:
        count = sum(1 for _ in self._fields(selections, set()))
        if count > settings.GRAPHQL_MAX_MUTATIONS:
            raise too_complex(f"{count} mutations in one request, at most {settings.GRAPHQL_MAX_MUTATIONS}.")

    def visit(self, selections: SelectionSetNode, owner: GraphQLObjectType, times: int, depth: int) -> None:
        """Add up a selection on a type that is resolved so many times."""
        if depth > settings.GRAPHQL_MAX_DEPTH:
            raise too_complex(f"The query is more than {settings.GRAPHQL_MAX_DEPTH} levels deep.")
        for node in self._fields(selections, set()):
            self.visited += 1
            self.aliases += node.alias is not None
            if self.aliases > settings.GRAPHQL_MAX_ALIASES:
                raise too_complex(f"The query has more than {settings.GRAPHQL_MAX_ALIASES} aliases.")
            if self.visited > settings.GRAPHQL_MAX_COST:
                raise too_complex("The query selects too many fields.")
            definition = owner.fields.get(node.name.value)
            if definition is None or node.selection_set is None:
                continue
            inner = get_named_type(definition.type)
            if isinstance(inner, GraphQLObjectType):
                inner_times = times * self._page_size(node, definition)
                self.cost += inner_times
                if self.cost > settings.GRAPHQL_MAX_COST:
                    raise too_complex(
                        f"The query costs more than {settings.GRAPHQL_MAX_COST}. Ask for fewer items."
                    )
                self.visit(node.selection_set, inner, inner_times, depth + 1)

    def _fields(self, selections: SelectionSetNode, seen: set[str]) -> Iterator[FieldNode]:
        """Yield the fields of a selection as the executor collects them: each fragment once."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._fields(node.selection_set, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                yield from self._fields(self.fragments[node.name.value].selection_set, seen)

    def _page_size(self, node: FieldNode, definition: GraphQLField) -> int:
        if "first" not in definition.args:
            return 1
        given = {argument.name.value: self._number(argument.value) for argument in node.arguments or ()}
        default = definition.args["first"].default_value
        size = given.get("last") or given.get("first") or (default if isinstance(default, int) else 1)
        # A larger page is refused where it is asked for, by an error that names the argument.
        return min(size, MAX_PAGE_SIZE)

    def _number(self, value: ValueNode) -> int:
        """Return a page size as written; what is none is refused later, where it is used."""
        if isinstance(value, VariableNode):
            number = self.variables.get(value.name.value)
            # GraphQL takes 31.0 for an integer too.
            return int(number) if isinstance(number, int | float) and number > 0 else 0
        return max(0, int(value.value)) if isinstance(value, IntValueNode) else 0


def too_complex(message: str) -> GraphQLError:
    """Return the error that refuses a request for its size."""
    return GraphQLError(message, extensions={"code": ErrorCode.TOO_COMPLEX})
