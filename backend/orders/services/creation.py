"""Create orders from carts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from backend.addresses.selectors import read_delivery_columns
from backend.carts.lines import delete_cart_lines
from backend.carts.locks import lock_account_cart, lock_guest_cart, merge_guest_cart
from backend.carts.models import Cart, CartLine
from backend.carts.promo_code_services import detach_promo_code
from backend.carts.promo_codes import ZERO, take_promo_code_use
from backend.carts.selectors import (
    CartLineRow,
    describe_insufficient_stock,
    discount_lines,
    read_unredacted_lines,
)
from backend.carts.services import CartEmpty, OutOfStock
from backend.catalog.locks import select_products_to_lock
from backend.catalog.stock import take_stock
from backend.core.compiled_query import CompiledInsert, CompiledQuery, Param
from backend.core.db import atomic_or_conflict
from backend.core.errors import (
    ErrorCode,
    Invalid,
    OutOfRange,
    ShopError,
    TooLong,
    collect_errors,
    raise_collected,
)
from backend.core.viewer import Viewer
from backend.orders.delivery import Delivery, validate_delivery
from backend.orders.guests import (
    GuestDetails,
    derive_token,
    digest_guest_key,
    hit_guest_order_limits,
    issue_token,
    require_login_unless_guest,
    validate_guest,
)
from backend.orders.metrics import count_order, count_refusals
from backend.orders.models import Order, OrderContact, OrderLine, OrderStatusChange
from backend.orders.selectors import attach_related, read_order
from backend.orders.services.emails import describe_contents, enqueue_customer_email

MAX_IDEMPOTENCY_KEY_LENGTH = 255
# `Order.total` has 16 digits before the decimal point.
MAX_TOTAL = Decimal(10**16) - Decimal("0.01")

_LOCK_PRODUCTS = CompiledQuery(
    lambda: select_products_to_lock(CartLine.objects.filter(cart_id=Param("cart_id")))
)
_INSERT_ORDER = CompiledInsert(Order)
_INSERT_LINES = CompiledInsert(OrderLine)
_INSERT_CONTACT = CompiledInsert(OrderContact)
_INSERT_STATUS_CHANGE = CompiledInsert(OrderStatusChange)


class NoLongerSold(ShopError):
    """A product in the cart is no longer published."""

    code = ErrorCode.NO_LONGER_SOLD
    # The field is a line of the cart.
    is_about_argument = False


class CartOutOfStock(OutOfStock):
    """The stock does not cover a line of the cart that is ordered."""

    is_about_argument = False


class TotalChanged(ShopError):
    """The total of the cart differs from the expected total."""

    code = ErrorCode.TOTAL_CHANGED


class IdempotencyKeyReused(ShopError):
    """The idempotency key belongs to an order with other details, or to one that the guest no longer has."""

    code = ErrorCode.IDEMPOTENCY_KEY_REUSED


def create_order(
    *,
    viewer: Viewer,
    delivery: Delivery | None = None,
    guest: GuestDetails | None = None,
    idempotency_key: str | None = None,
    expected_total: Decimal | None = None,
) -> Order:
    """Create an order from the viewer's cart in one transaction, and return it.

    Takes the products out of stock, records their current names and prices, uses the promo code of the cart,
    enqueues a mail and empties the cart.

    Args:
        delivery: contact, address and comment. Contact and address, or a saved address, are required if the
            setting `ORDER_REQUIRE_DELIVERY` is on. A saved address is copied into the order.
        guest: the details of a viewer who is not logged in, who must give an e-mail address and a contact.
            The returned order has the token to read and cancel it. Without details, or if the setting
            `GUEST_ORDERS` is off, only accounts can order.
        idempotency_key: a repeated key with the same details returns the existing order.
        expected_total: the total shown to the shopper, after the discount, in the shop's currency.

    Raises:
        Unauthenticated: the viewer is not logged in, and the order requires an account.
        CartEmpty, NoLongerSold, CartOutOfStock, TotalChanged: the cart cannot be ordered.
        NotFound: the viewer has no saved address with this id.
        PromoCodeNotFound, PromoCodeExpired, PromoCodeUsedUp, PromoCodeNotApplicable, PromoCodeMinimumTotal:
            the promo code of the cart does not apply.
        IdempotencyKeyReused: the key belongs to an order with other details.
        Invalid, TooLong: the details of the guest, the delivery details or the key are malformed.
        CartTokenInvalid: the guest's cart token is malformed.
        RateLimited: a guest has sent too many orders.
        OutOfRange: the expected total cannot be the total of an order.
        Conflict: the account or a product was deleted concurrently, the promo code was changed, or other
            requests change the same data.
    """
    require_login_unless_guest(viewer, guest)
    delivery = delivery or Delivery()
    errors: list[ShopError] = []
    columns: Mapping[str, str] = {}
    with collect_errors(errors):
        guest = validate_guest(viewer, guest, delivery)
    with collect_errors(errors):
        columns = validate_delivery(delivery)
    if idempotency_key is not None:
        with collect_errors(errors):
            _validate_idempotency_key(idempotency_key)
    if expected_total is not None:
        with collect_errors(errors):
            expected_total = _validate_expected_total(expected_total)
    raise_collected(errors)
    fingerprint = _compute_fingerprint(delivery, expected_total, guest)
    if guest is not None:
        with count_refusals():
            return _create_guest_order_once(
                viewer.cart_token, guest, columns, idempotency_key, fingerprint, expected_total
            )
    # In a separate transaction, because it locks the cart and an order locks the account first.
    merge_guest_cart(viewer=viewer)
    assert viewer.user_id is not None
    with count_refusals():
        return _create_order_once(
            viewer.user_id, columns, idempotency_key, fingerprint, expected_total, delivery.address_id
        )


@atomic_or_conflict
def _create_order_once(
    user_id: int,
    columns: Mapping[str, str],
    idempotency_key: str | None,
    fingerprint: str,
    expected_total: Decimal | None,
    address_id: int | None,
) -> Order:
    """Create the order of an account's cart, or return the one with this key."""
    cart = lock_account_cart(user_id)
    # After the lock, so that the second of two concurrent requests finds the order of the first.
    order_id = _find_order_by_key(user_id, idempotency_key, fingerprint)
    if order_id is not None:
        return read_order(order_id)
    if address_id is not None:
        # After the search by key, so that a request can be repeated when the address has been deleted.
        columns = {**read_delivery_columns(user_id, address_id), **columns}
    return _create_order(cart, columns, fingerprint, expected_total, idempotency_key=idempotency_key or "")


@atomic_or_conflict
def _create_guest_order_once(
    cart_token: str | None,
    guest: GuestDetails,
    columns: Mapping[str, str],
    idempotency_key: str | None,
    fingerprint: str,
    expected_total: Decimal | None,
) -> Order:
    """Create the order of a guest's cart, or return the one with this key, with its token."""
    if cart_token is None:
        raise CartEmpty(_("The cart is empty."))
    guest_key = digest_guest_key(cart_token, idempotency_key) if idempotency_key else ""
    cart = lock_guest_cart(cart_token)
    # After the lock, as for accounts. The order is found without its cart too.
    order_id = _find_order_by_guest_key(guest_key, fingerprint)
    if order_id is not None:
        order = read_order(order_id)
        order.token = derive_token(order)
        return order
    return _create_order(cart, columns, fingerprint, expected_total, guest, guest_key=guest_key)


def _create_order(
    cart: Cart | None,
    columns: Mapping[str, str],
    fingerprint: str,
    expected_total: Decimal | None,
    guest: GuestDetails | None = None,
    **key: str,
) -> Order:
    """Create the order of a locked cart and return it as `read_order` does, without reading it again.

    Args:
        key: the column of the idempotency key, which differs between accounts and guests.
    """
    lines = _lock_lines(cart) if cart is not None else []
    if cart is None or not lines:
        raise CartEmpty(_("The cart is empty."))
    errors: list[ShopError] = []
    for index, line in enumerate(lines):
        with collect_errors(errors):
            _require_available(line, index)
    raise_collected(errors)
    subtotal = sum((line.line_total for line in lines), ZERO)
    applied = discount_lines(lines, cart.promo_code_id, cart.user_id)
    if applied and applied.refusal:
        # Without the code, the customer would pay more than the cart showed.
        raise applied.refusal
    total = subtotal - applied.total if applied else subtotal
    if expected_total is not None and expected_total != total:
        raise TotalChanged(
            _("The total is now %(total)s %(currency)s, not %(expected_total)s."),
            field="expected_total",
            params={"total": total, "currency": settings.SHOP_CURRENCY, "expected_total": expected_total},
        )
    if guest is not None:
        # Refused orders are not counted: a shopper who corrects the cart must not have to wait.
        hit_guest_order_limits(guest)
    take_stock({line.product_id: line.quantity for line in lines})
    for line in lines:
        line.product.stock -= line.quantity
    order = Order(
        user=cart.user,
        total=total,
        discount=applied.total if applied else ZERO,
        promo_code=applied.terms.code if applied else "",
        currency=settings.SHOP_CURRENCY,
        fingerprint=fingerprint,
        email=(guest.email or "") if guest else "",
        language=guest.language if guest else "",
        **key,
    )
    _INSERT_ORDER.run([order])
    if guest is not None:
        issue_token(order)
    order_lines = [
        OrderLine(
            order=order,
            product_id=line.product_id,
            sku=line.product.sku,
            name=line.product.name,
            unit_price=line.unit_price,
            quantity=line.quantity,
            line_total=line.line_total,
            discount=line.discount,
            recommended_by=line.recommended_by,
        )
        for line in lines
    ]
    _INSERT_LINES.run(order_lines)
    person = OrderContact(order=order, user=cart.user, **columns) if columns else None
    if person is not None:
        _INSERT_CONTACT.run([person])
    status_change = OrderStatusChange(order=order, status=order.status, changed_by=cart.user)
    _INSERT_STATUS_CHANGE.run([status_change])
    delete_cart_lines(cart)
    detach_promo_code(cart)
    if applied:
        take_promo_code_use(applied.terms, cart.user_id, order.number)
    # Staff can cancel units before the mail is sent. Another mail tells the customer.
    enqueue_customer_email(order, "orders.send_confirmation", **describe_contents(order, order_lines))
    sold_out = sum(line.product.stock == 0 for line in lines)
    transaction.on_commit(lambda: count_order(sold_out), robust=True)
    return attach_related(
        order,
        lines=order_lines,
        products=[line.product for line in lines],
        person=person,
        history=[status_change],
    )


def _lock_lines(cart: Cart) -> Sequence[CartLineRow]:
    """Lock the products of a locked cart until commit, and return its lines with the locked products.

    Lines are not locked, because the deletion of a product locks the product before its lines.
    """
    _LOCK_PRODUCTS.run(cart_id=cart.pk)
    return read_unredacted_lines(cart)


def _require_available(line: CartLineRow, index: int) -> None:
    """Check that a line of the cart can be ordered.

    Args:
        index: the position of the line in the cart, which is part of the path of the error.
    """
    field = f"lines.{index}.product_id"
    if not line.product.is_published:
        raise NoLongerSold(
            _("“%(product)s” is no longer sold. Remove it from the cart."),
            field=field,
            params={"product": line.name_seen},
        )
    if line.product.stock < line.quantity:
        text, params = describe_insufficient_stock(line.product, line.quantity)
        raise CartOutOfStock(text, field=field, params=params)


def _find_order_by_key(user_id: int, key: str | None, fingerprint: str) -> int | None:
    if key is None:
        return None
    found = (
        Order.objects.filter(user_id=user_id, idempotency_key=key).values_list("pk", "fingerprint").first()
    )
    if found is None:
        return None
    order_id, existing_fingerprint = found
    _require_same_fingerprint(fingerprint, existing_fingerprint)
    return order_id


def _find_order_by_guest_key(guest_key: str, fingerprint: str) -> int | None:
    order = Order.objects.filter(guest_key=guest_key).first() if guest_key else None
    if order is None:
        return None
    _require_same_fingerprint(fingerprint, order.fingerprint)
    if not order.token_digest:
        raise IdempotencyKeyReused(
            _("The order of this idempotency key can no longer be read by a guest."), field="idempotency_key"
        )
    return order.pk


def _require_same_fingerprint(fingerprint: str, existing: str) -> None:
    if existing != fingerprint:
        raise IdempotencyKeyReused(
            _("This idempotency key was used for an order with other details."), field="idempotency_key"
        )


def _validate_idempotency_key(key: str) -> None:
    if len(key) > MAX_IDEMPOTENCY_KEY_LENGTH:
        raise TooLong(
            _("The idempotency key must have at most %(maximum)s characters."),
            field="idempotency_key",
            params={"maximum": MAX_IDEMPOTENCY_KEY_LENGTH},
        )
    # The REST API takes the key from a header, which can carry only such texts.
    if not (key and key == key.strip() and key.isascii() and key.isprintable()):
        raise Invalid(
            _("The idempotency key must consist of printable ASCII characters, without spaces at its ends."),
            field="idempotency_key",
        )


def _validate_expected_total(total: Decimal) -> Decimal:
    if not 0 <= total <= MAX_TOTAL:
        raise OutOfRange(
            _("The expected total must be between 0 and %(maximum)s."),
            field="expected_total",
            params={"maximum": MAX_TOTAL},
        )
    if total != round(total, 2):
        raise OutOfRange(_("The expected total must have at most two decimals."), field="expected_total")
    return round(total, 2)


def _compute_fingerprint(
    delivery: Delivery, expected_total: Decimal | None, guest: GuestDetails | None
) -> str:
    parts = asdict(delivery)
    if delivery.address_id is None:
        # Orders of earlier releases have fingerprints without it.
        del parts["address_id"]
    details = [parts, None if expected_total is None else str(expected_total)]
    if guest is not None:
        details.append(guest.email)
    # An HMAC, because an address could be guessed from a plain hash.
    return salted_hmac("backend.orders", json.dumps(details, sort_keys=True), algorithm="sha256").hexdigest()
