"""What is in the viewer's cart, and what speaks against ordering it."""

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
from backend.core.prepared import AnyOf, Given, PreparedQuery
from backend.core.viewer import Viewer


class CartWarningCode(StrEnum):
    """What a shopper should know of a line before ordering it."""

    NO_LONGER_SOLD = "NO_LONGER_SOLD"
    NOT_ENOUGH_STOCK = "NOT_ENOUGH_STOCK"
    PRICE_CHANGED = "PRICE_CHANGED"


@dataclass(frozen=True, slots=True)
class CartWarning:
    """Something that has changed since a line was added."""

    code: CartWarningCode
    message: str
    product_id: int


@dataclass(frozen=True, slots=True)
class CartContents:
    """A cart as its owner sees it, at the prices of now.

    Attributes:
        lines: with their products, in the order that these were added.
        token: of a guest's cart that has just been made; nobody can read it again.
    """

    lines: Sequence[CartLine]
    token: str | None = None

    @property
    def total_quantity(self) -> int:
        """How many pieces there are."""
        return sum(line.quantity for line in self.lines)

    @property
    def total(self) -> Decimal:
        """What they cost together."""
        return sum((line.line_total for line in self.lines), Decimal("0.00"))

    @property
    def currency(self) -> str:
        """The ISO 4217 code of the shop's one currency."""
        return settings.SHOP_CURRENCY

    @property
    def warnings(self) -> list[CartWarning]:
        """What has changed, line by line."""
        return [warning for line in self.lines for warning in _warnings(line)]


def _with_products(lines: "QuerySet[CartLine]") -> "QuerySet[CartLine]":
    return lines.select_related("product__category").defer("product__search_vector")


_LINES_OF_ACCOUNT = PreparedQuery(
    lambda: _with_products(CartLine.objects.filter(cart__user_id=Given("user_id")))
)
_LINES_OF_GUEST = PreparedQuery(
    lambda: _with_products(CartLine.objects.filter(cart__token_digest=Given("token_digest")))
)
_LINES_OF_CART = PreparedQuery(lambda: _with_products(CartLine.objects.filter(cart_id=Given("cart_id"))))
_ADDABLE = PreparedQuery(
    lambda: (
        Product.objects.filter(AnyOf(F("pk"), Given("product_ids")), is_published=True)
        .select_related("category")
        .defer("search_vector")
    )
)


def read_cart(viewer: Viewer) -> CartContents:
    """Return the viewer's own cart, empty if there is none.

    Raises:
        Invalid: the guest's token cannot be one.
    """
    if viewer.user_id is not None:
        return show_lines(_LINES_OF_ACCOUNT.run(user_id=viewer.user_id))
    if viewer.cart_token is not None:
        return show_lines(_LINES_OF_GUEST.run(token_digest=digest_token(viewer.cart_token)))
    return show_lines([])


def read_lines(cart: Cart) -> list[CartLine]:
    """Return the lines of a cart with their products, in the order that they were added."""
    return _LINES_OF_CART.run(cart_id=cart.pk)


def read_addable(product_ids: Iterable[int]) -> list[Product]:
    """Return those of some products that can be put into a cart, loaded as those of lines are."""
    wanted = list(product_ids)
    return _ADDABLE.run(product_ids=wanted) if wanted else []


def show_lines(lines: Iterable[CartLine], token: str | None = None) -> CartContents:
    """Return what a cart with these lines shows, pictures loaded in one query."""
    shown = list(lines)
    load_pictures(line.product for line in shown)
    return CartContents(shown, token)


def _warnings(line: CartLine) -> list[CartWarning]:
    product = line.product
    if not product.is_published:
        return [_warning(line, CartWarningCode.NO_LONGER_SOLD, f"“{product.name}” is no longer sold.")]
    warnings = []
    if product.stock < line.quantity:
        message = f"{stock_left(product, line.quantity)}."
        warnings.append(_warning(line, CartWarningCode.NOT_ENOUGH_STOCK, message))
    if product.price != line.price_seen:
        message = f"“{product.name}” costs {product.price} now, not {line.price_seen}."
        warnings.append(_warning(line, CartWarningCode.PRICE_CHANGED, message))
    return warnings


def stock_left(product: Product, wanted: int) -> str:
    """Say that there are not as many of a product as are wanted, without telling a large stock."""
    if product.stock == 0:
        return f"“{product.name}” is sold out"
    if product.stock <= MAX_SHOWN_STOCK:
        return f"Of “{product.name}” only {product.stock} can be had, not {wanted}"
    return f"There are fewer than {wanted} of “{product.name}” left"


def _warning(line: CartLine, code: CartWarningCode, message: str) -> CartWarning:
    return CartWarning(code=code, message=message, product_id=line.product_id)
