"""Every part of the schema is described, in the style of a tooltip."""

import re
from collections.abc import Iterator
from typing import Any

from graphql import is_introspection_type, is_specified_scalar_type

from backend.api.graphql import schema

QUESTION = re.compile(r"(Whether|What|How|Who|Whom|Whose|Which|Where|When)\b")


def parts() -> Iterator[tuple[str, Any]]:
    """Yield the path and the definition of each type, field, argument, enum value and directive."""
    for name, graphql_type in schema._schema.type_map.items():
        if is_introspection_type(graphql_type) or is_specified_scalar_type(graphql_type):
            continue
        yield name, graphql_type
        for field_name, field in getattr(graphql_type, "fields", {}).items():
            yield f"{name}.{field_name}", field
            for argument_name, argument in getattr(field, "args", {}).items():
                yield f"{name}.{field_name}({argument_name})", argument
        for value_name, value in getattr(graphql_type, "values", {}).items():
            yield f"{name}.{value_name}", value


def test_every_part_is_described() -> None:
    described = dict(parts())
    assert {"Query", "Product.id", "Query.node(id)", "OrderStatus.PAID", "OrderEdge.node"} <= described.keys()
    assert [path for path, part in described.items() if not (part.description or "").strip()] == []


def test_descriptions_are_statements() -> None:
    assert [path for path, part in parts() if QUESTION.match(part.description)] == []
    assert [path for path, part in parts() if not part.description.endswith((".", "`"))] == []
