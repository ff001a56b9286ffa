"""`GET /recommendations`. Recommendations for a product are part of its product card."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from backend.catalog.rest import Product
from backend.core.errors import fields_named
from backend.core.rest import Problem
from backend.core.viewer import Viewer
from backend.recommendations import selectors

router = Router(tags=["catalogue"])


class Recommended(Schema):
    items: list[Product]


@router.get(
    "/recommendations",
    response={200: Recommended, 422: Problem, 503: Problem},
    summary="Recommend products",
)
def recommend(request: HttpRequest, limit: int = 10) -> Any:
    """Products recommended to the viewer, based on their orders.

    Best-selling or newest products if there are too few.
    """
    viewer: Viewer = request.auth  # type: ignore[attr-defined]
    with fields_named({"first": ["limit"]}):
        return {"items": selectors.recommend(viewer, limit)}
