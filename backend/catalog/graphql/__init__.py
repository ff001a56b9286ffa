"""The GraphQL interface of the catalogue."""

from backend.catalog.graphql.queries import CatalogQuery
from backend.catalog.graphql.types import Product, register_products

__all__ = ["CatalogQuery", "Product", "register_products"]
