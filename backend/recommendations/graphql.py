"""The `recommendations` query and the clicks on lists of recommended products.

Recommendations for a product or a cart are fields of these types.
"""

from typing import Annotated

import strawberry

from backend.carts.models import RecommendationList
from backend.catalog.graphql import Product, register_products
from backend.core.graphql import Cost, Info
from backend.recommendations import attribution, selectors


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


@strawberry.type
class RecommendationsMutation:
    @strawberry.mutation(
        description="Count a click on a product of a list of recommendations, by day and list. Nothing about "
        "the viewer is stored. Always true, whether or not the click could be counted."
    )
    def recommendation_click(
        self,
        recommended_by: Annotated[
            RecommendationList, strawberry.argument(description="List that contains the product.")
        ],
    ) -> bool:
        attribution.count_click(recommended_by)
        return True
