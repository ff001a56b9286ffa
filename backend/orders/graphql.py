"""Order types, the query of a guest's order, and mutations. The orders of a user are fields of `User`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Annotated, TypeVar

import strawberry
import strawberry_django
from django.utils.translation import gettext_lazy as _
from strawberry import auto
from strawberry.types import get_object_definition

from backend.catalog.graphql import Product, register_products
from backend.core.errors import Invalid
from backend.core.graphql import (
    Cost,
    Edge,
    Info,
    Node,
    PageInfo,
    UserError,
    describe_enum,
    make_edges,
    parse_object_id,
    refusals_as_payload,
)
from backend.core.identifiers import parse_id
from backend.core.pagination import Page
from backend.orders import delivery, guests, models, selectors, services

describe_enum(
    models.Order.Status,
    "Status of an order.",
    {
        "PLACED": "The order has been placed and awaits payment.",
        "PAID": "The order has been paid.",
        "SHIPPED": "The order has been shipped. It can no longer be cancelled.",
        "DELIVERED": "The order has been delivered.",
        "CANCELLED": "The order has been cancelled, and its products have returned to stock.",
    },
    name="OrderStatus",
)

PartType = TypeVar("PartType", bound=type[delivery.ContactInput] | type[delivery.Address])


def _describe_fields(cls: PartType) -> PartType:
    """Give the fields the descriptions of their dataclass, whose metadata Strawberry ignores."""
    descriptions = {item.name: item.metadata["description"] for item in fields(cls)}
    for graphql_field in get_object_definition(cls, strict=True).fields:
        graphql_field.description = descriptions[graphql_field.python_name]
    return cls


@_describe_fields
@strawberry.type
class Contact(delivery.Contact):
    """The person to contact about an order."""


@_describe_fields
@strawberry.type
class Address(delivery.Address):
    """A delivery address."""


@strawberry_django.type(models.OrderLine)
class OrderLine(Node):
    """A product of an order, with the properties that it had when it was ordered."""

    id: strawberry.ID = strawberry_django.field(
        field_name="global_id", description="Opaque id, unique among all types."
    )
    sku: auto = strawberry_django.field(description="SKU of the product.")
    name: auto = strawberry_django.field(description="Name of the product.")
    unit_price: auto = strawberry_django.field(description="Price of one unit, in the currency of the order.")
    quantity: int = strawberry_django.field(description="Ordered quantity.")
    cancelled_quantity: int = strawberry_django.field(
        description="Units of `quantity` that the shop has cancelled one by one. Cancelling the whole order "
        "does not change it."
    )
    line_total: auto = strawberry_django.field(
        description="`unitPrice` multiplied by the units that are not cancelled, `quantity` minus "
        "`cancelledQuantity`."
    )
    discount: auto = strawberry_django.field(
        description="Part of the discount of the order for this line, at most `lineTotal`."
    )

    @strawberry_django.field(description="The current product; null if it is no longer sold.")
    def product(self: models.OrderLine) -> Product | None:
        return self.sold_product

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, models.OrderLine]:
        lines = selectors.get_order_lines(info.context.viewer, [parse_id(key) for key in keys])
        _register_products(info, lines)
        return {str(line.pk): line for line in lines}


@strawberry_django.type(models.OrderStatusChange)
class OrderStatusChange:
    """An entry of the status history of an order."""

    status: models.Order.Status = strawberry_django.field(description="Status since this change.")
    changed_at: auto = strawberry_django.field(description="Time of the change.")


@strawberry_django.type(models.Order)
class Order(Node):
    """An order of an account or a guest. Names and prices are those of the time of the order."""

    id: strawberry.ID = strawberry_django.field(
        field_name="global_id", description="Opaque id, unique among all types."
    )
    number: auto = strawberry_django.field(description="Order number, as in mails and in the REST API.")
    status: models.Order.Status = strawberry_django.field(description="Current status.")
    subtotal: Decimal = strawberry_django.field(description="Sum of the line totals, in `currency`.")
    discount: auto = strawberry_django.field(
        description="Discount of the promo code: the sum of the discounts of the lines."
    )
    total: auto = strawberry_django.field(description="Amount to pay: `subtotal` without `discount`.")
    currency: auto = strawberry_django.field(description="ISO 4217 code of the currency of all prices.")
    placed_at: auto = strawberry_django.field(description="Time of the order.")
    tracking_number: str = strawberry_django.field(
        description="Tracking number of the shipment; empty until the order is shipped, or if there is none."
    )
    tracking_url: str = strawberry_django.field(
        description="HTTPS link to the tracking page of the shipment; empty if there is none."
    )
    contact: Contact | None = strawberry_django.field(
        description="Person to contact; null if the customer gave no contact."
    )
    delivery_address: Address | None = strawberry_django.field(
        description="Delivery address; null if the customer gave no address."
    )
    comment: str = strawberry_django.field(description="Comment of the customer; empty if there is none.")
    is_cancellable: bool = strawberry_django.field(
        description="True while `orderCancel` can cancel the order."
    )

    @strawberry_django.field(description="Promo code of the order, in upper case; null without one.")
    def promo_code(self: models.Order) -> str | None:
        return self.promo_code or None

    @strawberry_django.field(description="Lines, in the order of the cart lines.", directives=[Cost(item=5)])
    def lines(self: models.Order, info: Info) -> list[OrderLine]:
        lines = list(self.lines.all())
        if not any(info.context.has_batch(line.product) for line in lines):
            _register_products(info, lines)
        return lines

    @strawberry_django.field(description="Status history, oldest first.")
    def history(self: models.Order) -> list[OrderStatusChange]:
        return list(self.history.all())

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, models.Order]:
        orders = selectors.get_orders(info.context.viewer, [parse_id(key) for key in keys])
        _register_products(info, _list_lines(orders))
        return {str(order.pk): order for order in orders}


def _list_lines(orders: Iterable[models.Order]) -> list[models.OrderLine]:
    return [line for order in orders for line in order.lines.all()]


def _register_products(info: Info, lines: Iterable[models.OrderLine]) -> None:
    """Register the products of lines as one batch, so that their related objects are read together."""
    register_products(info.context, [line.product for line in lines if line.product])


@strawberry.type
class OrderConnection:
    """A page of orders."""

    page: strawberry.Private[Page[models.Order]]

    @strawberry.field(description="Orders of the page with their cursors.", directives=[Cost(item=20)])
    def edges(self, info: Info) -> list[Edge[Order]]:
        _register_products(info, _list_lines(self.page.items))
        return make_edges(self.page)

    @strawberry.field(description="Orders of the page, without cursors.", directives=[Cost(item=20)])
    def nodes(self, info: Info) -> list[Order]:
        _register_products(info, _list_lines(self.page.items))
        return self.page.items

    @strawberry.field(description="Position of the page in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo.from_page(self.page)


@strawberry.type
class OrderPayload:
    """The order, or null and the errors if nothing was changed."""

    order: Order | None = strawberry.field(default=None, description="The order; null if there are errors.")
    token: str | None = strawberry.field(
        default=None,
        description="Secret token of a guest's order, with which `order` reads and `orderCancel` cancels it. "
        "Returned by `orderCreate` only, and mailed; null for an account.",
    )
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Reasons why the change was refused; empty on success."
    )


@_describe_fields
@strawberry.input
class ContactInput(delivery.ContactInput):
    """The person to contact about an order. All fields are required."""


@_describe_fields
@strawberry.input
class AddressInput(delivery.Address):
    """A delivery address. The country decides whether city and postalCode are required."""


@strawberry.input
class OrderInput:
    """Details of a new order. Guests must give email and contact. Some shops also require deliveryAddress."""

    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Client-generated idempotency key. Repeating it returns the existing order.",
    )
    email: str | None = strawberry.field(
        default=None,
        description="E-mail address of a guest, which the order belongs to. Required without an account; "
        "must be left out with one.",
    )
    expected_total: Decimal | None = strawberry.field(
        default=None,
        description="Total shown to the shopper. The order is refused if the cart has a different `total`.",
    )
    contact: ContactInput | None = strawberry.field(default=None, description="Person to contact.")
    delivery_address: AddressInput | None = strawberry.field(default=None, description="Delivery address.")
    address_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="`id` or `databaseId` of a saved address, which is copied into the order. Replaces "
        "`contact` and `deliveryAddress`.",
    )
    comment: str = strawberry.field(
        default="",
        description=f"Comment for the shop, up to {delivery.MAX_COMMENT_LENGTH} characters.",
    )


def _parse_address_id(text: str | None) -> int | None:
    return None if text is None else parse_object_id(text, "SavedAddress", field="address_id")


_Number = Annotated[str, strawberry.argument(description="Number of the order.")]


@strawberry.type
class OrdersQuery:
    @strawberry.field(
        description="A guest's order; null if no order has this number and this token, or if it was "
        "transferred to an account. Must be sent by POST, because servers log the URLs of GET requests."
    )
    def order(
        self,
        info: Info,
        number: _Number,
        token: Annotated[
            str, strawberry.argument(description="Token that `orderCreate` returned, and that was mailed.")
        ],
    ) -> Order | None:
        if info.context.request.method == "GET":
            raise Invalid(_("token must be sent by POST."), field="token")
        return guests.get_guest_order(number=number, token=token, address=info.context.address)


@strawberry.type
class OrdersMutation:
    @strawberry.mutation(description="Create an order from the cart and empty the cart.")
    @refusals_as_payload("input")
    def order_create(
        self,
        info: Info,
        input: Annotated[OrderInput | None, strawberry.argument(description="Details of the order.")] = None,
    ) -> OrderPayload | None:
        viewer = info.context.viewer
        input = input or OrderInput()
        order = services.create_order(
            viewer=viewer,
            delivery=delivery.Delivery(
                input.contact, input.delivery_address, input.comment, _parse_address_id(input.address_id)
            ),
            guest=guests.GuestDetails(input.email, info.context.address, info.context.language),
            idempotency_key=input.idempotency_key,
            expected_total=input.expected_total,
        )
        return OrderPayload(order=order, token=order.token)

    @strawberry.mutation(
        description="Cancel an order that has not been shipped. Its products return to stock, and its promo "
        "code can be used again."
    )
    @refusals_as_payload()
    def order_cancel(
        self,
        info: Info,
        number: _Number,
        token: Annotated[
            str | None,
            strawberry.argument(description="Token of a guest's order; left out for one of the account."),
        ] = None,
    ) -> OrderPayload | None:
        context = info.context
        if token is None:
            return OrderPayload(order=services.cancel_order(viewer=context.viewer, number=number))
        order = services.cancel_guest_order(number=number, token=token, address=context.address)
        return OrderPayload(order=order)
