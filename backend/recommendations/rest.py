"""`GET /recommendations`. Recommendations for a product are part of its product card."""

from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import Field, WithJsonSchema

from backend.catalog.rest import Product
from backend.core.errors import fields_named
from backend.core.rest import ApiRequest, QueryInteger, problems
from backend.recommendations import selectors

router = Router(tags=["catalogue"])


Length = Annotated[
    QueryInteger, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": selectors.MAX_FIRST})
]


class Recommended(Schema):
    """Recommended products."""

    items: list[Product] = Field(description="The most suitable product first.")


@router.get(
    "/recommendations",
    response={200: Recommended, **problems(422, 503)},
    operation_id="recommendationsList",
    summary="Recommend products",
)
def recommend(request: ApiRequest, limit: Length = Query(10, description="The number of products.")) -> Any:
    """Products recommended to the viewer, based on their orders.

    Best-selling or newest products if there are too few.
    """
    with fields_named({"first": ["limit"]}):
        return {"items": selectors.recommend(request.auth, limit)}
