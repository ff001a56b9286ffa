"""Read and write the lines of locked carts."""

from collections.abc import Iterable

from django.db import connection

from backend.carts.models import Cart
from backend.carts.selectors import CartLineRow, read_lines


def read_locked_lines(cart: Cart | None) -> dict[int, CartLineRow]:
    """Return the lines of a locked cart by product id, oldest first."""
    return {line.product_id: line for line in read_lines(cart)} if cart is not None else {}


def save_lines(cart: Cart | None, lines: Iterable[CartLineRow]) -> None:
    """Insert or update lines in one statement. Existing lines keep the list that they were added from."""
    rows = [
        (line.product_id, line.quantity, line.name_seen, line.price_seen, line.recommended_by)
        for line in lines
    ]
    if cart is None or not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO carts_cartline "
            "(cart_id, product_id, quantity, name_seen, price_seen, recommended_by) "
            "SELECT %s, * FROM unnest(%s::bigint[], %s::smallint[], %s::text[], %s::numeric[], %s::text[]) "
            "ON CONFLICT (cart_id, product_id) DO UPDATE SET quantity = EXCLUDED.quantity, "
            "name_seen = EXCLUDED.name_seen, price_seen = EXCLUDED.price_seen",
            [cart.pk, *map(list, zip(*rows, strict=True))],
        )


def delete_cart_lines(cart: Cart) -> None:
    """Delete the lines of a cart that the caller has locked."""
    # Raw SQL, because no table refers to cart lines and `QuerySet.delete` would query for such rows first.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM carts_cartline WHERE cart_id = %s", [cart.pk])
