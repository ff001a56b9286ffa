"""Cancellation of units of an order: stock, totals, history, mails, both APIs, popularity and the admin."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from backend.carts.models import Cart
from backend.catalog.models import Product
from backend.core.errors import Invalid, NotFound, OutOfRange
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, OrderLine, OrderLineCancellation
from backend.orders.services import (
    TotalChanged,
    WrongOrderStatus,
    cancel_order,
    cancel_order_lines,
    change_order_status,
    count_popularity,
)
from backend.orders.tasks import _render_email
from backend.recommendations.selectors import recommend
from backend.recommendations.services import build_model
from backend.recommendations.training_data import read_purchases_of_products
from tests.carts.factories import make_promo_code
from tests.catalog.factories import make_product
from tests.orders.factories import make_order
from tests.orders.test_admin import LIST, OrderAdminCase, page_of
from tests.support.people import make_viewer
from tests.support.shopping import make_shoppers


class LineCancellationCase(OrderAdminCase):
    """An order of four units of tea for 12.50 and two mugs for 3.33."""

    def setUp(self) -> None:
        super().setUp()
        self.mug = make_product(name="Mug", sku="MUG-7", price=Decimal("3.33"), stock=10)
        self.order = make_order(self.vera, (self.tea, 4), (self.mug, 2))
        self.tea_line, self.mug_line = self.order.lines.all()
        OutgoingEmail.objects.all().delete()

    def cancel(self, *quantities: tuple[OrderLine, int], **fields: Any) -> Order:
        current = Order.objects.get(pk=self.order.pk).total
        return cancel_order_lines(
            **{
                "order_id": self.order.pk,
                "quantities": {line.pk: quantity for line, quantity in quantities},
                "expected_total": current,
                "changed_by": self.boss.pk,
            }
            | fields
        )

    def lines(self) -> list[tuple[int, int, Decimal]]:
        lines = OrderLine.objects.filter(order=self.order)
        return list(lines.values_list("quantity", "cancelled_quantity", "line_total"))

    def stock(self) -> dict[str, int]:
        return dict(Product.objects.values_list("sku", "stock"))

    def state(self) -> tuple[Any, ...]:
        return (*super().state(), self.lines(), list(OrderLineCancellation.objects.values()))


class LineCancellationTest(LineCancellationCase):
    def test_units_return_to_stock_and_leave_the_totals(self) -> None:
        for status in ("placed", "paid"):
            self.order = make_order(self.vera, (self.tea, 1), (self.mug, 2))
            self.tea_line, self.mug_line = self.order.lines.all()
            self.bring_to_status(status)
            before = self.stock()
            with self.subTest(status):
                order = self.cancel((self.mug_line, 1))
                assert order.total == Decimal("15.83")
                assert self.lines() == [(1, 0, Decimal("12.50")), (2, 1, Decimal("3.33"))]
                assert self.stock() == before | {"MUG-7": before["MUG-7"] + 1}
                assert order.status == status

    def test_several_lines_are_cancelled_at_once_and_again(self) -> None:
        self.cancel((self.tea_line, 1), (self.mug_line, 2))
        assert self.lines() == [(4, 1, Decimal("37.50")), (2, 2, Decimal("0.00"))]
        order = self.cancel((self.tea_line, 2))
        assert order.total == Decimal("12.50")
        assert self.stock() == {"Tea-1": 5, "MUG-7": 10}
        history = OrderLineCancellation.objects.values_list("line", "quantity", "cancelled_by")
        assert list(history) == [
            (self.tea_line.pk, 1, self.boss.pk),
            (self.mug_line.pk, 2, self.boss.pk),
            (self.tea_line.pk, 2, self.boss.pk),
        ]

    def test_cancellation_of_all_units_cancels_the_order_and_keeps_its_totals(self) -> None:
        self.cancel((self.tea_line, 1))
        OutgoingEmail.objects.all().delete()
        order = self.cancel((self.tea_line, 3), (self.mug_line, 2))
        assert (order.status, order.total) == ("cancelled", Decimal("44.16"))
        assert self.lines() == [(4, 1, Decimal("37.50")), (2, 0, Decimal("6.66"))]
        assert self.stock() == {"Tea-1": 6, "MUG-7": 10}
        assert OutgoingEmail.objects.get().context["status"] == "cancelled"

    def test_cancellation_of_the_order_returns_only_the_remaining_units(self) -> None:
        self.cancel((self.tea_line, 3))
        cancel_order(viewer=make_viewer(self.vera), number=self.order.number)
        assert self.stock() == {"Tea-1": 6, "MUG-7": 10}

    def test_quantities_are_limited_to_the_remaining_units(self) -> None:
        self.cancel((self.tea_line, 1))
        before = self.state()
        for quantity in (0, -1, 4, 2**40):
            with self.subTest(quantity), pytest.raises(OutOfRange, match="between 1 and 3"):
                self.cancel((self.tea_line, quantity))
        assert self.state() == before
        self.cancel((self.tea_line, 3))
        with pytest.raises(OutOfRange, match="All units of Tea-1 are cancelled already"):
            self.cancel((self.tea_line, 1))

    def test_invalid_requests_write_nothing(self) -> None:
        other = make_order(None, (self.mug, 1)).lines.all()[0]
        before = self.state()
        with pytest.raises(Invalid, match="at least one line"):
            self.cancel()
        with pytest.raises(NotFound, match="no such line"):
            self.cancel((self.tea_line, 1), (other, 1))
        with pytest.raises(NotFound, match="does not exist"):
            self.cancel((self.tea_line, 1), order_id=0)
        assert self.state() == before

    def test_repeated_request_is_refused_by_the_total(self) -> None:
        total = self.order.total
        self.cancel((self.tea_line, 1), expected_total=total)
        before = self.state()
        with pytest.raises(TotalChanged, match=r"now 44\.16 RUB"):
            self.cancel((self.tea_line, 1), expected_total=total)
        assert self.state() == before

    def test_shipped_delivered_and_cancelled_orders_are_refused(self) -> None:
        for status in ("shipped", "delivered", "cancelled"):
            self.order = make_order(self.vera, (self.mug, 2))
            line = self.order.lines.all()[0]
            self.bring_to_status(status)
            before = self.state()
            with self.subTest(status), pytest.raises(WrongOrderStatus, match=f"that is {status}"):
                self.cancel((line, 1))
            assert self.state() == before

    def test_line_of_a_deleted_product_changes_only_the_total(self) -> None:
        self.mug.delete()
        assert self.cancel((self.mug_line, 1)).total == Decimal("53.33")
        assert self.stock() == {"Tea-1": 2}

    def test_constraints_refuse_inconsistent_lines(self) -> None:
        line = OrderLine.objects.filter(pk=self.tea_line.pk)
        for name, changes in (
            ("order_line_cancelled_quantity_in_range", {"cancelled_quantity": 5, "line_total": -12.5}),
            ("order_line_total_of_remaining", {"cancelled_quantity": 1}),
            ("order_line_total_of_remaining", {"line_total": F("line_total") + 1}),
        ):
            with self.subTest(name, changes=changes), pytest.raises(IntegrityError, match=name):
                self.update_in_savepoint(line, changes)

    @staticmethod
    def update_in_savepoint(lines: Any, changes: dict[str, Any]) -> None:
        with transaction.atomic():
            lines.update(**changes)

    def test_statements_do_not_depend_on_the_number_of_lines(self) -> None:
        counts = []
        for lines in (1, 30):
            products = [make_product(stock=5) for _ in range(lines)]
            self.order = make_order(self.vera, *[(product, 2) for product in products])
            quantities = [(line, 1) for line in self.order.lines.all()]
            with CaptureQueriesContext(connection) as queries:
                self.cancel(*quantities)
            counts.append(len(queries))
        assert counts[0] == counts[1]


class DiscountTest(LineCancellationCase):
    """Discounts of 5.01 for 50.00 of tea and of 0.67 for 6.66 of mugs."""

    def setUp(self) -> None:
        super().setUp()
        self.set_discounts("5.01", "0.67")

    def set_discounts(self, tea: str, mug: str) -> None:
        OrderLine.objects.filter(pk=self.tea_line.pk).update(discount=tea)
        OrderLine.objects.filter(pk=self.mug_line.pk).update(discount=mug)
        discount = Decimal(tea) + Decimal(mug)
        total = Decimal("56.66") - discount
        Order.objects.filter(pk=self.order.pk).update(discount=discount, total=total, promo_code="SPRING")

    def discounts(self) -> list[str]:
        return [str(line.discount) for line in OrderLine.objects.filter(order=self.order)]

    def assert_sums_add_up(self) -> None:
        order = Order.objects.prefetch_related("lines").get(pk=self.order.pk)
        assert order.discount == sum(line.discount for line in order.lines.all())
        assert order.total == sum(line.line_total - line.discount for line in order.lines.all())
        for line in order.lines.all():
            assert 0 <= line.discount <= line.line_total

    def test_discount_of_a_line_shrinks_in_proportion(self) -> None:
        order = self.cancel((self.tea_line, 1))
        assert self.discounts() == ["3.76", "0.67"]
        assert (order.subtotal, order.discount, order.total) == (
            Decimal("44.16"),
            Decimal("4.43"),
            Decimal("39.73"),
        )

    def test_halves_of_a_kopeck_are_rounded_up(self) -> None:
        self.cancel((self.mug_line, 1))
        # Half of 0.67.
        assert self.discounts() == ["5.01", "0.34"]

    def test_sums_add_up_after_every_cancellation(self) -> None:
        for tea, mug in (("0.01", "0.00"), ("33.33", "0.01"), ("50.00", "6.66"), ("49.99", "6.65")):
            with self.subTest(tea=tea, mug=mug):
                self.order = make_order(self.vera, (make_product(price=Decimal("12.50")), 4), (self.mug, 2))
                self.tea_line, self.mug_line = self.order.lines.all()
                self.set_discounts(tea, mug)
                for line in (self.tea_line, self.mug_line, self.tea_line, self.tea_line, self.mug_line):
                    self.cancel((line, 1))
                    self.assert_sums_add_up()

    def test_completely_discounted_line_stays_free(self) -> None:
        self.set_discounts("50.00", "0.00")
        self.cancel((self.tea_line, 3))
        assert self.discounts() == ["12.50", "0.00"]
        assert Order.objects.get(pk=self.order.pk).total == Decimal("6.66")

    def test_line_without_a_price_has_no_discount(self) -> None:
        gift = make_product(price=Decimal(0))
        self.order = make_order(self.vera, (gift, 2), (self.mug, 1))
        self.cancel((self.order.lines.all()[0], 1))
        assert self.discounts() == ["0.00", "0.00"]


class LineCancellationMailTest(LineCancellationCase):
    def test_repeated_mail_about_a_payment_keeps_its_total(self) -> None:
        change_order_status(order_id=self.order.pk, status="paid", changed_by=self.vera.pk)
        email = OutgoingEmail.objects.get(context__status="paid")
        content = _render_email(email, "order-paid")
        assert content is not None
        assert f"{self.order.total} RUB" in content.text
        self.cancel((self.mug_line, 1))
        assert _render_email(email, "order-paid") == content

    def test_mail_lists_the_cancelled_units_and_the_new_total(self) -> None:
        for language, subject in (("en", "Part of your order"), ("ru", "Часть заказа")):
            self.vera.language = language
            self.vera.save()
            self.order = make_order(self.vera, (self.tea, 1), (self.mug, 2))
            self.tea_line, self.mug_line = self.order.lines.all()
            OutgoingEmail.objects.all().delete()
            self.cancel((self.mug_line, 1))
            email = OutgoingEmail.objects.get()
            assert (email.recipient, email.task) == ("vera@example.com", "orders.send_line_cancellation")
            content = _render_email(email, "order-lines-cancelled")
            # The retry of a mail does not include a later cancellation.
            self.cancel((self.mug_line, 1))
            assert _render_email(email, "order-lines-cancelled") == content
            assert content is not None
            with self.subTest(language):
                assert content.subject.startswith(subject)
                assert self.order.number in content.subject
                assert "1 × Mug\n" in content.text
                assert "Green" not in content.text
                assert "15.83 RUB" in content.text

    def test_confirmation_that_is_sent_later_lists_what_was_ordered(self) -> None:
        Cart.objects.filter(user=self.vera).update(promo_code=make_promo_code("SALE"))
        self.order = make_order(self.vera, (self.tea, 1), (self.mug, 2))
        email = OutgoingEmail.objects.get()
        before = _render_email(email, "order-placed")
        assert before is not None
        assert ": 12.50 RUB\n2 × Mug: 6.66 RUB\n\nSubtotal: 19.16 RUB\n" in before.text
        assert "SALE: 1.92 RUB\nTotal: 17.24 RUB" in before.text
        self.cancel((self.order.lines.all()[0], 1), (self.order.lines.all()[1], 1))
        assert _render_email(email, "order-placed") == before

    def test_confirmation_that_an_earlier_release_has_enqueued_lists_the_remaining_units(self) -> None:
        self.order = make_order(self.vera, (self.tea, 1), (self.mug, 2))
        email = OutgoingEmail.objects.get()
        email.context = {"order_id": self.order.pk}
        self.cancel((self.order.lines.all()[0], 1), (self.order.lines.all()[1], 1))
        content = _render_email(email, "order-placed")
        assert content is not None
        assert "1 × Mug: 3.33 RUB\n\nTotal: 3.33 RUB" in content.text
        assert "Green" not in content.text

    def test_deleted_account_gets_no_mail(self) -> None:
        self.vera.delete()
        self.cancel((self.tea_line, 1))
        assert not OutgoingEmail.objects.exists()


class LineCancellationReadersTest(LineCancellationCase):
    def test_both_apis_return_the_cancelled_quantity(self) -> None:
        self.cancel((self.tea_line, 1))
        orders = [shopper.read(self.order.number).data for shopper in make_shoppers(self.vera)]
        for order in orders:
            assert order["total"] == "44.16"
            lines = [
                (line["quantity"], line["cancelled_quantity"], line["line_total"]) for line in order["lines"]
            ]
            assert lines == [(4, 1, "37.50"), (2, 0, "6.66")]
        assert orders[0] == orders[1]

    def test_popularity_counts_only_remaining_units(self) -> None:
        Order.objects.exclude(pk=self.order.pk).delete()
        self.cancel((self.tea_line, 1), (self.mug_line, 2))
        count_popularity()
        assert dict(Product.objects.values_list("sku", "popularity")) == {"Tea-1": 3, "MUG-7": 0}

    def test_recommendations_ignore_cancelled_lines(self) -> None:
        def read_bought() -> set[str]:
            ids = [self.tea.pk, self.mug.pk]
            purchases = read_purchases_of_products(ids, orders_per_product=10, recent_orders=10)
            return {purchase.item for purchase in purchases if purchase.basket == str(self.order.pk)}

        assert read_bought() == {str(self.tea.pk), str(self.mug.pk)}
        build_model()
        self.cancel((self.mug_line, 1))
        assert str(self.mug.pk) in read_bought()
        excluded = {product.pk for product in recommend(make_viewer(self.vera), 5)}
        assert self.mug.pk not in excluded
        self.cancel((self.mug_line, 1))
        assert read_bought() == {str(self.tea.pk)}
        # The shopper does not have the mug, so it can be recommended.
        assert self.mug.pk in {product.pk for product in recommend(make_viewer(self.vera), 5)}


class LineCancellationAdminTest(LineCancellationCase):
    def post(self, **fields: object) -> Any:
        total = Order.objects.get(pk=self.order.pk).total
        return self.client.post(f"{LIST}{self.order.pk}/cancel-lines/", {"total": str(total)} | fields)

    def test_form_cancels_the_entered_quantities(self) -> None:
        form = self.form(page_of(self.order), "cancel-lines-form")
        assert form.keys() >= {"total", f"cancel-{self.tea_line.pk}", f"cancel-{self.mug_line.pk}"}
        form[f"cancel-{self.tea_line.pk}"] = "3"
        response = self.client.post(f"{LIST}{self.order.pk}/cancel-lines/", form)
        self.assertRedirects(response, page_of(self.order))
        assert self.messages(response) == [
            "The total of the order is now 19.16 RUB. The customer will be notified by mail."
        ]
        assert self.lines()[0] == (4, 3, Decimal("12.50"))
        # The form of the earlier page.
        response = self.client.post(f"{LIST}{self.order.pk}/cancel-lines/", form)
        assert self.messages(response)[-1:] == [
            "The total of the order is now 19.16 RUB. Check its lines again."
        ]
        assert self.lines()[0] == (4, 3, Decimal("12.50"))

    def test_history_shows_cancelled_units_with_author_in_order_of_time(self) -> None:
        self.cancel((self.tea_line, 3))
        change_order_status(order_id=self.order.pk, status="paid", changed_by=self.boss.pk)
        page = self.client.get(page_of(self.order)).content.decode()
        history = page[page.index('id="history"') : page.index("</table>", page.index('id="history"'))]
        assert history.index("Placed") < history.index("3 × Tea-1 cancelled") < history.index("Paid")
        assert history.count("boss@shop.example") == 2

    def test_cancellation_of_all_units_is_announced(self) -> None:
        quantities = {f"cancel-{self.tea_line.pk}": "4", f"cancel-{self.mug_line.pk}": " 2 "}
        assert self.messages(self.post(**quantities)) == [
            "The order is now cancelled, because no units remain. The customer will be notified by mail."
        ]

    def test_invalid_fields_write_nothing(self) -> None:
        before = self.state()
        tea = f"cancel-{self.tea_line.pk}"
        for fields, message in (
            ({}, "Enter the quantity of at least one line."),
            ({tea: "0", f"cancel-{self.mug_line.pk}": ""}, "Enter the quantity of at least one line."),
            ({tea: "x"}, "The quantity to cancel must be a whole number."),
            ({tea: "-1"}, "The quantity to cancel must be a whole number."),
            ({tea: "1.5"}, "The quantity to cancel must be a whole number."),
            ({tea: "٣"}, "The quantity to cancel must be a whole number."),
            ({tea: "9" * 5000}, "The quantity to cancel must be a whole number."),
            ({tea: "5"}, "The quantity of Tea-1 to cancel must be between 1 and 4, not 5."),
            ({"cancel-x": "1"}, "This order has no such line."),
            ({tea: "1", "total": ""}, "The total of the order is missing. Reload the page."),
        ):
            with self.subTest(fields=str(fields)[:60]):
                assert self.messages(self.post(**fields))[-1:] == [message]
        assert self.state() == before

    def test_form_is_shown_only_to_staff_who_may_change_a_cancellable_order(self) -> None:
        for status in Order.Status:
            self.order = make_order(self.vera, (self.mug, 1))
            self.bring_to_status(status)
            with self.subTest(status):
                page = self.client.get(page_of(self.order)).content.decode()
                assert ("cancel-lines-form" in page) == (status in ("placed", "paid"))
        self.order = make_order(self.vera, (self.mug, 1))
        self.log_in_as_clerk("view_order")
        before = self.state()
        assert "cancel-lines-form" not in self.client.get(page_of(self.order)).content.decode()
        assert self.post(**{f"cancel-{self.order.lines.all()[0].pk}": "1"}).status_code == 403
        assert self.client.get(f"{LIST}{self.order.pk}/cancel-lines/").status_code == 405
        assert self.state() == before
