"""The viewer's orders in GraphQL."""

from decimal import Decimal
from typing import cast

import strawberry
import strawberry_django
from strawberry import auto

from backend.carts.tokens import CartTokenInvalid
from backend.catalog.graphql import Product
from backend.core.errors import ShopError
from backend.core.graphql import Column, Edge, Info, PageInfo, UserError, cost, edges_of, user_errors
from backend.core.pagination import Page
from backend.orders import models, services
from backend.orders.delivery import Address as DeliveryAddress
from backend.orders.delivery import Contact as DeliveryContact
from backend.orders.delivery import Delivery

strawberry.enum(models.Order.Status, name="OrderStatus", description="How far an order has come.")


@strawberry.type
class Contact:
    """Whom to call about an order."""

    name: str
    phone: str


@strawberry.type
class Address:
    """Where to deliver."""

    line1: str
    line2: str
    city: str
    postal_code: str
    country: str = strawberry.field(description="ISO 3166-1 alpha-2, such as RU.")


@strawberry_django.type(models.OrderLine, field_cls=Column)
class OrderLine:
    """One product of an order, as it was when it was ordered."""

    sku: auto
    name: auto
    unit_price: auto
    quantity: int
    line_total: auto

    @strawberry_django.field(description="What it is now; null if it is no longer sold.")
    def product(self) -> Product | None:
        return cast("Product | None", cast(models.OrderLine, self).sold_product)


@strawberry_django.type(models.OrderStatusChange, field_cls=Column)
class OrderStatusChange:
    """One step of an order's history."""

    status: models.Order.Status
    changed_at: auto


@strawberry_django.type(models.Order, field_cls=Column)
class Order:
    """What the viewer has bought, at the prices of that moment."""

    number: auto
    status: models.Order.Status
    total: auto
    currency: auto
    placed_at: auto
    contact: Contact | None
    delivery_address: Address | None
    comment: str
    is_cancellable: bool

    @strawberry_django.field(description="In the order of the cart.", metadata=cost(item=5))
    def lines(self) -> list[OrderLine]:
        return cast("list[OrderLine]", list(cast(models.Order, self).lines.all()))

    @strawberry_django.field(description="What has become of it, from the placing on.")
    def history(self) -> list[OrderStatusChange]:
        return cast("list[OrderStatusChange]", cast(models.Order, self).history.all())


@strawberry.type
class OrderConnection:
    """A page of the viewer's orders."""

    page: strawberry.Private[Page[models.Order]]

    @strawberry.field(metadata=cost(item=20))
    def edges(self) -> list[Edge[Order]]:
        return cast("list[Edge[Order]]", edges_of(self.page))

    @strawberry.field(metadata=cost(item=20))
    def nodes(self) -> list[Order]:
        return cast("list[Order]", self.page.items)

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.page)


@strawberry.type
class OrderPayload:
    """The order, or why there is none and nothing was changed."""

    order: Order | None
    errors: list[UserError]


@strawberry.input
class ContactInput:
    name: str = ""
    phone: str = ""


@strawberry.input
class AddressInput:
    line1: str = ""
    line2: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = strawberry.field(default="", description="ISO 3166-1 alpha-2, such as RU.")


@strawberry.input
class OrderInput:
    """Everything is optional, unless the shop requires to know where to deliver."""

    idempotency_key: str | None = strawberry.field(
        default=None,
        description="A name of the client's own making; repeated, it returns the order that there is.",
    )
    expected_total: Decimal | None = strawberry.field(
        default=None, description="What the shopper was shown; another total is refused."
    )
    contact: ContactInput | None = None
    delivery_address: AddressInput | None = None
    comment: str = ""


@strawberry.type
class OrdersMutation:
    @strawberry.mutation(description="Order what is in the cart, and empty it.")
    def order_create(self, info: Info, input: OrderInput | None = None) -> OrderPayload | None:
        viewer = info.context.viewer
        input = input or OrderInput()
        contact, address = input.contact, input.delivery_address
        try:
            order = services.create_order(
                viewer=viewer,
                delivery=Delivery(
                    contact=DeliveryContact(**vars(contact)) if contact else None,
                    address=DeliveryAddress(**vars(address)) if address else None,
                    comment=input.comment,
                ),
                idempotency_key=input.idempotency_key,
                expected_total=input.expected_total,
            )
        except ShopError as error:
            # The cart's token comes in a header, not in the input.
            within = () if isinstance(error, CartTokenInvalid) else ("input",)
            return OrderPayload(order=None, errors=user_errors(error, *within))
        return OrderPayload(order=cast(Order, order), errors=[])

    @strawberry.mutation(description="Cancel an order that is not shipped yet; its stock is given back.")
    def order_cancel(self, info: Info, number: str) -> OrderPayload | None:
        viewer = info.context.viewer
        try:
            order = services.cancel_order(viewer=viewer, number=number)
        except ShopError as error:
            return OrderPayload(order=None, errors=user_errors(error))
        return OrderPayload(order=cast(Order, order), errors=[])
