"""The `recommendations` query. Recommendations for a product or a cart are fields of these types."""

from typing import Annotated

import strawberry

from backend.catalog.graphql import Product, register_products
from backend.core.graphql import Cost, Info
from backend.recommendations import selectors


@strawberry.type
class RecommendationsQuery:
    @strawberry.field(
        description="Products recommended to the viewer, based on their orders. Best-selling or newest "
        "products follow if there are too few.",
        directives=[Cost(field=500, item=5)],
    )
    def recommendations(
        self,
        info: Info,
        first: Annotated[
            int, strawberry.argument(description=f"Number of products, 1 to {selectors.MAX_FIRST}.")
        ] = 10,
    ) -> list[Product]:
        return register_products(info.context, selectors.recommend(info.context.viewer, first))
