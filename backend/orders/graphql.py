"""Order types and mutations. The orders of a user are fields of `User`."""

from dataclasses import fields
from decimal import Decimal
from typing import TypeVar

import strawberry
import strawberry_django
from strawberry import auto
from strawberry.types import get_object_definition

from backend.catalog.graphql import Product
from backend.core.graphql import Column, Cost, Edge, Info, PageInfo, UserError, edges_of, refusals_as_payload
from backend.core.pagination import Page
from backend.orders import delivery, models, services

strawberry.enum(models.Order.Status, name="OrderStatus", description="Status of an order.")

PartType = TypeVar("PartType", bound=type[delivery.Contact] | type[delivery.Address])


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


@strawberry_django.type(models.OrderLine, field_cls=Column)
class OrderLine:
    """A product of an order, with the properties that it had when it was ordered."""

    sku: auto
    name: auto
    unit_price: auto
    quantity: int
    line_total: auto

    @strawberry_django.field(description="The current product. Null if it is no longer sold.")
    def product(self: models.OrderLine) -> Product | None:
        return self.sold_product


@strawberry_django.type(models.OrderStatusChange, field_cls=Column)
class OrderStatusChange:
    """An entry of the status history of an order."""

    status: models.Order.Status
    changed_at: auto


@strawberry_django.type(models.Order, field_cls=Column)
class Order:
    """An order of the viewer. Names and prices are those of the time of the order."""

    number: auto
    status: models.Order.Status
    total: auto
    currency: auto
    placed_at: auto
    contact: Contact | None
    delivery_address: Address | None
    comment: str
    is_cancellable: bool

    @strawberry_django.field(description="In the order of the cart lines.", directives=[Cost(item=5)])
    def lines(self: models.Order) -> list[OrderLine]:
        return list(self.lines.all())

    @strawberry_django.field(description="Status history, oldest first.")
    def history(self: models.Order) -> list[OrderStatusChange]:
        return self.history.all()


@strawberry.type
class OrderConnection:
    """A page of orders."""

    page: strawberry.Private[Page[models.Order]]

    @strawberry.field(directives=[Cost(item=20)])
    def edges(self) -> list[Edge[Order]]:
        return edges_of(self.page)

    @strawberry.field(directives=[Cost(item=20)])
    def nodes(self) -> list[Order]:
        return self.page.items

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.page)


@strawberry.type
class OrderPayload:
    """The order, or null and the errors if nothing was changed."""

    order: Order | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@_describe_fields
@strawberry.input
class ContactInput(delivery.Contact):
    """The person to contact about an order. All fields are required."""


@_describe_fields
@strawberry.input
class AddressInput(delivery.Address):
    """A delivery address. All fields except line2 are required."""


@strawberry.input
class OrderInput:
    """All fields are optional, but some shops require contact and deliveryAddress."""

    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Client-generated idempotency key. Repeating it returns the existing order.",
    )
    expected_total: Decimal | None = strawberry.field(
        default=None,
        description="Total shown to the shopper. The order is refused if the cart has a different total.",
    )
    contact: ContactInput | None = None
    delivery_address: AddressInput | None = None
    comment: str = ""


@strawberry.type
class OrdersMutation:
    @strawberry.mutation(description="Create an order from the cart and empty the cart.")
    @refusals_as_payload("input")
    def order_create(self, info: Info, input: OrderInput | None = None) -> OrderPayload | None:
        viewer = info.context.viewer
        input = input or OrderInput()
        order = services.create_order(
            viewer=viewer,
            delivery=delivery.Delivery(input.contact, input.delivery_address, input.comment),
            idempotency_key=input.idempotency_key,
            expected_total=input.expected_total,
        )
        return OrderPayload(order=order)

    @strawberry.mutation(
        description="Cancel an order that has not been shipped. Its products return to stock."
    )
    @refusals_as_payload()
    def order_cancel(self, info: Info, number: str) -> OrderPayload | None:
        viewer = info.context.viewer
        order = services.cancel_order(viewer=viewer, number=number)
        return OrderPayload(order=order)
