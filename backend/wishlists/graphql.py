"""The viewer's wishlist in GraphQL. Operations take no wishlist id: each viewer has one wishlist."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import strawberry

from backend.catalog.graphql import Product, register_products
from backend.core.graphql import (
    After,
    Cost,
    Edge,
    First,
    Info,
    Node,
    PageInfo,
    UserError,
    make_edges,
    parse_object_id,
    refusals_as_payload,
)
from backend.core.pagination import Page, Window
from backend.core.viewer import Viewer
from backend.wishlists import selectors, services
from backend.wishlists.models import MAX_ITEMS

_ProductId = Annotated[strawberry.ID, strawberry.argument(description="`id` or `databaseId` of the product.")]


@strawberry.type
class WishlistItem:
    """A product on the wishlist."""

    product: Product = strawberry.field(description="The product.")
    added_at: datetime = strawberry.field(description="Time when the product was added.")
    notify: bool = strawberry.field(
        description="True if the account gets a mail, once, when the product is back in stock."
    )


@strawberry.type
class WishlistItemConnection:
    """A page of the wishlist."""

    page: strawberry.Private[Page[selectors.WishlistItemRow]]

    @strawberry.field(description="Items of the page with their cursors.", directives=[Cost(item=5)])
    def edges(self, info: Info) -> list[Edge[WishlistItem]]:
        register_products(info.context, [item.product for item in self.page.items])
        return make_edges(self.page)

    @strawberry.field(description="Items of the page, without cursors.", directives=[Cost(item=5)])
    def nodes(self, info: Info) -> list[WishlistItem]:
        register_products(info.context, [item.product for item in self.page.items])
        return self.page.items

    @strawberry.field(description="Position of the page in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo.from_page(self.page)


@strawberry.type
class Wishlist(Node):
    """The products that the viewer has saved."""

    wishlist: strawberry.Private[selectors.Wishlist]
    id: strawberry.ID = strawberry.field(
        description="Opaque id, unique among all types. All guests' wishlists have the same id, because a "
        "guest has no token before the first product. Changes when the viewer logs in or out."
    )

    @strawberry.field(
        description="Items, newest first. Products that are not published are left out.",
        directives=[Cost(field=100)],
    )
    def items(self, first: First = 20, after: After = None) -> WishlistItemConnection:
        window = Window.from_arguments(first=first, after=after)
        return WishlistItemConnection(page=selectors.list_items(self.wishlist, window))

    @strawberry.field(
        description="Number of items, without products that are not published.", directives=[Cost(field=100)]
    )
    def total_count(self) -> int:
        return selectors.count_items(self.wishlist)

    @strawberry.field(
        description="Token of a guest's cart and wishlist; send it as `X-Cart-Token` with every later "
        "request. Returned only once, when it is created; null otherwise."
    )
    def token(self) -> str | None:
        return self.wishlist.token

    @classmethod
    def from_wishlist(cls, wishlist: selectors.Wishlist) -> "Wishlist":
        """Return the type for a wishlist."""
        return cls(id=strawberry.ID(wishlist.global_id), wishlist=wishlist)

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> "Mapping[str, Wishlist]":
        wishlist = info.context.call_once(_get_wishlist, info.context.viewer)
        return {wishlist.key: Wishlist.from_wishlist(wishlist)}


@strawberry.type
class WishlistPayload:
    """The wishlist after the change. If there are errors, `wishlist` is null and nothing has changed."""

    wishlist: Wishlist | None = strawberry.field(
        default=None, description="The wishlist; null if there are errors."
    )
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Reasons why the change was refused; empty on success."
    )


@strawberry.type
class WishlistsQuery:
    @strawberry.field(description="The viewer's own wishlist. It is empty until a product is added.")
    def wishlist(self, info: Info) -> Wishlist:
        return Wishlist.from_wishlist(info.context.call_once(_get_wishlist, info.context.viewer))


@strawberry.type
class WishlistsMutation:
    @strawberry.mutation(
        description=f"Add a product to the wishlist, which can have {MAX_ITEMS} products. A product that is "
        "on it stays there."
    )
    @refusals_as_payload()
    def wishlist_add(
        self,
        info: Info,
        product_id: _ProductId,
        notify: Annotated[
            bool | None,
            strawberry.argument(
                description="True to get a mail, once, when the product is back in stock; it must be sold "
                "out, and the viewer logged in. False to get none. Null leaves this unchanged."
            ),
        ] = None,
    ) -> WishlistPayload | None:
        viewer = info.context.viewer
        wishlist = services.add_item(
            viewer=viewer,
            product_id=parse_object_id(product_id, "Product", field="product_id"),
            address=info.context.address,
            notify=notify,
        )
        return WishlistPayload(wishlist=Wishlist.from_wishlist(wishlist))

    @strawberry.mutation(
        description="Remove a product from the wishlist. A product that is not on it is ignored."
    )
    @refusals_as_payload()
    def wishlist_remove(self, info: Info, product_id: _ProductId) -> WishlistPayload | None:
        viewer = info.context.viewer
        wishlist = services.remove_item(
            viewer=viewer, product_id=parse_object_id(product_id, "Product", field="product_id")
        )
        return WishlistPayload(wishlist=Wishlist.from_wishlist(wishlist))


def _get_wishlist(viewer: Viewer) -> selectors.Wishlist:
    return services.get_wishlist(viewer=viewer)
