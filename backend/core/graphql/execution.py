"""A shorter way through graphql-core for the fields that most of an answer consists of."""

from collections.abc import Callable, Sized
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    is_leaf_type,
    is_non_null_type,
    is_object_type,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from backend.core.graphql.limits import Budget

_READ = "lavka-read"
_OBJECT = "lavka-object"


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Reads plain values and plain objects off what holds them; for the rest it is Strawberry's own executor.

    Plain is what takes neither arguments nor the context: no argument, context or path is worked out for
    it, which takes most of the time otherwise. A value that fails or is null where it must not be is
    read once more in the long way, which knows how to say it. Resolvers are synchronous, all of them.
    """

    def execute_fields(
        self, parent_type: Any, source_value: Any, path: Any, grouped_field_set: Any, position_context: Any
    ) -> Any:
        results: dict[str, Any] = {}
        text_length = 0
        for name, details in grouped_field_set.items():
            field = parent_type.fields.get(details[0].node.name.value)
            extensions = field.extensions if field else {}
            read = extensions.get(_READ)
            if read is not None:
                try:
                    results[name] = value = read(source_value)
                    if type(value) is str:
                        text_length += len(value)
                    continue
                except Exception:  # noqa: S110  Fall back to the standard path, which reports the error.
                    pass
            here = Path(path, name, parent_type.name)
            given = (parent_type, source_value, details, here, position_context)
            plain = extensions.get(_OBJECT)
            result = self._execute_object(*given, plain) if plain else self.execute_field(*given)
            if result is not Undefined:
                results[name] = result
                if type(result) is str:
                    text_length += len(result)
        if isinstance(self.context_value, Budget):
            self.context_value.charge_text(text_length)
        return results

    def complete_value(
        self, return_type: Any, details: Any, info: Any, path: Path, result: Any, position_context: Any
    ) -> Any:
        inner = return_type.of_type if is_non_null_type(return_type) else return_type
        if result is None or isinstance(result, Exception) or not is_object_type(inner):
            return super().complete_value(return_type, details, info, path, result, position_context)
        # Without asking the type whether this is one of its objects: no resolver returns any others.
        return self.collect_and_execute_subfields(inner, details, path, result, position_context)

    def complete_list_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        budget = info.context
        # A short query can walk up and down a tree and multiply its answer with every step. Beyond the budget
        # lists are empty, which ends it soon, and `GraphQLView` refuses the request.
        if isinstance(budget, Budget):
            nodes = [details.node for details in field_details_list]
            if not budget.charge_items(nodes, len(result) if isinstance(result, Sized) else 0):
                result = []
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _execute_object(
        self, parent_type: Any, source: Any, details: Any, path: Path, position_context: Any, plain: "_Object"
    ) -> Any:
        try:
            value = plain.read(source)
        except Exception:
            return self.execute_field(parent_type, source, details, path, position_context)
        if value is None:
            if plain.nullable:
                return None
            return self.execute_field(parent_type, source, details, path, position_context)
        try:
            return self.collect_and_execute_subfields(plain.type, details, path, value, position_context)
        except Exception as error:
            self.handle_field_error(error, plain.field.type, details, path)
            return None


@dataclass(frozen=True, slots=True)
class _Object:
    """A field whose value is an object that needs no resolver."""

    field: GraphQLField
    type: GraphQLObjectType
    read: Callable[[Any], Any]
    nullable: bool


def shorten_plain_fields(schema: GraphQLSchema) -> None:
    """Find the fields of a schema that `Executor` may read at once."""
    for graphql_type in schema.type_map.values():
        if is_object_type(graphql_type):
            for field in graphql_type.fields.values():
                inner = field.type.of_type if is_non_null_type(field.type) else field.type
                # Strawberry marks what takes neither arguments nor the context.
                if not getattr(field.resolve, "_is_default", False):
                    continue
                if is_leaf_type(inner):
                    field.extensions[_READ] = _reader(field, inner)
                elif is_object_type(inner):
                    field.extensions[_OBJECT] = _Object(field, inner, _attribute(field), inner is field.type)


def _attribute(field: GraphQLField) -> Callable[[Any], Any]:
    """Return what reads the attribute that Strawberry would read for a field, through fewer calls."""
    definition = field.extensions["strawberry-definition"]
    return attrgetter(getattr(definition, "django_name", None) or definition.python_name)


def _reader(field: GraphQLField, leaf: Any) -> Callable[[Any], Any]:
    read_attribute = _attribute(field)
    serialize = leaf.coerce_output_value
    required = is_non_null_type(field.type)

    def read(source: Any) -> Any:
        value = read_attribute(source)
        if value is None and not required:
            return None
        serialized = serialize(value)
        if serialized is None:
            raise TypeError("null where a value must be")
        return serialized

    return read
