"""Orders with a promo code: totals, uses, cancellation and mails."""

from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from backend.carts.models import Cart, CartLine, PromoCode, PromoCodeUse
from backend.carts.promo_code_services import apply_promo_code
from backend.carts.promo_codes import PromoCodeMinimumTotal, PromoCodeNotFound, PromoCodeUsedUp
from backend.carts.selectors import read_cart
from backend.carts.services import LineQuantity, add_lines
from backend.catalog.models import Product
from backend.core.errors import ShopError
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, OrderLine
from backend.orders.services import TotalChanged, cancel_order, change_order_status, create_order
from backend.orders.tasks import _render_email
from tests.accounts.cases import clear_rate_limits
from tests.carts.factories import fill_cart, make_products, make_promo_code
from tests.catalog.factories import make_product
from tests.orders.test_parity import read_written_rows
from tests.support.people import ADDRESS, make_user, make_viewer


class OrderCase(TestCase):
    def setUp(self) -> None:
        clear_rate_limits()
        self.addCleanup(clear_rate_limits)
        self.dress = make_product("dress", price=Decimal("20.00"), stock=50)
        self.sock = make_product("sock", price=Decimal("4.99"), stock=50)
        self.user = make_user()
        self.viewer = make_viewer(self.user)

    def fill(self, code: PromoCode | None) -> None:
        lines = [LineQuantity(self.dress.pk), LineQuantity(self.sock.pk, 3)]
        add_lines(viewer=self.viewer, lines=lines, address=ADDRESS)
        if code is not None:
            apply_promo_code(viewer=self.viewer, code=code.code, address=ADDRESS)

    def order(self, code: PromoCode | None, **options: Any) -> Order:
        self.fill(code)
        return create_order(viewer=self.viewer, **options)

    def uses(self, code: PromoCode) -> tuple[int, int]:
        """Return the counter of a code and the number of its uses."""
        code.refresh_from_db()
        return code.uses, PromoCodeUse.objects.filter(promo_code=code).count()


class CreateTest(OrderCase):
    def test_order_has_the_discount_of_the_cart(self) -> None:
        self.fill(make_promo_code("SALE", percent=15))
        cart = read_cart(self.viewer)
        order = create_order(viewer=self.viewer, expected_total=cart.total)
        for shown in (order, Order.objects.get()):
            assert (shown.subtotal, shown.discount, shown.total, shown.promo_code) == (
                Decimal("34.97"),
                Decimal("5.25"),
                Decimal("29.72"),
                "SALE",
            )
            lines = [(line.line_total, line.discount) for line in shown.lines.all()]
            assert lines == [(line.line_total, line.discount) for line in cart.lines]
            assert sum(discount for _, discount in lines) == shown.discount

    def test_order_without_a_code_has_no_discount(self) -> None:
        order = self.order(None)
        assert (order.discount, order.promo_code, order.subtotal) == (0, "", order.total)
        assert {line.discount for line in order.lines.all()} == {0}
        assert not PromoCodeUse.objects.exists()

    def test_order_removes_the_code_from_the_cart(self) -> None:
        self.order(make_promo_code())
        assert Cart.objects.get().promo_code is None
        assert read_cart(self.viewer).promo_code is None
        assert self.order(None).discount == 0

    def test_free_order_is_created(self) -> None:
        order = self.order(make_promo_code(percent=100), expected_total=Decimal(0))
        assert (order.total, order.discount) == (0, Decimal("34.97"))

    def test_expected_total_is_that_after_the_discount(self) -> None:
        self.fill(make_promo_code(percent=10))
        before = read_written_rows()
        with pytest.raises(TotalChanged, match=r"now 31\.47 RUB, not 34\.97"):
            create_order(viewer=self.viewer, expected_total=Decimal("34.97"))
        assert read_written_rows() == before
        assert create_order(viewer=self.viewer, expected_total=Decimal("31.47")).total == Decimal("31.47")

    def test_repeated_key_uses_the_code_once(self) -> None:
        code = make_promo_code(max_uses=5)
        order = self.order(code, idempotency_key="key")
        assert create_order(viewer=self.viewer, idempotency_key="key") == order
        assert self.uses(code) == (1, 1)

    def test_order_stays_as_it_is_when_the_code_is_changed_or_deleted(self) -> None:
        code = make_promo_code("SALE", percent=10)
        order = self.order(code)
        before = list(Order.objects.values()), list(OrderLine.objects.order_by("pk").values())
        PromoCode.objects.update(percent=50, code="OTHER")
        code.delete()
        assert (list(Order.objects.values()), list(OrderLine.objects.order_by("pk").values())) == before
        assert cancel_order(viewer=self.viewer, number=order.number).promo_code == "SALE"

    def test_only_a_code_takes_additional_statements(self) -> None:
        products = make_products(200)
        limits: list[dict[str, int] | None] = [None, {}, {"max_uses": 5, "max_uses_per_customer": 2}]
        counts = []
        for limit in limits:
            for lines in (1, 200):
                user = make_user()
                cart = fill_cart(user, dict.fromkeys(products[:lines], 1))
                code = None if limit is None else make_promo_code(**limit)
                Cart.objects.filter(pk=cart.pk).update(promo_code=code)
                with CaptureQueriesContext(connection) as queries:
                    create_order(viewer=make_viewer(user))
                counts.append(len(queries))
        without = counts[0]
        # The code is read, removed from the cart and locked, and its use is recorded.
        assert counts == [without, without, *[without + 4] * 4]

    def test_database_refuses_impossible_discounts(self) -> None:
        self.order(make_promo_code())
        for rows, discount, name in (
            (Order.objects.all(), -1, "order_discount_not_negative"),
            (OrderLine.objects.all(), -1, "order_line_discount_up_to_total"),
            (OrderLine.objects.all(), F("line_total") + 1, "order_line_discount_up_to_total"),
        ):
            with pytest.raises(IntegrityError, match=name), transaction.atomic():
                rows.update(discount=discount)


class RefusalTest(OrderCase):
    """A code that has stopped to apply refuses the order, and nothing is written."""

    def assert_refused(self, error: type[ShopError]) -> None:
        before = read_written_rows(), list(PromoCode.objects.values())
        warning = read_cart(self.viewer).warnings[-1]
        with pytest.raises(error) as raised:
            create_order(viewer=self.viewer)
        assert (raised.value.message, raised.value.field) == (warning.message, None)
        assert (read_written_rows(), list(PromoCode.objects.values())) == before

    def test_code_that_was_deactivated_refuses_the_order(self) -> None:
        self.fill(make_promo_code())
        PromoCode.objects.update(is_active=False)
        self.assert_refused(PromoCodeNotFound)
        Cart.objects.update(promo_code=None)
        assert create_order(viewer=self.viewer).discount == 0

    def test_cart_that_fell_below_the_minimum_refuses_the_order(self) -> None:
        self.fill(make_promo_code(minimum_total=30))
        CartLine.objects.filter(product=self.sock).update(quantity=2)
        self.assert_refused(PromoCodeMinimumTotal)
        CartLine.objects.filter(product=self.sock).update(quantity=3)
        assert create_order(viewer=self.viewer).discount == Decimal("3.50")

    def test_code_is_refused_after_its_last_use(self) -> None:
        code = make_promo_code(max_uses=1)
        self.order(code)
        other = make_viewer(make_user())
        cart = fill_cart(make_user(), {self.dress: 1})
        Cart.objects.filter(pk=cart.pk).update(promo_code=code, user=other.user_id)
        self.viewer = other
        self.assert_refused(PromoCodeUsedUp)

    def test_code_is_refused_after_the_last_use_of_the_customer(self) -> None:
        code = make_promo_code(max_uses_per_customer=2)
        self.order(code)
        self.order(code)
        self.fill(None)
        Cart.objects.update(promo_code=code)
        self.assert_refused(PromoCodeUsedUp)
        assert self.uses(code)[1] == 2


class CancelTest(OrderCase):
    def test_cancellation_returns_the_use_once(self) -> None:
        code = make_promo_code(max_uses=1, max_uses_per_customer=1)
        order = self.order(code)
        assert self.uses(code) == (1, 1)
        cancelled = cancel_order(viewer=self.viewer, number=order.number)
        assert (cancelled.discount, cancelled.promo_code) == (order.discount, code.code)
        assert self.uses(code) == (0, 0)
        with pytest.raises(ShopError):
            cancel_order(viewer=self.viewer, number=order.number)
        second = self.order(code)
        assert self.uses(code) == (1, 1)
        change_order_status(order_id=second.pk, status="cancelled", changed_by=self.user.pk)
        assert self.uses(code) == (0, 0)

    def test_other_statuses_keep_the_use(self) -> None:
        code = make_promo_code(max_uses=1)
        order = self.order(code)
        for status in ("paid", "shipped", "delivered"):
            change_order_status(order_id=order.pk, status=status, changed_by=self.user.pk)
        assert self.uses(code) == (1, 1)

    def test_uses_of_a_code_without_a_maximum_are_recorded_only(self) -> None:
        code = make_promo_code()
        order = self.order(code)
        assert self.uses(code) == (0, 1)
        cancel_order(viewer=self.viewer, number=order.number)
        assert self.uses(code) == (0, 0)

    def test_deleted_account_keeps_the_use(self) -> None:
        code = make_promo_code(max_uses=1)
        order = self.order(code)
        self.user.delete()
        assert self.uses(code) == (1, 1)
        change_order_status(order_id=order.pk, status="cancelled", changed_by=make_user().pk)
        assert self.uses(code) == (0, 0)
        assert Product.objects.get(pk=self.dress.pk).stock == 50

    def test_order_without_a_code_takes_no_statement_to_cancel(self) -> None:
        counts = []
        for code in (None, make_promo_code()):
            order = self.order(code)
            with CaptureQueriesContext(connection) as queries:
                cancel_order(viewer=self.viewer, number=order.number)
            counts.append(len(queries))
        assert counts[1] == counts[0] + 1


class MailTest(OrderCase):
    def render(self, email: OutgoingEmail, language: str) -> str:
        email.language = language
        content = _render_email(email, "order-placed")
        assert content is not None
        return content.text

    def test_confirmation_shows_the_discount(self) -> None:
        expected = {
            "en": "Subtotal: 34.97 RUB\nDiscount with promo code SALE: 3.50 RUB\nTotal: 31.47 RUB",
            "ru": "Сумма: 34.97 RUB\nСкидка по промокоду SALE: 3.50 RUB\nИтого: 31.47 RUB",
        }
        mails = []
        for code in (make_promo_code("SALE"), None):
            self.order(code)
            mails.append(OutgoingEmail.objects.latest("pk"))
        for language, _ in settings.LANGUAGES:
            discounted, plain = (self.render(email, language) for email in mails)
            assert expected[language] in discounted
            assert "SALE" not in plain
            assert plain.count("RUB") == 3
