"""Payments: recorded once per reference, accepted if they match the order, and otherwise shown to staff."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.test import SimpleTestCase, override_settings

from backend.core.errors import Conflict, Invalid, NotFound, OutOfRange
from backend.notifications.models import OutgoingEmail
from backend.orders.models import MAX_REFERENCE_LENGTH, Order, Payment
from backend.orders.payments.providers import check_providers, get_provider
from backend.orders.services import (
    MAX_TOTAL,
    WrongPaymentAmount,
    cancel_order_lines,
    change_order_status,
    mark_paid,
)
from tests.orders.test_admin import LIST, OrderAdminCase, page_of
from tests.support.sandbox_payments import SETTINGS, verify_and_parse


class PaymentCase(OrderAdminCase):
    def pay(self, reference: str = "pay-1", amount: object = "50.00", **fields: Any) -> Order:
        defaults = {"number": self.order.number, "currency": "RUB", "provider": "sandbox"}
        return mark_paid(reference=reference, amount=Decimal(str(amount)), **defaults | fields)

    def payments(self) -> list[tuple[Any, ...]]:
        return list(Payment.objects.values_list("provider", "reference", "amount", "status"))

    def state(self) -> tuple[Any, ...]:
        return (*super().state(), list(Payment.objects.values()))


class MarkPaidTest(PaymentCase):
    def test_payment_of_the_total_pays_the_order(self) -> None:
        order = self.pay()
        assert order.status == "paid"
        assert self.payments() == [("sandbox", "pay-1", Decimal("50.00"), "accepted")]
        assert list(order.history.values_list("status", "changed_by")) == [
            ("placed", self.vera.pk),
            ("paid", None),
        ]
        email = OutgoingEmail.objects.get()
        assert (email.recipient, email.context["status"]) == ("vera@example.com", "paid")

    def test_repeated_reference_returns_the_order_again(self) -> None:
        first = self.pay()
        before = self.state()
        assert self.pay(amount="50").pk == first.pk
        assert self.state() == before
        change_order_status(order_id=self.order.pk, status="shipped", changed_by=self.boss.pk)
        assert self.pay().status == "shipped"
        assert len(self.payments()) == 1

    def test_reference_of_another_payment_is_a_conflict(self) -> None:
        self.pay()
        other = self.make_order()
        before = self.state()
        for changes in ({"amount": "49.00"}, {"currency": "EUR"}, {"number": other.number}):
            with self.subTest(changes), pytest.raises(Conflict, match="another payment"):
                self.pay(**changes)
        assert self.state() == before

    def test_providers_have_their_own_references(self) -> None:
        self.pay()
        self.order = self.make_order()
        assert self.pay(amount="12.50", provider="other").status == "paid"

    def test_wrong_amount_or_currency_is_recorded_and_refused_each_time(self) -> None:
        for reference, amount, currency in (("a", "49.99", "RUB"), ("b", "50.01", "RUB"), ("c", "50", "EUR")):
            for _ in range(2):
                with self.subTest(reference), pytest.raises(WrongPaymentAmount, match=r"50\.00 RUB"):
                    self.pay(reference, amount, currency=currency)
        order = Order.objects.get(pk=self.order.pk)
        assert (order.status, OutgoingEmail.objects.count()) == ("placed", 0)
        assert [status for *_, status in self.payments()] == ["wrong_amount"] * 3
        assert self.pay("d").status == "paid"

    def test_payment_of_a_cancelled_order_is_recorded(self) -> None:
        self.bring_to_status("cancelled")
        assert self.pay().status == "cancelled"
        assert self.pay().status == "cancelled"
        assert self.payments() == [("sandbox", "pay-1", Decimal("50.00"), "order_cancelled")]
        assert not OutgoingEmail.objects.exists()

    def test_second_payment_is_recorded(self) -> None:
        for status in ("paid", "shipped", "delivered"):
            self.order = self.make_order()
            self.bring_to_status(status)
            with self.subTest(status):
                assert self.pay(status, "12.50").status == status
                assert self.payments()[-1][1:] == (status, Decimal("12.50"), "already_paid")
        assert not OutgoingEmail.objects.exists()

    def test_payment_that_is_not_accepted_is_logged_without_its_amount(self) -> None:
        self.bring_to_status("cancelled")
        with (
            self.assertLogs("backend.orders.services.payments", "WARNING") as logs,
            self.captureOnCommitCallbacks(execute=True),
        ):
            self.pay()
        assert [record.getMessage() for record in logs.records] == [
            f"Payment pay-1 of sandbox for order {self.order.number} is not accepted: order_cancelled"
        ]

    def test_payment_after_a_partial_cancellation_must_be_the_new_total(self) -> None:
        line = self.order.lines.all()[0]
        cancel_order_lines(
            order_id=self.order.pk,
            quantities={line.pk: 1},
            expected_total=Decimal("50.00"),
            changed_by=self.boss.pk,
        )
        with pytest.raises(WrongPaymentAmount):
            self.pay("before")
        assert self.pay("after", "37.50").status == "paid"

    def test_malformed_payments_write_nothing(self) -> None:
        before = self.state()
        for error, changes in (
            (NotFound, {"number": "1-0"}),
            (NotFound, {"number": "\0"}),
            (Invalid, {"reference": ""}),
            (Invalid, {"reference": " a"}),
            (Invalid, {"reference": "a\nb"}),
            (Invalid, {"reference": "ы"}),
            (Invalid, {"reference": "x" * (MAX_REFERENCE_LENGTH + 1)}),
            (Invalid, {"currency": "rub"}),
            (Invalid, {"currency": "RUBL"}),
            (OutOfRange, {"amount": "-0.01"}),
            (OutOfRange, {"amount": MAX_TOTAL + Decimal("0.01")}),
            (OutOfRange, {"amount": "NaN"}),
            (OutOfRange, {"amount": "50.001"}),
        ):
            with self.subTest(str(changes)[:40]), pytest.raises(error):
                self.pay(**changes)
        assert self.state() == before
        assert self.pay("x" * MAX_REFERENCE_LENGTH).status == "paid"

    def test_largest_amount_is_recorded(self) -> None:
        with pytest.raises(WrongPaymentAmount):
            self.pay(amount=MAX_TOTAL)
        assert self.payments()[0][2] == MAX_TOTAL

    def test_constraints_refuse_doubled_and_negative_payments(self) -> None:
        self.pay()
        fields = {"order": self.order, "provider": "sandbox", "currency": "RUB", "status": "accepted"}
        with pytest.raises(IntegrityError, match="payment_amount_not_negative"), transaction.atomic():
            Payment.objects.create(**fields, reference="pay-2", amount=-1)
        with pytest.raises(IntegrityError, match="payment_once_per_reference"), transaction.atomic():
            Payment.objects.create(**fields, reference="pay-1", amount=1)


class ManualPaymentTest(PaymentCase):
    def test_order_that_staff_mark_as_paid_gets_a_manual_payment(self) -> None:
        self.change_status("paid")
        number = self.order.number
        assert self.payments() == [("manual", number, Decimal("50.00"), "accepted")]
        order = self.pay(reference=number, provider="manual")
        assert order.status == "paid"
        assert len(self.payments()) == 1

    def test_order_that_a_provider_has_paid_cannot_be_marked_as_paid(self) -> None:
        self.pay()
        before = self.state()
        assert self.messages(self.change_status("paid")) == ["The order is already paid."]
        assert self.state() == before


class PaymentAdminTest(PaymentCase):
    def page(self) -> str:
        return self.client.get(page_of(self.order)).content.decode()

    def test_page_shows_payments_and_the_provider_in_the_history(self) -> None:
        assert 'id="payments"' not in self.page()
        self.pay("pay-<1>")
        page = self.page()
        for text in ("pay-&lt;1&gt;", "50.00 RUB", "<td>Accepted.</td>"):
            assert text in page
        history = page[page.index('id="history"') :]
        assert history.index("Paid") < history.index("· sandbox</span>")

    def test_page_says_which_payments_are_to_be_refunded(self) -> None:
        self.pay()
        self.pay("pay-2")
        assert "To be refunded: the order was already paid." in self.page()
        cancel_order_lines(
            order_id=self.order.pk,
            quantities={self.order.lines.all()[0].pk: 1},
            expected_total=Decimal("50.00"),
            changed_by=self.boss.pk,
        )
        assert "Accepted. 12.50 RUB to be refunded." in self.page()
        change_order_status(order_id=self.order.pk, status="cancelled", changed_by=self.boss.pk)
        assert "To be refunded: the order is cancelled." in self.page()
        self.order = self.make_order()
        with pytest.raises(WrongPaymentAmount):
            self.pay("pay-3", "1")
        assert "Not accepted: the amount is not the total of the order." in self.page()
        self.order = self.make_order()
        self.bring_to_status("cancelled")
        self.pay("pay-4")
        assert "To be refunded: the order was already cancelled." in self.page()

    def test_filter_finds_orders_with_payments_that_are_not_accepted(self) -> None:
        self.pay()
        bad = self.make_order()
        for reference in ("a", "b"):
            with pytest.raises(WrongPaymentAmount):
                self.pay(reference, "1", number=bad.number)
        found = self.client.get(LIST, {"payments": "unaccepted"}).context["cl"].result_list
        assert list(found) == [bad]
        assert len(self.client.get(LIST, {"payments": "x"}).context["cl"].result_list) == 2


class ProvidersTest(SimpleTestCase):
    @override_settings(**SETTINGS)
    def test_provider_is_found_by_name(self) -> None:
        check_providers()
        assert get_provider("sandbox") is verify_and_parse
        assert get_provider("other") is None

    def test_module_that_does_not_exist_or_has_no_function_stops_the_start(self) -> None:
        for path in ("backend.orders.payments.missing", "backend.orders.models"):
            with (
                self.subTest(path),
                override_settings(PAYMENT_PROVIDERS={"acme": path}),
                pytest.raises(ImproperlyConfigured, match=f"the provider acme needs a module {path}"),
            ):
                check_providers()
