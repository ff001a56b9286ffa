"""The viewer's cart in GraphQL. Operations take no cart id: each viewer has one cart."""

from decimal import Decimal
from typing import Annotated, TypeVar

import strawberry
import strawberry_django

from backend.carts import models, selectors, services
from backend.carts.models import MAX_LINES, MAX_QUANTITY
from backend.carts.selectors import CartContents
from backend.catalog.graphql import Product
from backend.core.graphql import Column, Constraint, Cost, Info, UserError, refusals_as_payload
from backend.core.identifiers import parse_id
from backend.core.viewer import Viewer
from backend.recommendations.selectors import suggest_for_cart

T = TypeVar("T")

# A list argument for the lines of a cart.
_Lines = Annotated[
    list[T],
    strawberry.argument(description=f"At most {MAX_LINES}.", directives=[Constraint(max_items=MAX_LINES)]),
]

strawberry.enum(selectors.CartWarningCode, description="The reason for a warning about a cart line.")


@strawberry_django.type(models.CartLine, field_cls=Column)
class CartLine:
    """A product and its quantity, at the current price."""

    product: Product = strawberry_django.field(
        description="If the product is no longer sold, only its `id` and the `name` and `price` that the "
        "shopper last saw; the other fields are empty.",
        field_cls=Column,
    )
    quantity: int
    unit_price: Decimal = strawberry_django.field(
        description="The current price of one unit, or the price last seen if the product is no longer sold.",
        field_cls=Column,
    )
    line_total: Decimal = strawberry_django.field(
        description="`unitPrice` multiplied by `quantity`.", field_cls=Column
    )
    is_available: bool = strawberry_django.field(
        description="Whether the product is still sold and its stock covers the quantity.", field_cls=Column
    )


@strawberry.type
class CartWarning:
    """A change to a product since it was added to the cart. It may prevent the order."""

    code: selectors.CartWarningCode
    message: str
    product_id: strawberry.ID


@strawberry.type
class Cart:
    """The products that the viewer intends to order."""

    contents: strawberry.Private[CartContents]

    @strawberry.field(description="Oldest first.", directives=[Cost(item=5)])
    def lines(self, info: Info) -> list[CartLine]:
        info.context.register_batch([line.product for line in self.contents.lines])
        return self.contents.lines

    @strawberry.field(description="The sum of the quantities of all lines.")
    def total_quantity(self) -> int:
        return self.contents.total_quantity

    @strawberry.field(description="The sum of all line totals, without products that are no longer sold.")
    def total(self) -> Decimal:
        return self.contents.total

    @strawberry.field(description="The currency of all prices, an ISO 4217 code.")
    def currency(self) -> str:
        return self.contents.currency

    @strawberry.field(description="In the order of the lines.")
    def warnings(self) -> list[CartWarning]:
        return self.contents.warnings

    @strawberry.field(
        description="Products that complement the cart, without those that are in it.",
        directives=[Cost(field=500, item=5)],
    )
    def suggestions(self, first: int = 10) -> list[Product]:
        return suggest_for_cart(self.contents.lines, first)

    @strawberry.field(
        description="A guest's cart token; send it as `X-Cart-Token` with every later request. Returned only "
        "once, when the cart is created."
    )
    def token(self) -> str | None:
        return self.contents.token


@strawberry.type
class CartPayload:
    """The cart after the change. If there are errors, `cart` is null and nothing has changed."""

    cart: Cart | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)
    warnings: list[CartWarning] = strawberry.field(default_factory=list)


@strawberry.input
class CartLineInput:
    product_id: strawberry.ID
    quantity: int = strawberry.field(default=1, description=f"The quantity to add, 1 to {MAX_QUANTITY}.")


@strawberry.input
class CartLineUpdateInput:
    product_id: strawberry.ID
    quantity: int = strawberry.field(
        description=f"The new quantity, 0 to {MAX_QUANTITY}; 0 removes the product."
    )


@strawberry.type
class CartsQuery:
    @strawberry.field(description="The viewer's own cart. It is empty until a product is added.")
    def cart(self, info: Info) -> Cart:
        return Cart(contents=info.context.once(_read_cart, info.context.viewer))


@strawberry.type
class CartsMutation:
    @strawberry.mutation(description="Add products to the cart: all of them, or none.")
    @refusals_as_payload()
    def cart_lines_add(self, info: Info, lines: _Lines[CartLineInput]) -> CartPayload | None:
        viewer, address = info.context.viewer, info.context.address
        return _payload(services.add_lines(viewer=viewer, lines=_quantities(lines), address=address))

    @strawberry.mutation(description="Set the quantities of products in the cart: of all of them, or none.")
    @refusals_as_payload()
    def cart_lines_update(self, info: Info, lines: _Lines[CartLineUpdateInput]) -> CartPayload | None:
        viewer = info.context.viewer
        return _payload(services.update_lines(viewer=viewer, lines=_quantities(lines)))

    @strawberry.mutation(
        description="Remove products from the cart. Products that are not in it are ignored."
    )
    @refusals_as_payload()
    def cart_lines_remove(self, info: Info, product_ids: _Lines[strawberry.ID]) -> CartPayload | None:
        viewer = info.context.viewer
        ids = [parse_id(product_id) for product_id in product_ids]
        return _payload(services.remove_lines(viewer=viewer, product_ids=ids))

    @strawberry.mutation(description="Remove all products from the cart.")
    @refusals_as_payload()
    def cart_clear(self, info: Info) -> CartPayload | None:
        viewer = info.context.viewer
        return _payload(services.clear_cart(viewer=viewer))


def _read_cart(viewer: Viewer) -> CartContents:
    return services.get_cart(viewer=viewer)


def _payload(contents: CartContents) -> CartPayload:
    return CartPayload(cart=Cart(contents=contents), warnings=contents.warnings)


def _quantities(lines: list[CartLineInput] | list[CartLineUpdateInput]) -> list[services.LineQuantity]:
    return [services.LineQuantity(parse_id(line.product_id), line.quantity) for line in lines]
