"""The viewer's cart in GraphQL. Operations take no cart id: each viewer has one cart."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import strawberry
import strawberry_django

from backend.carts import models, promo_code_services, selectors, services
from backend.carts.models import MAX_LINES, MAX_QUANTITY, RecommendationList
from backend.carts.selectors import CartContents
from backend.catalog.graphql import Product, register_products
from backend.core.graphql import (
    Constraint,
    Cost,
    Info,
    Node,
    UserError,
    describe_enum,
    parse_object_id,
    refusals_as_payload,
)
from backend.core.identifiers import encode_global_id
from backend.core.viewer import Viewer
from backend.recommendations.selectors import MAX_FIRST, suggest_for_cart

T = TypeVar("T")

# A list argument for the lines of a cart.
_Lines = Annotated[
    list[T],
    strawberry.argument(
        description=f"Products and quantities, at most {MAX_LINES}.",
        directives=[Constraint(max_items=MAX_LINES)],
    ),
]
_ProductIds = Annotated[
    list[strawberry.ID],
    strawberry.argument(
        description=f"`id` or `databaseId` of each product, at most {MAX_LINES}.",
        directives=[Constraint(max_items=MAX_LINES)],
    ),
]

describe_enum(
    selectors.CartWarningCode,
    "Reason for a warning about a cart.",
    {
        "NO_LONGER_SOLD": "The product is no longer sold. Remove it to order the rest.",
        "NOT_ENOUGH_STOCK": "The stock does not cover the quantity.",
        "PRICE_CHANGED": "The price has changed since the line was last added or changed.",
        "PROMO_CODE_NOT_APPLIED": "The promo code in the cart does not apply. The order is refused with it.",
    },
)

describe_enum(
    RecommendationList,
    "List of recommended products, to which clicks and orders are attributed.",
    {
        "SIMILAR": "`Product.similar`.",
        "BOUGHT_TOGETHER": "`Product.boughtTogether`.",
        "CART_SUGGESTIONS": "`Cart.suggestions`.",
        "PERSONAL": "`Query.recommendations`.",
    },
)


@strawberry_django.type(models.CartLine)
class CartLine(Node):
    """A product and its quantity, at the current price."""

    id: strawberry.ID = strawberry_django.field(
        field_name="global_id",
        description="Opaque id, unique among all types. A product that is removed and added again has the "
        "same line id.",
    )
    product: Product = strawberry_django.field(
        description="Product of the line. If it is no longer sold, only its ids and the `name` and `price` "
        "that the shopper last saw; the other fields are empty."
    )
    quantity: int = strawberry_django.field(description=f"Quantity, 1 to {MAX_QUANTITY}.")
    unit_price: Decimal = strawberry_django.field(
        description="Current price of one unit, or the price last seen if the product is no longer sold."
    )
    line_total: Decimal = strawberry_django.field(description="`unitPrice` multiplied by `quantity`.")
    discount: Decimal = strawberry_django.field(
        description="Part of the discount of the cart for this line, at most `lineTotal`."
    )
    is_available: bool = strawberry_django.field(
        description="True if the product is still sold and its stock covers the quantity."
    )

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return isinstance(value, cls | selectors.CartLineRow)

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, selectors.CartLineRow]:
        contents = info.context.call_once(_read_cart, info.context.viewer)
        register_products(info.context, [line.product for line in contents.lines])
        return {f"{contents.key}:{line.product_id}": line for line in contents.lines}


@strawberry.type
class CartWarning:
    """A change to a product since it was added to the cart, or a promo code that does not apply.

    It may prevent the order.
    """

    code: selectors.CartWarningCode = strawberry.field(description="Reason for the warning.")
    message: str = strawberry.field(description="Message for the shopper.")

    @strawberry.field(description="Id of the product; null if the warning is about the promo code.")
    def product_id(self: selectors.CartWarning) -> strawberry.ID | None:
        if self.product_id is None:
            return None
        return strawberry.ID(encode_global_id("Product", self.product_id))


@strawberry.type
class Cart(Node):
    """The products that the viewer intends to order."""

    contents: strawberry.Private[CartContents]
    id: strawberry.ID = strawberry.field(
        description="Opaque id, unique among all types. The same before the first line is added and after "
        "the cart is emptied or ordered. All guests' carts have the same id, because a guest has no token "
        "before the first line. Changes when the viewer logs in or out."
    )

    @strawberry.field(description="Lines, oldest first.", directives=[Cost(item=5)])
    def lines(self, info: Info) -> list[CartLine]:
        register_products(info.context, [line.product for line in self.contents.lines])
        return self.contents.lines

    @strawberry.field(description="Sum of the quantities of all lines.")
    def total_quantity(self) -> int:
        return self.contents.total_quantity

    @strawberry.field(description="Sum of all line totals, without products that are no longer sold.")
    def subtotal(self) -> Decimal:
        return self.contents.subtotal

    @strawberry.field(description="Discount of the promo code: the sum of the discounts of the lines.")
    def discount(self) -> Decimal:
        return self.contents.discount

    @strawberry.field(description="Amount to pay: `subtotal` without `discount`.")
    def total(self) -> Decimal:
        return self.contents.total

    @strawberry.field(
        description="Promo code in the cart, in upper case; null without one. If it does not apply, "
        "`discount` is 0 and `warnings` contains the reason."
    )
    def promo_code(self) -> str | None:
        return self.contents.promo_code

    @strawberry.field(description="ISO 4217 code of the currency of all prices.")
    def currency(self) -> str:
        return self.contents.currency

    @strawberry.field(description="Warnings, in the order of the lines, and then that of the promo code.")
    def warnings(self) -> list[CartWarning]:
        return self.contents.warnings

    @strawberry.field(
        description="Products that complement the cart, without those that are in it.",
        directives=[Cost(field=500, item=5)],
    )
    def suggestions(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description=f"Number of products, 1 to {MAX_FIRST}.")] = 10,
    ) -> list[Product]:
        return register_products(info.context, suggest_for_cart(self.contents.lines, first))

    @strawberry.field(
        description="Token of a guest's cart; send it as `X-Cart-Token` with every later request. Returned "
        "only once, when the cart is created; null otherwise."
    )
    def token(self) -> str | None:
        return self.contents.token

    @classmethod
    def from_contents(cls, contents: CartContents) -> "Cart":
        """Return the cart with these contents."""
        return cls(id=strawberry.ID(contents.global_id), contents=contents)

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> "Mapping[str, Cart]":
        contents = info.context.call_once(_read_cart, info.context.viewer)
        return {contents.key: Cart.from_contents(contents)}


@strawberry.type
class CartPayload:
    """The cart after the change. If there are errors, `cart` is null and nothing has changed."""

    cart: Cart | None = strawberry.field(default=None, description="The cart; null if there are errors.")
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Reasons why the change was refused; empty on success."
    )
    warnings: list[CartWarning] = strawberry.field(
        default_factory=list,
        description="Warnings of the cart, in the order of its lines, and then that of the promo code.",
    )


@strawberry.input
class CartLineInput:
    """A product and a quantity to add to the cart."""

    product_id: strawberry.ID = strawberry.field(description="`id` or `databaseId` of the product.")
    quantity: int = strawberry.field(default=1, description=f"Quantity to add, 1 to {MAX_QUANTITY}.")
    recommended_by: RecommendationList | None = strawberry.field(
        default=None,
        description="List that the shopper adds the product from, for statistics without personal data. Null "
        "if the product was found in another way. Ignored if the cart already has the product.",
    )


@strawberry.input
class CartLineUpdateInput:
    """A product in the cart and its new quantity."""

    product_id: strawberry.ID = strawberry.field(description="`id` or `databaseId` of the product.")
    quantity: int = strawberry.field(description=f"New quantity, 0 to {MAX_QUANTITY}; 0 removes the product.")


@strawberry.type
class CartsQuery:
    @strawberry.field(description="The viewer's own cart. It is empty until a product is added.")
    def cart(self, info: Info) -> Cart:
        return Cart.from_contents(info.context.call_once(_read_cart, info.context.viewer))


@strawberry.type
class CartsMutation:
    @strawberry.mutation(description="Add products to the cart: all of them, or none.")
    @refusals_as_payload()
    def cart_lines_add(self, info: Info, lines: _Lines[CartLineInput]) -> CartPayload | None:
        viewer, address = info.context.viewer, info.context.address
        return _make_payload(services.add_lines(viewer=viewer, lines=_parse_lines(lines), address=address))

    @strawberry.mutation(description="Set the quantities of products in the cart: of all of them, or none.")
    @refusals_as_payload()
    def cart_lines_update(self, info: Info, lines: _Lines[CartLineUpdateInput]) -> CartPayload | None:
        viewer = info.context.viewer
        return _make_payload(services.update_lines(viewer=viewer, lines=_parse_lines(lines)))

    @strawberry.mutation(
        description="Remove products from the cart. Products that are not in it are ignored."
    )
    @refusals_as_payload()
    def cart_lines_remove(self, info: Info, product_ids: _ProductIds) -> CartPayload | None:
        viewer = info.context.viewer
        ids = [
            parse_object_id(product_id, "Product", field=f"product_ids.{index}")
            for index, product_id in enumerate(product_ids)
        ]
        return _make_payload(services.remove_lines(viewer=viewer, product_ids=ids))

    @strawberry.mutation(description="Remove all products from the cart.")
    @refusals_as_payload()
    def cart_clear(self, info: Info) -> CartPayload | None:
        viewer = info.context.viewer
        return _make_payload(services.clear_cart(viewer=viewer))

    @strawberry.mutation(
        description="Apply a promo code to the cart, instead of an earlier one. If it cannot be applied "
        "now, it is refused with the reason."
    )
    @refusals_as_payload()
    def cart_promo_code_apply(
        self,
        info: Info,
        code: Annotated[str, strawberry.argument(description="Promo code, in upper or lower case.")],
    ) -> CartPayload | None:
        viewer, address = info.context.viewer, info.context.address
        return _make_payload(promo_code_services.apply_promo_code(viewer=viewer, code=code, address=address))

    @strawberry.mutation(description="Remove the promo code from the cart, if it has one.")
    @refusals_as_payload()
    def cart_promo_code_remove(self, info: Info) -> CartPayload | None:
        viewer = info.context.viewer
        return _make_payload(promo_code_services.remove_promo_code(viewer=viewer))


def _read_cart(viewer: Viewer) -> CartContents:
    return services.get_cart(viewer=viewer)


def _make_payload(contents: CartContents) -> CartPayload:
    return CartPayload(cart=Cart.from_contents(contents), warnings=contents.warnings)


def _parse_lines(lines: Sequence[CartLineInput | CartLineUpdateInput]) -> list[services.LineQuantity]:
    return [
        services.LineQuantity(
            parse_object_id(line.product_id, "Product", field=f"lines.{index}.product_id"),
            line.quantity,
            line.recommended_by if isinstance(line, CartLineInput) else None,
        )
        for index, line in enumerate(lines)
    ]
