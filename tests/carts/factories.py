"""Carts and products for tests."""

import secrets
from collections.abc import Mapping

from backend.accounts.models import User
from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from tests.catalog.factories import make_product


def make_products(number: int, **fields: object) -> list[Product]:
    """Save a number of products with a large stock."""
    return [make_product(**{"stock": 5000, **fields}) for _ in range(number)]


def fill_cart(user: User, quantities: Mapping[Product, int]) -> Cart:
    """Add lines to the cart of an account without the checks of the services."""
    cart, _ = Cart.objects.get_or_create(user=user)
    CartLine.objects.bulk_create(
        CartLine(
            cart=cart,
            product=product,
            quantity=quantity,
            name_seen=product.name,
            price_seen=product.price,
        )
        for product, quantity in quantities.items()
    )
    return cart


def forged_token() -> str:
    """Return a well-formed token of no cart."""
    return secrets.token_urlsafe(32)
