"""Order endpoints."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from ninja import Body, Header, Query, Router, Status
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from backend.accounts.email_addresses import MAX_EMAIL_LENGTH
from backend.carts.rest import CART_TOKEN
from backend.core.client_address import get_client_address
from backend.core.errors import NotFound, map_error_fields
from backend.core.pagination import Window
from backend.core.request_language import get_request_language
from backend.core.rest import (
    LOGIN_REQUIRED,
    ApiRequest,
    Cursor,
    ObjectId,
    QueryPageSize,
    RelatedList,
    ResponseModel,
    StrictBody,
    StrictDecimal,
    declare_problems,
    make_money_schema,
)
from backend.orders import delivery, guests, models, selectors, services

router = Router(tags=["orders"])

# The REST names of service parameters.
_ARGUMENTS = {"idempotency_key": ["Idempotency-Key"], "first": ["limit"], "after": ["cursor"]}


IdempotencyKey = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": services.MAX_IDEMPOTENCY_KEY_LENGTH,
            # Printable ASCII characters, without spaces at the ends.
            "pattern": "^[!-~]([ -~]*[!-~])?$",
        }
    ),
]
Comment = Annotated[str, WithJsonSchema({"type": "string", "maxLength": delivery.MAX_COMMENT_LENGTH})]
Total = Annotated[StrictDecimal, make_money_schema(services.MAX_TOTAL)]
OrderNumber = Annotated[str, WithJsonSchema({"type": "string", "maxLength": 32})]
# Without an example: the body of an account, which Swagger UI fills in, must have no address.
GuestEmail = Annotated[
    str, WithJsonSchema({"type": "string", "format": "email", "maxLength": MAX_EMAIL_LENGTH})
]


def _document_bounds(
    schema: dict[str, Any], part: type[delivery.ContactInput] | type[delivery.Address]
) -> None:
    """Add to the JSON schema which fields are required, and their lengths."""
    schema["required"] = []
    for item in fields(part):
        field_schema = schema["properties"][item.name]
        field_schema["maxLength"] = item.metadata["limit"]
        if item.metadata["is_required"]:
            field_schema |= {"minLength": 1, "pattern": item.metadata["accepted"]}
            del field_schema["default"]
            schema["required"].append(item.name)


@dataclass
class ContactBody(delivery.ContactInput):
    """The person to contact about an order. All fields are required."""

    __pydantic_config__ = ConfigDict(
        extra="forbid",
        json_schema_extra=lambda schema: _document_bounds(schema, delivery.ContactInput),
    )


@dataclass
class AddressBody(delivery.Address):
    """A delivery address. The country decides whether `city` and `postal_code` are required."""

    __pydantic_config__ = ConfigDict(
        extra="forbid",
        json_schema_extra=lambda schema: _document_bounds(schema, delivery.Address),
    )


class OrderBody(StrictBody):
    """Guests must give `email` and `contact`. Some shops also require `delivery_address`."""

    model_config = ConfigDict(
        # Swagger UI prefills the example. Without it, it would prefill placeholders that are refused.
        json_schema_extra={
            "examples": [
                {
                    "contact": {"name": "Anna Petrova", "phone": "+7 812 555-35-35"},
                    "delivery_address": {
                        "line1": "Nevsky prospekt 28",
                        "line2": "office 12",
                        "city": "Saint Petersburg",
                        "postal_code": "191186",
                        "country": "RU",
                    },
                    "comment": "Call an hour before.",
                }
            ]
        }
    )

    email: GuestEmail | None = Field(
        None,
        description="E-mail address of a guest, which the order belongs to. Required without an account; "
        "must be left out with one.",
    )
    contact: ContactBody | None = Field(None, description="Person to contact about the order.")
    delivery_address: AddressBody | None = Field(None, description="Delivery address.")
    address_id: ObjectId | None = Field(
        None,
        description="Id of a saved address, which is copied into the order. Replaces `contact` and "
        "`delivery_address`.",
    )
    comment: Comment = Field(
        "", description=f"Comment for the shop, up to {delivery.MAX_COMMENT_LENGTH} characters."
    )
    expected_total: Total | None = Field(
        None,
        description="Total shown to the shopper. The order is refused if the cart has a different `total`.",
    )


class OrderLine(ResponseModel):
    """A product of an order, with the properties that it had when it was ordered."""

    product_id: int | None = Field(description="Id of the product; null if it has been deleted.")
    sku: str = Field(description="SKU of the product.")
    name: str = Field(description="Name of the product.")
    unit_price: Decimal = Field(
        description="Price of one unit, in the currency of the order.", examples=["28.99"]
    )
    quantity: int = Field(description="Number of units.")
    cancelled_quantity: int = Field(
        description="Units of `quantity` that the shop has cancelled one by one. Cancelling the whole order "
        "does not change it."
    )
    line_total: Decimal = Field(
        description="`unit_price` multiplied by the units that are not cancelled, `quantity` minus "
        "`cancelled_quantity`.",
        examples=["57.98"],
    )
    discount: Decimal = Field(
        description="Part of the discount of the order for this line, at most `line_total`.",
        examples=["5.80"],
    )


class OrderStatusChange(ResponseModel):
    """An entry of the status history of an order."""

    status: models.Order.Status = Field(description="Status since this change.")
    changed_at: datetime = Field(description="Time of the change.")


class Order(ResponseModel):
    """An order of an account or a guest. Names and prices are those of the time of the order."""

    # The fields of `Contact` and `Address` have defaults, but are always present in responses.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    number: str = Field(description="Unique number of the order.")
    status: models.Order.Status = Field(description="Status of the order.")
    lines: Annotated[list[OrderLine], RelatedList] = Field(
        description="Lines, in the order of the cart lines."
    )
    subtotal: Decimal = Field(description="Sum of the line totals, in `currency`.", examples=["57.98"])
    discount: Decimal = Field(
        description="Discount of the promo code: the sum of the discounts of the lines.", examples=["5.80"]
    )
    total: Decimal = Field(description="Amount to pay: `subtotal` without `discount`.", examples=["52.18"])
    promo_code: Annotated[str | None, BeforeValidator(lambda code: code or None)] = Field(
        description="Promo code of the order, in upper case; null without one.", examples=["SPRING10"]
    )
    currency: str = Field(description="ISO 4217 code of the currency of all prices.", examples=["RUB"])
    placed_at: datetime = Field(description="Time of the order.")
    tracking_number: str = Field(
        description="Tracking number of the shipment; empty until the order is shipped, or if there is none."
    )
    tracking_url: str = Field(
        description="HTTPS link to the tracking page of the shipment; empty if there is none."
    )
    contact: delivery.Contact | None = Field(
        description="Person to contact; null if the customer gave no contact."
    )
    delivery_address: delivery.Address | None = Field(
        description="Delivery address; null if the customer gave no address."
    )
    comment: str = Field(description="Comment of the customer; empty if there is none.")
    is_cancellable: bool = Field(description="True if the customer can still cancel the order.")
    history: Annotated[list[OrderStatusChange], RelatedList] = Field(
        description="Status history, oldest first."
    )


class PlacedOrder(Order):
    """An order that was just created, or that a repeated request returns."""

    token: str | None = Field(
        description="Secret token of a guest's order; send it as `X-Order-Token` to read or cancel it. "
        "It is also mailed. Null for an account."
    )


class OrderPage(ResponseModel):
    """A page of orders."""

    items: list[Order] = Field(description="Orders of the page.")
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last page.")


_PROBLEMS = declare_problems(400, 401, 415, 422, 503)
_ORDER_TOKEN = Header(
    None,
    alias="X-Order-Token",
    description="Token of a guest's order; left out or empty for an order of the account.",
)
EMPTY_ORDER_BODY = OrderBody.model_validate({})


@router.post(
    "/order",
    response={201: PlacedOrder, **declare_problems(404, 409, 429), **_PROBLEMS},
    operation_id="orderCreate",
    summary="Create an order",
    openapi_extra=CART_TOKEN,
)
def create_order(
    request: ApiRequest,
    payload: Body[OrderBody] = EMPTY_ORDER_BODY,
    idempotency_key: IdempotencyKey | None = Header(
        None,
        alias="Idempotency-Key",
        description="Client-generated idempotency key. Repeating it returns the existing order.",
    ),
) -> Any:
    """Create an order from the cart and empty the cart.

    The body can be empty for an account, but some shops require `contact` and `delivery_address`. A guest
    sends `email`, `contact` and the token of the cart.
    """
    with map_error_fields(_ARGUMENTS):
        order = services.create_order(
            viewer=request.auth,
            delivery=delivery.Delivery(
                payload.contact, payload.delivery_address, payload.comment, payload.address_id
            ),
            guest=guests.GuestDetails(
                payload.email, get_client_address(request), get_request_language(request)
            ),
            idempotency_key=idempotency_key,
            expected_total=payload.expected_total,
        )
    return Status(201, order)


@router.get(
    "/orders",
    response={200: OrderPage, **_PROBLEMS},
    operation_id="ordersList",
    summary="List orders",
    openapi_extra=LOGIN_REQUIRED,
)
def list_orders(
    request: ApiRequest,
    limit: QueryPageSize = Query(20, description="Page size, 1 to 100."),
    cursor: Cursor | None = Query(None, description="`next_cursor` of the previous page."),
) -> Any:
    """List the orders of the viewer, newest first."""
    with map_error_fields(_ARGUMENTS):
        page = selectors.list_orders(request.auth, Window.from_arguments(first=limit, after=cursor))
    return {"items": page.items, "next_cursor": page.end_cursor if page.has_next else None}


@router.get(
    "/order",
    response={200: Order, **declare_problems(404), **_PROBLEMS},
    operation_id="orderGet",
    summary="Get an order",
)
def show_order(
    request: ApiRequest,
    number: OrderNumber = Query(description="Number of the order."),
    order_token: str | None = _ORDER_TOKEN,
) -> Any:
    """Get an order of the viewer by its number, or a guest's order by its number and token."""
    if not order_token:
        order = selectors.get_order(request.auth, number)
    else:
        order = guests.get_guest_order(number=number, token=order_token, address=get_client_address(request))
    if order is None:
        message = guests.UNKNOWN_ORDER if order_token else _("You have no order with this number.")
        raise NotFound(message, field="number")
    return order


@router.post(
    "/order/cancel",
    response={200: Order, **declare_problems(404, 409), **_PROBLEMS},
    operation_id="orderCancel",
    summary="Cancel an order",
)
def cancel_order(
    request: ApiRequest,
    number: OrderNumber = Query(description="Number of the order."),
    order_token: str | None = _ORDER_TOKEN,
) -> Any:
    """Cancel an order that has not been shipped.

    Its products return to stock, and its promo code can be used again.
    """
    if not order_token:
        return services.cancel_order(viewer=request.auth, number=number)
    address = get_client_address(request)
    return services.cancel_guest_order(number=number, token=order_token, address=address)
