"""A state machine that changes a shop at random and compares it with a model in plain Python."""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from typing import Any
from uuid import uuid4

from django.conf import settings
from gqlauth.models import UserStatus
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from backend.accounts.codes import Purpose
from backend.accounts.models import User
from backend.carts.models import MAX_QUANTITY, Cart, CartLine, PromoCode, PromoCodeUse
from backend.carts.promo_code_services import (
    PROMO_CODES_PER_ACCOUNT,
    apply_promo_code,
    remove_promo_code,
)
from backend.carts.promo_codes import (
    PromoCodeMinimumTotal,
    PromoCodeNotApplicable,
    PromoCodeNotFound,
    PromoCodeUsedUp,
)
from backend.carts.selectors import CartContents
from backend.carts.services import (
    CartEmpty,
    LineQuantity,
    OutOfStock,
    add_lines,
    clear_cart,
    get_cart,
    remove_lines,
    update_lines,
)
from backend.carts.tokens import digest_token
from backend.catalog.models import Product
from backend.catalog.services import publish_products
from backend.core.errors import Conflict, Invalid, NotFound, OutOfRange, ShopError
from backend.core.throttling import RateLimit, reset_rate_limits
from backend.core.viewer import Viewer
from backend.feeds.importer import import_feed
from backend.notifications.models import OutgoingEmail
from backend.orders.delivery import ContactInput, Delivery
from backend.orders.guests import GuestDetails, confirm_account
from backend.orders.models import NEXT_STATUSES, Order, OrderLine, OrderStatusChange
from backend.orders.services import (
    IdempotencyKeyReused,
    NoLongerSold,
    TotalChanged,
    WrongOrderStatus,
    WrongPaymentAmount,
    cancel_guest_order,
    cancel_order,
    cancel_order_lines,
    change_order_status,
    count_popularity,
    create_order,
    mark_paid,
)
from backend.orders.services.creation import CartOutOfStock
from tests.accounts.cases import new_code
from tests.carts.factories import make_promo_code
from tests.catalog.derived import assert_listing_is_right
from tests.catalog.factories import make_product
from tests.concurrency.actors import execute
from tests.concurrency.test_deletion_races import delete_products, delete_users
from tests.feeds.helpers import table
from tests.support.people import make_user

# Position in a list of the model, modulo its length.
INDEX = st.integers(0, 9)
QUANTITY = st.one_of(
    st.integers(1, 4), st.sampled_from([0, MAX_QUANTITY - 1, MAX_QUANTITY, MAX_QUANTITY + 1])
)
LINES = st.lists(st.tuples(INDEX, QUANTITY), max_size=4)
PRICE = st.one_of(
    st.sampled_from([Decimal("0.01"), Decimal("9999999999.99")]),
    st.integers(1, 100_000).map(lambda cents: Decimal(cents) / 100),
)
STOCK = st.one_of(st.integers(0, 8), st.sampled_from([998, 5000]))
KEY = st.sampled_from([None, None, "key-1", "key-2"])

_addresses = count(1)
_guests = count(1)
# Rate limits outlive a run of the tests.
_RUN = uuid4().hex
CONTACT = ContactInput(name="Vera", phone="+7 900 123-45-67")


@dataclass
class ModelProduct:
    """A product in stock."""

    sku: str
    name: str
    price: Decimal
    stock: int
    is_published: bool = True


@dataclass
class ModelPromoCode:
    """A promo code for everything: a percentage, or an amount if the percentage is None."""

    percent: int | None
    amount: Decimal | None
    max_uses: int | None
    max_uses_per_customer: int | None
    minimum_total: Decimal | None
    is_active: bool = True

    def compute(self, subtotal: Decimal) -> Decimal:
        if self.percent is None:
            assert self.amount is not None
            return min(self.amount, subtotal)
        return (subtotal * self.percent / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass
class ModelOrder:
    """An acknowledged order.

    Attributes:
        lines: tuples of SKU, name, unit price and quantity.
        products: the units of each product that are not cancelled, in the order of the lines.
        payments: amounts and statuses by reference, without those by staff.
        cancelled: the cancelled units of each line.
        email: the address of a guest, until the order is transferred to an account.
        token: the token of an order that a guest has placed.
    """

    account: int | None
    total: Decimal
    lines: list[tuple[str, str, Decimal, int]]
    products: Counter[int]
    promo_code: str = ""
    discount: Decimal = Decimal(0)
    statuses: list[str] = field(default_factory=lambda: [str(Order.Status.PLACED)])
    payments: dict[str, tuple[Decimal, str]] = field(default_factory=dict)
    email: str = ""
    token: str | None = None
    cancelled: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.cancelled = [0] * len(self.lines)


class ShopMachine(RuleBasedStateMachine):
    """Shoppers, guests and staff of one shop, one action after another.

    Attributes:
        products: by primary key; deleted products are missing.
        carts: quantities by product, by the account or the token of the cart, in the order of the lines.
        promo_codes: by code.
        applied: promo codes by the account or the token of the cart.
        orders: by order number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.product_ids: list[int] = []
        self.products: dict[int, ModelProduct] = {}
        self.accounts: list[int] = []
        self.emails: dict[int, str] = {}
        self.tokens: list[str] = []
        self.carts: dict[int | str, dict[int, int]] = {}
        self.promo_codes: dict[str, ModelPromoCode] = {}
        self.applied: dict[int | str, str] = {}
        self.orders: dict[str, ModelOrder] = {}
        self.keys: dict[tuple[int | str, str], tuple[str, Decimal | None]] = {}

    def teardown(self) -> None:
        execute(
            "TRUNCATE catalog_product, catalog_listingentry, carts_cart, carts_promocode, orders_order, "
            "accounts_user, notifications_outgoingemail CASCADE"
        )

    @initialize()
    def open_shop(self) -> None:
        for stock in (3, 5, 1000):
            self.create_product(Decimal(10), stock)
        for _ in range(2):
            self.create_account()
        self.tokens.append(self.create_guest_cart(0))
        for max_uses in (None, 1):
            self.create_promo_code(
                15, Decimal(1), max_uses=max_uses, max_uses_per_customer=None, minimum_total=None
            )

    # Staff

    @precondition(lambda self: len(self.products) < 6)
    @rule(price=PRICE, stock=STOCK)
    def create_product(self, price: Decimal, stock: int) -> None:
        product = make_product(price=price, stock=stock)
        self.product_ids.append(product.pk)
        self.products[product.pk] = ModelProduct(product.sku, product.name, price, stock)

    @rule(edits=st.dictionaries(INDEX, st.tuples(PRICE, STOCK), min_size=1, max_size=3))
    def import_prices_and_stock(self, edits: dict[int, tuple[Decimal, int]]) -> None:
        rows = {}
        for index, (price, stock) in edits.items():
            product = self.products.get(self.pick_product(index))
            if product is not None:
                product.price, product.stock = price, stock
                rows[product.sku] = {
                    "id": product.sku,
                    "price": f"{price} {settings.SHOP_CURRENCY}",
                    "quantity": str(stock),
                }
        if rows:
            report = import_feed(io.BytesIO(table(*rows.values())))
            assert not report.stopped
            assert report.created + report.refused == 0

    @rule(index=INDEX, published=st.booleans())
    def publish(self, index: int, published: bool) -> None:
        product_id = self.pick_product(index)
        publish_products(products=Product.objects.filter(pk=product_id), published=published)
        if product_id in self.products:
            self.products[product_id].is_published = published

    @precondition(lambda self: len(self.products) > 1)
    @rule(index=INDEX)
    def delete_product(self, index: int) -> None:
        product_id = self.pick_product(index)
        delete_products(Product(pk=product_id))
        self.products.pop(product_id, None)
        for cart in self.carts.values():
            cart.pop(product_id, None)

    @precondition(lambda self: len(self.promo_codes) < 4)
    @rule(
        percent=st.sampled_from([1, 15, 33, 100]) | st.none(),
        amount=st.sampled_from([Decimal("0.01"), Decimal("9.99"), Decimal(10000)]),
        max_uses=st.sampled_from([None, None, 1, 2]),
        max_uses_per_customer=st.sampled_from([None, None, 1]),
        minimum_total=st.sampled_from([None, None, Decimal(20)]),
    )
    def create_promo_code(self, percent: int | None, amount: Decimal, **limits: Any) -> None:
        fields = {"percent": percent, "amount": amount if percent is None else None} | limits
        promo_code = make_promo_code(**fields)
        self.promo_codes[promo_code.code] = ModelPromoCode(**fields)

    @precondition(lambda self: self.promo_codes)
    @rule(index=INDEX, is_active=st.sampled_from([True, True, False]))
    def activate_promo_code(self, index: int, is_active: bool) -> None:
        code = self.pick_promo_code(index)
        PromoCode.objects.filter(code=code).update(is_active=is_active)
        self.promo_codes[code].is_active = is_active

    @precondition(lambda self: len(self.promo_codes) > 1)
    @rule(index=INDEX)
    def delete_promo_code(self, index: int) -> None:
        code = self.pick_promo_code(index)
        PromoCode.objects.get(code=code).delete()
        del self.promo_codes[code]
        self.applied = {owner: other for owner, other in self.applied.items() if other != code}

    @rule()
    def count_popularity(self) -> None:
        count_popularity()
        sold: Counter[int] = Counter()
        for order in self.orders.values():
            if order.statuses[-1] != Order.Status.CANCELLED:
                sold.update(order.products)
        expected = {product_id: sold[product_id] for product_id in self.products}
        assert dict(Product.objects.values_list("pk", "popularity")) == expected

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, status=st.sampled_from([*Order.Status.values, "lost"]))
    def change_status(self, index: int, status: str) -> None:
        number, order = self.pick_order(index)
        refusal: type[ShopError] | None = None
        if status not in Order.Status.values:
            refusal = Invalid
        elif status not in NEXT_STATUSES[Order.Status(order.statuses[-1])]:
            refusal = WrongOrderStatus
        order_id = Order.objects.get(number=number).pk
        staff = self.accounts[0]
        self.expect(refusal, lambda: change_order_status(order_id=order_id, status=status, changed_by=staff))
        if refusal is None:
            self.record_status(order, status)

    @precondition(lambda self: self.orders)
    @rule(index=INDEX)
    def advance(self, index: int) -> None:
        """Change an order to the status that follows, unless it is delivered or cancelled."""
        number, order = self.pick_order(index)
        following = NEXT_STATUSES[Order.Status(order.statuses[-1])]
        if following:
            order_id = Order.objects.get(number=number).pk
            change_order_status(order_id=order_id, status=following[0], changed_by=self.accounts[0])
            self.record_status(order, following[0])

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, line=INDEX, quantity=st.integers(0, 4))
    def cancel_units(self, index: int, line: int, quantity: int) -> None:
        number, order = self.pick_order(index)
        stored = Order.objects.get(number=number)
        position = line % len(order.lines)
        line_id = list(stored.lines.values_list("pk", flat=True))[position]
        refusal: type[ShopError] | None = None
        if Order.Status.CANCELLED not in NEXT_STATUSES[Order.Status(order.statuses[-1])]:
            refusal = WrongOrderStatus
        elif not 1 <= quantity <= order.lines[position][3] - order.cancelled[position]:
            refusal = OutOfRange
        changed = self.expect(
            refusal,
            lambda: cancel_order_lines(
                order_id=stored.pk,
                quantities={line_id: quantity},
                expected_total=stored.total,
                changed_by=self.accounts[0],
            ),
        )
        if refusal is not None:
            return
        if quantity == sum(units for *_, units in order.lines) - sum(order.cancelled):
            self.record_status(order, Order.Status.CANCELLED)
            return
        product_id = list(order.products)[position]
        order.cancelled[position] += quantity
        order.products[product_id] -= quantity
        with suppress(KeyError):
            self.products[product_id].stock += quantity
        order.total, order.discount = changed.total, changed.discount

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, reference=st.sampled_from(["pay-1", "pay-2"]), extra=st.sampled_from([0, 0, 0, 1]))
    def pay(self, index: int, reference: str, extra: int) -> None:
        """Deliver the notice of a provider, which can be a repetition."""
        number, order = self.pick_order(index)
        amount, reference = order.total + extra, f"{number} {reference}"
        known = order.payments.get(reference)
        if known is not None:
            status = known[1]
        elif order.statuses[-1] == Order.Status.CANCELLED:
            status = "order_cancelled"
        elif order.statuses[-1] != Order.Status.PLACED:
            status = "already_paid"
        else:
            status = "wrong_amount" if extra else "accepted"
        refusal: type[ShopError] | None = WrongPaymentAmount if status == "wrong_amount" else None
        if known is not None and known[0] != amount:
            refusal = Conflict
        self.expect(
            refusal,
            lambda: mark_paid(
                number=number,
                reference=reference,
                amount=amount,
                currency=settings.SHOP_CURRENCY,
                provider="sandbox",
            ),
        )
        if known is None:
            order.payments[reference] = (amount, status)
            if status == "accepted":
                self.record_status(order, Order.Status.PAID)

    # Accounts

    @precondition(lambda self: len(self.accounts) < 4)
    @rule()
    def create_account(self) -> None:
        user = make_user()
        self.accounts.append(user.pk)
        self.emails[user.pk] = user.email

    @precondition(lambda self: len(self.accounts) > 1)
    @rule(index=INDEX)
    def delete_account(self, index: int) -> None:
        account = self.pick_account(index)
        delete_users(User(pk=account))
        self.accounts.remove(account)
        self.carts.pop(account, None)
        self.applied.pop(account, None)
        self.keys = {key: value for key, value in self.keys.items() if key[0] != account}
        for order in self.orders.values():
            if order.account == account:
                order.account = None

    @rule(index=INDEX)
    def confirm_account(self, index: int) -> None:
        """Confirm a new account with the address of a guest, which receives the orders of the guest."""
        guests = [order.email for order in self.orders.values() if order.email]
        if not guests or len(self.accounts) >= 5:
            return
        email = guests[index % len(guests)]
        if email in [self.emails[account] for account in self.accounts]:
            return
        user = make_user(email)
        UserStatus.objects.filter(user=user).update(verified=False)
        code = new_code(Purpose.CONFIRMATION, email)
        confirm_account(email=email, code=code, address=self.next_address())
        self.accounts.append(user.pk)
        self.emails[user.pk] = email
        for order in self.orders.values():
            if order.email == email:
                order.account, order.email = user.pk, ""

    # Carts

    @precondition(lambda self: len(self.tokens) < 3)
    @rule(index=INDEX, target_quantity=st.integers(1, 5))
    def start_guest_cart(self, index: int, target_quantity: int) -> None:
        product_id = self.pick_product(index)
        product = self.products.get(product_id)
        if product is not None and product.is_published and product.stock:
            self.tokens.append(self.create_guest_cart(index, target_quantity))

    @rule(account=INDEX, guest=INDEX)
    def merge(self, account: int, guest: int) -> None:
        viewer = Viewer(user_id=self.pick_account(account), cart_token=self.pick_token(guest))
        contents = get_cart(viewer=viewer)
        self.merge_model(viewer)
        self.check_contents(contents, viewer)

    @rule(account=st.none() | INDEX, guest=st.none() | INDEX, lines=LINES)
    def add(self, account: int | None, guest: int | None, lines: list[tuple[int, int]]) -> None:
        viewer = self.pick_viewer(account, guest)
        if viewer is None:
            return
        before = self.copy_carts()
        self.merge_model(viewer)
        cart = dict(self.get_model_cart(viewer))
        added = [LineQuantity(self.pick_product(index), quantity) for index, quantity in lines]
        refusal = self.add_to_model(cart, added)
        contents = self.expect(
            refusal, lambda: add_lines(viewer=viewer, lines=added, address=self.next_address())
        )
        self.finish_change(viewer, cart, before, contents)

    def add_to_model(self, cart: dict[int, int], lines: Sequence[LineQuantity]) -> type[ShopError] | None:
        if not lines:
            return Invalid
        if any(not 1 <= line.quantity <= MAX_QUANTITY for line in lines):
            return OutOfRange
        for line in lines:
            product = self.products.get(line.product_id)
            if product is None or not product.is_published:
                return NotFound
            if not product.stock:
                return OutOfStock
            cart[line.product_id] = cart.get(line.product_id, 0) + line.quantity
            if cart[line.product_id] > MAX_QUANTITY:
                return OutOfRange
        return None

    @rule(account=st.none() | INDEX, guest=st.none() | INDEX, lines=LINES)
    def update(self, account: int | None, guest: int | None, lines: list[tuple[int, int]]) -> None:
        viewer = self.pick_viewer(account, guest)
        if viewer is None:
            return
        before = self.copy_carts()
        updated = [LineQuantity(self.pick_product(index), quantity) for index, quantity in lines]
        refusal: type[ShopError] | None = None
        if any(line.quantity > MAX_QUANTITY for line in updated):
            refusal = OutOfRange
        if len({line.product_id for line in updated}) < len(updated):
            refusal = refusal or Invalid
        if not updated:
            refusal = Invalid
        self.merge_model(viewer)
        cart = dict(self.get_model_cart(viewer))
        if refusal is None and any(line.product_id not in cart for line in updated):
            refusal = NotFound
        if refusal is None:
            cart |= {line.product_id: line.quantity for line in updated}
        contents = self.expect(refusal, lambda: update_lines(viewer=viewer, lines=updated))
        cart = {product_id: quantity for product_id, quantity in cart.items() if quantity}
        self.finish_change(viewer, cart, before, contents)

    @rule(account=st.none() | INDEX, guest=st.none() | INDEX, indexes=st.none() | st.lists(INDEX, max_size=3))
    def remove(self, account: int | None, guest: int | None, indexes: list[int] | None) -> None:
        """Remove products, or all if the list is None."""
        viewer = self.pick_viewer(account, guest)
        if viewer is None:
            return
        before = self.copy_carts()
        self.merge_model(viewer)
        if indexes is None:
            contents, cart = clear_cart(viewer=viewer), {}
        else:
            removed = [self.pick_product(index) for index in indexes]
            contents = remove_lines(viewer=viewer, product_ids=removed)
            cart = {
                product_id: quantity
                for product_id, quantity in self.get_model_cart(viewer).items()
                if product_id not in removed
            }
        self.finish_change(viewer, cart, before, contents)

    @precondition(lambda self: self.promo_codes)
    @rule(account=st.none() | INDEX, guest=st.none() | INDEX, index=INDEX)
    def apply_code(self, account: int | None, guest: int | None, index: int) -> None:
        viewer = self.pick_viewer(account, guest)
        if viewer is None:
            return
        # A refusal keeps the merged cart, because carts are merged in a transaction before.
        self.merge_model(viewer)
        before = self.copy_carts()
        cart, code = self.get_model_cart(viewer), self.pick_promo_code(index)
        refusal = self.predict_code_refusal(code, viewer, cart) if cart else CartEmpty
        # One account can try more codes in a sequence than it may in 15 minutes.
        reset_rate_limits([RateLimit(PROMO_CODES_PER_ACCOUNT, "promo-code", str(viewer.user_id))])
        contents = self.expect(
            refusal,
            lambda: apply_promo_code(viewer=viewer, code=code.lower(), address=self.next_address()),
        )
        if refusal is None:
            self.applied[self.get_owner(viewer)] = code
        self.finish_change(viewer, cart, before, contents)

    @rule(account=st.none() | INDEX, guest=st.none() | INDEX)
    def remove_code(self, account: int | None, guest: int | None) -> None:
        viewer = self.pick_viewer(account, guest)
        if viewer is None:
            return
        contents = remove_promo_code(viewer=viewer)
        self.merge_model(viewer)
        self.applied.pop(self.get_owner(viewer), None)
        self.check_contents(contents, viewer)

    # Orders

    @rule(
        account=INDEX,
        guest=st.none() | INDEX,
        key=KEY,
        expectation=st.sampled_from(["none", "none", "right", "wrong"]),
    )
    def order(self, account: int, guest: int | None, key: str | None, expectation: str) -> None:
        user_id = self.pick_account(account)
        viewer = Viewer(user_id=user_id, cart_token=None if guest is None else self.pick_token(guest))
        self.merge_model(viewer)
        cart = self.get_model_cart(viewer)
        lines = [(self.products[product_id], quantity) for product_id, quantity in cart.items()]
        subtotal = sum((product.price * quantity for product, quantity in lines), Decimal(0))
        code = self.applied.get(user_id)
        code_refusal = self.predict_code_refusal(code, viewer, cart) if code else None
        discount = self.promo_codes[code].compute(subtotal) if code and not code_refusal else Decimal(0)
        total = subtotal - discount
        expected_total = {"none": None, "right": total, "wrong": total + 1}[expectation]
        known = self.keys.get((user_id, key)) if key is not None else None
        refusal = self.predict_refusal(lines, known, code_refusal, expected_total, total)
        order = self.expect(
            refusal,
            lambda: create_order(viewer=viewer, idempotency_key=key, expected_total=expected_total),
        )
        if order is None:
            return
        if known is not None:
            assert order.number == known[0], "the idempotency key must return the existing order"
            return
        placed = ModelOrder(user_id, total, [], Counter(cart), code or "", discount)
        self.record_order(order, lines, placed)
        if key is not None:
            self.keys[user_id, key] = (order.number, expected_total)
        self.carts[user_id] = {}
        self.applied.pop(user_id, None)

    @precondition(lambda self: self.tokens)
    @rule(guest=INDEX, key=KEY, expectation=st.sampled_from(["none", "none", "right", "wrong"]))
    def order_as_guest(self, guest: int, key: str | None, expectation: str) -> None:
        token = self.pick_token(guest)
        assert token is not None
        cart = self.carts.get(token, {})
        lines = [(self.products[product_id], quantity) for product_id, quantity in cart.items()]
        subtotal = sum((product.price * quantity for product, quantity in lines), Decimal(0))
        code = self.applied.get(token)
        code_refusal = self.predict_code_refusal(code, Viewer(), cart) if code else None
        if code and not code_refusal and self.promo_codes[code].max_uses_per_customer is not None:
            code_refusal = PromoCodeNotApplicable
        discount = self.promo_codes[code].compute(subtotal) if code and not code_refusal else Decimal(0)
        total = subtotal - discount
        expected_total = {"none": None, "right": total, "wrong": total + 1}[expectation]
        known = self.keys.get((token, key)) if key is not None else None
        # At most three orders for each address, because they are limited.
        email = f"{_RUN}-{next(_guests) // 3}@example.com"
        refusal = self.predict_refusal(lines, known, code_refusal, expected_total, total)
        if known is not None:
            email = self.orders[known[0]].email or email
            if not self.orders[known[0]].email:
                refusal = IdempotencyKeyReused
        order = self.expect(
            refusal,
            lambda: create_order(
                viewer=Viewer(cart_token=token),
                delivery=Delivery(contact=CONTACT),
                guest=GuestDetails(email, self.next_address(), "en"),
                idempotency_key=key,
                expected_total=expected_total,
            ),
        )
        if order is None:
            return
        if known is not None:
            assert (order.number, order.token) == (known[0], self.orders[known[0]].token)
            return
        placed = ModelOrder(
            None, total, [], Counter(cart), code or "", discount, email=email, token=order.token
        )
        self.record_order(order, lines, placed)
        if key is not None:
            self.keys[token, key] = (order.number, expected_total)
        self.carts[token] = {}
        self.applied.pop(token, None)

    @rule(index=INDEX, quantity=st.integers(1, 3), key=KEY)
    def buy_as_guest(self, index: int, quantity: int, key: str | None) -> None:
        """Add a product and order at once; see `buy`."""
        if self.tokens:
            self.remove(None, 0, None)
            self.add(None, 0, [(index, quantity)])
            self.order_as_guest(0, key, "right")

    def record_order(
        self, order: Order, lines: Sequence[tuple[ModelProduct, int]], placed: ModelOrder
    ) -> None:
        """Take the products of a new order out of stock, and record the order."""
        assert order.number not in self.orders, "an order number was acknowledged twice"
        assert (order.total, order.discount, order.promo_code) == (
            placed.total,
            placed.discount,
            placed.promo_code,
        )
        for product, quantity in lines:
            product.stock -= quantity
            placed.lines.append((product.sku, product.name, product.price, quantity))
        placed.cancelled = [0] * len(lines)
        self.orders[order.number] = placed

    @rule(account=INDEX, index=INDEX, quantity=st.integers(1, 3), key=KEY, code=st.none() | INDEX)
    def buy(self, account: int, index: int, quantity: int, key: str | None, code: int | None) -> None:
        """Add a product and order at once, because most carts of random actions cannot be ordered."""
        self.remove_code(account, None)
        self.remove(account, None, None)
        self.add(account, None, [(index, quantity)])
        if code is not None and self.promo_codes:
            self.apply_code(account, None, code)
        self.order(account, None, key, "right")

    def predict_refusal(
        self,
        lines: Sequence[tuple[ModelProduct, int]],
        known: tuple[str, Decimal | None] | None,
        code_refusal: type[ShopError] | None,
        expected_total: Decimal | None,
        total: Decimal,
    ) -> type[ShopError] | None:
        if known is not None:
            return None if known[1] == expected_total else IdempotencyKeyReused
        if not lines:
            return CartEmpty
        for product, quantity in lines:
            if not product.is_published:
                return NoLongerSold
            if product.stock < quantity:
                return CartOutOfStock
        if code_refusal is not None:
            return code_refusal
        return TotalChanged if expected_total not in (None, total) else None

    def predict_code_refusal(self, code: str, viewer: Viewer, cart: dict[int, int]) -> type[ShopError] | None:
        promo_code = self.promo_codes[code]
        orders = self.list_orders_with(code)
        own = [order for order in orders if order.account == viewer.user_id is not None]
        published = {pk: number for pk, number in cart.items() if self.products[pk].is_published}
        subtotal = sum(self.products[pk].price * number for pk, number in published.items())
        if not promo_code.is_active:
            return PromoCodeNotFound
        if promo_code.max_uses is not None and len(orders) >= promo_code.max_uses:
            return PromoCodeUsedUp
        if promo_code.max_uses_per_customer is not None and viewer.user_id is None:
            return PromoCodeNotApplicable
        if promo_code.max_uses_per_customer is not None and len(own) >= promo_code.max_uses_per_customer:
            return PromoCodeUsedUp
        if not published:
            return PromoCodeNotApplicable
        if promo_code.minimum_total is not None and subtotal < promo_code.minimum_total:
            return PromoCodeMinimumTotal
        return None

    @precondition(lambda self: self.orders)
    @rule(account=INDEX, index=INDEX)
    def cancel(self, account: int, index: int) -> None:
        """Cancel an order, which can be another customer's."""
        user_id = self.pick_account(account)
        number, order = self.pick_order(index)
        refusal: type[ShopError] | None = None
        if order.account != user_id:
            refusal = NotFound
        elif Order.Status.CANCELLED not in NEXT_STATUSES[Order.Status(order.statuses[-1])]:
            refusal = WrongOrderStatus
        self.expect(refusal, lambda: cancel_order(viewer=Viewer(user_id=user_id), number=number))
        if refusal is None:
            self.record_status(order, Order.Status.CANCELLED)

    @precondition(lambda self: self.orders)
    @rule(index=INDEX, right_token=st.booleans())
    def cancel_as_guest(self, index: int, right_token: bool) -> None:
        """Cancel an order with its token or another one."""
        number, order = self.pick_order(index)
        token = order.token if right_token and order.token is not None else "x" * 43
        refusal: type[ShopError] | None = None
        if token != order.token or not order.email:
            refusal = NotFound
        elif Order.Status.CANCELLED not in NEXT_STATUSES[Order.Status(order.statuses[-1])]:
            refusal = WrongOrderStatus
        self.expect(
            refusal, lambda: cancel_guest_order(number=number, token=token, address=self.next_address())
        )
        if refusal is None:
            self.record_status(order, Order.Status.CANCELLED)

    # Invariants

    @invariant()
    def products_are_those_of_the_model(self) -> None:
        actual = {
            pk: ModelProduct(*values)
            for pk, *values in Product.objects.values_list(
                "pk", "sku", "name", "price", "stock", "is_published"
            )
        }
        assert actual == self.products
        assert all(product.stock >= 0 for product in actual.values())

    @invariant()
    def carts_are_those_of_the_model(self) -> None:
        names: dict[str, int | str] = {digest_token(token): token for token in self.tokens}
        actual: dict[int | str, list[tuple[int, int]]] = {}
        lines = CartLine.objects.order_by("pk").values_list(
            "cart__user_id", "cart__token_digest", "product_id", "quantity"
        )
        for user_id, digest, product_id, quantity in lines:
            owner = user_id if user_id is not None else names[digest]
            actual.setdefault(owner, []).append((product_id, quantity))
        assert actual == {owner: list(cart.items()) for owner, cart in self.carts.items() if cart}

    @invariant()
    def every_acknowledged_order_exists_once(self) -> None:
        numbers = list(Order.objects.values_list("number", flat=True))
        assert sorted(numbers) == sorted(self.orders)
        lines: dict[str, list[Any]] = {number: [] for number in numbers}
        discounts = dict.fromkeys(numbers, Decimal(0))
        for number, *line in OrderLine.objects.order_by("pk").values_list(
            "order__number", "sku", "name", "unit_price", "quantity", "line_total", "discount"
        ):
            *details, line_total, discount = line
            lines[number].append(tuple(details))
            discounts[number] += discount
            assert 0 <= discount <= line_total
        history: dict[str, list[str]] = {number: [] for number in numbers}
        for number, status in OrderStatusChange.objects.order_by("pk").values_list("order__number", "status"):
            history[number].append(status)
        for order in Order.objects.all():
            expected = self.orders[order.number]
            assert (order.user_id, order.email, order.total) == (
                expected.account,
                expected.email,
                expected.total,
            )
            assert lines[order.number] == expected.lines
            assert order.discount == expected.discount == discounts[order.number]
            assert order.promo_code == expected.promo_code
            assert history[order.number] == expected.statuses
            assert order.status == expected.statuses[-1]

    @invariant()
    def uses_of_promo_codes_are_those_of_the_orders(self) -> None:
        for promo_code in PromoCode.objects.all():
            expected = len(self.list_orders_with(promo_code.code))
            assert PromoCodeUse.objects.filter(promo_code=promo_code).count() == expected
            assert promo_code.uses == (0 if promo_code.max_uses is None else expected)
            assert promo_code.max_uses is None or expected <= promo_code.max_uses
        names: dict[str, int | str] = {digest_token(token): token for token in self.tokens}
        carts = Cart.objects.filter(promo_code__isnull=False)
        actual = {
            names[digest] if user_id is None else user_id: code
            for user_id, digest, code in carts.values_list("user_id", "token_digest", "promo_code__code")
        }
        assert actual == self.applied

    @invariant()
    def totals_are_those_of_the_remaining_units(self) -> None:
        for order in Order.objects.prefetch_related("lines", "payments"):
            expected, lines = self.orders[order.number], order.lines.all()
            assert [line.cancelled_quantity for line in lines] == expected.cancelled
            assert order.subtotal == sum(line.unit_price * line.remaining_quantity for line in lines)
            assert order.discount == sum(line.discount for line in lines)
            assert {
                payment.reference: (payment.amount, payment.status)
                for payment in order.payments.all()
                if payment.provider == "sandbox"
            } == expected.payments

    @invariant()
    def every_order_has_one_confirmation(self) -> None:
        numbers = dict(Order.objects.values_list("pk", "number"))
        mails = OutgoingEmail.objects.filter(task="orders.send_confirmation")
        sent = Counter(numbers[context["order_id"]] for context in mails.values_list("context", flat=True))
        # The mails of deleted accounts may be gone or not.
        owned = [
            number for number, order in self.orders.items() if order.account is not None and not order.token
        ]
        assert [sent[number] for number in owned] == [1] * len(owned)
        mails = OutgoingEmail.objects.filter(task="orders.send_guest_confirmation")
        sent = Counter(numbers[context["order_id"]] for context in mails.values_list("context", flat=True))
        assert sent == Counter(number for number, order in self.orders.items() if order.token)

    @invariant()
    def listing_is_right(self) -> None:
        assert_listing_is_right()

    # Helpers

    def pick_product(self, index: int) -> int:
        """Return the id of one of the last products, deleted ones included."""
        recent = self.product_ids[-8:]
        return recent[index % len(recent)]

    def pick_promo_code(self, index: int) -> str:
        return list(self.promo_codes)[index % len(self.promo_codes)]

    def list_orders_with(self, code: str) -> list[ModelOrder]:
        """Return the orders with a promo code that are not cancelled."""
        return [
            order
            for order in self.orders.values()
            if order.promo_code == code and order.statuses[-1] != Order.Status.CANCELLED
        ]

    def pick_account(self, index: int) -> int:
        return self.accounts[index % len(self.accounts)]

    def pick_token(self, index: int) -> str | None:
        return self.tokens[index % len(self.tokens)] if self.tokens else None

    def pick_order(self, index: int) -> tuple[str, ModelOrder]:
        """Return one of the last orders."""
        recent = list(self.orders.items())[-6:]
        return recent[index % len(recent)]

    def pick_viewer(self, account: int | None, guest: int | None) -> Viewer | None:
        """Return an account, a guest with a cart, or both; None if it would be a guest without a cart."""
        token = None if guest is None else self.pick_token(guest)
        if account is None:
            return None if token is None else Viewer(cart_token=token)
        return Viewer(user_id=self.pick_account(account), cart_token=token)

    def next_address(self) -> str:
        """Return a client address that has not been used, because carts per address are limited."""
        number = next(_addresses)
        return f"2001:db8:{number >> 16 & 0xFFFF:x}:{number & 0xFFFF:x}::1"

    def create_guest_cart(self, index: int, quantity: int = 1) -> str:
        product_id = self.pick_product(index)
        contents = add_lines(
            viewer=Viewer(), lines=[LineQuantity(product_id, quantity)], address=self.next_address()
        )
        assert contents.token is not None
        self.carts[contents.token] = {product_id: quantity}
        return contents.token

    def copy_carts(self) -> tuple[dict[int | str, dict[int, int]], list[str], dict[int | str, str]]:
        carts = {owner: dict(cart) for owner, cart in self.carts.items()}
        return carts, list(self.tokens), dict(self.applied)

    def get_owner(self, viewer: Viewer) -> int | str:
        owner = viewer.user_id if viewer.user_id is not None else viewer.cart_token
        assert owner is not None
        return owner

    def get_model_cart(self, viewer: Viewer) -> dict[int, int]:
        return self.carts.get(self.get_owner(viewer), {})

    def merge_model(self, viewer: Viewer) -> None:
        """Add the guest's cart to the account's, if the viewer is logged in and sends a token."""
        token, user_id = viewer.cart_token, viewer.user_id
        if user_id is None or token not in self.carts:
            return
        assert token is not None
        cart = self.carts.setdefault(user_id, {})
        for product_id, quantity in self.carts.pop(token).items():
            cart[product_id] = min(cart.get(product_id, 0) + quantity, MAX_QUANTITY)
        self.tokens.remove(token)
        code = self.applied.pop(token, None)
        if code is not None:
            self.applied.setdefault(user_id, code)

    def finish_change(
        self,
        viewer: Viewer,
        cart: dict[int, int],
        before: tuple[dict[int | str, dict[int, int]], list[str], dict[int | str, str]],
        contents: CartContents | None,
    ) -> None:
        """Record the changed cart, or the carts of before if the change was refused."""
        if contents is None:
            self.carts, self.tokens, self.applied = before
            return
        self.carts[self.get_owner(viewer)] = cart
        self.check_contents(contents, viewer)

    def check_contents(self, contents: CartContents, viewer: Viewer) -> None:
        """Assert that a response has the lines and the total of the model."""
        cart = self.get_model_cart(viewer)
        assert [(line.product_id, line.quantity) for line in contents.lines] == list(cart.items())
        assert contents.total_quantity == sum(cart.values())
        subtotal = sum(
            (
                self.products[product_id].price * quantity
                for product_id, quantity in cart.items()
                if self.products[product_id].is_published
            ),
            Decimal(0),
        )
        code = self.applied.get(self.get_owner(viewer))
        is_applied = code is not None and self.predict_code_refusal(code, viewer, cart) is None
        discount = self.promo_codes[code].compute(subtotal) if code and is_applied else Decimal(0)
        assert contents.promo_code == code
        assert (contents.subtotal, contents.discount) == (subtotal, discount)
        assert contents.total == subtotal - discount
        assert sum(line.discount for line in contents.lines) == discount
        assert all(0 <= line.discount <= line.line_total for line in contents.lines)

    def record_status(self, order: ModelOrder, status: str) -> None:
        order.statuses.append(str(status))
        if status == Order.Status.CANCELLED:
            for product_id, quantity in order.products.items():
                with suppress(KeyError):
                    self.products[product_id].stock += quantity

    def expect(self, refusal: type[ShopError] | None, action: Callable[[], Any]) -> Any:
        """Run an action, assert that it is refused by exactly this error or not at all, return its result."""
        error: ShopError | None = None
        result = None
        try:
            result = action()
        except ShopError as raised:
            error = raised
        assert (type(error) if error else None) is refusal, f"{error!r} instead of {refusal}"
        return result
