"""Read carts with their lines, totals and warnings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from django.conf import settings
from django.db.models import F, QuerySet

from backend.carts.models import Cart, CartLine
from backend.carts.tokens import digest_token
from backend.catalog.models import MAX_SHOWN_STOCK, Product
from backend.catalog.selectors import load_pictures
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param, set_prefetched
from backend.core.identifiers import encode_global_id
from backend.core.viewer import Viewer


class CartWarningCode(StrEnum):
    """The reason for a warning about a cart line."""

    NO_LONGER_SOLD = "NO_LONGER_SOLD"
    NOT_ENOUGH_STOCK = "NOT_ENOUGH_STOCK"
    PRICE_CHANGED = "PRICE_CHANGED"


@dataclass(frozen=True, slots=True)
class CartWarning:
    """A change to a product since the shopper added it or changed its quantity."""

    code: CartWarningCode
    message: str
    product_id: int


@dataclass(frozen=True, slots=True)
class CartContents:
    """The lines of a cart with their products, at current prices.

    Attributes:
        lines: oldest first. The product of a line that is no longer sold is the one that `_redact_product`
            returns.
        key: identifies the viewer's cart, whether or not it has a row; see `get_cart_key`.
        token: the guest's token if the cart was just created, else None; only its digest is stored.
    """

    lines: Sequence[CartLine]
    key: str
    token: str | None = None

    @property
    def global_id(self) -> str:
        """The opaque id of the cart in GraphQL."""
        return encode_global_id("Cart", self.key)

    @property
    def total_quantity(self) -> int:
        """The sum of all quantities."""
        return sum(line.quantity for line in self.lines)

    @property
    def total(self) -> Decimal:
        """The sum of the line totals, without products that are no longer sold and cannot be charged for."""
        return sum((line.line_total for line in self.lines if line.product.is_published), Decimal("0.00"))

    @property
    def currency(self) -> str:
        """The shop's currency, an ISO 4217 code."""
        return settings.SHOP_CURRENCY

    @property
    def warnings(self) -> list[CartWarning]:
        """The warnings of all lines, in the order of the lines."""
        return [warning for line in self.lines for warning in _list_line_warnings(line)]


def _join_products(lines: "QuerySet[CartLine]") -> "QuerySet[CartLine]":
    return lines.select_related("product__category").defer("product__search_vector")


_ACCOUNT_LINES = CompiledQuery(
    lambda: _join_products(CartLine.objects.filter(cart__user_id=Param("user_id")))
)
_GUEST_LINES = CompiledQuery(
    lambda: _join_products(CartLine.objects.filter(cart__token_digest=Param("token_digest")))
)
_CART_LINES = CompiledQuery(lambda: _join_products(CartLine.objects.filter(cart_id=Param("cart_id"))))
_PUBLISHED_PRODUCTS = CompiledQuery(
    lambda: (
        Product.objects.filter(EqualsAny(F("pk"), Param("product_ids")), is_published=True)
        .select_related("category")
        .defer("search_vector")
    )
)


def get_cart_key(viewer: Viewer) -> str:
    """Return the key of the viewer's cart among the carts of all accounts.

    It is the same before the first line creates a row and after the row is deleted. All guests have the same
    key: a guest has no token before the first line, and the cart in a client's cache must not change its id
    when that line is added. The key grants no access, because a viewer can read only their own cart.
    """
    return "guest" if viewer.user_id is None else str(viewer.user_id)


def read_cart(viewer: Viewer) -> CartContents:
    """Return the viewer's own cart, which is empty if they have none.

    Raises:
        CartTokenInvalid: the guest's token is malformed.
    """
    if viewer.user_id is not None:
        lines = _ACCOUNT_LINES.run(user_id=viewer.user_id)
        return build_contents(viewer, _redact_unpublished(lines))
    if viewer.cart_token is not None:
        lines = _GUEST_LINES.run(token_digest=digest_token(viewer.cart_token))
        return build_contents(viewer, _redact_unpublished(lines))
    return build_contents(viewer, [])


def read_lines(cart: Cart) -> list[CartLine]:
    """Return the lines of a cart with their products, oldest first."""
    return _redact_unpublished(read_unredacted_lines(cart))


def read_unredacted_lines(cart: Cart) -> list[CartLine]:
    """Return the lines of a cart, oldest first, with their products as they are, published or not."""
    return _CART_LINES.run(cart_id=cart.pk)


def read_published_products(product_ids: Iterable[int]) -> list[Product]:
    """Return the published products with these ids, loaded like the products of cart lines."""
    ids = list(product_ids)
    return _PUBLISHED_PRODUCTS.run(product_ids=ids) if ids else []


def build_contents(viewer: Viewer, lines: Iterable[CartLine], token: str | None = None) -> CartContents:
    """Return the contents of the viewer's cart with these lines; load all pictures in one query.

    Args:
        token: the guest's token if the cart was just created.
    """
    loaded = list(lines)
    key = get_cart_key(viewer)
    for line in loaded:
        line.cart_key = key
    load_pictures(line.product for line in loaded if line.product.is_published)
    return CartContents(loaded, key, token)


def describe_insufficient_stock(product: Product, quantity: int) -> str:
    """Return a message that the stock does not cover a quantity; it does not reveal a large stock."""
    if product.stock == 0:
        return f"“{product.name}” is sold out."
    if product.stock <= MAX_SHOWN_STOCK:
        return f"“{product.name}”: {product.stock} in stock, {quantity} requested."
    return f"“{product.name}”: fewer than {quantity} in stock."


def describe_unpublished_line(line: CartLine) -> str:
    """Return a message that the product of a line is not published, by the name that the shopper knows."""
    return f"“{line.name_seen}” is no longer sold."


def _redact_unpublished(lines: list[CartLine]) -> list[CartLine]:
    """Replace the products of lines that are not published, so that no reader can reveal them."""
    for line in lines:
        if not line.product.is_published:
            line.product = _redact_product(line)
    return lines


def _redact_product(line: CartLine) -> Product:
    """Return the product of a line with nothing but its id and the name and price that the shopper saw.

    Staff may have edited everything else after they unpublished the product.
    """
    product = Product(
        pk=line.product_id,
        name=line.name_seen,
        price=line.price_seen,
        is_published=False,
        created_at=line.product.created_at,
        updated_at=line.product.created_at,
    )
    set_prefetched(product, "images", [])
    return product


def _list_line_warnings(line: CartLine) -> list[CartWarning]:
    product = line.product
    if not product.is_published:
        return [_make_warning(line, CartWarningCode.NO_LONGER_SOLD, describe_unpublished_line(line))]
    warnings = []
    if product.stock < line.quantity:
        message = describe_insufficient_stock(product, line.quantity)
        warnings.append(_make_warning(line, CartWarningCode.NOT_ENOUGH_STOCK, message))
    if product.price != line.price_seen:
        message = f"The price of “{product.name}” has changed from {line.price_seen} to {product.price}."
        warnings.append(_make_warning(line, CartWarningCode.PRICE_CHANGED, message))
    return warnings


def _make_warning(line: CartLine, code: CartWarningCode, message: str) -> CartWarning:
    return CartWarning(code=code, message=message, product_id=line.product_id)
