"""Order endpoints."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from ninja import Body, Header, Router, Status
from pydantic import ConfigDict, Field

from backend.carts.rest import CART_TOKEN
from backend.core.errors import NotFound, fields_named
from backend.core.pagination import Window
from backend.core.rest import LOGIN_REQUIRED, ApiRequest, RelatedList, ResponseModel, StrictBody, problems
from backend.orders import delivery, models, selectors, services

router = Router(tags=["orders"])

# The REST names of service parameters.
_ARGUMENTS = {"idempotency_key": ["Idempotency-Key"], "first": ["limit"], "after": ["cursor"]}


# Pydantic validates dataclasses with the configuration of the model that contains them: unknown fields are
# errors in an `OrderBody`.
@dataclass
class ContactBody(delivery.ContactInput):
    """The person to contact about an order. All fields are required."""


@dataclass
class AddressBody(delivery.Address):
    """A delivery address. The country decides whether `city` and `postal_code` are required."""


class OrderBody(StrictBody):
    """All fields are optional, but some shops require `contact` and `delivery_address`."""

    contact: ContactBody | None = None
    delivery_address: AddressBody | None = None
    comment: str = ""
    expected_total: Decimal | None = Field(
        None,
        description="Total shown to the shopper. The order is refused if the cart has a different total.",
        examples=["28.99"],
    )


class OrderLine(ResponseModel):
    """A product of an order, with the properties that it had when it was ordered."""

    product_id: int | None = Field(description="Null if the product has been deleted.")
    sku: str
    name: str
    unit_price: Decimal = Field(examples=["28.99"])
    quantity: int
    line_total: Decimal = Field(examples=["57.98"])


class OrderStatusChange(ResponseModel):
    status: models.Order.Status
    changed_at: datetime


class Order(ResponseModel):
    """An order of the viewer. Names and prices are those of the time of the order."""

    # The fields of `Contact` and `Address` have defaults, but are always present in responses.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    number: str
    status: models.Order.Status
    lines: Annotated[list[OrderLine], RelatedList]
    total: Decimal = Field(examples=["57.98"])
    currency: str = Field(examples=["RUB"])
    placed_at: datetime
    contact: delivery.Contact | None
    delivery_address: delivery.Address | None
    comment: str
    is_cancellable: bool
    history: Annotated[list[OrderStatusChange], RelatedList]


class OrderPage(ResponseModel):
    items: list[Order]
    next_cursor: str | None = Field(description="The `cursor` of the next page. Null on the last page.")


_PROBLEMS = problems(400, 401, 415, 422, 503)
EMPTY_ORDER_BODY = OrderBody.model_validate({})


@router.post(
    "/order",
    response={201: Order, **problems(409), **_PROBLEMS},
    summary="Create an order",
    openapi_extra=LOGIN_REQUIRED | CART_TOKEN,
)
def create_order(
    request: ApiRequest,
    payload: Body[OrderBody] = EMPTY_ORDER_BODY,
    idempotency_key: str | None = Header(
        None,
        alias="Idempotency-Key",
        description="Client-generated idempotency key. Repeating it returns the existing order.",
    ),
) -> Any:
    """Create an order from the cart and empty the cart.

    The body can be empty, but some shops require `contact` and `delivery_address`.
    """
    with fields_named(_ARGUMENTS):
        order = services.create_order(
            viewer=request.auth,
            delivery=delivery.Delivery(payload.contact, payload.delivery_address, payload.comment),
            idempotency_key=idempotency_key,
            expected_total=payload.expected_total,
        )
    return Status(201, order)


@router.get(
    "/orders", response={200: OrderPage, **_PROBLEMS}, summary="List orders", openapi_extra=LOGIN_REQUIRED
)
def list_orders(request: ApiRequest, limit: int = 20, cursor: str | None = None) -> Any:
    """The orders of the viewer, newest first."""
    with fields_named(_ARGUMENTS):
        page = selectors.list_orders(request.auth, Window.of(first=limit, after=cursor))
    return {"items": page.items, "next_cursor": page.end_cursor if page.has_next else None}


@router.get(
    "/order",
    response={200: Order, **problems(404), **_PROBLEMS},
    summary="Get an order",
    openapi_extra=LOGIN_REQUIRED,
)
def show_order(request: ApiRequest, number: str) -> Any:
    """An order of the viewer by its number."""
    order = selectors.get_order(request.auth, number)
    if order is None:
        raise NotFound("You have no order with this number.", field="number")
    return order


@router.post(
    "/order/cancel",
    response={200: Order, **problems(404, 409), **_PROBLEMS},
    summary="Cancel an order",
    openapi_extra=LOGIN_REQUIRED,
)
def cancel_order(request: ApiRequest, number: str) -> Any:
    """Cancel an order that has not been shipped. Its products return to stock."""
    return services.cancel_order(viewer=request.auth, number=number)
