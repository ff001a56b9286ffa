"""Concurrent changes of orders by staff and payment providers. Each test has a twin without the guard."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection

from backend.core.errors import Conflict, OutOfRange
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, OrderNote, Payment
from backend.orders.services import (
    WrongOrderStatus,
    WrongPaymentAmount,
    add_order_note,
    cancel_order,
    cancel_order_lines,
    change_order_status,
    change_tracking,
    mark_paid,
)
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.concurrency.locks import without_constraints, without_row_locks
from tests.concurrency.shoppers import ShopCase
from tests.concurrency.test_deletion_races import delete_users
from tests.support.people import make_user, make_viewer
from tests.support.worker import wait_until


class StaffCase(ShopCase):
    """An order of two units of A and one of B, for 10 each."""

    def setUp(self) -> None:
        super().setUp()
        self.staff = make_user(is_staff=True)
        self.add(self.a, quantity=2)
        self.add(self.b)
        self.placed = self.order()

    def change(self, status: str) -> Order:
        return change_order_status(order_id=self.placed.pk, status=status, changed_by=self.staff.pk)

    def cancel(self) -> Order:
        return cancel_order(viewer=make_viewer(self.user), number=self.placed.number)

    def cancel_unit(self, expected_total: int = 30) -> Order:
        """Cancel the only unit of B."""
        return cancel_order_lines(
            order_id=self.placed.pk,
            quantities={self.placed.lines.all()[1].pk: 1},
            expected_total=Decimal(expected_total),
            changed_by=self.staff.pk,
        )

    def pay(self, reference: str = "pay-1", order: Order | None = None) -> Order:
        order = order or self.placed
        return mark_paid(
            number=order.number, reference=reference, amount=Decimal(30), currency="RUB", provider="sandbox"
        )

    def run_concurrently(self, first_step: Any, second_step: Any) -> Any:
        """Run both steps, the second one while the first is not committed, and return the second result."""
        with Actor() as first, Actor() as second:
            first.do(first_step)
            later = second.start(second_step)
            first.commit()
            result = later.result(MAX_SECONDS)
            second.commit()
        return result

    def statuses(self) -> list[str]:
        return list(self.placed.history.values_list("status", flat=True))

    def payments(self) -> list[tuple[str, str]]:
        return list(Payment.objects.values_list("reference", "status"))


class LastUnitTest(StaffCase):
    def cancel_twice(self) -> None:
        # Free units have no effect on the total, which would refuse the second request as well.
        self.placed.lines.filter(sku=self.b.sku).update(unit_price=0, line_total=0)
        Order.objects.update(total=20)
        self.run_concurrently(lambda: self.cancel_unit(20), lambda: self.cancel_unit(20))

    def test_last_unit_is_returned_once(self) -> None:
        with pytest.raises(OutOfRange, match="cancelled already"):
            self.cancel_twice()
        assert self.stock() == {"A": 8, "B": 10, "C": 10}

    def test_without_the_lock_it_is_returned_twice(self) -> None:
        with without_row_locks(Order):
            self.cancel_twice()
        assert self.stock() == {"A": 8, "B": 11, "C": 10}


class PartialCancellationTest(StaffCase):
    """Units are cancelled while the order changes its status."""

    def test_unit_of_a_cancelled_order_is_returned_once(self) -> None:
        with pytest.raises(WrongOrderStatus):
            self.run_concurrently(self.cancel, self.cancel_unit)
        assert self.stock() == {"A": 10, "B": 10, "C": 10}

    def test_without_the_lock_it_is_returned_twice(self) -> None:
        with without_row_locks(Order):
            self.run_concurrently(self.cancel, self.cancel_unit)
        assert self.stock() == {"A": 10, "B": 11, "C": 10}

    def test_cancellation_of_the_order_waits_and_returns_the_rest(self) -> None:
        self.run_concurrently(self.cancel_unit, self.cancel)
        assert self.stock() == {"A": 10, "B": 10, "C": 10}

    def ship(self) -> None:
        self.change("paid")
        self.run_concurrently(lambda: self.change("shipped"), self.cancel_unit)

    def test_unit_of_a_shipped_order_is_not_cancelled(self) -> None:
        with pytest.raises(WrongOrderStatus):
            self.ship()
        assert self.stock()["B"] == 9

    def test_without_the_lock_a_shipped_unit_is_returned(self) -> None:
        with without_row_locks(Order):
            self.ship()
        assert self.stock()["B"] == 10
        assert Order.objects.get().status == "shipped"


class TrackingTest(StaffCase):
    def change_during_delivery(self) -> None:
        self.change("paid")
        self.change("shipped")
        self.run_concurrently(
            lambda: self.change("delivered"),
            lambda: change_tracking(order_id=self.placed.pk, tracking_number="AB-1", tracking_url=""),
        )

    def test_delivered_order_keeps_its_tracking_number(self) -> None:
        with pytest.raises(WrongOrderStatus):
            self.change_during_delivery()
        assert Order.objects.get().tracking_number == ""

    def test_without_the_lock_it_changes(self) -> None:
        with without_row_locks(Order):
            self.change_during_delivery()
        assert Order.objects.get().tracking_number == "AB-1"


class NoteTest(StaffCase):
    """A note is added while its author is deleted."""

    def add_note(self) -> OrderNote:
        return add_order_note(order_id=self.placed.pk, text="Called.", author=self.staff.pk)

    def test_note_of_a_deleted_author_is_a_conflict(self) -> None:
        with pytest.raises(Conflict):
            self.add_during_deletion(self.add_note)
        assert not OrderNote.objects.exists()

    def test_without_the_decorator_it_is_an_integrity_error(self) -> None:
        undecorated: Any = add_order_note.__wrapped__  # type: ignore[attr-defined]
        with pytest.raises(IntegrityError):
            self.add_during_deletion(
                lambda: undecorated(order_id=self.placed.pk, text="Called.", author=self.staff.pk)
            )
        assert not OrderNote.objects.exists()

    def add_during_deletion(self, add: Callable[[], OrderNote]) -> None:
        """Add a note in a transaction of its own, whose commit waits for the deletion of the author."""

        def run() -> None:
            try:
                add()
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as clerk, Actor() as boss:
            boss.do(delete_users, self.staff)
            note = clerk.submit(run)
            wait_until(self.is_anyone_waiting, "the note to wait for the deletion")
            boss.commit()
            note.result(MAX_SECONDS)

    def is_anyone_waiting(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock')"
            )
            waiting: bool = cursor.fetchone()[0]
            return waiting


class SameNoticeTest(StaffCase):
    """The same notice of a provider is delivered twice at once."""

    def pay_twice(self) -> Order:
        return self.run_concurrently(self.pay, self.pay)

    def mails(self) -> int:
        return OutgoingEmail.objects.filter(context__status="paid").count()

    def test_order_is_paid_once_and_both_deliveries_succeed(self) -> None:
        assert self.pay_twice().status == "paid"
        assert self.payments() == [("pay-1", "accepted")]
        assert (self.statuses(), self.mails()) == (["placed", "paid"], 1)

    def test_without_the_lock_only_the_index_refuses_the_second_payment(self) -> None:
        with without_row_locks(Order), pytest.raises(Conflict, match="another payment"):
            self.pay_twice()
        assert self.payments() == [("pay-1", "accepted")]

    def test_without_lock_and_constraints_the_order_is_paid_twice(self) -> None:
        with (
            without_constraints("orders_orderstatuschange", about="UNIQUE (order_id, status)"),
            without_constraints("orders_payment", about="UNIQUE (provider, reference)"),
            without_row_locks(Order),
        ):
            self.pay_twice()
            assert self.payments() == [("pay-1", "accepted")] * 2
            assert self.statuses() == ["placed", "paid", "paid"]

    def test_reference_of_two_orders_pays_one_of_them(self) -> None:
        self.add(self.a, quantity=3)
        other = self.order()
        with pytest.raises(Conflict, match="another payment"):
            self.run_concurrently(self.pay, lambda: self.pay(order=other))
        assert self.payments() == [("pay-1", "accepted")]
        assert Order.objects.get(pk=other.pk).status == "placed"

    def test_without_the_constraint_it_pays_both(self) -> None:
        self.add(self.a, quantity=3)
        other = self.order()
        with without_constraints("orders_payment", about="UNIQUE (provider, reference)"):
            self.run_concurrently(self.pay, lambda: self.pay(order=other))
            assert self.payments() == [("pay-1", "accepted")] * 2


class TwoPaymentsTest(StaffCase):
    def test_second_payment_is_to_be_refunded(self) -> None:
        self.run_concurrently(self.pay, lambda: self.pay("pay-2"))
        assert self.payments() == [("pay-1", "accepted"), ("pay-2", "already_paid")]

    def test_without_the_lock_only_the_history_refuses_it(self) -> None:
        with without_row_locks(Order), pytest.raises(IntegrityError, match="order_status_once"):
            self.run_concurrently(self.pay, lambda: self.pay("pay-2"))

    def test_without_lock_and_constraint_both_are_accepted(self) -> None:
        unique = without_constraints("orders_orderstatuschange", about="UNIQUE (order_id, status)")
        with unique, without_row_locks(Order):
            self.run_concurrently(self.pay, lambda: self.pay("pay-2"))
            assert self.payments() == [("pay-1", "accepted"), ("pay-2", "accepted")]

    def test_payment_by_staff_excludes_one_by_a_provider(self) -> None:
        self.run_concurrently(lambda: self.change("paid"), self.pay)
        assert self.payments() == [(self.placed.number, "accepted"), ("pay-1", "already_paid")]


class PaymentAndCancellationTest(StaffCase):
    def test_payment_during_the_cancellation_is_to_be_refunded(self) -> None:
        assert self.run_concurrently(self.cancel, self.pay).status == "cancelled"
        assert self.payments() == [("pay-1", "order_cancelled")]
        assert self.stock()["A"] == 10

    def test_without_the_lock_a_cancelled_order_is_paid(self) -> None:
        with without_row_locks(Order):
            self.run_concurrently(self.cancel, self.pay)
        assert Order.objects.get().status == "paid"
        assert self.statuses() == ["placed", "cancelled", "paid"]
        assert self.stock()["A"] == 10

    def test_cancellation_during_the_payment_cancels_the_paid_order(self) -> None:
        assert self.run_concurrently(self.pay, self.cancel).status == "cancelled"
        assert (self.payments(), self.statuses()) == (
            [("pay-1", "accepted")],
            ["placed", "paid", "cancelled"],
        )

    def test_payment_during_a_partial_cancellation_has_the_wrong_amount(self) -> None:
        with Actor() as staff, Actor() as provider:
            staff.do(self.cancel_unit)
            payment = provider.start(self.pay)
            assert not payment.done()
            staff.commit()
            with pytest.raises(WrongPaymentAmount):
                payment.result(MAX_SECONDS)
            provider.commit()
        assert self.payments() == [("pay-1", "wrong_amount")]

    def test_without_the_lock_the_old_total_pays_the_order(self) -> None:
        with without_row_locks(Order):
            self.run_concurrently(self.cancel_unit, self.pay)
        assert (Order.objects.get().status, Order.objects.get().total) == ("paid", 20)
        assert self.payments() == [("pay-1", "accepted")]
