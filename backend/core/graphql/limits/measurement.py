"""The cost of an operation before it is executed."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)

from backend.core.graphql.limits.operation_walk import OperationWalk

_MEASUREMENTS = "measurements"
# Per operation: a measurement takes a few KB.
_MAX_MEASUREMENTS = 16


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


def measure_operation(
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
    walk = OperationWalk(
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
