"""Serializers of response models against Pydantic, and the operations that they leave to Ninja."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import SimpleNamespace
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from ninja import Router, Schema, Status
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
)

from backend.core.rest import ResponseModel, make_api
from backend.core.rest.api import Endpoint
from backend.core.rest.serializers import compile_serializer
from backend.core.viewer import Viewer
from tests.support.rest_responses import checked


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


class Leaf(ResponseModel):
    name: str


class Node(ResponseModel):
    id: int
    label: str = Field(validation_alias="title")
    leaf: Leaf | None
    children: list["Node"]


@dataclass(slots=True)
class Row:
    """A row as selectors return it, with an attribute that no model has."""

    id: int
    title: str
    leaf: Any
    children: Any
    secret: str = "-"


class Atoms(ResponseModel):
    whole: int
    share: float
    text: str
    flag: bool
    price: Decimal
    moment: datetime
    day: date
    key: UUID
    colour: Colour
    size: Size
    kind: Literal["a", "b"]


class Lists(ResponseModel):
    prices: list[Decimal]
    missing: list[int] | None
    sparse: list[Leaf | None]
    nested: list[list[Leaf]]
    pairs: Annotated[list[Leaf], BeforeValidator(lambda names: [{"name": name} for name in names])]
    upper: Annotated[str, BeforeValidator(str.upper)]


@dataclass
class Point:
    x: int
    y: int = 0


class Computed(ResponseModel):
    name: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def length(self) -> int:
        return len(self.name)


class Validated(ResponseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _strip(cls, name: str) -> str:
        return name.strip()


class Serialized(ResponseModel):
    name: str

    @field_serializer("name")
    def _shout(self, name: str) -> str:
        return f"{name}!"


class Hidden(ResponseModel):
    name: str
    secret: str = Field(exclude=True)


class Stripped(ResponseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    name: str


class Optional(ResponseModel):
    name: str
    more: str = "default"


class ReadThroughNinja(Schema):
    name: str


class LeftToPydantic(ResponseModel):
    """Fields of kinds that the serializers do not know."""

    counts: dict[str, int]
    either: int | str
    anything: Any
    pair: tuple[int, str]
    point: Point
    after: Annotated[str, AfterValidator(str.strip)]
    both: Annotated[str, BeforeValidator(str.strip), BeforeValidator(str.upper)]
    computed: Computed
    validated: Validated
    serialized: Serialized
    hidden: Hidden
    optional: Optional
    stripped: Stripped
    schema_: ReadThroughNinja


NODE = Row(
    1, "Ёлка & «чай» \u2028", Row(0, "", None, []), [Row(2, "", None, []), Row(3, "emoji 🎄", None, ())]
)
NODE.leaf = SimpleNamespace(name='"quoted"\\')
ATOMS = SimpleNamespace(
    whole=2**53,
    share=0.1,
    text="",
    flag=False,
    price=Decimal("0.10"),
    moment=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    day=date(2026, 1, 2),
    key=UUID(int=7),
    colour=Colour.RED,
    size=Size.LARGE,
    kind="a",
)
LISTS = SimpleNamespace(
    prices=[Decimal("1.00"), Decimal("1E+2")],
    missing=None,
    sparse=[None, SimpleNamespace(name="x")],
    nested=[[], [Leaf(name="instance"), {"name": "dictionary", "other": 1}]],
    pairs=["a", "b"],
    upper="ß",
)
UNKNOWN = SimpleNamespace(
    counts={"a": 1},
    either="1",
    anything=[1, None],
    pair=(1, "x"),
    point=Point(1),
    after=" a ",
    both=" a ",
    **{
        name: SimpleNamespace(name=" x ", secret="-")
        for name in ("computed", "validated", "serialized", "hidden", "optional", "stripped", "schema_")
    },
)


def dump(annotation: Any, value: Any) -> tuple[bytes, bytes]:
    """Return the JSON by the serializer, and that by validation."""
    model = create_model("Response", response=(annotation, ...))
    serialize = compile_serializer(model.model_fields["response"])
    adapter = TypeAdapter(annotation)
    validated = adapter.dump_python(adapter.validate_python(value, from_attributes=True))
    data = value if serialize is None else serialize(value)
    return orjson.dumps(data, default=str), orjson.dumps(validated, default=str)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Node, NODE),
        (list[Node], []),
        (list[Node], [NODE, NODE]),
        (Node | None, None),
        (Leaf, {"name": "a dictionary"}),
        (Leaf, Leaf(name="an instance")),
        (Atoms, ATOMS),
        (Lists, LISTS),
        (LeftToPydantic, UNKNOWN),
        (str, "text"),
        (dict[str, Decimal], {"a": Decimal("1.50")}),
    ],
)
def test_json_equals_that_of_validation(annotation: Any, value: Any) -> None:
    serialized, validated = dump(annotation, value)
    assert serialized == validated


def test_missing_attribute_is_an_error() -> None:
    serialize = compile_serializer(create_model("Response", response=(Leaf, ...)).model_fields["response"])
    assert serialize
    with pytest.raises(AttributeError, match="name"):
        serialize(SimpleNamespace(title="x"))


# Operations


class Alias(ResponseModel):
    model_config = ConfigDict(populate_by_name=True)

    long_name: str = Field(alias="longName")
    missing: str | None = None


router = Router(auth=None)
ALIAS = Alias(long_name="x")


@router.get("plain", response=Leaf)
def show_plain(request: HttpRequest) -> Any:
    """Return a row."""
    return SimpleNamespace(name="x")


@router.get("created", response={201: Leaf})
def show_created(request: HttpRequest) -> Any:
    """Return a status and a row."""
    return Status(201, SimpleNamespace(name="x"))


@router.get("empty", response={204: None})
def show_empty(request: HttpRequest) -> Any:
    """Return a status without a body."""
    return Status(204, None)


@router.get("only", response={202: Leaf})
def show_only(request: HttpRequest) -> Any:
    """Return a row, whose status is the only one."""
    return SimpleNamespace(name="x")


@router.get("raw", response=Leaf)
def show_raw(request: HttpRequest) -> Any:
    """Return a response."""
    return HttpResponse(b"raw", status=418)


@router.get("undeclared")
def show_undeclared(request: HttpRequest) -> Any:
    """Return data without a model."""
    return {"name": "x"}


@router.get("alias", response=Alias, by_alias=True)
def show_alias(request: HttpRequest) -> Any:
    """Return a model by its aliases."""
    return ALIAS


@router.get("without-null", response=Alias, exclude_none=True)
def show_without_null(request: HttpRequest) -> Any:
    """Return a model without its null fields."""
    return ALIAS


@router.get("without-unset", response=Alias, exclude_unset=True)
def show_without_unset(request: HttpRequest) -> Any:
    """Return a model without the fields that were not set."""
    return ALIAS


@router.get("without-defaults", response=Alias, exclude_defaults=True)
def show_without_defaults(request: HttpRequest) -> Any:
    """Return a model without its default values."""
    return ALIAS


@router.get("header", response=Leaf)
def show_header(request: HttpRequest, response: HttpResponse) -> Any:
    """Set a header."""
    response.headers["X-Test"] = "yes"
    return SimpleNamespace(name="x")


api = make_api("Test", "-", lambda *_: Viewer(None), tags={})
api.urls_namespace = "test-serializers"
api.add_router("", router)
urlpatterns = [path("", api.urls)]

# The status and body of each path, and whether a serializer makes it.
RESPONSES: dict[str, tuple[int, Any, bool]] = {
    "plain": (200, {"name": "x"}, True),
    "created": (201, {"name": "x"}, True),
    "empty": (204, None, False),
    "only": (202, {"name": "x"}, False),
    "raw": (418, "raw", False),
    "undeclared": (200, {"name": "x"}, False),
    "alias": (200, {"longName": "x", "missing": None}, False),
    "without-null": (200, {"long_name": "x"}, False),
    "without-unset": (200, {"long_name": "x"}, False),
    "without-defaults": (200, {"long_name": "x"}, False),
    "header": (200, {"name": "x"}, False),
}


@pytest.mark.parametrize("name", RESPONSES)
@override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[])
def test_options_of_operations_are_left_to_ninja(name: str) -> None:
    checked.clear()
    status, body, is_serialized = RESPONSES[name]
    response = Client().get(f"/{name}")
    text = response.content.decode()
    assert (response.status_code, json.loads(text) if text.startswith("{") else text or None) == (
        status,
        body,
    )
    assert response.headers.get("X-Test") == ("yes" if name == "header" else None)
    assert bool(checked) is is_serialized


def test_view_keeps_its_name() -> None:
    operation = next(iter(router.path_operations.values())).operations[0]
    endpoint = Endpoint(operation)
    assert (endpoint.__name__, endpoint.__doc__) == ("show_plain", "Return a row.")  # type: ignore[attr-defined]
