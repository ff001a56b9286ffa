"""The viewer's cart in REST: one route, four methods, always the cart for an answer."""

from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Schema
from pydantic import BeforeValidator, ConfigDict, Field, StrictInt, WithJsonSchema

from backend.carts import selectors, services
from backend.carts.models import MAX_QUANTITY
from backend.catalog.rest import Product
from backend.core.errors import Invalid, fields_named
from backend.core.identifiers import parse_id
from backend.core.rest import Problem, Shown
from backend.core.viewer import Viewer

router = Router(tags=["cart"])

# What the parameters of the services, which take several lines, are called here.
_LINE = {
    "lines.0.product_id": ["product_id"],
    "lines.0.quantity": ["quantity"],
    "lines": ["product_id"],
    "product_ids": ["product_id"],
}

# The `openapi_extra` of routes that guests have a cart on.
CART_TOKEN = {
    "parameters": [
        {
            "name": "X-Cart-Token",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": "^([A-Za-z0-9_-]{43})?$"},
            "description": "A guest's cart, as `token` named it; sent once more after logging in, the cart "
            "becomes the account's.",
        }
    ]
}


def _id(value: Any) -> int:
    """Read an identifier; what cannot be one is the identifier of nothing."""
    value = _whole(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("This is not an identifier.")
    return parse_id(value)


def _whole(value: Any) -> Any:
    """Take 2.0 for 2: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Quantity = Annotated[StrictInt, BeforeValidator(_whole)]
ProductId = Annotated[int, BeforeValidator(_id), WithJsonSchema({"type": "integer"})]


class CartLine(Shown):
    """So many of one product, at its price of now."""

    product: Product
    quantity: int
    unit_price: Decimal = Field(examples=["28.99"])
    line_total: Decimal = Field(examples=["57.98"])
    is_available: bool = Field(description="Whether as many can be ordered now.")


class CartWarning(Shown):
    """Something that has changed since a line was added; ordering may be refused for it."""

    code: selectors.CartWarningCode
    message: str
    product_id: int


class Cart(Shown):
    """What the viewer is about to order."""

    lines: list[CartLine]
    total_quantity: int
    total: Decimal = Field(examples=["57.98"])
    currency: str = Field(examples=["RUB"])
    warnings: list[CartWarning]
    token: str | None = Field(
        description="Of a guest's cart that has just been made: send it as `X-Cart-Token` from now on."
    )


class _Body(Schema):
    model_config = ConfigDict(extra="forbid")


class AddedLine(_Body):
    product_id: ProductId
    quantity: Quantity = Field(1, description=f"1 to {MAX_QUANTITY}.")


class ChangedLine(_Body):
    product_id: ProductId
    quantity: Quantity = Field(
        description=f"How many there shall be, up to {MAX_QUANTITY}; 0 takes the product out."
    )


class RemovedLine(_Body):
    # Left out, not null: a client that has lost the identifier does not mean everything.
    product_id: ProductId = Field(default=None)  # type: ignore[assignment]


_REFUSALS = {400: Problem, 404: Problem, 409: Problem, 415: Problem, 422: Problem, 503: Problem}


@router.get(
    "/cart",
    response={200: Cart, 422: Problem, 503: Problem},
    summary="Show the cart",
    openapi_extra=CART_TOKEN,
)
def show_cart(request: HttpRequest) -> Any:
    """The viewer's own cart, empty if there is nothing in it yet."""
    return services.get_cart(viewer=_viewer(request))


@router.post("/cart", response={200: Cart, **_REFUSALS}, summary="Add a product", openapi_extra=CART_TOKEN)
def add_line(request: HttpRequest, payload: AddedLine) -> Any:
    """Add so many of a product to what is there."""
    with fields_named(_LINE):
        return services.add_lines(viewer=_viewer(request), lines=[services.WantedLine(**payload.dict())])


@router.put("/cart", response={200: Cart, **_REFUSALS}, summary="Set a quantity", openapi_extra=CART_TOKEN)
def change_line(request: HttpRequest, payload: ChangedLine) -> Any:
    """Set how many of a product there are."""
    with fields_named(_LINE):
        return services.update_lines(viewer=_viewer(request), lines=[services.WantedLine(**payload.dict())])


@router.delete(
    "/cart", response={200: Cart, **_REFUSALS}, summary="Remove a product, or all", openapi_extra=CART_TOKEN
)
def remove_line(
    request: HttpRequest, query: Query[RemovedLine], payload: Body[RemovedLine | None] = None
) -> Any:
    """Take a product out, or everything when none is named, in the query or in the body."""
    for name, values in request.GET.lists():
        if name not in RemovedLine.model_fields:
            # A misspelt name would empty the cart.
            raise Invalid(f"There is no parameter {name[:100]!r}.", field=name[:100])
        if len(values) > 1:
            raise Invalid("Name one product, or none to remove everything.", field=name)
    named = {given.product_id for given in (query, payload) if given and given.product_id is not None}
    if len(named) > 1:
        raise Invalid("The query and the body name different products.", field="product_id")
    viewer = _viewer(request)
    if not named:
        return services.clear_cart(viewer=viewer)
    with fields_named(_LINE):
        return services.remove_lines(viewer=viewer, product_ids=list(named))


def _viewer(request: HttpRequest) -> Viewer:
    viewer: Viewer = request.auth  # type: ignore[attr-defined]
    return viewer
