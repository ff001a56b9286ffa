"""The viewer's cart and its promo code in REST: all methods return the cart."""

from decimal import Decimal
from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from ninja import Body, Query, Router
from pydantic import Field, WithJsonSchema

from backend.carts import promo_code_services, selectors, services
from backend.carts.models import MAX_QUANTITY, RecommendationList
from backend.catalog.rest import Product
from backend.core.client_address import get_client_address
from backend.core.errors import Invalid, map_error_fields
from backend.core.rest import (
    AnyId,
    ApiRequest,
    ObjectId,
    ResponseModel,
    StrictBody,
    StrictInteger,
    declare_problems,
)

router = Router(tags=["cart"])

# Paths in the request of the parameters of the services, which take several lines.
_FIELD_PATHS = {
    "lines.0.product_id": ["product_id"],
    "lines.0.quantity": ["quantity"],
    "lines": ["product_id"],
    "product_ids": ["product_id"],
}

# The `openapi_extra` of routes that accept a guest's cart token.
CART_TOKEN = {
    "parameters": [
        {
            "name": "X-Cart-Token",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": "^([A-Za-z0-9_-]{43})?$"},
            "description": "The `token` of a guest's cart. The first request that also carries an access "
            "token merges that cart into the account's.",
        }
    ]
}


AddedQuantity = Annotated[
    StrictInteger, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY})
]
NewQuantity = Annotated[
    StrictInteger, WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_QUANTITY})
]


class CartLine(ResponseModel):
    """A product and its quantity, at the current price."""

    product: Product = Field(
        description="Product of the line. If it is no longer sold, only its `id` and the `name` and `price` "
        "that the shopper last saw; the other fields are empty."
    )
    quantity: int = Field(description="Number of units.")
    unit_price: Decimal = Field(
        description="Current price of one unit, or the price last seen if the product is no longer sold.",
        examples=["28.99"],
    )
    line_total: Decimal = Field(description="`unit_price` multiplied by `quantity`.", examples=["57.98"])
    discount: Decimal = Field(
        description="Part of the discount of the cart for this line, at most `line_total`.",
        examples=["5.80"],
    )
    is_available: bool = Field(
        description="True if the product is still sold and its stock covers the quantity."
    )


class CartWarning(ResponseModel):
    """A change to a product since it was added to the cart, or a promo code that does not apply.

    It may prevent the order.
    """

    code: selectors.CartWarningCode = Field(description="Reason for the warning.")
    message: str = Field(description="Message for the shopper.")
    product_id: int | None = Field(
        description="Id of the product; null if the warning is about the promo code."
    )


class Cart(ResponseModel):
    """The products that the viewer intends to order."""

    lines: list[CartLine] = Field(description="Lines, oldest first.")
    total_quantity: int = Field(description="Sum of the quantities of all lines.")
    subtotal: Decimal = Field(
        description="Sum of all line totals, without products that are no longer sold.",
        examples=["57.98"],
    )
    discount: Decimal = Field(
        description="Discount of the promo code: the sum of the discounts of the lines.", examples=["5.80"]
    )
    total: Decimal = Field(description="Amount to pay: `subtotal` without `discount`.", examples=["52.18"])
    promo_code: str | None = Field(
        description="Promo code in the cart, in upper case; null without one. If it does not apply, "
        "`discount` is 0 and `warnings` contains the reason.",
        examples=["SPRING10"],
    )
    currency: str = Field(description="ISO 4217 code of the currency of all prices.", examples=["RUB"])
    warnings: list[CartWarning] = Field(
        description="Warnings, in the order of the lines, and then that of the promo code."
    )
    token: str | None = Field(
        description="A guest's cart token; send it as `X-Cart-Token` with every later request. Returned only "
        "once, when the cart is created; null otherwise."
    )


class AddedLine(StrictBody):
    """A product and the quantity to add."""

    product_id: ObjectId = Field(description="Id of the product.", examples=[1])
    quantity: AddedQuantity = Field(1, description=f"Quantity to add, 1 to {MAX_QUANTITY}.")
    recommended_by: RecommendationList | None = Field(
        None,
        description="List that the shopper adds the product from, for statistics without personal data. Null "
        "if the product was found in another way. Ignored if the cart already has the product.",
    )


class ChangedLine(StrictBody):
    """A product in the cart and its new quantity."""

    product_id: ObjectId = Field(description="Id of the product.", examples=[1])
    quantity: NewQuantity = Field(
        description=f"New quantity, 0 to {MAX_QUANTITY}; 0 removes the product.", examples=[2]
    )


class RemovedLine(StrictBody):
    """The product to remove from the cart. Without a product, everything is removed."""

    # May be left out but not null: a client that has lost the id does not mean to empty the cart.
    product_id: AnyId = Field(default=None, description="Id of the product.")  # type: ignore[assignment]


class AppliedPromoCode(StrictBody):
    """The promo code to apply."""

    code: str = Field(description="Promo code, in upper or lower case.", examples=["SPRING10"])


EMPTY_REMOVAL_BODY = RemovedLine()
_PROBLEMS = declare_problems(400, 404, 409, 415, 422, 503)


@router.get(
    "/cart",
    response={200: Cart, **declare_problems(422, 503)},
    operation_id="cartGet",
    summary="Show the cart",
    openapi_extra=CART_TOKEN,
)
def show_cart(request: ApiRequest) -> Any:
    """Return the viewer's own cart. It is empty until a product is added."""
    return services.get_cart(viewer=request.auth)


@router.post(
    "/cart",
    response={200: Cart, **declare_problems(429), **_PROBLEMS},
    operation_id="cartAddLine",
    summary="Add a product",
    openapi_extra=CART_TOKEN,
)
def add_line(request: ApiRequest, payload: AddedLine) -> Any:
    """Add a quantity of a product to the cart. The first line of a guest creates a cart."""
    with map_error_fields(_FIELD_PATHS):
        return services.add_lines(
            viewer=request.auth,
            lines=[services.LineQuantity(**payload.dict())],
            address=get_client_address(request),
        )


@router.put(
    "/cart",
    response={200: Cart, **_PROBLEMS},
    operation_id="cartUpdateLine",
    summary="Set a quantity",
    openapi_extra=CART_TOKEN,
)
def change_line(request: ApiRequest, payload: ChangedLine) -> Any:
    """Set the quantity of a product in the cart."""
    with map_error_fields(_FIELD_PATHS):
        return services.update_lines(viewer=request.auth, lines=[services.LineQuantity(**payload.dict())])


@router.delete(
    "/cart",
    response={200: Cart, **declare_problems(400, 409, 415, 422, 503)},
    operation_id="cartRemoveLine",
    summary="Remove a product, or all",
    openapi_extra=CART_TOKEN,
)
def remove_line(
    request: ApiRequest, query: Query[RemovedLine], payload: Body[RemovedLine] = EMPTY_REMOVAL_BODY
) -> Any:
    """Remove the product that the query or the body names, or all products if neither names one.

    A product that is not in the cart is ignored.
    """
    for name in request.GET:
        if name not in RemovedLine.model_fields:
            # Ignoring a misspelt name would empty the cart.
            raise Invalid(
                _("%(name)r is not a parameter of this route."), field=name[:100], params={"name": name[:100]}
            )
    ids = {part.product_id for part in (query, payload) if part.product_id is not None}
    if len(ids) > 1:
        raise Invalid(_("product_id must be the same in the query and in the body."), field="product_id")
    viewer = request.auth
    if not ids:
        return services.clear_cart(viewer=viewer)
    with map_error_fields(_FIELD_PATHS):
        return services.remove_lines(viewer=viewer, product_ids=list(ids))


@router.post(
    "/cart/promo-code",
    response={200: Cart, **declare_problems(429), **_PROBLEMS},
    operation_id="cartApplyCode",
    summary="Apply a promo code",
    openapi_extra=CART_TOKEN,
)
def apply_promo_code(request: ApiRequest, payload: AppliedPromoCode) -> Any:
    """Apply a promo code to the cart, instead of an earlier one.

    If it cannot be applied now, it is refused with the reason.
    """
    address = get_client_address(request)
    return promo_code_services.apply_promo_code(viewer=request.auth, code=payload.code, address=address)


@router.delete(
    "/cart/promo-code",
    response={200: Cart, **declare_problems(409, 422, 503)},
    operation_id="cartRemoveCode",
    summary="Remove the promo code",
    openapi_extra=CART_TOKEN,
)
def remove_promo_code(request: ApiRequest) -> Any:
    """Remove the promo code from the cart, if it has one."""
    return promo_code_services.remove_promo_code(viewer=request.auth)
