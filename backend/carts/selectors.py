"""Read carts with their lines, discounts, totals and warnings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from backend.carts.models import Cart, CartLine
from backend.carts.promo_codes import ZERO, Discount, read_discount
from backend.carts.tokens import digest_token
from backend.catalog.models import MAX_SHOWN_STOCK
from backend.catalog.selectors import ProductRow, make_product, select_products
from backend.core.compiled_query import CompiledQuery, Param
from backend.core.identifiers import encode_global_id
from backend.core.request_language import render_message
from backend.core.viewer import Viewer

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class CartWarningCode(StrEnum):
    """The reason for a warning about a cart."""

    NO_LONGER_SOLD = "NO_LONGER_SOLD"
    NOT_ENOUGH_STOCK = "NOT_ENOUGH_STOCK"
    PRICE_CHANGED = "PRICE_CHANGED"
    PROMO_CODE_NOT_APPLIED = "PROMO_CODE_NOT_APPLIED"


@dataclass(frozen=True, slots=True)
class CartWarning:
    """A change to a product since the shopper added it, or a promo code that does not apply.

    Attributes:
        text, params: the message, as in `ShopError`.
        product_id: None if the warning is about the promo code.
    """

    code: CartWarningCode
    text: "StrOrPromise"
    params: Mapping[str, object] | None
    product_id: int | None = None

    @property
    def message(self) -> str:
        """The message in the language of the request."""
        return render_message(self.text, self.params)


@dataclass(slots=True, eq=False)
class CartLineRow:
    """A product in a cart and its quantity, at the product's current price.

    Attributes:
        name_seen, price_seen: what the shopper saw when the line was last added or changed.
        recommended_by: the `RecommendationList` that the product was first added from, or empty.
        cart_key, discount: the key of the cart and the discount of the line, which `build_contents` sets.
    """

    product: ProductRow
    quantity: int
    name_seen: str = ""
    price_seen: Decimal = Decimal(0)
    recommended_by: str = ""
    cart_key: str = ""
    discount: Decimal = ZERO

    @property
    def product_id(self) -> int:
        """The primary key of the product."""
        return self.product.id

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL. It is the same if the product is removed and added again."""
        return encode_global_id("CartLine", f"{self.cart_key}:{self.product.id}")

    @property
    def unit_price(self) -> Decimal:
        """The current price of one unit."""
        return self.product.price

    @property
    def line_total(self) -> Decimal:
        """The unit price multiplied by the quantity."""
        return self.product.price * self.quantity

    @property
    def is_available(self) -> bool:
        """True if the product is published and its stock covers the quantity."""
        return self.product.is_published and self.product.stock >= self.quantity


@dataclass(frozen=True, slots=True)
class CartContents:
    """The lines of a cart with their products, at current prices.

    Attributes:
        lines: oldest first. The product of a line that is no longer sold is the one that `_redact_product`
            returns.
        key: identifies the viewer's cart, whether or not it has a row; see `get_cart_key`.
        token: the guest's token if the cart was just created, else None; only its digest is stored.
        applied: the effect of the promo code in the cart; None without one.
    """

    lines: Sequence[CartLineRow]
    key: str
    token: str | None = None
    applied: Discount | None = None

    @property
    def global_id(self) -> str:
        """The opaque id of the cart in GraphQL."""
        return encode_global_id("Cart", self.key)

    @property
    def total_quantity(self) -> int:
        """The sum of all quantities."""
        return sum(line.quantity for line in self.lines)

    @property
    def subtotal(self) -> Decimal:
        """The sum of the line totals, without products that are no longer sold and cannot be charged for."""
        return sum((line.line_total for line in self.lines if line.product.is_published), ZERO)

    @property
    def discount(self) -> Decimal:
        """The sum of the discounts of the lines."""
        return self.applied.total if self.applied else ZERO

    @property
    def total(self) -> Decimal:
        """The subtotal without the discount, which the customer pays."""
        return self.subtotal - self.discount

    @property
    def promo_code(self) -> str | None:
        """The promo code in the cart, whether or not it applies."""
        return self.applied.terms.code if self.applied else None

    @property
    def currency(self) -> str:
        """The shop's currency, an ISO 4217 code."""
        return settings.SHOP_CURRENCY

    @property
    def warnings(self) -> list[CartWarning]:
        """The warnings of all lines, in the order of the lines, and then that of the promo code."""
        warnings = [warning for line in self.lines for warning in _list_line_warnings(line)]
        if self.applied and self.applied.refusal:
            refusal = self.applied.refusal
            warnings.append(CartWarning(CartWarningCode.PROMO_CODE_NOT_APPLIED, refusal.text, refusal.params))
        return warnings


_COLUMNS = ("quantity", "name_seen", "price_seen", "recommended_by")


def _compile_cart(**condition: Param) -> CompiledQuery[tuple[Any, ...]]:
    """Compile a query of the lines of a cart, with its promo code. A cart without lines has one row."""
    columns = [f"lines__{column}" for column in _COLUMNS]
    return CompiledQuery(
        lambda: select_products(
            Cart.objects.filter(**condition).order_by("lines__id"),
            "promo_code_id",
            *columns,
            path="lines__product__",
        )
    )


_ACCOUNT_CART = _compile_cart(user_id=Param("user_id"))
_GUEST_CART = _compile_cart(token_digest=Param("token_digest"))
_CART_LINES = CompiledQuery(
    lambda: select_products(CartLine.objects.filter(cart_id=Param("cart_id")), *_COLUMNS, path="product__")
)


def _make_line(row: Sequence[Any]) -> CartLineRow:
    quantity, name_seen, price_seen, recommended_by, *product = row
    return CartLineRow(make_product(product), quantity, name_seen, price_seen, recommended_by)


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
        rows = _ACCOUNT_CART.run(user_id=viewer.user_id)
    elif viewer.cart_token is not None:
        rows = _GUEST_CART.run(token_digest=digest_token(viewer.cart_token))
    else:
        rows = []
    # The columns of the line and the product are null if the cart has no lines.
    lines = [_make_line(row) for _, *row in rows if row[0] is not None]
    promo_code_id = rows[0][0] if rows else None
    return build_contents(viewer, _redact_unpublished(lines), promo_code_id=promo_code_id)


def read_lines(cart: Cart) -> list[CartLineRow]:
    """Return the lines of a cart with their products, oldest first."""
    return _redact_unpublished(read_unredacted_lines(cart))


def read_unredacted_lines(cart: Cart) -> list[CartLineRow]:
    """Return the lines of a cart, oldest first, with their products as they are, published or not."""
    return [_make_line(row) for row in _CART_LINES.run(cart_id=cart.pk)]


def build_contents(
    viewer: Viewer,
    lines: Iterable[CartLineRow],
    token: str | None = None,
    *,
    promo_code_id: int | None = None,
) -> CartContents:
    """Return the contents of the viewer's cart with these lines. Only a promo code takes a query.

    Args:
        token: the guest's token if the cart was just created.
        promo_code_id: the promo code in the cart.
    """
    loaded = list(lines)
    key = get_cart_key(viewer)
    for line in loaded:
        line.cart_key = key
    return CartContents(loaded, key, token, discount_lines(loaded, promo_code_id, viewer.user_id))


def discount_lines(
    lines: Sequence[CartLineRow], promo_code_id: int | None, user_id: int | None
) -> Discount | None:
    """Set the discounts of the lines of a cart, and return the effect of its promo code.

    Args:
        promo_code_id: the promo code in the cart; without one, nothing is read.
        user_id: the customer; None for a guest.
    """
    if promo_code_id is None:
        return None
    applied = read_discount(promo_code_id, user_id, sum_lines(lines))
    if applied is not None:
        for line in lines:
            line.discount = applied.by_product.get(line.product_id, ZERO)
    return applied


def sum_lines(lines: Iterable[CartLineRow]) -> dict[int, Decimal]:
    """Return the totals of the lines whose products are published, by product id."""
    return {line.product_id: line.line_total for line in lines if line.product.is_published}


def describe_insufficient_stock(
    product: ProductRow, quantity: int
) -> "tuple[StrOrPromise, dict[str, object]]":
    """Return a message that the stock does not cover a quantity, and its placeholders.

    It does not reveal a large stock.
    """
    params = {"product": product.name, "stock": product.stock, "quantity": quantity}
    if product.stock == 0:
        return _("“%(product)s” is sold out."), params
    if product.stock <= MAX_SHOWN_STOCK:
        return _("“%(product)s”: %(stock)s in stock, %(quantity)s requested."), params
    return _("“%(product)s”: fewer than %(quantity)s in stock."), params


def _redact_unpublished(lines: list[CartLineRow]) -> list[CartLineRow]:
    """Replace the products of lines that are not published, so that no reader can reveal them."""
    for line in lines:
        if not line.product.is_published:
            line.product = _redact_product(line)
    return lines


def _redact_product(line: CartLineRow) -> ProductRow:
    """Return the product of a line with nothing but its id and the name and price that the shopper saw.

    Staff may have edited everything else after they unpublished the product.
    """
    created_at = line.product.created_at
    return ProductRow(
        id=line.product_id,
        sku="",
        slug="",
        name=line.name_seen,
        description="",
        price=line.price_seen,
        compare_at_price=None,
        stock=0,
        is_published=False,
        popularity=0,
        created_at=created_at,
        updated_at=created_at,
        seo_title="",
        seo_description="",
        characteristics=[],
        brand=None,
        category=None,
        pictures=[],
    )


def _list_line_warnings(line: CartLineRow) -> list[CartWarning]:
    product = line.product
    if not product.is_published:
        # By the name that the shopper knows.
        text: StrOrPromise = _("“%(product)s” is no longer sold.")
        params: dict[str, object] = {"product": line.name_seen}
        return [CartWarning(CartWarningCode.NO_LONGER_SOLD, text, params, line.product_id)]
    warnings = []
    if product.stock < line.quantity:
        text, params = describe_insufficient_stock(product, line.quantity)
        warnings.append(CartWarning(CartWarningCode.NOT_ENOUGH_STOCK, text, params, line.product_id))
    if product.price != line.price_seen:
        text = _("The price of “%(product)s” has changed from %(old_price)s to %(price)s.")
        params = {"product": product.name, "old_price": line.price_seen, "price": product.price}
        warnings.append(CartWarning(CartWarningCode.PRICE_CHANGED, text, params, line.product_id))
    return warnings
