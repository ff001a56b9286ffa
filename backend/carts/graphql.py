"""The viewer's cart in GraphQL. It is never named: a viewer has one."""

from collections.abc import Callable
from decimal import Decimal
from typing import cast

import strawberry
import strawberry_django

from backend.carts import models, selectors, services
from backend.carts.selectors import CartContents
from backend.catalog.graphql import Product
from backend.core.errors import ShopError
from backend.core.graphql import Column, Info, UserError, user_errors
from backend.core.identifiers import parse_id
from backend.core.viewer import Viewer
from backend.recommendations.selectors import suggest_for_cart

strawberry.enum(selectors.CartWarningCode, description="What to know of a line before ordering it.")


@strawberry_django.type(models.CartLine, field_cls=Column)
class CartLine:
    """So many of one product, at its price of now."""

    product: Product
    quantity: int
    unit_price: Decimal
    line_total: Decimal
    is_available: bool


@strawberry.type
class CartWarning:
    """Something that has changed since a line was added; ordering may be refused for it."""

    code: selectors.CartWarningCode
    message: str
    product_id: strawberry.ID


@strawberry.type
class Cart:
    """What the viewer is about to order."""

    contents: strawberry.Private[CartContents]

    @strawberry.field(description="In the order that they were added.")
    def lines(self, info: Info) -> list[CartLine]:
        return cast("list[CartLine]", info.context.afford(self.contents.lines))

    @strawberry.field(description="How many pieces there are.")
    def total_quantity(self) -> int:
        return self.contents.total_quantity

    @strawberry.field
    def total(self) -> Decimal:
        return self.contents.total

    @strawberry.field
    def currency(self) -> str:
        return self.contents.currency

    @strawberry.field
    def warnings(self) -> list[CartWarning]:
        return cast("list[CartWarning]", self.contents.warnings)

    @strawberry.field(description="What would complete the cart; nothing that is in it.")
    def suggestions(self, first: int = 10) -> list[Product]:
        return cast("list[Product]", suggest_for_cart(self.contents.lines, first))

    @strawberry.field(
        description="Of a guest's cart that has just been made: send it as X-Cart-Token from now on. "
        "It is told this once."
    )
    def token(self) -> str | None:
        return self.contents.token


@strawberry.type
class CartPayload:
    """The cart after a change; null, and nothing changed, if there are errors."""

    cart: Cart | None
    errors: list[UserError]
    warnings: list[CartWarning]


@strawberry.input
class CartLineInput:
    product_id: strawberry.ID
    quantity: int = 1


@strawberry.input
class CartLineUpdateInput:
    product_id: strawberry.ID
    quantity: int = strawberry.field(description="How many there shall be; 0 takes the product out.")


@strawberry.type
class CartsQuery:
    @strawberry.field(description="The viewer's own cart, empty if there is nothing in it yet.")
    def cart(self, info: Info) -> Cart:
        return Cart(contents=info.context.once(_read_cart, info.context.viewer))


@strawberry.type
class CartsMutation:
    @strawberry.mutation(description="Put products into the cart: all of them, or none.")
    def cart_lines_add(self, info: Info, lines: list[CartLineInput]) -> CartPayload | None:
        viewer = info.context.viewer
        return _payload(lambda: services.add_lines(viewer=viewer, lines=_wanted(lines)))

    @strawberry.mutation(description="Set how many of some products there are: of all of them, or none.")
    def cart_lines_update(self, info: Info, lines: list[CartLineUpdateInput]) -> CartPayload | None:
        viewer = info.context.viewer
        return _payload(lambda: services.update_lines(viewer=viewer, lines=_wanted(lines)))

    @strawberry.mutation(description="Take products out; what is not in the cart is no matter.")
    def cart_lines_remove(self, info: Info, product_ids: list[strawberry.ID]) -> CartPayload | None:
        viewer = info.context.viewer
        ids = [parse_id(product_id) for product_id in product_ids]
        return _payload(lambda: services.remove_lines(viewer=viewer, product_ids=ids))

    @strawberry.mutation(description="Take everything out.")
    def cart_clear(self, info: Info) -> CartPayload | None:
        viewer = info.context.viewer
        return _payload(lambda: services.clear_cart(viewer=viewer))


def _read_cart(viewer: Viewer) -> CartContents:
    return services.get_cart(viewer=viewer)


def _payload(change: Callable[[], CartContents]) -> CartPayload:
    try:
        contents = change()
    except ShopError as error:
        return CartPayload(cart=None, errors=user_errors(error), warnings=[])
    return CartPayload(
        cart=Cart(contents=contents), errors=[], warnings=cast("list[CartWarning]", contents.warnings)
    )


def _wanted(lines: list[CartLineInput] | list[CartLineUpdateInput]) -> list[services.WantedLine]:
    return [services.WantedLine(parse_id(line.product_id), line.quantity) for line in lines]
