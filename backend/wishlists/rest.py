"""The viewer's wishlist in REST: one route whose three methods all return the wishlist."""

from datetime import datetime
from typing import Any

from ninja import Query, Router
from pydantic import Field, StrictBool

from backend.carts.rest import CART_TOKEN
from backend.catalog.rest import Product
from backend.core.client_address import get_client_address
from backend.core.errors import map_error_fields
from backend.core.pagination import Window
from backend.core.rest import (
    AnyId,
    ApiRequest,
    Cursor,
    ObjectId,
    QueryPageSize,
    ResponseModel,
    StrictBody,
    declare_problems,
)
from backend.wishlists import selectors, services

router = Router(tags=["wishlist"])

# The REST names of service parameters.
_ARGUMENTS = {"first": ["limit"], "after": ["cursor"]}


class WishlistItem(ResponseModel):
    """A product on the wishlist."""

    product: Product = Field(description="The product.")
    added_at: datetime = Field(description="Time when the product was added.")
    notify: bool = Field(
        description="True if the account gets a mail, once, when the product is back in stock."
    )


class Wishlist(ResponseModel):
    """A page of the products that the viewer has saved."""

    items: list[WishlistItem] = Field(
        description="Items of the page, newest first. Products that are not published are left out."
    )
    total: int = Field(description="Number of items on all pages.")
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last page.")
    token: str | None = Field(
        description="Token of a guest's cart and wishlist; send it as `X-Cart-Token` with every later "
        "request. Returned only once, when it is created; null otherwise."
    )


class AddedProduct(StrictBody):
    """A product to add to the wishlist."""

    product_id: ObjectId = Field(description="Id of the product.", examples=[1])
    notify: StrictBool | None = Field(
        None,
        description="True to get a mail, once, when the product is back in stock; it must be sold out, and "
        "the viewer logged in. False to get none. Null leaves this unchanged.",
    )


@router.get(
    "/wishlist",
    response={200: Wishlist, **declare_problems(422, 503)},
    operation_id="wishlistGet",
    summary="Show the wishlist",
    openapi_extra=CART_TOKEN,
)
def show_wishlist(
    request: ApiRequest,
    limit: QueryPageSize = Query(20, description="Page size, 1 to 100."),
    cursor: Cursor | None = Query(None, description="`next_cursor` of the previous page."),
) -> Any:
    """Return a page of the viewer's own wishlist. It is empty until a product is added."""
    with map_error_fields(_ARGUMENTS):
        window = Window.from_arguments(first=limit, after=cursor)
        return _make_page(services.get_wishlist(viewer=request.auth), window)


@router.post(
    "/wishlist",
    response={200: Wishlist, **declare_problems(400, 401, 404, 409, 415, 422, 429, 503)},
    operation_id="wishlistAdd",
    summary="Add a product",
    openapi_extra=CART_TOKEN,
)
def add_product(request: ApiRequest, payload: AddedProduct) -> Any:
    """Add a product to the wishlist, which can have 500 products, and return its first page.

    A product that is on it stays there. A guest without a token gets one.
    """
    wishlist = services.add_item(
        viewer=request.auth,
        product_id=payload.product_id,
        address=get_client_address(request),
        notify=payload.notify,
    )
    return _make_page(wishlist, Window(20))


@router.delete(
    "/wishlist",
    response={200: Wishlist, **declare_problems(409, 422, 503)},
    operation_id="wishlistRemove",
    summary="Remove a product",
    openapi_extra=CART_TOKEN,
)
def remove_product(request: ApiRequest, product_id: AnyId = Query(description="Id of the product.")) -> Any:
    """Remove a product from the wishlist and return its first page.

    A product that is not on it is ignored.
    """
    return _make_page(services.remove_item(viewer=request.auth, product_id=product_id), Window(20))


def _make_page(wishlist: selectors.Wishlist, window: Window) -> dict[str, Any]:
    page = selectors.list_items(wishlist, window)
    return {
        "items": page.items,
        "total": selectors.count_items(wishlist),
        "next_cursor": page.end_cursor if page.has_next else None,
        "token": wishlist.token,
    }
