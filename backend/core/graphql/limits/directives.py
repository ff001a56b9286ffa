"""Schema directives that declare the cost of a field and the maximum length of a list."""

from typing import TypeVar

import strawberry
from graphql import GraphQLArgument, GraphQLField, GraphQLInputField
from strawberry.schema_directive import Location

Directive = TypeVar("Directive", "Cost", "Constraint")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="Cost of a field that costs more than 1, or whose items cost more than their fields.",
)
class Cost:
    field: int = strawberry.directive_field(name="field", default=1)
    item: int = strawberry.directive_field(name="item", default=0)


@strawberry.schema_directive(
    locations=[Location.ARGUMENT_DEFINITION, Location.INPUT_FIELD_DEFINITION],
    name="constraint",
    description="Maximum number of items of a list.",
)
class Constraint:
    max_items: int


def find_directive(
    definition: GraphQLField | GraphQLArgument | GraphQLInputField,
    directive: type[Directive],
) -> Directive | None:
    """Return the directive of a field or argument, or None if it has none of this class."""
    declared = getattr(definition.extensions.get("strawberry-definition"), "directives", None) or ()
    return next((found for found in declared if isinstance(found, directive)), None)
