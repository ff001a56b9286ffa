"""Orders, as their owners may see them."""

from django.db.models import Prefetch, QuerySet

from backend.core.errors import Unauthenticated
from backend.core.pagination import Page, SortOrder, Window, parse_moment, read_page
from backend.core.viewer import Viewer
from backend.orders.models import Order, OrderLine

_NEWEST_FIRST = SortOrder("PLACED_AT", "placed_at", "id", True, parse_moment)


def list_orders(viewer: Viewer, window: Window) -> Page[Order]:
    """Return one page of the viewer's own orders, the newest first.

    Raises:
        Unauthenticated: nobody is logged in.
        InvalidCursor: the window's cursor is not of this list.
    """
    return read_page(_with_everything(_own(viewer)), _NEWEST_FIRST, window)


def get_order(viewer: Viewer, number: str) -> Order | None:
    """Return the viewer's own order with this number, or None: other people's are not told of.

    Raises:
        Unauthenticated: nobody is logged in.
    """
    if "\0" in number:
        return None
    return _with_everything(_own(viewer).filter(number=number)).first()


def read_order(order_id: int) -> Order:
    """Return an order, whoever's it is, with everything that is shown of it."""
    return _with_everything(Order.objects.filter(pk=order_id)).get()


def _own(viewer: Viewer) -> "QuerySet[Order]":
    if viewer.user_id is None:
        raise Unauthenticated("Log in first.")
    return Order.objects.filter(user_id=viewer.user_id)


def _with_everything(orders: "QuerySet[Order]") -> "QuerySet[Order]":
    """Load lines with products, pictures and history: one query each, however many orders there are."""
    lines = OrderLine.objects.select_related("product__category").defer("product__search_vector")
    return orders.select_related("person").prefetch_related(
        Prefetch("lines", lines), "lines__product__images", "history"
    )
