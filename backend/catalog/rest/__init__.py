"""The catalogue in REST: its routes, and the product that other routes return too."""

from backend.catalog.rest.endpoints import router
from backend.catalog.rest.responses import Product

__all__ = ["Product", "router"]
