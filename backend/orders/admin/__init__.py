"""The admin of orders."""

from backend.orders.admin.orders import OrderAdmin

__all__ = ["OrderAdmin"]
