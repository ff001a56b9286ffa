"""A shorter way through graphql-core for the fields that most of an answer consists of."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLField, GraphQLSchema, is_leaf_type, is_non_null_type, is_object_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

_READ = "lavka-read"


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Reads plain values off their objects at once; for everything else it is Strawberry's own executor.

    A plain value is a number, text or enum that needs no resolver: no argument, context or path is worked
    out for it, which takes most of the time otherwise. What fails or is null where it must not be is
    done once more in the long way, which knows how to say it.
    """

    def execute_field(
        self, parent_type: Any, source: Any, field_details_list: Any, path: Any, position_context: Any
    ) -> Any:
        field = parent_type.fields.get(field_details_list[0].node.name.value)
        read = field.extensions.get(_READ) if field else None
        if read is not None:
            try:
                return read(source)
            except Exception:  # noqa: S110  The long way tells.
                pass
        return super().execute_field(parent_type, source, field_details_list, path, position_context)


def shorten_plain_fields(schema: GraphQLSchema) -> None:
    """Find the fields of a schema that `Executor` may read at once."""
    for graphql_type in schema.type_map.values():
        if is_object_type(graphql_type):
            for field in graphql_type.fields.values():
                inner = field.type.of_type if is_non_null_type(field.type) else field.type
                # Strawberry marks what takes neither arguments nor the context.
                if is_leaf_type(inner) and getattr(field.resolve, "_is_default", False):
                    field.extensions[_READ] = _reader(field, inner)


def _reader(field: GraphQLField, leaf: Any) -> Callable[[Any], Any]:
    resolve: Any = field.resolve
    serialize = leaf.coerce_output_value
    required = is_non_null_type(field.type)

    def read(source: Any) -> Any:
        value = resolve(source)
        if value is None and not required:
            return None
        serialized = serialize(value)
        if serialized is None:
            raise TypeError("null where a value must be")
        return serialized

    return read
