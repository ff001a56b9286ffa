"""`GET /recommendations` and the clicks on lists of recommended products.

Recommendations for a product are part of its product card.
"""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import Field, WithJsonSchema

from backend.carts.models import RecommendationList
from backend.catalog.rest import Product
from backend.core.errors import map_error_fields
from backend.core.rest import ApiRequest, QueryInteger, ResponseModel, StrictBody, declare_problems
from backend.recommendations import attribution, selectors

router = Router(tags=["catalogue"])


Length = Annotated[
    QueryInteger, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": selectors.MAX_FIRST})
]


class Recommended(ResponseModel):
    """Recommended products."""

    items: list[Product] = Field(description="Products, the most suitable first.")


class Click(StrictBody):
    """A click on a recommended product."""

    recommended_by: RecommendationList = Field(
        description="List that contains the product.", examples=["similar"]
    )


@router.get(
    "/recommendations",
    response={200: Recommended, **declare_problems(422, 503)},
    operation_id="recommendationsList",
    summary="Recommend products",
)
def recommend(request: ApiRequest, limit: Length = Query(10, description="Number of products.")) -> Any:
    """List products recommended to the viewer, based on their orders.

    Best-selling or newest products follow if there are too few.
    """
    with map_error_fields({"first": ["limit"]}):
        return {"items": selectors.recommend(request.auth, limit)}


@router.post(
    "/recommendations/click",
    # No access token is read, so that nothing about the viewer is known and no session is looked up.
    auth=None,
    response={204: None, **declare_problems(400, 415, 422)},
    operation_id="recommendationsClick",
    summary="Count a click",
)
def count_click(request: HttpRequest, payload: Click) -> Any:
    """Count a click on a product of a list of recommendations, by day and list.

    Nothing about the viewer is stored. The response is the same whether or not the click could be counted.
    """
    attribution.count_click(payload.recommended_by)
    return Status(204, None)
