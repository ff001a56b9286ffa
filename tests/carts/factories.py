"""Carts, products and promo codes for tests."""

import secrets
from collections.abc import Mapping
from itertools import count

from backend.accounts.models import User
from backend.carts.models import Cart, CartLine, PromoCode
from backend.catalog.models import Category, Product
from tests.catalog.factories import make_product

_numbers = count(1)


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


def make_promo_code(code: str = "", *categories: Category, **fields: object) -> PromoCode:
    """Save a promo code of 10%, or of the given percentage or amount, for these categories or everything."""
    if not fields.keys() & {"percent", "amount"}:
        fields["percent"] = 10
    promo_code = PromoCode.objects.create(
        code=code or f"CODE-{next(_numbers)}", has_categories=bool(categories), **fields
    )
    promo_code.categories.set(categories)
    return promo_code
