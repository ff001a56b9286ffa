"""Read orders with everything that the APIs return of them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from backend.accounts.models import User
from backend.catalog.selectors import ProductRow
from backend.core.compiled_query import set_prefetched
from backend.core.digests import digest_secret
from backend.core.errors import Unauthenticated
from backend.core.pagination import Page, SortOrder, Window, parse_timestamp, read_page
from backend.core.viewer import Viewer
from backend.orders.delivery import normalize_phone
from backend.orders.models import Order, OrderContact, OrderLine, OrderStatusChange

# A trigram index finds texts of at least three characters.
MIN_NAME_LENGTH = 3

_LINES = OrderLine.objects.select_related("product__brand", "product__category").defer(
    "product__search_vector"
)
_NEWEST_FIRST = SortOrder("PLACED_AT", "placed_at", "id", True, parse_timestamp)


def list_orders(viewer: Viewer, window: Window) -> Page[Order]:
    """Return a page of the viewer's orders, newest first.

    Raises:
        Unauthenticated: the viewer is not logged in.
        InvalidCursor: the cursor is malformed or belongs to another list.
    """
    return read_page(_prefetch_related(_query_own(viewer)), _NEWEST_FIRST, window)


def get_order(viewer: Viewer, number: str) -> Order | None:
    """Return an order of the viewer, or None if the viewer has no order with this number.

    Raises:
        Unauthenticated: the viewer is not logged in.
    """
    if "\0" in number:
        return None
    return _prefetch_related(_query_own(viewer).filter(number=number)).first()


def find_guest_order(number: str, token: str) -> Order | None:
    """Return the order of a guest, or None if no order has this number and this token.

    The token alone finds the order, so that the time does not reveal whether a number exists.
    """
    order = _prefetch_related(Order.objects.filter(token_digest=digest_secret(token))).first()
    return order if order is not None and order.number == number else None


def get_orders(viewer: Viewer, ids: Collection[int]) -> list[Order]:
    """Return the viewer's orders among these ids; none for a guest."""
    if viewer.user_id is None:
        return []
    return list(_prefetch_related(_query_own(viewer).filter(pk__in=ids)))


def get_order_lines(viewer: Viewer, ids: Collection[int]) -> list[OrderLine]:
    """Return the lines of the viewer's orders among these ids; none for a guest."""
    if viewer.user_id is None:
        return []
    return list(_LINES.filter(order__user_id=viewer.user_id, pk__in=ids).prefetch_related("product__images"))


def read_order(order_id: int) -> Order:
    """Return an order of any customer with its related rows."""
    return _prefetch_related(Order.objects.filter(pk=order_id)).get()


def select_matching_ids(term: str) -> "QuerySet[Order, Any]":
    """Select the ids of the orders with this number, e-mail address, name, phone number or SKU.

    An address is that of an account or of a guest.

    A union, because a disjunction of the conditions would read all orders. Each condition has an index.

    Args:
        term: a number with or without its suffix, a part of a name of at least `MIN_NAME_LENGTH` characters,
            or a complete address, phone number or SKU. A phone number without a calling code is one of the
            shop's country.
    """
    users, contacts = User.objects.order_by(), OrderContact.objects.order_by()
    matches: list[QuerySet[Any, Any]] = [
        Order.objects.filter(user__in=users.filter(email=term)).values("pk"),
        Order.objects.filter(email=term).values("pk"),
        OrderLine.objects.filter(sku__iexact=term).values("order_id"),
    ]
    if len(term) >= MIN_NAME_LENGTH:
        matches += [
            Order.objects.filter(user__in=users.filter(name__icontains=term)).values("pk"),
            contacts.filter(name__icontains=term).values("order_id"),
        ]
    phone = normalize_phone(term, settings.SHOP_COUNTRY)
    if phone is not None:
        matches.append(contacts.filter(phone=phone).values("order_id"))
    by_number = Order.objects.filter(Q(number=term) | Q(number__startswith=f"{term}-")).values("pk")
    return by_number.order_by().union(*(matching.order_by() for matching in matches))


def attach_related(
    order: Order,
    *,
    lines: Sequence[OrderLine],
    products: Iterable[ProductRow],
    person: OrderContact | None,
    history: Sequence[OrderStatusChange],
) -> Order:
    """Attach related rows to an order that was just created, so that no reader queries them.

    Args:
        products: the products of the lines, in the same order.
    """
    product_field: Any = OrderLine._meta.get_field("product")
    for line, product in zip(lines, products, strict=True):
        product_field.set_cached_value(line, product)
    set_prefetched(order, "lines", lines)
    set_prefetched(order, "history", history)
    Order._meta.get_field("person").set_cached_value(order, person)
    return order


def _query_own(viewer: Viewer) -> "QuerySet[Order]":
    if viewer.user_id is None:
        raise Unauthenticated(_("Log in first."))
    return Order.objects.filter(user_id=viewer.user_id)


def _prefetch_related(orders: "QuerySet[Order]") -> "QuerySet[Order]":
    """Prefetch lines with products, pictures and history, in one query each."""
    return orders.select_related("person").prefetch_related(
        Prefetch("lines", _LINES.all()), "lines__product__images", "history"
    )
