"""Generation of Python functions from the selection sets of an operation."""

from keyword import iskeyword
from types import FunctionType
from typing import Any

from django.db.models.fields.files import FileDescriptor
from django.db.models.fields.related_descriptors import (
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from django.db.models.manager import BaseManager
from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLString,
    Undefined,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import CollectedFields, collect_subfields
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField
from strawberry_django.descriptors import ModelProperty
from strawberry_django.fields.field import StrawberryDjangoField

from backend.core.graphql.compiled.values import (
    Arguments,
    Unsupported,
    check_list,
    check_object,
    make_leaf_completer,
    make_type_checker,
)

# Python code of a field takes about 1 KB of memory.
MAX_FIELDS = 2_000

# Attributes of models whose values strawberry-django replaces.
_REPLACED = (
    FileDescriptor,
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
    ModelProperty,
    BaseManager,
    FunctionType,
)

# Conditions under which a value is its own serialization.
_PLAIN_LEAVES = {
    GraphQLString: "type({0}) is str",
    GraphQLID: "type({0}) is str",
    GraphQLBoolean: "{0} is True or {0} is False",
    GraphQLInt: "type({0}) is int and -2147483648 <= {0} <= 2147483647",
}


class _Code:
    """Lines of one generated function."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.counts_text = False
        self.needs_path = False
        self._variables = 0

    def add(self, level: int, line: str) -> None:
        self.lines.append("    " * level + line)

    def make_variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"


class Generator:
    """Generates one function for each selection set and object type.

    A function takes a source object `x`, the executor `r` and the path `p` of the object, and returns the
    completed fields. It raises an exception if a field fails or is null although it must not be.

    Args:
        executor: an execution of the operation. Only its schema, its fragments, and the values of the
            variables in `@skip` and `@include` influence the functions.

    Raises:
        Unsupported: generated functions cannot execute the operation.
    """

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._converter = executor.schema._strawberry_schema.schema_converter
        self._constants: dict[str, Any] = {"Path": Path, "Undefined": Undefined}
        self._names: dict[int, str] = {}
        self._functions: list[_Code] = []
        self._fields = 0

    def build(self) -> dict[str, Any]:
        """Compile the functions and return them by name."""
        source = "\n".join(line for code in self._functions for line in code.lines)
        namespace = dict(self._constants)
        exec(compile(source, "<compiled GraphQL operation>", "exec"), namespace)  # noqa: S102
        return namespace

    def add_subfields(self, type_: GraphQLObjectType, details: Any) -> str:
        """Add the function for the selection sets of a field, and return its name."""
        run = self._executor
        collected = collect_subfields(
            run.schema, run.fragments, run.variable_values, run.operation, type_, details
        )
        return self.add_object(type_, collected)

    def add_object(self, type_: GraphQLObjectType, collected: CollectedFields) -> str:
        """Add the function for collected fields of an object, and return its name."""
        if collected.new_defer_usages or collected.forbidden_directive_instances:
            raise Unsupported
        code = _Code(f"f{len(self._functions)}")
        self._functions.append(code)
        code.add(0, f"def {code.name}(x, r, p):")
        start = len(code.lines)
        entries = []
        for key, details in collected.grouped_field_set.items():
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise Unsupported
            definition = self._executor.schema.get_field(type_, details[0].node.name.value)
            entries.append(f"{key!r}: {self._add_field(code, type_, definition, key, details)}")
        if code.counts_text:
            code.lines.insert(start, "    n = 0")
            code.add(1, "r.count_text(n)")
        code.add(1, f"return {{{', '.join(entries)}}}")
        return code.name

    def _add_constant(self, value: Any) -> str:
        # Constants stay in the namespace, so an id is never used again.
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"c{len(self._names)}"
            self._constants[name] = value
        return name

    def _add_field(
        self, code: _Code, parent: GraphQLObjectType, definition: GraphQLField, key: str, details: Any
    ) -> str:
        """Add the lines that resolve and complete a field, and return the variable of its value."""
        name = details[0].node.name.value
        if name == "__typename":
            return repr(parent.name)
        if name.startswith("__"):
            raise Unsupported
        value = code.make_variable()
        path = f"Path(p, {key!r}, {parent.name!r})"
        info = (
            f"r.build_resolve_info({self._add_constant(definition)}, "
            f"{self._add_constant([item.node for item in details])}, {self._add_constant(parent)}, {path})"
        )
        self._add_resolver(code, definition, details[0], value, info)
        return self._complete(code, 1, definition.type, value, path, info, details)

    def _add_resolver(
        self, code: _Code, definition: GraphQLField, details: Any, value: str, info: str
    ) -> None:
        field: Any = definition.extensions.get("strawberry-definition")
        attribute = self._find_attribute(field)
        if attribute is not None:
            code.add(1, f"{value} = x.{attribute}")
            if isinstance(field, StrawberryDjangoField) and not is_leaf_type(get_named_type(definition.type)):
                code.add(1, f"{self._add_constant(check_object)}({value})")
            return
        is_direct = self._is_direct(field)
        passed = []
        if definition.args:
            arguments = Arguments(definition, details, field if is_direct else None)
            passed = [f"**{self._add_constant(arguments)}.read(r, i)"]
        if not is_direct:
            if getattr(field, "is_async", False):
                raise Unsupported
            code.needs_path = True
            code.add(1, f"i = {info}")
            resolve = (
                "r.field_resolver" if definition.resolve is None else self._add_constant(definition.resolve)
            )
            code.add(1, f"{value} = {resolve}({', '.join(['x', 'i', *passed])})")
            return
        resolver = field.base_resolver
        if resolver.info_parameter or passed:
            code.needs_path = True
            info_class = self._add_constant(self._converter.config.info_class)
            code.add(1, f"i = {info_class}(_raw_info={info}, _field={self._add_constant(field)})")
        if resolver.info_parameter:
            passed.append(f"{resolver.info_parameter.name}=i")
        parents = filter(None, (resolver.parent_parameter, resolver.root_parameter))
        passed.extend(f"{parameter.name}=x" for parameter in parents)
        if resolver.self_parameter:
            passed.insert(0, "x")
        code.add(1, f"{value} = {self._add_constant(resolver.wrapped_func)}({', '.join(passed)})")
        if isinstance(field, StrawberryDjangoField):
            code.add(1, f"{self._add_constant(check_object)}({value})")

    def _is_plain(self, field: Any) -> bool:
        """Return whether a field has no extension, permission or exception handler around it."""
        return (
            type(field) in (StrawberryField, StrawberryDjangoField)
            and not field.extensions
            and not self._converter.exception_handlers
        )

    def _is_direct(self, field: Any) -> bool:
        """Return whether the resolver can be called without the wrappers of Strawberry."""
        return (
            self._is_plain(field)
            and field.base_resolver is not None
            and callable(field.base_resolver.wrapped_func)
            and not field.is_async
            and not getattr(field, "is_paginated", False)
        )

    def _find_attribute(self, field: Any) -> str | None:
        """Return the name of the attribute that a field without a resolver reads."""
        if not self._is_plain(field) or field.base_resolver is not None:
            return None
        name = str(field.python_name)
        if isinstance(field, StrawberryDjangoField):
            name = field.django_name or name
            model = getattr(field.origin_django_type, "model", None)
            # strawberry-django replaces empty files by null, and adds filters to related objects.
            if field.arguments or isinstance(getattr(model, name, None), _REPLACED):
                return None
        elif field.default_resolver is not getattr:
            return None
        return name if name.isidentifier() and not iskeyword(name) else None

    def _complete(
        self, code: _Code, level: int, type_: Any, value: str, path: str, info: str, details: Any
    ) -> str:
        """Add the lines that complete a value of a type, and return the variable of the result."""
        is_required = is_non_null_type(type_)
        inner = type_.of_type if is_required else type_
        if is_leaf_type(inner):
            self._complete_leaf(code, level, inner, value, is_required)
            return value
        code.add(level, f"if {value} is None or {value} is Undefined:")
        code.add(level + 1, "raise ValueError" if is_required else f"{value} = None")
        code.add(level, "else:")
        if is_list_type(inner):
            self._complete_list(code, level + 1, inner, value, path, info, details)
        elif is_object_type(inner):
            self._complete_object(code, level + 1, inner, value, path, info, details)
        elif is_abstract_type(inner):
            self._complete_abstract(code, level + 1, inner, value, path, info, details)
        else:
            raise Unsupported
        return value

    def _complete_leaf(self, code: _Code, level: int, leaf: Any, value: str, is_required: bool) -> None:
        plain = _PLAIN_LEAVES.get(leaf)
        complete = self._add_constant(make_leaf_completer(leaf))
        conditions = [f"({plain.format(value)})"] if plain else []
        if not is_required:
            conditions.append(f"{value} is None")
        if conditions:
            code.add(level, f"if not ({' or '.join(conditions)}):")
            level += 1
        code.add(level, f"{value} = {complete}({value})")
        if leaf not in (GraphQLInt, GraphQLBoolean):
            code.counts_text = True
            level -= bool(conditions)
            code.add(level, f"if type({value}) is str:")
            code.add(level + 1, f"n += len({value})")

    def _complete_list(
        self, code: _Code, level: int, type_: Any, value: str, path: str, info: str, details: Any
    ) -> None:
        nodes = self._add_constant([item.node for item in details])
        items, item, index = code.make_variable(), code.make_variable(), code.make_variable()
        code.add(level, f"if type({value}) is not list:")
        code.add(level + 1, f"{value} = {self._add_constant(check_list)}({value})")
        code.add(level, f"{items} = []")
        code.add(level, f"for {index}, {item} in enumerate(r.complete_list({nodes}, {value})):")
        item_path = f"Path({path}, {index}, None)"
        item = self._complete(code, level + 1, type_.of_type, item, item_path, info, details)
        code.add(level + 1, f"{items}.append({item})")
        code.add(level, f"{value} = {items}")

    def _complete_object(
        self, code: _Code, level: int, type_: Any, value: str, path: str, info: str, details: Any
    ) -> None:
        function = self.add_subfields(type_, details)
        needs_path = self._functions[int(function[1:])].needs_path
        code.needs_path |= needs_path
        if type_.is_type_of is None:
            code.add(level, f"if isinstance({value}, Exception):")
            code.add(level + 1, f"raise {value}")
        else:
            accepted, check = make_type_checker(type_.is_type_of)
            code.add(level, f"if type({value}) not in {self._add_constant(accepted)}:")
            # Only predicates of the schema's author can read the info of the field.
            is_own = not type_.is_type_of.__module__.startswith("strawberry")
            code.needs_path |= is_own
            code.add(level + 1, f"{self._add_constant(check)}({value}, {info if is_own else None})")
        code.add(level, f"{value} = {function}({value}, r, {path if needs_path else None})")

    def _complete_abstract(
        self, code: _Code, level: int, type_: Any, value: str, path: str, info: str, details: Any
    ) -> None:
        code.needs_path = True
        code.add(level, f"if isinstance({value}, Exception):")
        code.add(level + 1, f"raise {value}")
        resolve = "r.type_resolver" if type_.resolve_type is None else self._add_constant(type_.resolve_type)
        name = code.make_variable()
        code.add(level, f"{name} = {resolve}({value}, {info}, {self._add_constant(type_)})")
        condition = "if"
        for possible in self._executor.schema.get_possible_types(type_):
            code.add(level, f"{condition} {name} == {possible.name!r}:")
            self._complete_object(code, level + 1, possible, value, path, info, details)
            condition = "elif"
        code.add(level, "else:")
        code.add(level + 1, "raise ValueError")
