"""Recommendations in REST. Those of a product are on its card."""

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
    """For this viewer: by what they have bought, else what sells, else what is new."""
    viewer: Viewer = request.auth  # type: ignore[attr-defined]
    with fields_named({"first": ["limit"]}):
        return {"items": selectors.recommend(viewer, limit)}
