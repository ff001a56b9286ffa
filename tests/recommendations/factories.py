"""Recommendations and orders for tests."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from backend.accounts.models import User
from backend.catalog.models import Product
from backend.orders.models import Order, OrderLine
from backend.recommendations.models import ModelVersion, Recommendation
from backend.recommendations.services import replace_model
from tests.catalog.factories import make_product

Kind = Recommendation.Kind


def add_recommendations(kind: Kind, subject: Product, *others: Product) -> None:
    """Add recommendations to the table, best first, and create version 1 if there is none."""
    ModelVersion.objects.get_or_create(defaults={"version": 1})
    Recommendation.objects.bulk_create(
        Recommendation(kind=kind, subject_id=subject.pk, other=other, score=1 / rank)
        for rank, other in enumerate(others, 1)
    )


def make_order(
    products: Sequence[Product],
    *,
    user: User | None = None,
    status: str = Order.Status.PLACED,
    placed_at: datetime | None = None,
) -> Order:
    """Save an order of one unit of each product."""
    order = Order.objects.create(
        user=user,
        status=status,
        total=sum(product.price for product in products),
        currency="RUB",
        placed_at=placed_at or timezone.now(),
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            product=product,
            sku=product.sku,
            name=product.name,
            unit_price=product.price,
            quantity=1,
            line_total=product.price,
        )
        for product in products
    )
    return order


def make_history(pairs: int = 3) -> list[Product]:
    """Save pairs of products that are bought together in three orders each, and return the products."""
    products = [make_product() for _ in range(2 * pairs)]
    for first, second in zip(products[::2], products[1::2], strict=True):
        for days in range(3):
            make_order([first, second], placed_at=timezone.now() - timedelta(days=days))
    return products


def read_recommended(kind: Kind, subject: Product) -> list[int]:
    """Return the ids of the products recommended with a product, best first."""
    rows = Recommendation.objects.filter(kind=kind, subject_id=subject.pk)
    return list(rows.order_by("-score", "other_id").values_list("other_id", flat=True))


def replace_recommendations(rows: list[tuple[str, int, int, float]]) -> int:
    """Replace all recommendations with these rows and return the version."""
    return replace_model(rows=rows, last_order_id=0)
