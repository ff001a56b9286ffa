"""Recommendations for the viewer in GraphQL; those of a product and of a cart are fields of theirs."""

from typing import cast

import strawberry

from backend.catalog.graphql import Product
from backend.core.graphql import Info, cost
from backend.recommendations import selectors


@strawberry.type
class RecommendationsQuery:
    @strawberry.field(
        description="For this viewer: by what they have bought, else what sells, else what is new.",
        metadata=cost(500, item=5),
    )
    def recommendations(self, info: Info, first: int = 10) -> list[Product]:
        return cast("list[Product]", selectors.recommend(info.context.viewer, first))
