"""Carts for tests."""

import secrets
from collections.abc import Mapping

from backend.accounts.models import User
from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from tests.catalog.factories import make_product


def make_products(number: int, **fields: object) -> list[Product]:
    """Save so many products with enough in stock."""
    return [make_product(**{"stock": 5000, **fields}) for _ in range(number)]


def fill_cart(user: User, quantities: Mapping[Product, int]) -> Cart:
    """Put products into the cart of an account, past every check of the services."""
    cart, _ = Cart.objects.get_or_create(user=user)
    CartLine.objects.bulk_create(
        CartLine(cart=cart, product=product, quantity=quantity, price_seen=product.price)
        for product, quantity in quantities.items()
    )
    return cart


def forged_token() -> str:
    """Return what looks like a guest's token and is nobody's."""
    return secrets.token_urlsafe(32)
