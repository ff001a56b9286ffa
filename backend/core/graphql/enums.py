"""Enums of the schema whose values have descriptions."""

from collections.abc import Mapping
from enum import Enum
from typing import cast

import strawberry
from strawberry.types.base import has_strawberry_definition
from strawberry.types.enum import StrawberryEnumDefinition


def describe_enum(
    enum: type[Enum], description: str, values: Mapping[str, str], *, name: str | None = None
) -> None:
    """Add an enum to the schema. The enum itself stays independent of Strawberry.

    Args:
        values: the descriptions of all members by name.
        name: the name in the schema; defaults to the name of the class.
    """
    strawberry.enum(enum, name=name, description=description)
    assert has_strawberry_definition(enum)
    for value in cast(StrawberryEnumDefinition, enum.__strawberry_definition__).values:
        value.description = values[value.name]
