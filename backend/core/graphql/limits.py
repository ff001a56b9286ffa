"""How much one request may ask for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_list_type,
    value_from_ast_untyped,
)
from strawberry.extensions import SchemaExtension

from backend.core.errors import ErrorCode, TooLong
from backend.core.pagination import MAX_PAGE_SIZE

# More than half of the limit: one introspection of the whole schema is accepted, a second one is not.
INTROSPECTION_COSTS = {"__schema": 26_000, "__type": 2_500}


def cost(field: int = 1, *, item: int = 0) -> dict[str, int]:
    """Return the `metadata` of a field that costs more than its value.

    Args:
        field: the cost of resolving it once.
        item: the cost of each item of its list, beside the fields that are selected of it.
    """
    return {"cost": field, "item_cost": item}


class QueryLimits(SchemaExtension):
    """Refuses an operation that asks for too much, before anything is resolved.

    Every field costs 1, or what `cost` in its definition says, and a page costs its size times the fields of
    one item. Lists without a page size are charged while they are resolved, by
    `Executor.complete_list_value`. ``extensions.cost`` reports the sum. A unit is about 20 microseconds.

    Depth, aliases and mutations are counted in the same walk, which stops at the first limit it meets:
    Strawberry's own limiters follow every path through nested fragments, and a short document can hold 2^100
    of them.
    """

    cost: int | None = None

    def on_execute(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        operation = get_operation_ast(document, context.operation_name) if document else None
        root = operation and context.schema._schema.get_root_type(operation.operation)
        if document and operation and root:
            variables = context.variables or {}
            _check_lists(operation, variables)
            walk = _Walk(
                context.schema._schema.type_map,
                {
                    node.name.value: node
                    for node in document.definitions
                    if isinstance(node, FragmentDefinitionNode)
                },
                self._defaults(operation) | variables,
            )
            if operation.operation is OperationType.MUTATION:
                walk.check_mutations(operation.selection_set)
            self.cost = walk.cost_of(operation.selection_set, root, depth=0)
            if isinstance(context.context, Budget):
                context.context.start(
                    self.cost, walk.item_costs, is_mutation=operation.operation is OperationType.MUTATION
                )
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
        budget = self.execution_context.context
        cost = budget.spent if isinstance(budget, Budget) else self.cost
        return {"cost": {"requested": cost, "maximum": settings.GRAPHQL_MAX_COST}}


class Budget:
    """The cost of one request: what its text promises, and what its lists turn out to hold.

    Attributes:
        spent: the cost so far.
        is_mutation: whether the request changes something.
    """

    spent: int = 0
    is_mutation: bool = False
    _item_costs: Mapping[int, int] = {}

    def start(self, cost: int, item_costs: Mapping[int, int], *, is_mutation: bool) -> None:
        """Begin with the cost of the operation's text.

        Args:
            item_costs: the cost of one item of each list without a page size, by the `id` of its field node.
        """
        self.spent = cost
        self.is_mutation = is_mutation
        self._item_costs = item_costs

    def charge(self, cost: int) -> bool:
        """Add a cost that the text does not tell, and return whether the request is within its budget."""
        self.spent += cost
        return not self.is_over_budget

    def charge_items(self, nodes: Iterable[FieldNode], count: int) -> bool:
        """Charge the items of a list by the nodes of its field; see `charge`."""
        return self.charge(count * sum(self._item_costs.get(id(node), 0) for node in nodes))

    @property
    def is_over_budget(self) -> bool:
        """Whether the request costs more than `GRAPHQL_MAX_COST`."""
        return self.spent > settings.GRAPHQL_MAX_COST


@dataclass
class _Walk:
    """A walk through an operation that adds up what it asks for."""

    types: Mapping[str, GraphQLNamedType]
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: dict[str, Any]
    item_costs: dict[int, int] = field(default_factory=dict)
    aliases: int = 0
    visited: int = 0

    def check_mutations(self, selections: SelectionSetNode) -> None:
        count = sum(1 for _ in self._fields(selections, None, set()))
        if count > settings.GRAPHQL_MAX_MUTATIONS:
            raise too_complex(
                f"The request has {count} mutations; at most {settings.GRAPHQL_MAX_MUTATIONS} are accepted."
            )

    def cost_of(
        self, selections: SelectionSetNode, owner: GraphQLNamedType, depth: int, page_size: int | None = None
    ) -> int:
        """Return the cost of a selection on one object.

        Args:
            page_size: of the connection that the object is; how many items its lists have.
        """
        if depth > settings.GRAPHQL_MAX_DEPTH:
            raise too_complex(f"The query is more than {settings.GRAPHQL_MAX_DEPTH} levels deep.")
        cost = 0
        for node, parent in self._fields(selections, owner, set()):
            self.visited += 1
            self.aliases += node.alias is not None
            if self.aliases > settings.GRAPHQL_MAX_ALIASES:
                raise too_complex(f"The query has more than {settings.GRAPHQL_MAX_ALIASES} aliases.")
            if self.visited > settings.GRAPHQL_MAX_COST:
                raise too_complex("The query selects too many fields.")
            cost += self._field_cost(node, parent, depth, page_size)
            # Checked here, so that the walk itself stays short.
            if cost > settings.GRAPHQL_MAX_COST:
                raise too_complex(over_budget_message())
        return cost

    def _field_cost(
        self, node: FieldNode, parent: GraphQLNamedType | None, depth: int, page_size: int | None
    ) -> int:
        definition = getattr(parent, "fields", {}).get(node.name.value)
        if definition is None:
            return INTROSPECTION_COSTS.get(node.name.value, 1)
        declared: Mapping[str, int] = getattr(
            definition.extensions.get("strawberry-definition"), "metadata", {}
        )
        cost = declared.get("cost", 1)
        inner = get_named_type(definition.type)
        is_list = is_list_type(get_nullable_type(definition.type))
        if node.selection_set is None:
            if is_list:
                self.item_costs[id(node)] = 1
            return cost
        size = self._page_size(node, definition)
        below = self.cost_of(node.selection_set, inner, depth + 1, None if is_list else size)
        below += declared.get("item_cost", 0)
        if not is_list:
            return cost + below
        items = page_size if size is None else size
        if items is None:
            self.item_costs[id(node)] = below
            return cost
        return cost + items * below

    def _fields(
        self, selections: SelectionSetNode, parent: GraphQLNamedType | None, seen: set[str]
    ) -> Iterator[tuple[FieldNode, GraphQLNamedType | None]]:
        """Yield the fields of a selection with their parent types: each fragment once, as when it runs."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node, parent
                continue
            fragment: InlineFragmentNode | FragmentDefinitionNode
            if isinstance(node, InlineFragmentNode):
                fragment = node
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self.fragments[node.name.value]
            else:
                continue
            condition = fragment.type_condition
            inner = self.types.get(condition.name.value) if condition else parent
            yield from self._fields(fragment.selection_set, inner, seen)

    def _page_size(self, node: FieldNode, definition: GraphQLField) -> int | None:
        if "first" not in definition.args:
            return None
        given = {argument.name.value: self._number(argument.value) for argument in node.arguments or ()}
        default = definition.args["first"].default_value
        size = given.get("last") or given.get("first") or (default if isinstance(default, int) else 1)
        # A larger page is refused where it is asked for, by an error that names the argument.
        return min(size, MAX_PAGE_SIZE)

    def _number(self, value: ValueNode) -> int:
        """Return a page size as written, or 0; an invalid one is refused later, where it is used."""
        if isinstance(value, VariableNode):
            number = self.variables.get(value.name.value)
            # GraphQL takes 31.0 for an integer too.
            return int(number) if isinstance(number, int | float) and number > 0 else 0
        return max(0, int(value.value)) if isinstance(value, IntValueNode) else 0


def _check_lists(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> None:
    """Refuse lists that no argument accepts, before objects are built of their items.

    Lists in the text itself are bounded by `GRAPHQL_MAX_TOKENS`.
    """
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        _check_list(variables.get(name), [name])


def _check_list(value: Any, path: list[str]) -> None:
    if isinstance(value, list):
        if len(value) > settings.GRAPHQL_MAX_LIST_ITEMS:
            field = ".".join(path)
            message = (
                f"{field} has {len(value)} items; at most {settings.GRAPHQL_MAX_LIST_ITEMS} are accepted."
            )
            raise GraphQLError(message, original_error=TooLong(message, field=field))
        for number, item in enumerate(value):
            _check_list(item, [*path, str(number)])
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_list(item, [*path, str(key)])


def over_budget_message() -> str:
    """Return the message for a request that costs too much."""
    return f"The query costs more than {settings.GRAPHQL_MAX_COST}. Ask for fewer items or fields."


def too_complex(message: str) -> GraphQLError:
    """Return the error that refuses a request for its size."""
    return GraphQLError(message, extensions={"code": ErrorCode.TOO_COMPLEX})
