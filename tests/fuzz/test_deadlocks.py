"""Random writers in parallel: no avoidable deadlock, no long wait for a lock, and right data at the end."""

import io
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from threading import Event, Lock
from typing import Any
from unittest import mock
from uuid import uuid4

from django.conf import settings
from django.db import OperationalError, connection
from django.test import TransactionTestCase
from gqlauth.models import UserStatus

from backend.accounts.codes import Purpose
from backend.accounts.models import User
from backend.carts import promo_code_services
from backend.carts.models import Cart, CartLine, PromoCode, PromoCodeUse
from backend.carts.promo_codes import delete_promo_codes, finish_promo_code_edit
from backend.carts.services import LineQuantity, add_lines, clear_cart, get_cart, remove_lines, update_lines
from backend.catalog.locks import lock_products
from backend.catalog.models import Category, Characteristic, Product
from backend.catalog.services import (
    create_category,
    delete_category,
    move_category,
    publish_products,
    rebuild_characteristics,
    rebuild_listing,
)
from backend.core.db import run_atomic
from backend.core.errors import ShopError
from backend.core.viewer import Viewer
from backend.feeds.category_paths import refuse_deleted_category
from backend.feeds.importer import import_feed
from backend.notifications.services import publish_due_emails
from backend.orders.delivery import ContactInput, Delivery
from backend.orders.guests import GuestDetails, confirm_account
from backend.orders.models import Order
from backend.orders.services import (
    add_order_note,
    cancel_guest_order,
    cancel_order,
    cancel_order_lines,
    change_order_status,
    count_popularity,
    create_order,
    creation,
    mark_paid,
)
from backend.wishlists.models import WishlistItem
from backend.wishlists.services import (
    add_item,
    enqueue_back_in_stock_mails,
    get_wishlist,
    remove_item,
    stop_notifications,
)
from tests.accounts.cases import new_code
from tests.carts.factories import make_promo_code
from tests.catalog.derived import (
    assert_characteristics_are_right,
    assert_listing_is_right,
    assert_tree_is_valid,
)
from tests.concurrency.actors import execute, read_process
from tests.concurrency.deadlocks import capture_deadlocks, count_deadlocks, count_retries
from tests.concurrency.shoppers import assert_orders_are_whole, sold
from tests.concurrency.test_deletion_races import delete_products, delete_users
from tests.feeds.helpers import table
from tests.fuzz import get_fuzz_seconds
from tests.support.people import make_user

SECONDS = 20
# Seconds after which a wait for a lock fails.
LOCK_TIMEOUT = 5
STOCK = 100_000
# SKUs that imports create and staff delete.
SKUS = [f"SKU-{number}" for number in range(12)]
ACCOUNTS = 6
PROMO_CODES = 4
# Few enough to be used up.
MAX_USES = 30


class Crowd:
    """Writers of one shop, each with its own random numbers.

    Attributes:
        acknowledged: the numbers of all orders that `create_order` has returned.
        counts: actions by name, and refusals by error.
        deleters: PostgreSQL's processes of the writers that delete products and promo codes.
    """

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.deleters: set[int] = set()
        self._keys: dict[tuple[int, str], str] = {}
        self._guests: list[tuple[str, str]] = []
        # Rate limits outlive a run of the tests.
        self.run_id = uuid4().hex
        self._lock = Lock()
        self._failed = Event()

    def run(self, seconds: float, seed: str, until: Callable[[], bool] = lambda: False) -> None:
        """Run all writers in parallel, and raise the first error of one that is not a refusal.

        Args:
            until: returns whether to stop before the seconds are over.
        """
        end = time.monotonic() + seconds
        writers: list[list[Callable[[random.Random], Any]]] = [
            *[[self.shop, self.shop, self.order, self.order, self.cancel, self.save]] * 3,
            *[[self.order_as_guest, self.order_as_guest, self.cancel_as_guest]] * 2,
            [self.delete_some_products],
            [self.delete_account, self.create_account, self.confirm_account, self.change_status],
            [self.import_products],
            [self.import_products, self.publish, self.rename_characteristic],
            [self.edit_products, self.change_status, self.cancel_units],
            [self.cancel_units, self.pay, self.add_note],
            [self.arrange_categories],
            [self.maintain, self.arrange_categories],
            [self.edit_promo_codes],
        ]

        def write(number: int) -> None:
            rng = random.Random(f"{seed} {number}")
            try:
                execute(f"SET lock_timeout = '{LOCK_TIMEOUT}s'")
                # Deadlocks that are to be found must not make others wait for longer than that.
                execute("SET deadlock_timeout = '100ms'")
                if {self.delete_some_products, self.edit_promo_codes}.intersection(writers[number]):
                    self.deleters.add(read_process())
                while time.monotonic() < end and not self._failed.is_set() and not until():
                    action = rng.choice(writers[number])
                    try:
                        action(rng)
                        self.counts[action.__name__] += 1
                    except ShopError as refusal:
                        was_deadlocked = isinstance(refusal.__cause__, OperationalError)
                        self.counts["deadlocked" if was_deadlocked else type(refusal).__name__] += 1
            except BaseException:
                self._failed.set()
                raise
            finally:
                connection.close()

        with ThreadPoolExecutor(len(writers)) as threads:
            for running in [threads.submit(write, number) for number in range(len(writers))]:
                running.result(seconds + 60)

    # Shoppers

    def shop(self, rng: random.Random) -> None:
        viewer = self.pick_viewer(rng)
        ids = self.pick_products(rng)
        match rng.randrange(7):
            case 0:
                update_lines(viewer=viewer, lines=[LineQuantity(pk, rng.randint(0, 3)) for pk in ids])
            case 1:
                remove_lines(viewer=viewer, product_ids=ids)
            case 2:
                clear_cart(viewer=viewer)
            case 3:
                self.apply_code(rng, viewer)
            case 4:
                lines = [LineQuantity(pk) for pk in ids]
                guest = add_lines(viewer=Viewer(), lines=lines, address=self.pick_address(rng))
                with suppress(ShopError):
                    self.apply_code(rng, Viewer(cart_token=guest.token))
                get_cart(viewer=Viewer(user_id=viewer.user_id, cart_token=guest.token))
            case _:
                add_lines(viewer=viewer, lines=[LineQuantity(pk) for pk in ids], address="192.0.2.1")

    def order(self, rng: random.Random) -> None:
        viewer = self.pick_viewer(rng)
        assert viewer.user_id is not None
        with suppress(ShopError):
            lines = [LineQuantity(pk) for pk in self.pick_products(rng)]
            add_lines(viewer=viewer, lines=lines, address="192.0.2.1")
        key = rng.choice([None, f"key-{rng.randrange(200)}"])
        number = create_order(viewer=viewer, idempotency_key=key).number
        with self._lock:
            if key is None:
                assert number not in self.acknowledged
            else:
                assert self._keys.setdefault((viewer.user_id, key), number) == number
            self.acknowledged.add(number)

    def apply_code(self, rng: random.Random, viewer: Viewer) -> None:
        code = rng.choice(PromoCode.objects.values_list("code", flat=True))
        # Without the rate limit, which would refuse most attempts.
        promo_code_services._apply_promo_code(viewer, code)

    def save(self, rng: random.Random) -> None:
        """Change a wishlist, or merge the cart and wishlist of a guest."""
        viewer = self.pick_viewer(rng)
        for pk in self.pick_products(rng):
            match rng.randrange(6):
                case 0:
                    remove_item(viewer=viewer, product_id=pk)
                case 1:
                    address = f"2001:db8:{rng.randrange(65536):x}:{rng.randrange(65536):x}::2"
                    guest = add_item(viewer=Viewer(), product_id=pk, address=address)
                    add_lines(
                        viewer=Viewer(cart_token=guest.token), lines=[LineQuantity(pk)], address=address
                    )
                    get_wishlist(viewer=Viewer(user_id=viewer.user_id, cart_token=guest.token))
                case 2:
                    assert viewer.user_id is not None
                    # Products are never sold out here.
                    WishlistItem.objects.filter(user_id=viewer.user_id).update(notify=True)
                    stop_notifications(user_id=viewer.user_id)
                case 3:
                    WishlistItem.objects.filter(user_id=viewer.user_id, product_id=pk).update(notify=True)
                case _:
                    add_item(viewer=viewer, product_id=pk, address="192.0.2.1")

    def cancel(self, rng: random.Random) -> None:
        order = self.pick_order(rng, user__isnull=False)
        if order is not None:
            cancel_order(viewer=Viewer(user_id=order.user_id), number=order.number)

    def order_as_guest(self, rng: random.Random) -> None:
        """Order a new cart twice with one key."""
        lines = [LineQuantity(pk) for pk in self.pick_products(rng)]
        cart = add_lines(viewer=Viewer(), lines=lines, address=self.pick_address(rng))
        with suppress(ShopError):
            self.apply_code(rng, Viewer(cart_token=cart.token))
        guest = GuestDetails(f"{self.run_id}-{rng.randrange(200)}@example.com", self.pick_address(rng), "en")
        for _ in range(2):
            order = create_order(
                viewer=Viewer(cart_token=cart.token),
                delivery=Delivery(contact=ContactInput(name="Vera", phone="+7 900 123-45-67")),
                guest=guest,
                idempotency_key="key",
            )
            with self._lock:
                self.acknowledged.add(order.number)
                self._guests.append((order.number, str(order.token)))

    def cancel_as_guest(self, rng: random.Random) -> None:
        if self._guests:
            number, token = rng.choice(self._guests[-20:])
            cancel_guest_order(number=number, token=token, address=self.pick_address(rng))

    # Staff

    def delete_some_products(self, rng: random.Random) -> None:
        ids = self.pick_products(rng)[:2]
        delete_products(*[Product(pk=pk) for pk in ids])

    def edit_products(self, rng: random.Random) -> None:
        """Change prices as the list of the admin does."""
        ids = self.pick_products(rng)

        def edit() -> None:
            for pk in sorted(lock_products(ids), key=lambda _: rng.random()):
                Product.objects.filter(pk=pk).update(price=Decimal(rng.randint(1, 9999)) / 100)

        run_atomic(edit, name="edit_products")

    def edit_promo_codes(self, rng: random.Random) -> None:
        """Create, change or delete promo codes as the admin does."""
        ids = list(PromoCode.objects.values_list("pk", flat=True))

        def edit() -> None:
            promo_code = PromoCode.objects.select_for_update().get(pk=rng.choice(ids))
            promo_code.max_uses = rng.choice([None, MAX_USES])
            promo_code.save(update_fields=["max_uses", "updated_at"])
            finish_promo_code_edit(promo_code.pk, has_categories=None)

        if len(ids) < PROMO_CODES:
            make_promo_code(max_uses=rng.choice([None, MAX_USES]))
        elif rng.random() < 0.3:
            run_atomic(lambda: delete_promo_codes(rng.sample(ids, 2)), name="delete_promo_codes")
        else:
            run_atomic(edit, name="edit_promo_code")
        time.sleep(0.02)

    def publish(self, rng: random.Random) -> None:
        ids = self.pick_products(rng)
        publish_products(products=Product.objects.filter(pk__in=ids), published=rng.random() < 0.8)

    def change_status(self, rng: random.Random) -> None:
        order = self.pick_order(rng)
        staff = User.objects.filter(is_staff=True).get()
        if order is not None:
            status = rng.choice(Order.Status.values)
            change_order_status(order_id=order.pk, status=status, changed_by=staff.pk)

    def cancel_units(self, rng: random.Random) -> None:
        order = self.pick_order(rng)
        if order is not None:
            lines = [line for line in order.lines.all() if line.remaining_quantity]
            rng.shuffle(lines)
            cancel_order_lines(
                order_id=order.pk,
                quantities={line.pk: 1 for line in lines[:2]},
                expected_total=order.total,
                changed_by=User.objects.filter(is_staff=True).get().pk,
            )

    def pay(self, rng: random.Random) -> None:
        order = self.pick_order(rng)
        if order is not None:
            mark_paid(
                number=order.number,
                reference=f"{order.number} {rng.randrange(2)}",
                amount=order.total,
                currency=order.currency,
                provider="sandbox",
            )

    def add_note(self, rng: random.Random) -> None:
        order = self.pick_order(rng)
        if order is not None:
            author = rng.choice(User.objects.values_list("pk", flat=True))
            add_order_note(order_id=order.pk, text="Called.", author=author)

    def create_account(self, rng: random.Random) -> None:
        if User.objects.count() <= ACCOUNTS:
            make_user(f"{rng.getrandbits(64)}@example.com")

    def confirm_account(self, rng: random.Random) -> None:
        """Confirm an account with the address of a guest, which receives the orders of the guest."""
        order = self.pick_order(rng, email__gt="")
        is_full = User.objects.count() > 2 * ACCOUNTS
        if order is not None and not is_full and not User.objects.filter(email=order.email).exists():
            user = make_user(order.email)
            UserStatus.objects.filter(user=user).update(verified=False)
            code = new_code(Purpose.CONFIRMATION, order.email)
            confirm_account(email=order.email, code=code, address=self.pick_address(rng))
            assert user.orders.filter(pk=order.pk).exists()

    def delete_account(self, rng: random.Random) -> None:
        users = list(User.objects.filter(is_staff=False))
        if len(users) > ACCOUNTS // 2:
            delete_users(*rng.sample(users, rng.randint(1, 2)))

    def import_products(self, rng: random.Random) -> None:
        """Import new and existing products. Only new ones get a stock."""
        rows = [
            {
                "id": sku,
                "title": f"Product {sku}",
                "price": f"{rng.randint(1, 99)}.00 {settings.SHOP_CURRENCY}",
                "product_type": " > ".join(rng.choice("ABC") for _ in range(rng.randint(1, 2))),
                "color": rng.choice(["red", "blue", ""]),
                "size": rng.choice(["S", "M", ""]),
            }
            for sku in rng.sample(SKUS, 6)
        ]
        report = import_feed(io.BytesIO(table(*rows)), default_stock=STOCK, batch_size=rng.choice([2, 6]))
        assert not report.stopped, report.stopped
        for problem in report.problems:
            # Categories are deleted as fast as the import creates them. Nothing else may be refused.
            paths = {row["id"]: tuple(row["product_type"].split(" > ")) for row in rows}
            expected = refuse_deleted_category(paths[problem.sku])
            assert (problem.field, problem.reason) == (expected.field, expected.reason)
            self.counts["row with a deleted category"] += 1

    def rename_characteristic(self, rng: random.Random) -> None:
        names = list(Characteristic.objects.values_list("pk", flat=True))
        if names:
            renamed = Characteristic.objects.filter(pk=rng.choice(names))
            values = {"name": f"Name {rng.getrandbits(64)}", "position": rng.randrange(10)}
            run_atomic(lambda: renamed.update(**values), name="rename_characteristic")

    def arrange_categories(self, rng: random.Random) -> None:
        categories = list(Category.objects.values_list("pk", flat=True))
        match rng.randrange(5):
            case 0:
                create_category(name=f"{rng.random()}", parent_id=rng.choice([None, *categories]))
            case 1 | 2 if categories:
                delete_category(category_id=rng.choice(categories))
            case _ if categories:
                move_category(
                    category_id=rng.choice(categories),
                    target_id=rng.choice([None, *categories]),
                    position=rng.choice(["first-child", "last-child", "left", "right"]),
                )

    def maintain(self, rng: random.Random) -> None:
        """Run one of the periodic tasks or repairs."""
        rng.choice(
            [
                count_popularity,
                publish_due_emails,
                rebuild_listing,
                rebuild_characteristics,
                enqueue_back_in_stock_mails,
            ]
        )()

    # Helpers

    def pick_address(self, rng: random.Random) -> str:
        """Return a random client address, because the requests of one are limited."""
        return f"2001:db8:{rng.randrange(65536):x}:{rng.randrange(65536):x}::1"

    def pick_viewer(self, rng: random.Random) -> Viewer:
        return Viewer(user_id=rng.choice(User.objects.values_list("pk", flat=True)))

    def pick_products(self, rng: random.Random) -> list[int]:
        """Return the ids of up to four products in a random order."""
        ids = list(Product.objects.values_list("pk", flat=True))
        return rng.sample(ids, min(len(ids), rng.randint(1, 4)))

    def pick_order(self, rng: random.Random, **filters: Any) -> Order | None:
        recent = list(Order.objects.filter(**filters).order_by("-pk")[:20])
        return rng.choice(recent) if recent else None


class DeadlockTest(TransactionTestCase):
    def setUp(self) -> None:
        make_user(is_staff=True)
        for _ in range(ACCOUNTS - 1):
            make_user()
        for _ in range(PROMO_CODES):
            make_promo_code(max_uses=MAX_USES)
        self.crowd = Crowd()
        self.crowd.import_products(random.Random(0))

    def test_random_writers_do_not_deadlock(self) -> None:
        before, retries = count_deadlocks(), count_retries()
        with capture_deadlocks() as messages:
            self.crowd.run(get_fuzz_seconds(SECONDS), f"{time.time()}")
        deadlocks = count_deadlocks() - before
        print(
            f"{self.crowd.counts.total()} actions, {len(self.crowd.acknowledged)} orders, "
            f"{deadlocks} deadlocks, {count_retries() - retries} retries: {dict(self.crowd.counts)}"
        )
        self.assert_shop_is_right()
        assert deadlocks == len(messages), "a transaction that is not retried was in a deadlock"
        assert not self.find_avoidable(messages)
        for action in (
            "shop",
            "order",
            "cancel",
            "order_as_guest",
            "cancel_as_guest",
            "confirm_account",
            "save",
            "delete_some_products",
            "cancel_units",
            "pay",
            "add_note",
            "delete_account",
            "import_products",
        ):
            assert self.crowd.counts[action], f"{action} never succeeded: {self.crowd.counts}"

    def find_avoidable(self, messages: Iterable[str]) -> list[str]:
        """Return the deadlocks without the deletion of products and of promo codes.

        Carts have their products in any order, so the deletion of several products can deadlock with the
        deletion of their lines and with the foreign key checks of a commit. The deletion of a promo code
        locks the carts with the code first, but a cart can get the code after that.
        """
        deleters = "|".join(map(str, self.crowd.deleters))
        pattern = re.compile(rf"\bprocess ({deleters})\b", re.IGNORECASE)
        return [message for message in list(messages) if not pattern.search(message)]

    def assert_shop_is_right(self) -> None:
        assert set(Order.objects.values_list("number", flat=True)) == self.crowd.acknowledged
        for product in Product.objects.all():
            assert product.stock == STOCK - sold(product)
        for promo_code in PromoCode.objects.all():
            orders = Order.objects.filter(promo_code=promo_code.code).exclude(status=Order.Status.CANCELLED)
            uses = PromoCodeUse.objects.filter(promo_code=promo_code)
            assert sorted(uses.values_list("order_number")) == sorted(orders.values_list("number"))
            if promo_code.max_uses is not None:
                assert promo_code.uses == uses.count()
        assert_orders_are_whole()
        assert_tree_is_valid()
        assert_listing_is_right()
        assert_characteristics_are_right()

    def test_products_locked_in_another_order_are_found(self) -> None:
        lock_lines = creation._lock_lines

        def lock_unsorted(cart: Cart) -> Any:
            ids = list(CartLine.objects.filter(cart=cart).values_list("product_id", flat=True))
            random.shuffle(ids)
            for pk in ids:
                list(Product.objects.select_for_update(no_key=True).filter(pk=pk))
                # Another order takes its first lock meanwhile.
                time.sleep(0.02)
            return lock_lines(cart)

        with (
            capture_deadlocks() as messages,
            mock.patch.object(creation, "_lock_lines", lock_unsorted),
        ):
            self.crowd.run(60, "unsorted", until=lambda: bool(self.find_avoidable(messages)))
        assert self.find_avoidable(messages)
        # The retries hide the deadlocks from shoppers.
        self.assert_shop_is_right()
