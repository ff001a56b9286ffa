"""Orders, as their owners may see them."""

from collections.abc import Sequence

from django.db.models import Prefetch, QuerySet

from backend.catalog.selectors import load_pictures
from backend.core.errors import Unauthenticated
from backend.core.pagination import Page, SortOrder, Window, parse_moment, read_page
from backend.core.prepared import keep_loaded
from backend.core.viewer import Viewer
from backend.orders.models import Order, OrderContact, OrderLine, OrderStatusChange

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


def with_parts(
    order: Order,
    *,
    lines: Sequence[OrderLine],
    person: OrderContact | None,
    history: Sequence[OrderStatusChange],
) -> Order:
    """Return an order that has just been written with its parts, as if these had been read.

    Args:
        lines: with products that have their categories; pictures are loaded here, in one query.
    """
    load_pictures(line.product for line in lines if line.product)
    keep_loaded(order, "lines", lines)
    keep_loaded(order, "history", history)
    Order._meta.get_field("person").set_cached_value(order, person)
    return order


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
