"""`GET /recommendations`. Recommendations for a product are part of its product card."""

from typing import Annotated, Any

from ninja import Query, Router
from pydantic import Field, WithJsonSchema

from backend.catalog.rest import Product
from backend.core.errors import map_error_fields
from backend.core.rest import ApiRequest, QueryInteger, ResponseModel, declare_problems
from backend.recommendations import selectors

router = Router(tags=["catalogue"])


Length = Annotated[
    QueryInteger, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": selectors.MAX_FIRST})
]


class Recommended(ResponseModel):
    """Recommended products."""

    items: list[Product] = Field(description="Products, the most suitable first.")


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
