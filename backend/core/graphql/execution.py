"""An executor with a fast path for fields that need no resolver."""

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

# Keys of `GraphQLField.extensions`.
_READ = "lavka-read"
_OBJECT = "lavka-object"


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Read plain fields directly from the attributes of their objects.

    A field is plain if it has neither arguments nor a resolver. Preparing the arguments, context and path
    of such fields took most of the time of a request. If a plain field fails or is null although it must not
    be, it is read again by the standard executor, which reports the error. All resolvers are synchronous.
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
            field_path = Path(path, name, parent_type.name)
            arguments = (parent_type, source_value, details, field_path, position_context)
            plain = extensions.get(_OBJECT)
            result = self._execute_object(*arguments, plain) if plain else self.execute_field(*arguments)
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
        # The type check of the standard executor is skipped: resolvers return objects of the declared type.
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
        # A short query can go up and down a tree and multiply its response at every step. Lists beyond the
        # budget are empty, so that execution ends soon, and `GraphQLView` refuses the request.
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


def mark_plain_fields(schema: GraphQLSchema) -> None:
    """Mark the fields of a schema that `Executor` can read directly."""
    for graphql_type in schema.type_map.values():
        if is_object_type(graphql_type):
            for field in graphql_type.fields.values():
                inner = field.type.of_type if is_non_null_type(field.type) else field.type
                # Strawberry marks resolvers that only read an attribute.
                if not getattr(field.resolve, "_is_default", False):
                    continue
                if is_leaf_type(inner):
                    field.extensions[_READ] = _value_reader(field, inner)
                elif is_object_type(inner):
                    field.extensions[_OBJECT] = _Object(
                        field, inner, _attribute_reader(field), inner is field.type
                    )


def _attribute_reader(field: GraphQLField) -> Callable[[Any], Any]:
    """Return a function that reads the attribute of a field."""
    definition = field.extensions["strawberry-definition"]
    return attrgetter(getattr(definition, "django_name", None) or definition.python_name)


def _value_reader(field: GraphQLField, leaf: Any) -> Callable[[Any], Any]:
    read_attribute = _attribute_reader(field)
    serialize = leaf.coerce_output_value
    required = is_non_null_type(field.type)

    def read(source: Any) -> Any:
        value = read_attribute(source)
        if value is None and not required:
            return None
        serialized = serialize(value)
        if serialized is None:
            raise TypeError("a required field is null")
        return serialized

    return read
