"""A walk through an operation that checks its limits and adds up its cost."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)
from graphql.type.introspection import SchemaMetaFieldDef, TypeMetaFieldDef, TypeNameMetaFieldDef

from backend.core.errors import TooLong
from backend.core.graphql.limits.directives import Constraint, Cost, find_directive
from backend.core.graphql.limits.errors import make_too_complex_error
from backend.core.pagination import MAX_PAGE_SIZE

# Response keys are repeated in every item of a list. Relay generates keys of up to about 60 characters.
MAX_ALIAS_LENGTH = 100

_META_FIELDS = {
    "__schema": SchemaMetaFieldDef,
    "__type": TypeMetaFieldDef,
    "__typename": TypeNameMetaFieldDef,
}


# More than half of the limit: a request can read the schema once.
INTROSPECTION_COSTS = {"__schema": 26_000, "__type": 2_000}

_DEFAULT_COST = Cost()


@dataclass
class OperationWalk:
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
        declared = find_directive(definition, Cost) or _DEFAULT_COST
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
            constraint = find_directive(accepted, Constraint)
            maximum = constraint.max_items if constraint else settings.GRAPHQL_MAX_LIST_ITEMS
            if len(items) > maximum:
                error = TooLong(
                    _("%(name)s must have at most %(maximum)s items, not %(length)s."),
                    field=".".join(path),
                    params={"name": name, "maximum": maximum, "length": len(items)},
                )
                raise GraphQLError(str(error), original_error=error)
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
