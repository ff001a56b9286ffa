"""Plans of operations, stored with the operations."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_nullable_type,
    is_object_type,
)
from graphql.execution.collect_fields import collect_fields

from backend.core.graphql.compiled.generator import Generator
from backend.core.graphql.compiled.values import Unsupported

# Called with a source object, the executor and the path of the object.
Selection = Callable[[Any, Any, Any], Any]

# An operation with n conditions has up to 2^n plans.
MAX_PLANS = 4
_KEY = "compiled plans"


@dataclass(slots=True)
class Plan:
    """The generated functions of one operation: one for a query, or one per payload of a mutation."""

    query: Selection | None = None
    payloads: dict[str, Selection] = field(default_factory=dict)


@dataclass(slots=True)
class _Plans:
    """The plans of one operation, by the values of the variables in `@skip` and `@include`."""

    uses: int = 0
    is_supported: bool = True
    conditions: tuple[str, ...] | None = None
    by_condition: dict[tuple[Any, ...], Plan] = field(default_factory=dict)


def find_plan(executor: Any, uses_before_compilation: int) -> Plan | None:
    """Return the plan of an operation, or None if graphql-core must execute it."""
    # Stored in the node itself, so that both are freed together.
    plans: _Plans = vars(executor.operation).setdefault(_KEY, _Plans())
    if not plans.is_supported:
        return None
    plans.uses += 1
    if plans.uses <= uses_before_compilation:
        return None
    try:
        if plans.conditions is None:
            plans.conditions = tuple(sorted(set(_find_conditions(executor))))
        key = tuple(map(executor.variable_values.coerced.get, plans.conditions))
        if key not in plans.by_condition:
            # A condition that is null is an error, which graphql-core reports.
            if None in key or len(plans.by_condition) >= MAX_PLANS:
                return None
            plans.by_condition[key] = _compile(executor)
        return plans.by_condition[key]
    except (Unsupported, RecursionError):
        plans.is_supported = False
        return None


def forget_plans(operation: OperationDefinitionNode) -> None:
    """Leave an operation to graphql-core from now on."""
    vars(operation)[_KEY] = _Plans(is_supported=False)


def _compile(executor: Any) -> Plan:
    operation = executor.operation
    root_type = executor.schema.get_root_type(operation.operation)
    if root_type is None or operation.operation is OperationType.SUBSCRIPTION:
        raise Unsupported
    collected = collect_fields(
        executor.schema, executor.fragments, executor.variable_values, root_type, operation
    )
    generator = Generator(executor)
    if operation.operation is OperationType.QUERY:
        name = generator.add_object(root_type, collected)
        return Plan(query=generator.build()[name])
    names = {}
    for key, details in collected.grouped_field_set.items():
        payload = get_nullable_type(executor.schema.get_field(root_type, details[0].node.name.value).type)
        if is_object_type(payload):
            names[key] = generator.add_subfields(payload, details)
    functions = generator.build()
    return Plan(payloads={key: functions[name] for key, name in names.items()})


def _find_conditions(executor: Any) -> Iterator[str]:
    """Yield the names of the variables in `@skip` and `@include`.

    Raises:
        Unsupported: there is another directive, or a fragment with arguments.
    """
    yield from _find_conditions_in(executor.operation.selection_set)
    if executor.operation.directives:
        raise Unsupported
    for fragment in executor.fragments.values():
        if fragment.variable_signatures:
            raise Unsupported
        yield from _find_conditions_in(fragment.definition.selection_set)


def _find_conditions_in(selections: SelectionSetNode) -> Iterator[str]:
    for node in selections.selections:
        assert isinstance(node, FieldNode | FragmentSpreadNode | InlineFragmentNode)
        for directive in node.directives or ():
            yield from _read_condition(directive)
        if not isinstance(node, FragmentSpreadNode) and node.selection_set:
            yield from _find_conditions_in(node.selection_set)


def _read_condition(directive: DirectiveNode) -> Iterator[str]:
    if directive.name.value not in ("skip", "include"):
        raise Unsupported
    for argument in directive.arguments or ():
        if isinstance(argument.value, VariableNode):
            yield argument.value.name.value
