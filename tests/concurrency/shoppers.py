"""Helpers for races of shoppers: a shop, actions, and invariants to check afterwards."""

from django.db.models import F, Sum
from django.test import TransactionTestCase

from backend.accounts.models import User
from backend.carts.models import Cart, CartLine
from backend.carts.services import LineQuantity, add_lines
from backend.catalog.models import Product
from backend.orders.models import Order, OrderLine
from backend.orders.services import create_order
from tests.catalog.factories import make_product
from tests.support.people import ADDRESS, make_user, make_viewer


class ShopCase(TransactionTestCase):
    """One shopper and three products with a stock of ten each."""

    def setUp(self) -> None:
        self.user = make_user(password="correct horse")
        self.a, self.b, self.c = (make_product(name, stock=10) for name in "ABC")

    def add(self, *products: Product, quantity: int = 1, user: User | None = None) -> None:
        """Add products to an account's cart in this order."""
        add_lines(
            viewer=make_viewer(user or self.user),
            lines=[LineQuantity(product.pk, quantity) for product in products],
            address=ADDRESS,
        )

    def order(self, user: User | None = None, key: str | None = None) -> Order:
        return create_order(viewer=make_viewer(user or self.user), idempotency_key=key)

    def in_cart(self, user: User | None = None) -> dict[str, int]:
        """Return the quantities in an account's cart by product name."""
        lines = CartLine.objects.filter(cart__user=user or self.user)
        return dict(lines.values_list("product__name", "quantity"))

    def stock(self) -> dict[str, int]:
        return dict(Product.objects.values_list("name", "stock"))


def ordered_quantities(order: Order) -> dict[str, int]:
    """Return the quantities of an order by product name."""
    return dict(order.lines.values_list("name", "quantity"))


def sold(product: Product) -> int:
    """Return the number of units of a product in orders that are not cancelled."""
    lines = OrderLine.objects.filter(product=product).exclude(order__status=Order.Status.CANCELLED)
    return lines.aggregate(units=Sum(F("quantity") - F("cancelled_quantity")))["units"] or 0


def assert_orders_are_whole() -> None:
    """Check that every order has lines, the totals of its lines, and a first status."""
    for order in Order.objects.prefetch_related("lines", "history"):
        lines = order.lines.all()
        assert lines, f"order {order} has no lines"
        assert order.subtotal == sum(line.unit_price * line.remaining_quantity for line in lines)
        assert order.discount == sum(line.discount for line in lines)
        assert order.history.all()[0].status == Order.Status.PLACED


def read_account_cart(user_id: int) -> Cart | None:
    """Return the cart as `lock_account_cart` does, without locking it."""
    return Cart.objects.select_related("user").filter(user_id=user_id).first()
