"""Orders for tests, created by the services."""

from backend.accounts.models import User
from backend.carts.services import LineQuantity, add_lines
from backend.catalog.models import Product
from backend.orders.delivery import Address, ContactInput, Delivery
from backend.orders.models import Order
from backend.orders.services import create_order
from tests.catalog.factories import make_product
from tests.support.people import ADDRESS, make_user, make_viewer

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
