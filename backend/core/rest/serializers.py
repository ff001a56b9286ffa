"""Serializers of response models, which read the objects of services without validating them.

Ninja validates the result of an endpoint into a response model, and dumps the model to dictionaries. For the
category tree, this takes a third of the CPU time of the request. A serializer makes the same dictionaries
from the objects. It is compiled once, from the fields of the model, so that new fields and models need no
change here:

- Values of `ATOMIC_TYPES` stay as they are.
- `list`, `X | None`, nested response models and `BeforeValidator` are followed.
- Everything else, such as a dictionary or a model with validators, is left to Pydantic.

A value of a wrong type is not noticed. Therefore the tests compare every response with that of Ninja; see
tests/support/rest_responses.py.
"""

import dataclasses
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo

from backend.core.rest.schemas import ResponseModel

# Types that Pydantic neither converts nor copies. `date` includes `datetime`.
ATOMIC_TYPES = (bool, int, float, str, Decimal, date, UUID, Enum)

# Options of models that do not affect responses.
_NEUTRAL_OPTIONS = {"from_attributes", "json_schema_extra", "json_schema_serialization_defaults_required"}

Serialize = Callable[[Any], Any]

# The serializers of models. A model can contain itself.
_models: dict[type[BaseModel], Serialize] = {}


def compile_serializer(field: FieldInfo) -> Serialize | None:
    """Return a function from a value to what Pydantic dumps, or None if they are equal."""
    prepare: Serialize | None = None
    for entry in field.metadata:
        if not isinstance(entry, BeforeValidator) or prepare is not None:
            return _leave_to_pydantic(Annotated[field.annotation, *field.metadata])
        prepare = cast(Serialize, entry.func)
    serialize = _compile_type(field.annotation)
    if prepare is None or serialize is None:
        return prepare or serialize
    return lambda value: serialize(prepare(value))


def _compile_type(annotation: Any) -> Serialize | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return None
    if origin is list:
        return _compile_list(_compile_type(arguments[0]))
    if origin in (Union, UnionType) and len(arguments) == 2 and NoneType in arguments:
        return _compile_optional(_compile_type(next(kind for kind in arguments if kind is not NoneType)))
    if isinstance(annotation, type):
        if issubclass(annotation, ATOMIC_TYPES):
            return None
        if issubclass(annotation, ResponseModel) and _only_copies(annotation):
            return _models.get(annotation) or _compile_model(annotation)
    return _leave_to_pydantic(annotation)


def _compile_list(serialize: Serialize | None) -> Serialize:
    if serialize is None:
        return list
    return lambda values: [serialize(value) for value in values]


def _compile_optional(serialize: Serialize | None) -> Serialize | None:
    if serialize is None:
        return None
    return lambda value: None if value is None else serialize(value)


def _only_copies(model: type[BaseModel]) -> bool:
    """Return whether the model copies an attribute to each field and does nothing else."""
    decorators = model.__pydantic_decorators__
    has_decorators = any(getattr(decorators, kind.name) for kind in dataclasses.fields(decorators))
    return (
        not has_decorators
        and model.model_config.keys() <= _NEUTRAL_OPTIONS
        and all(
            field.is_required() and not field.exclude and isinstance(field.validation_alias, str | None)
            for field in model.model_fields.values()
        )
    )


def _compile_model(model: type[BaseModel]) -> Serialize:
    names = list(model.model_fields)
    sources = [str(field.validation_alias or name) for name, field in model.model_fields.items()]
    # With one name, `attrgetter` would return a value instead of a tuple. `zip` drops the additional value.
    read = attrgetter(*sources, "__class__")
    nested: list[tuple[str, Serialize]] = []

    def serialize(value: Any) -> dict[str, Any]:
        if type(value) is dict:
            value = SimpleNamespace(**value)
        data = dict(zip(names, read(value), strict=False))
        for name, serialize_field in nested:
            data[name] = serialize_field(data[name])
        return data

    _models[model] = serialize
    for name, field in model.model_fields.items():
        serialize_field = compile_serializer(field)
        if serialize_field is not None:
            nested.append((name, serialize_field))
    return serialize


def _leave_to_pydantic(annotation: Any) -> Serialize:
    adapter = TypeAdapter(annotation)
    return lambda value: adapter.dump_python(adapter.validate_python(value, from_attributes=True))
