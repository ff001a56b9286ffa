"""Published products that sell best or run out, for the dashboard of the admin."""

from typing import NamedTuple

from django.db.models import QuerySet

from backend.catalog.models import WHOLE_SHOP, ListingEntry, Product

LOW_STOCK = 5
# Low stock is looked for among this number of best-selling products, because products that hardly sell matter
# less, and because an index on the stock would slow every order down.
WATCHED_PRODUCTS = 500


class StockedProduct(NamedTuple):
    """A product with its stock and the units sold in the last 30 days, which are counted every hour."""

    id: int
    name: str
    stock: int
    units_sold: int


def list_best_sellers(limit: int) -> list[StockedProduct]:
    """Return the products that have sold the most units, best first."""
    rows = _order_by_sales().filter(popularity__gt=0)[:limit]
    columns = rows.values_list("product_id", "product__name", "product__stock", "popularity")
    return [StockedProduct(*row) for row in columns]


def list_low_stock(limit: int) -> list[StockedProduct]:
    """Return the products with at most `LOW_STOCK` units, among the `WATCHED_PRODUCTS` best-selling ones."""
    watched = _order_by_sales().values("product_id")[:WATCHED_PRODUCTS]
    low = Product.objects.filter(pk__in=watched, stock__lte=LOW_STOCK).order_by("stock", "-popularity", "-pk")
    return [StockedProduct(*row) for row in low.values_list("pk", "name", "stock", "popularity")[:limit]]


def _order_by_sales() -> "QuerySet[ListingEntry]":
    entries = ListingEntry.objects.filter(ancestor_id=WHOLE_SHOP)
    return entries.order_by("-popularity", "-product_id")
