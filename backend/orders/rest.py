"""The viewer's orders in REST."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Header, Router, Schema, Status
from pydantic import ConfigDict, Field

from backend.carts.rest import CART_TOKEN
from backend.core.errors import NotFound, fields_named
from backend.core.pagination import Window
from backend.core.rest import LOGIN_REQUIRED, Loaded, Problem, Shown
from backend.core.viewer import Viewer
from backend.orders import models, selectors, services
from backend.orders.delivery import Address as DeliveryAddress
from backend.orders.delivery import Contact as DeliveryContact
from backend.orders.delivery import Delivery

router = Router(tags=["orders"])

# What the parameters of the services are called here.
_ARGUMENTS = {"idempotency_key": ["Idempotency-Key"], "first": ["limit"], "after": ["cursor"]}


class _Body(Schema):
    model_config = ConfigDict(extra="forbid")


class ContactBody(_Body):
    name: str = ""
    phone: str = ""


class AddressBody(_Body):
    line1: str = ""
    line2: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = Field("", description="ISO 3166-1 alpha-2, such as `RU`.")


class OrderBody(_Body):
    """Everything is optional, unless the shop requires to know where to deliver."""

    contact: ContactBody | None = None
    delivery_address: AddressBody | None = None
    comment: str = ""
    expected_total: Decimal | None = Field(
        None, description="What the shopper was shown; another total is refused.", examples=["28.99"]
    )


class Contact(Shown):
    name: str
    phone: str


class Address(Shown):
    line1: str
    line2: str
    city: str
    postal_code: str
    country: str


class OrderLine(Shown):
    """One product of an order, as it was when it was ordered."""

    product_id: int | None = Field(description="Null if the product does not exist any more.")
    sku: str
    name: str
    unit_price: Decimal = Field(examples=["28.99"])
    quantity: int
    line_total: Decimal = Field(examples=["57.98"])


class OrderStatusChange(Shown):
    status: models.Order.Status
    changed_at: datetime


class Order(Shown):
    """What the viewer has bought, at the prices of that moment."""

    number: str
    status: models.Order.Status
    lines: Annotated[list[OrderLine], Loaded]
    total: Decimal = Field(examples=["57.98"])
    currency: str = Field(examples=["RUB"])
    placed_at: datetime
    contact: Contact | None
    delivery_address: Address | None
    comment: str
    is_cancellable: bool
    history: Annotated[list[OrderStatusChange], Loaded]


class OrderPage(Shown):
    items: list[Order]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


_REFUSALS = {400: Problem, 401: Problem, 415: Problem, 422: Problem, 503: Problem}
_NO_WISHES = OrderBody.model_validate({})


@router.post(
    "/order",
    response={201: Order, 409: Problem, **_REFUSALS},
    summary="Order what is in the cart",
    openapi_extra=LOGIN_REQUIRED | CART_TOKEN,
)
def create_order(
    request: HttpRequest,
    payload: Body[OrderBody] = _NO_WISHES,
    idempotency_key: str | None = Header(
        None,
        alias="Idempotency-Key",
        description="A name of the client's own making; repeated, it returns the order that there is.",
    ),
) -> Any:
    """Order what is in the cart, and empty it; an empty body is enough where nothing must be delivered."""
    contact, address = payload.contact, payload.delivery_address
    delivery = Delivery(
        contact=DeliveryContact(**contact.dict()) if contact else None,
        address=DeliveryAddress(**address.dict()) if address else None,
        comment=payload.comment,
    )
    with fields_named(_ARGUMENTS):
        order = services.create_order(
            viewer=_viewer(request),
            delivery=delivery,
            idempotency_key=idempotency_key,
            expected_total=payload.expected_total,
        )
    return Status(201, order)


@router.get(
    "/orders", response={200: OrderPage, **_REFUSALS}, summary="List orders", openapi_extra=LOGIN_REQUIRED
)
def list_orders(request: HttpRequest, limit: int = 20, cursor: str | None = None) -> Any:
    """The viewer's own orders, the newest first."""
    with fields_named(_ARGUMENTS):
        page = selectors.list_orders(_viewer(request), Window.of(first=limit, after=cursor))
    return {"items": page.items, "next_cursor": page.cursors[-1] if page.has_next else None}


@router.get(
    "/order",
    response={200: Order, 404: Problem, **_REFUSALS},
    summary="Show an order",
    openapi_extra=LOGIN_REQUIRED,
)
def show_order(request: HttpRequest, number: str) -> Any:
    """The viewer's own order with this number."""
    order = selectors.get_order(_viewer(request), number)
    if order is None:
        raise NotFound("You have no such order.", field="number")
    return order


@router.post(
    "/order/cancel",
    response={200: Order, 404: Problem, 409: Problem, **_REFUSALS},
    summary="Cancel an order",
    openapi_extra=LOGIN_REQUIRED,
)
def cancel_order(request: HttpRequest, number: str) -> Any:
    """Cancel an order that is not shipped yet; its stock is given back."""
    return services.cancel_order(viewer=_viewer(request), number=number)


def _viewer(request: HttpRequest) -> Viewer:
    viewer: Viewer = request.auth  # type: ignore[attr-defined]
    return viewer
