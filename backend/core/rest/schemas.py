"""Base classes of request and response bodies, and types that are parsed strictly.

Bounds are part of the JSON schema only (`WithJsonSchema`): the services check them, so that both APIs return
the same error codes.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from ninja import Schema
from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictInt, WithJsonSchema
from pydantic_core import PydanticCustomError

from backend.core.decimals import parse_decimal
from backend.core.identifiers import MAX_ID, parse_id
from backend.core.pagination import MAX_PAGE_SIZE


class ResponseModel(BaseModel):
    """A response body, read from the attributes of the object that a service returns.

    Use it instead of Ninja's `Schema`, whose validators the serializers would leave to Pydantic.
    """

    model_config = ConfigDict(from_attributes=True)


# The rows of a prefetched relation to many.
RelatedList = BeforeValidator(lambda relation: list(relation.all()))


class StrictBody(Schema):
    """A request body that must not contain unknown fields."""

    model_config = ConfigDict(extra="forbid")


def parse_query_text(value: Any) -> Any:
    """Convert the text of a query parameter, true, false or an integer, to its JSON value.

    Other texts are returned unchanged, for a strict type to refuse.
    """
    if isinstance(value, str) and re.fullmatch("-?[0-9]{1,30}", value):
        return int(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _convert_integral_float(value: Any) -> Any:
    """Convert 2.0 to 2, because JSON does not distinguish integers from floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parse_id(value: Any) -> int:
    """Parse an id; return 0, which is never a primary key, for text that is not an id."""
    value = _convert_integral_float(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("object_id", "An id must be an integer or a string.")
    return parse_id(value)


def _parse_decimal(value: Any) -> Decimal:
    try:
        return parse_decimal(value)
    except ValueError:
        quoted = repr(str(value)[:50])
        raise PydanticCustomError(
            "strict_decimal", "Input should be a finite number, not {value}", {"value": quoted}
        ) from None


# The id of an object in a body or a parameter.
ObjectId = Annotated[
    int,
    BeforeValidator(_parse_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_ID},
                {"type": "string", "pattern": "^[0-9]{1,19}$"},
            ]
        }
    ),
]
# The id of an object to remove. Any text is accepted, because an object that does not exist is ignored.
AnyId = Annotated[
    int, BeforeValidator(_parse_id), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})
]
StrictInteger = Annotated[StrictInt, BeforeValidator(_convert_integral_float)]
QueryInteger = Annotated[StrictInt, BeforeValidator(parse_query_text)]
_PAGE_SIZE = WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE})
PageSize = Annotated[StrictInteger, _PAGE_SIZE]
QueryPageSize = Annotated[QueryInteger, _PAGE_SIZE]
StrictDecimal = Annotated[Decimal, BeforeValidator(_parse_decimal)]
Cursor = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"})]


def make_money_schema(maximum: Decimal) -> WithJsonSchema:
    """Return the JSON schema of an amount from 0 to a maximum, with at most two decimals."""
    digits = len(str(int(maximum)))
    # A float near a large maximum is rounded, possibly up.
    largest = float(maximum) if Decimal(float(maximum)) <= maximum else int(maximum)
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": rf"^[0-9]{{1,{digits}}}(\.[0-9]{{1,2}})?$"},
                {"type": "number", "minimum": 0, "maximum": largest},
            ]
        }
    )
