"""`GET /recommendations`. Recommendations for a product are part of its product card."""

from typing import Any

from ninja import Router, Schema

from backend.catalog.rest import Product
from backend.core.errors import fields_named
from backend.core.rest import ApiRequest, problems
from backend.recommendations import selectors

router = Router(tags=["catalogue"])


class Recommended(Schema):
    items: list[Product]


@router.get(
    "/recommendations",
    response={200: Recommended, **problems(422, 503)},
    summary="Recommend products",
)
def recommend(request: ApiRequest, limit: int = 10) -> Any:
    """Products recommended to the viewer, based on their orders.

    Best-selling or newest products if there are too few.
    """
    with fields_named({"first": ["limit"]}):
        return {"items": selectors.recommend(request.auth, limit)}
