"""Orders for tests, created by the services."""

from ipaddress import IPv4Address
from itertools import count

from backend.accounts.models import User
from backend.carts.services import LineQuantity, add_lines
from backend.catalog.models import Product
from backend.core.throttling import RateLimit, reset_rate_limits
from backend.core.viewer import Viewer
from backend.orders.delivery import Address, ContactInput, Delivery
from backend.orders.guests import ORDERS_PER_EMAIL, GuestDetails
from backend.orders.models import Order
from backend.orders.services import create_order
from tests.catalog.factories import make_product
from tests.support.people import ADDRESS, make_user, make_viewer

GUEST_EMAIL = "guest@example.com"
_numbers = count(1)
FULL_DELIVERY = Delivery(
    contact=ContactInput(name="Vera Inber", phone="+7 921 555-01-02"),
    address=Address(
        line1="Nevsky 1", line2="flat <2>", city="St Petersburg", postal_code="191186", country="RU"
    ),
    comment="Ring twice.\nThe <bell> is broken.",
)


def make_order(
    user: User | None = None, *products: tuple[Product, int], delivery: Delivery | None = None
) -> Order:
    """Create an order of pairs of products and quantities, by default one unit of a new product."""
    viewer = make_viewer(user or make_user())
    lines = [LineQuantity(product.pk, quantity) for product, quantity in products or [(make_product(), 1)]]
    add_lines(viewer=viewer, lines=lines, address=ADDRESS)
    return create_order(viewer=viewer, delivery=delivery)


def make_guest_cart(*products: tuple[Product, int]) -> str:
    """Create a guest's cart of products and quantities, by default of one unit, and return its token."""
    lines = [LineQuantity(product.pk, quantity) for product, quantity in products or [(make_product(), 1)]]
    contents = add_lines(viewer=Viewer(), lines=lines, address=_make_address())
    assert contents.token is not None
    return contents.token


def order_as_guest(
    cart_token: str, email: str = GUEST_EMAIL, *, key: str | None = None, language: str = "en"
) -> Order:
    """Create an order from a guest's cart. The order that is returned has its token.

    Earlier orders for the same e-mail address do not limit it.
    """
    reset_rate_limits([RateLimit(ORDERS_PER_EMAIL, "guest-order", email)])
    return create_order(
        viewer=Viewer(cart_token=cart_token),
        delivery=Delivery(contact=FULL_DELIVERY.contact),
        guest=GuestDetails(email, _make_address(), language),
        idempotency_key=key,
    )


def make_guest_order(*products: tuple[Product, int], email: str = GUEST_EMAIL) -> Order:
    """Create a guest's order; see `make_guest_cart`."""
    return order_as_guest(make_guest_cart(*products), email)


def _make_address() -> str:
    """Return another client address each time, because carts and orders of one address are limited."""
    return str(IPv4Address("10.128.0.0") + next(_numbers))
