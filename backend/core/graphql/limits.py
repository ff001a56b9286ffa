"""Limits of one GraphQL request: depth, aliases, root fields, mutations, cost and list arguments."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

import strawberry
from django.conf import settings
from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
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
from graphql.type.introspection import SchemaMetaFieldDef, TypeMetaFieldDef, TypeNameMetaFieldDef
from strawberry.extensions import SchemaExtension
from strawberry.schema_directive import Location

from backend.core.errors import ErrorCode, TooLong
from backend.core.pagination import MAX_PAGE_SIZE

Directive = TypeVar("Directive", "Cost", "Constraint")

# Response keys are repeated in every item of a list. Relay generates keys of up to about 60 characters.
MAX_ALIAS_LENGTH = 100

_MEASUREMENTS = "measurements"
# Per operation: a measurement takes a few KB.
_MAX_MEASUREMENTS = 16

# The largest integer that JavaScript reads exactly. Nested lists can multiply page sizes beyond it.
_MAX_REPORTED_COST = 2**53 - 1

_META_FIELDS = {
    "__schema": SchemaMetaFieldDef,
    "__type": TypeMetaFieldDef,
    "__typename": TypeNameMetaFieldDef,
}


# More than half of the limit: a request can read the schema once.
INTROSPECTION_COSTS = {"__schema": 26_000, "__type": 2_000}


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="Cost of a field that costs more than 1, or whose items cost more than their fields.",
)
class Cost:
    field: int = strawberry.directive_field(name="field", default=1)
    item: int = strawberry.directive_field(name="item", default=0)


_DEFAULT_COST = Cost()


@strawberry.schema_directive(
    locations=[Location.ARGUMENT_DEFINITION, Location.INPUT_FIELD_DEFINITION],
    name="constraint",
    description="Maximum number of items of a list.",
)
class Constraint:
    max_items: int


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
            measured = _measure_once(execution.schema._schema, document, operation, variables)
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


@dataclass(frozen=True, slots=True)
class Measurement:
    """Cost of an operation before it is executed.

    Attributes:
        cost: cost of the operation's text.
        item_costs: cost of one item of each list without a page size, by the `id` of its field node.
        root_fields: names of the fields of the root type, skipped ones too.
        selected_fields: names of the fields that the operation selects, at any depth.
        is_mutation: true if the operation is a mutation.
    """

    cost: int
    item_costs: Mapping[int, int]
    root_fields: Set[str]
    selected_fields: Set[str]
    is_mutation: bool


class Budget:
    """Cost and size of one request.

    Attributes:
        spent: cost so far: of the operation's text, and of what was charged while it was executed.
        text_length: number of characters in the strings of the response so far.
        is_mutation: true if the operation is a mutation.
        root_fields: names of the fields of the root type, skipped ones too; empty before the execution.
        selected_fields: names of the fields that the operation selects, at any depth.
    """

    spent: int = 0
    text_length: int = 0
    is_mutation: bool = False
    root_fields: Set[str] = frozenset()
    selected_fields: Set[str] = frozenset()
    _item_costs: Mapping[int, int] = {}

    def start(self, measured: Measurement) -> None:
        """Begin with the cost of the operation's text."""
        self.spent = measured.cost
        self.root_fields = measured.root_fields
        self.selected_fields = measured.selected_fields
        self.is_mutation = measured.is_mutation
        self._item_costs = measured.item_costs

    def charge(self, cost: int) -> bool:
        """Charge work that the operation's text does not bound, and return whether it may be done."""
        self.spent += cost
        return not self.is_over_budget

    def charge_items(self, nodes: Iterable[FieldNode], count: int) -> bool:
        """Charge the items of a list by the nodes of its field, and return whether they may be resolved."""
        return self.charge(count * sum(self._item_costs.get(id(node), 0) for node in nodes))

    def charge_text(self, length: int) -> None:
        """Add the characters of strings in the response."""
        self.text_length += length

    @property
    def is_over_budget(self) -> bool:
        """True if the request costs more than `GRAPHQL_MAX_COST`, or its response is too large."""
        return self.spent > settings.GRAPHQL_MAX_COST or self.is_too_large

    @property
    def is_too_large(self) -> bool:
        """True if the strings alone exceed `GRAPHQL_MAX_RESPONSE_BYTES`."""
        return not self.is_mutation and self.text_length > settings.GRAPHQL_MAX_RESPONSE_BYTES


def _measure_once(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> Measurement:
    """Measure an operation, or return the measurement of equal page sizes, conditions and list lengths."""
    # Stored in the node itself, so that both are freed together.
    measurements: dict[Any, Measurement] = vars(operation).setdefault(_MEASUREMENTS, {})
    key = tuple((name, _extract_shape(value)) for name, value in variables.items())
    measured = measurements.get(key)
    if measured is None:
        measured = _measure(schema, document, operation, variables)
        if len(measurements) >= _MAX_MEASUREMENTS:
            measurements.clear()
        measurements[key] = measured
    return measured


def _extract_shape(value: Any) -> Any:
    """Return the part of a variable that the cost and the limits depend on."""
    if isinstance(value, int | float):
        return type(value), value
    if isinstance(value, list | tuple):
        shapes = [_extract_shape(item) for item in value]
        # Lists of input objects are mostly alike.
        return len(shapes), frozenset(shapes)
    if isinstance(value, dict):
        return tuple((name, _extract_shape(item)) for name, item in value.items())
    return None


def _measure(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> Measurement:
    root = schema.get_root_type(operation.operation)
    assert root is not None
    walk = _Walk(
        types=schema.type_map,
        fragments={
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        },
        variables=variables,
    )
    is_mutation = operation.operation is OperationType.MUTATION
    walk.check_root_fields(operation.selection_set, root, is_mutation=is_mutation)
    cost = walk.measure_selection(operation.selection_set, root, depth=0)
    return Measurement(
        cost,
        walk.item_costs,
        walk.find_root_fields(operation.selection_set, root),
        walk.selected_fields,
        is_mutation,
    )


@dataclass
class _Walk:
    """A walk through an operation that checks its limits and adds up its cost.

    Attributes:
        item_costs: cost of one item of each list whose length is known only when it is resolved, by the
            `id` of its field node.
        selected_fields: names of the fields selected at any depth.
    """

    types: Mapping[str, GraphQLNamedType]
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    item_costs: dict[int, int] = field(default_factory=dict)
    selected_fields: set[str] = field(default_factory=set)
    aliases: int = 0
    visited: int = 0

    def check_root_fields(
        self, selections: SelectionSetNode, root: GraphQLNamedType, *, is_mutation: bool
    ) -> None:
        """Refuse more than `GRAPHQL_MAX_ROOT_FIELDS` queries, or `GRAPHQL_MAX_MUTATIONS` mutations."""
        count = sum(1 for _ in self._iterate_fields(selections, root, set()))
        maximum = settings.GRAPHQL_MAX_MUTATIONS if is_mutation else settings.GRAPHQL_MAX_ROOT_FIELDS
        if count > maximum:
            kind = "mutations" if is_mutation else "root fields"
            raise make_too_complex_error(f"The request has {count} {kind}; at most {maximum} are accepted.")

    def find_root_fields(self, selections: SelectionSetNode, root: GraphQLNamedType) -> Set[str]:
        """Return the names of the fields of the root type, skipped ones too."""
        return {node.name.value for node, _ in self._iterate_fields(selections, root, set())}

    def measure_selection(
        self, selections: SelectionSetNode, owner: GraphQLNamedType, depth: int, page_size: int | None = None
    ) -> int:
        """Return the cost of a selection on one object.

        Args:
            page_size: number of items in the lists of the object, if it is a connection.
        """
        if depth > settings.GRAPHQL_MAX_DEPTH:
            raise make_too_complex_error(
                f"The query has more than {settings.GRAPHQL_MAX_DEPTH} levels. Nest fields less deeply."
            )
        cost = 0
        for node, parent in self._iterate_fields(selections, owner, set()):
            self._check_node(node)
            definition = _META_FIELDS.get(node.name.value) or getattr(parent, "fields", {}).get(
                node.name.value
            )
            # Validation has refused unknown fields.
            if definition is not None:
                self._check_arguments(node, definition)
                if self._is_included(node):
                    self.selected_fields.add(node.name.value)
                    cost += self._measure_field(node, definition, depth, page_size)
        return cost

    def _check_node(self, node: FieldNode) -> None:
        self.visited += 1
        # Fragments can repeat a selection many times in a short document.
        if self.visited > settings.GRAPHQL_MAX_COST:
            raise make_too_complex_error(
                f"The query selects more than {settings.GRAPHQL_MAX_COST} fields. Select fewer fields."
            )
        if node.alias is None:
            return
        self.aliases += 1
        if self.aliases > settings.GRAPHQL_MAX_ALIASES:
            raise make_too_complex_error(
                f"The query has more than {settings.GRAPHQL_MAX_ALIASES} aliases. Use fewer aliases."
            )
        if len(node.alias.value) > MAX_ALIAS_LENGTH:
            raise make_too_complex_error(
                f"An alias has more than {MAX_ALIAS_LENGTH} characters. Use a shorter alias."
            )

    def _measure_field(
        self, node: FieldNode, definition: GraphQLField, depth: int, connection_size: int | None
    ) -> int:
        is_list = is_list_type(get_nullable_type(definition.type))
        own_size = self._read_page_size(node, definition)
        declared = _find_directive(definition, Cost) or _DEFAULT_COST
        field_cost = INTROSPECTION_COSTS.get(node.name.value, declared.field)
        item_cost = declared.item
        if node.selection_set is not None:
            item_cost += self.measure_selection(
                node.selection_set, get_named_type(definition.type), depth + 1, None if is_list else own_size
            )
        elif is_list:
            item_cost += 1
        if not is_list:
            return field_cost + item_cost
        size = connection_size if own_size is None else own_size
        if size is not None:
            return field_cost + size * item_cost
        self.item_costs[id(node)] = item_cost
        return field_cost

    def _iterate_fields(
        self, selections: SelectionSetNode, owner: GraphQLNamedType, seen: set[str]
    ) -> Iterator[tuple[FieldNode, GraphQLNamedType]]:
        """Yield fields with the types that own them, each fragment once, as the executor collects them."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node, owner
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
            inner = self.types[condition.name.value] if condition else owner
            yield from self._iterate_fields(fragment.selection_set, inner, seen)

    def _is_included(self, node: FieldNode) -> bool:
        """Return whether `@skip` and `@include` let the executor resolve the field."""
        for directive in node.directives or ():
            if directive.name.value not in ("skip", "include"):
                continue
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    condition = self.variables.get(argument.value.name.value)
                elif isinstance(argument.value, BooleanValueNode):
                    condition = argument.value.value
                else:
                    continue
                if condition is (directive.name.value == "skip"):
                    return False
        return True

    def _read_page_size(self, node: FieldNode, definition: GraphQLField) -> int | None:
        """Return the number of items of a page, or None if the field has no page size."""
        if "first" not in definition.args:
            return None
        sizes = {
            argument.name.value: self._parse_integer(argument.value) for argument in node.arguments or ()
        }
        default = definition.args["first"].default_value
        size = sizes.get("last") or sizes.get("first") or (default if isinstance(default, int) else 1)
        # The resolver refuses a larger page with an error that names the argument.
        return min(size, MAX_PAGE_SIZE)

    def _parse_integer(self, value: ValueNode) -> int:
        """Return a page size, or 0 if the value is not a positive integer, which the resolver refuses."""
        if isinstance(value, VariableNode):
            number = self.variables.get(value.name.value)
            # GraphQL accepts 31.0 as an integer.
            return int(number) if isinstance(number, int | float) and number > 0 else 0
        return max(0, int(value.value)) if isinstance(value, IntValueNode) else 0

    def _check_arguments(self, node: FieldNode, definition: GraphQLField) -> None:
        """Refuse lists that are too long, before graphql-core converts their items to objects."""
        for argument in node.arguments or ():
            accepted = definition.args.get(argument.name.value)
            if accepted is not None:
                self._check_lists(argument.value, accepted, argument.name.value, [argument.name.value])

    def _check_lists(
        self,
        value: Any,
        accepted: GraphQLArgument | GraphQLInputField,
        name: str,
        path: list[str],
        *,
        is_item: bool = False,
    ) -> None:
        """Check an argument or input field, and the input fields inside it.

        Args:
            value: a literal, or the JSON value of a variable or a part of one.
            path: path of the argument, up to the outermost list, as services report it.
        """
        value = self._read(value)
        is_item = is_item or is_list_type(get_nullable_type(accepted.type))
        # GraphQL accepts a single item as a list of one.
        items = [value]
        if isinstance(value, list | tuple):
            items = list(value)
            constraint = _find_directive(accepted, Constraint)
            maximum = constraint.max_items if constraint else settings.GRAPHQL_MAX_LIST_ITEMS
            if len(items) > maximum:
                message = f"{name} must have at most {maximum} items, not {len(items)}."
                raise GraphQLError(message, original_error=TooLong(message, field=".".join(path)))
        inner = get_named_type(accepted.type)
        if isinstance(inner, GraphQLInputObjectType):
            for item in map(self._read, items):
                if isinstance(item, Mapping):
                    for key in item.keys() & inner.fields.keys():
                        inner_path = path if is_item else [*path, key]
                        self._check_lists(item[key], inner.fields[key], key, inner_path, is_item=is_item)

    def _read(self, value: Any) -> Any:
        """Return the value of a variable, the items of a list literal or the entries of an object literal."""
        if isinstance(value, VariableNode):
            return self.variables.get(value.name.value)
        if isinstance(value, ListValueNode):
            return value.values
        if isinstance(value, ObjectValueNode):
            return {entry.name.value: entry.value for entry in value.fields}
        return value


def _find_directive(
    definition: GraphQLField | GraphQLArgument | GraphQLInputField,
    directive: type[Directive],
) -> Directive | None:
    declared = getattr(definition.extensions.get("strawberry-definition"), "directives", None) or ()
    return next((found for found in declared if isinstance(found, directive)), None)


def _read_default_values(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }


def describe_exceeded_cost() -> str:
    """Return the message for a request that costs too much."""
    return f"The query costs more than {settings.GRAPHQL_MAX_COST}. Request fewer items or fields."


def describe_exceeded_size() -> str:
    """Return the message for a request whose response is too large."""
    maximum = settings.GRAPHQL_MAX_RESPONSE_BYTES
    return f"The response has more than {maximum} bytes. Request fewer items or fields."


def make_too_complex_error(message: str) -> GraphQLError:
    """Return the error of a request that exceeds a limit."""
    return GraphQLError(message, extensions={"code": ErrorCode.TOO_COMPLEX})
