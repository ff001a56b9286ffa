"""Placing, moving on and cancelling orders.

Rows are locked in one order everywhere: the account, the order or the cart, then products by primary key.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.crypto import salted_hmac

from backend.carts.models import Cart, CartLine
from backend.carts.selectors import insufficient_stock_message, no_longer_sold_message
from backend.carts.services import OutOfStock, lock_account_cart, merge_guest_cart
from backend.catalog.models import Product
from backend.core.errors import ErrorCode, Invalid, NotFound, OutOfRange, ShopError, TooLong, Unauthenticated
from backend.core.prepared import Given, PreparedQuery
from backend.core.transactions import atomic_or_conflict
from backend.core.viewer import Viewer
from backend.notifications.services import queue_email
from backend.orders.delivery import Delivery, check_delivery
from backend.orders.models import NEXT_STATUSES, Order, OrderContact, OrderLine, OrderStatusChange
from backend.orders.selectors import read_order, with_parts

MAX_KEY_LENGTH = 255
BEYOND_ANY_TOTAL = Decimal(10**16)
POPULAR_WITHIN = timedelta(days=30)
COUNTED_AT_ONCE = 500

_LOCKED_LINES = PreparedQuery(
    lambda: (
        CartLine.objects.select_for_update(of=["product"], no_key=True)
        .filter(cart_id=Given("cart_id"))
        .select_related("product__category")
        .defer("product__search_vector")
        .order_by("product_id")
    )
)


class CartEmpty(ShopError):
    """There is nothing to order."""

    code = ErrorCode.CART_EMPTY


class NoLongerSold(ShopError):
    """A product in the cart is not published any more."""

    code = ErrorCode.NO_LONGER_SOLD


class TotalChanged(ShopError):
    """The cart costs something else than the shopper has seen."""

    code = ErrorCode.TOTAL_CHANGED


class IdempotencyKeyReused(ShopError):
    """The key is of an order that was asked for in other words."""

    code = ErrorCode.IDEMPOTENCY_KEY_REUSED


class WrongOrderStatus(ShopError):
    """The order cannot become what is asked for, from what it is."""

    code = ErrorCode.ORDER_STATUS


def create_order(
    *,
    viewer: Viewer,
    delivery: Delivery | None = None,
    idempotency_key: str | None = None,
    expected_total: Decimal | None = None,
) -> Order:
    """Order what is in the viewer's cart, empty it, and return the order: all of it happens, or nothing.

    The stock is taken, a mail is queued, and prices and names are kept as they are now.

    Args:
        viewer: signed in.
        delivery: whom to call, where to deliver, and a comment; `ORDER_REQUIRE_DELIVERY` demands it.
        idempotency_key: a name that the client gives to this order: repeated with the same content,
            it returns the order that there is.
        expected_total: what the shopper was shown, in the shop's currency.

    Raises:
        Unauthenticated: nobody is logged in.
        CartEmpty, NoLongerSold, OutOfStock, TotalChanged: the cart cannot be ordered as it is.
        IdempotencyKeyReused: the key is of another order.
        Invalid, TooLong: the delivery or the key is not fit.
        OutOfRange: no total of an order looks like the expected one.
        Conflict: the account or a product was deleted at this moment.
    """
    if viewer.user_id is None:
        raise Unauthenticated("Log in to order.")
    delivery = delivery or Delivery()
    columns = check_delivery(delivery)
    if idempotency_key is not None:
        _check_key(idempotency_key)
    if expected_total is not None:
        expected_total = _check_expected_total(expected_total)
    fingerprint = _fingerprint(delivery, expected_total)
    # A transaction of its own: it locks the cart, and the order locks the account before that.
    merge_guest_cart(viewer=viewer)
    with atomic_or_conflict():
        cart = lock_account_cart(viewer.user_id)
        # Asked after the lock: of two at once with one key, the second finds the first one's order.
        order_id = _find_by_key(viewer.user_id, idempotency_key, fingerprint)
        if order_id is not None:
            return read_order(order_id)
        return _place(cart, columns, idempotency_key, fingerprint, expected_total)


def cancel_order(*, viewer: Viewer, number: str) -> Order:
    """Cancel the viewer's own order while it is placed or paid, give its stock back, and return it.

    Raises:
        Unauthenticated: nobody is logged in.
        NotFound: the viewer has no such order.
        WrongOrderStatus: it is shipped, delivered, or cancelled already.
    """
    if viewer.user_id is None:
        raise Unauthenticated("Log in first.")
    with transaction.atomic():
        # The account first, as its deletion does: the history refers to it.
        orders = Order.objects.select_for_update(of=["user", "self"], no_key=True).select_related("user")
        own = orders.filter(user_id=viewer.user_id, user__is_active=True, number=number)
        order = own.first() if "\0" not in number else None
        if order is None:
            raise NotFound("You have no such order.", field="number")
        _move_on(order, Order.Status.CANCELLED, changed_by=viewer.user_id)
        return read_order(order.pk)


def change_order_status(*, order_id: int, status: str, changed_by: int) -> Order:
    """Move an order on along what `NEXT_STATUSES` allows, mail its owner, and return it.

    Args:
        order_id: whoever's order it is.
        status: one of `Order.Status`; a cancelled order gives its stock back.
        changed_by: the member of staff who does it.

    Raises:
        NotFound: there is no such order.
        Invalid: there is no such status.
        WrongOrderStatus: that status does not follow the one that the order has.
    """
    if status not in Order.Status.values:
        raise Invalid("There is no such status of an order.", field="status")
    with transaction.atomic():
        order = Order.objects.select_for_update().filter(pk=order_id).first()
        if order is None:
            raise NotFound("There is no such order.", field="order_id")
        _move_on(order, Order.Status(status), changed_by=changed_by)
        return read_order(order.pk)


def count_popularity() -> int:
    """Set the popularity of every product to the pieces sold lately, and return how many changed.

    In batches, so that no order waits long for it.
    """
    sold = dict(
        OrderLine.objects.filter(order__placed_at__gte=timezone.now() - POPULAR_WITHIN, product__isnull=False)
        .exclude(order__status=Order.Status.CANCELLED)
        .values_list("product_id")
        .annotate(pieces=Sum("quantity"))
    )
    counted = dict(Product.objects.filter(popularity__gt=0).values_list("pk", "popularity"))
    changed = sorted(pk for pk in sold.keys() | counted.keys() if sold.get(pk, 0) != counted.get(pk, 0))
    for start in range(0, len(changed), COUNTED_AT_ONCE):
        with transaction.atomic():
            products = _lock_by_key(changed[start : start + COUNTED_AT_ONCE])
            _set_popularity({pk: sold.get(pk, 0) for pk in products})
    return len(changed)


def _set_popularity(pieces: Mapping[int, int]) -> None:
    # A join, since the branches of one Case would be tried one after the other for every product.
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_product SET popularity = counted.pieces "
            "FROM unnest(%s::bigint[], %s::bigint[]) AS counted(id, pieces) "
            "WHERE catalog_product.id = counted.id",
            [list(pieces), list(pieces.values())],
        )


def _place(
    cart: Cart | None,
    columns: Mapping[str, str],
    idempotency_key: str | None,
    fingerprint: str,
    expected_total: Decimal | None,
) -> Order:
    """Write the order of a locked cart and return it as `read_order` does, of what is at hand."""
    lines = _lock_lines(cart) if cart is not None else []
    if cart is None or cart.user is None or not lines:
        raise CartEmpty("There is nothing in the cart.")
    for line in lines:
        _require_available(line)
    total = sum((line.line_total for line in lines), Decimal(0))
    if expected_total is not None and expected_total != total:
        raise TotalChanged(
            f"The total is {total} {settings.SHOP_CURRENCY} now, not {expected_total}.",
            field="expected_total",
        )
    _move_stock({line.product_id: -line.quantity for line in lines})
    for line in lines:
        line.product.stock -= line.quantity
    order = Order.objects.create(
        user=cart.user,
        total=total,
        currency=settings.SHOP_CURRENCY,
        idempotency_key=idempotency_key or "",
        fingerprint=fingerprint,
    )
    order_lines = OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            product=line.product,
            sku=line.product.sku,
            name=line.product.name,
            unit_price=line.unit_price,
            quantity=line.quantity,
            line_total=line.line_total,
        )
        for line in sorted(lines, key=lambda line: line.pk)
    )
    person = OrderContact.objects.create(order=order, user=cart.user, **columns) if columns else None
    placed = OrderStatusChange.objects.create(order=order, status=order.status, changed_by=cart.user)
    _empty(cart)
    queue_email(
        task="orders.send_confirmation",
        recipient=cart.user.email,
        language=cart.user.language,
        context={"order_id": order.pk},
    )
    return with_parts(order, lines=order_lines, person=person, history=[placed])


def _lock_lines(cart: Cart) -> Sequence[CartLine]:
    """Return a locked cart's lines with their products as they are now, kept from others until commit.

    Products by primary key, so that two orders of the same products wait for each other and never in
    a circle. The lines are not locked: staff who delete products lock these before their lines.
    """
    return _LOCKED_LINES.run(cart_id=cart.pk)


def _empty(cart: Cart) -> None:
    # Nothing hangs on lines; Django's `delete` would look for it every time.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM carts_cartline WHERE cart_id = %s", [cart.pk])


def _require_available(line: CartLine) -> None:
    if not line.product.is_published:
        raise NoLongerSold(f"{no_longer_sold_message(line)} Remove it from the cart.")
    if line.product.stock < line.quantity:
        raise OutOfStock(insufficient_stock_message(line.product, line.quantity))


def _move_stock(changes: Mapping[int, int]) -> None:
    """Add so many pieces to the stock of each product; these are locked already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_product SET stock = stock + moved.pieces "
            "FROM unnest(%s::bigint[], %s::bigint[]) AS moved(id, pieces) "
            "WHERE catalog_product.id = moved.id",
            [list(changes), list(changes.values())],
        )


def _lock_by_key(product_ids: Iterable[int]) -> list[int]:
    """Keep some products from others until commit, and return those that exist."""
    products = Product.objects.select_for_update(no_key=True).filter(pk__in=list(product_ids))
    return list(products.order_by("pk").values_list("pk", flat=True))


def _move_on(order: Order, status: Order.Status, *, changed_by: int) -> None:
    """Give a locked order its next status, record it, and mail its owner."""
    if status not in NEXT_STATUSES[Order.Status(order.status)]:
        raise WrongOrderStatus(f"An order that is {order.status} cannot become {status}.", field="number")
    order.status = status
    order.save(update_fields=["status"])
    OrderStatusChange.objects.create(order=order, status=status, changed_by_id=changed_by)
    if status == Order.Status.CANCELLED:
        _return_stock(order)
    if order.user is not None:
        queue_email(
            task="orders.send_status",
            recipient=order.user.email,
            language=order.user.language,
            context={"order_id": order.pk, "status": status},
        )


def _return_stock(order: Order) -> None:
    pieces = dict(order.lines.filter(product__isnull=False).values_list("product_id", "quantity"))
    _move_stock({pk: pieces[pk] for pk in _lock_by_key(pieces)})


def _find_by_key(user_id: int, key: str | None, fingerprint: str) -> int | None:
    if key is None:
        return None
    found = (
        Order.objects.filter(user_id=user_id, idempotency_key=key).values_list("pk", "fingerprint").first()
    )
    if found is None:
        return None
    order_id, known = found
    if known != fingerprint:
        raise IdempotencyKeyReused("This key was used for another order.", field="idempotency_key")
    return order_id


def _check_key(key: str) -> None:
    if len(key) > MAX_KEY_LENGTH:
        raise TooLong(f"A key has at most {MAX_KEY_LENGTH} characters.", field="idempotency_key")
    # What a header can carry, so that both APIs know the same keys.
    if not (key and key == key.strip() and key.isascii() and key.isprintable()):
        raise Invalid(
            "A key is made of printable ASCII characters, with no space at its ends.", field="idempotency_key"
        )


def _check_expected_total(total: Decimal) -> Decimal:
    if not 0 <= total < BEYOND_ANY_TOTAL:
        raise OutOfRange(f"A total is at least 0 and below {BEYOND_ANY_TOTAL}.", field="expected_total")
    if total != round(total, 2):
        raise OutOfRange("A total has at most two decimals.", field="expected_total")
    return round(total, 2)


def _fingerprint(delivery: Delivery, expected_total: Decimal | None) -> str:
    asked = [asdict(delivery), None if expected_total is None else str(expected_total)]
    # With a key: an address could be guessed from a plain hash of it.
    return salted_hmac("backend.orders", json.dumps(asked, sort_keys=True), algorithm="sha256").hexdigest()
