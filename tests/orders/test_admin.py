"""Order admin: search, order pages and status changes."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.accounts.models import User
from backend.catalog.models import Product
from backend.core.admin import BoundedPaginator
from backend.notifications.models import OutgoingEmail
from backend.orders.admin import orders as admin
from backend.orders.models import NEXT_STATUSES, Order, OrderStatusChange
from backend.orders.services import change_order_status
from tests.catalog.admin.pages import AdminCase
from tests.catalog.factories import make_product
from tests.orders.factories import FULL_DELIVERY, GUEST_EMAIL, make_guest_order, make_order
from tests.support.people import make_user

LIST = "/admin/orders/order/"


def page_of(order: Order) -> str:
    return f"{LIST}{order.pk}/change/"


class OrderAdminCase(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.vera = make_user("vera@example.com")
        self.tea = make_product(name="Green <tea>", sku="Tea-1", price=Decimal("12.50"), stock=10)
        self.order = make_order(self.vera, (self.tea, 4), delivery=FULL_DELIVERY)
        OutgoingEmail.objects.all().delete()

    def make_order(self) -> Order:
        """Create another order of the customer."""
        return make_order(self.vera, (self.tea, 1))

    def bring_to_status(self, status: str) -> None:
        """Bring the order to a status by the shortest path, and delete the mails about it."""
        paths = {"placed": [], "paid": ["paid"], "cancelled": ["cancelled"]}
        paths |= {"shipped": ["paid", "shipped"], "delivered": ["paid", "shipped", "delivered"]}
        for step in paths[status]:
            change_order_status(order_id=self.order.pk, status=step, changed_by=self.boss.pk)
        OutgoingEmail.objects.all().delete()

    def change_status(self, status: str, order_id: object = None) -> Any:
        return self.client.post(f"{LIST}{order_id or self.order.pk}/status/", {"status": status})

    def run_action(self, action: str, *orders: Order, **more: Any) -> Any:
        selected = [order.pk for order in orders]
        return self.client.post(LIST, {"action": action, "index": 0, "_selected_action": selected} | more)

    def state(self) -> tuple[Any, ...]:
        """Return all rows that a status change can write."""
        return (
            list(Order.objects.order_by("pk").values()),
            list(OrderStatusChange.objects.order_by("pk").values()),
            list(OutgoingEmail.objects.values()),
            list(Product.objects.order_by("pk").values_list("stock", flat=True)),
        )

    def log_in_as_clerk(self, *permissions: str) -> User:
        clerk = User.objects.create_user("clerk@shop.example", is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client.force_login(clerk)
        return clerk


class OrderPageTest(OrderAdminCase):
    def test_page_shows_the_order_without_fields_of_its_columns(self) -> None:
        self.bring_to_status("paid")
        page = self.client.get(page_of(self.order)).content.decode()
        for text in (
            self.order.number,
            "vera@example.com",
            "Vera Inber<br>+79215550102 (entered as +7 921 555-01-02)",
            "Nevsky 1",
            "flat &lt;2&gt;",
            "191186 St Petersburg<br>Russian Federation",
            "The &lt;bell&gt; is broken.",
            "Tea-1",
            "Green &lt;tea&gt;",
            "12.50",
            "50.00 RUB",
            "boss@shop.example",
        ):
            assert text in page
        # The other inputs belong to the services.
        inputs = {"csrfmiddlewaretoken", "tracking_number", "tracking_url"}
        assert self.form(page_of(self.order), "order_form").keys() == inputs
        assert "<select" not in page

    def test_page_without_delivery_details_or_account(self) -> None:
        bare = make_order()
        self.assertContains(self.client.get(page_of(bare)), "—")
        self.tea.delete()
        self.vera.delete()
        page = self.client.get(page_of(self.order)).content.decode()
        assert "Tea-1" in page
        assert "(account deleted)" in page
        for text in ("vera@example.com", "Vera Inber", "Nevsky", "Ring twice"):
            assert text not in page

    def test_query_count_is_the_same_for_one_and_many_lines(self) -> None:
        many = make_order(None, *[(make_product(), 1) for _ in range(30)], delivery=FULL_DELIVERY)
        counts = []
        for order in (self.order, many):
            with CaptureQueriesContext(connection) as queries:
                self.client.get(page_of(order))
            counts.append(len(queries))
        # Session, user, order, lines, payments, history, notes, cancelled units.
        assert counts == [9, 9]

    def test_page_offers_only_allowed_statuses(self) -> None:
        for status in Order.Status:
            self.order = make_order(self.vera)
            with self.subTest(status):
                self.bring_to_status(status)
                page = self.client.get(page_of(self.order)).content.decode()
                offered = {name for name in Order.Status.values if f'name="status" value="{name}"' in page}
                assert offered == set(NEXT_STATUSES[status])

    def test_orders_cannot_be_added_changed_or_deleted(self) -> None:
        before = self.state()
        for path in (f"{LIST}add/", page_of(self.order), f"{LIST}{self.order.pk}/delete/"):
            with self.subTest(path):
                response = self.client.post(path, {"status": "paid", "total": "0", "post": "yes"})
                assert response.status_code == 403
        self.run_action("delete_selected", self.order, post="yes")
        assert self.state() == before

    def test_unknown_order_ids_are_not_found(self) -> None:
        for number in ("0", "999", "x", "9" * 30, "-1", "%00"):
            with self.subTest(number):
                assert self.client.get(f"{LIST}{number}/change/").status_code in {302, 404}
                assert self.change_status("paid", number).status_code in {302, 404}


class ChangeStatusTest(OrderAdminCase):
    def test_order_is_paid_shipped_and_delivered(self) -> None:
        for status in ("paid", "shipped", "delivered"):
            response = self.change_status(status)
            self.assertRedirects(response, page_of(self.order))
            assert self.messages(response) == [
                f"The order is now {status}. The customer will be notified by mail."
            ]
        history = self.order.history.values_list("status", "changed_by__email")
        assert list(history) == [("placed", "vera@example.com")] + [
            (status, "boss@shop.example") for status in ("paid", "shipped", "delivered")
        ]
        for change in self.order.history.all():
            assert timezone.now() - change.changed_at < timedelta(minutes=1)
        mails = OutgoingEmail.objects.order_by("pk").values_list("recipient", "task", "context__status")
        assert list(mails) == [
            ("vera@example.com", "orders.send_status", status) for status in ("paid", "shipped", "delivered")
        ]

    def test_cancelled_order_returns_stock(self) -> None:
        self.tea.refresh_from_db()
        assert self.tea.stock == 6
        self.change_status("cancelled")
        self.tea.refresh_from_db()
        assert self.tea.stock == 10

    def test_forbidden_transitions_write_nothing(self) -> None:
        for status in Order.Status:
            self.order = make_order(self.vera)
            self.bring_to_status(status)
            before = self.state()
            for wanted in set(Order.Status) - set(NEXT_STATUSES[status]):
                with self.subTest(f"{status} to {wanted}"):
                    response = self.change_status(wanted)
                    self.assertRedirects(response, page_of(self.order))
                    assert self.messages(response) == [f"An order that is {status} cannot become {wanted}."]
                    assert self.state() == before

    def test_unknown_statuses_write_nothing(self) -> None:
        before = self.state()
        for wanted in ("", "sent", "PAID", "paid ", "\0", "9" * 5000):
            with self.subTest(wanted[:9]):
                assert self.messages(self.change_status(wanted))[-1:] == [
                    "status must be one of placed, paid, shipped, delivered, cancelled."
                ]
        assert self.state() == before

    def test_status_is_not_changed_by_get(self) -> None:
        assert self.client.get(f"{LIST}{self.order.pk}/status/?status=paid").status_code == 405

    def test_order_of_a_deleted_account_sends_no_mail(self) -> None:
        self.vera.delete()
        assert self.messages(self.change_status("paid")) == ["The order is now paid."]
        assert not OutgoingEmail.objects.exists()

    def test_view_permission_does_not_allow_status_changes(self) -> None:
        self.log_in_as_clerk("view_order")
        before = self.state()
        page = self.client.get(page_of(self.order)).content.decode()
        assert self.order.number in page
        assert 'name="status"' not in page
        assert "mark_paid" not in self.client.get(LIST).content.decode()
        assert self.change_status("paid").status_code == 403
        self.run_action("mark_paid", self.order)
        assert self.state() == before

    def test_change_permission_allows_status_changes(self) -> None:
        clerk = self.log_in_as_clerk("change_order")
        assert self.client.get(page_of(self.order)).status_code == 200
        self.change_status("paid")
        assert self.order.history.get(status="paid").changed_by == clerk

    def test_other_staff_and_guests_have_no_access(self) -> None:
        self.log_in_as_clerk("change_product")
        before = self.state()
        assert self.client.get(LIST).status_code == 403
        assert self.client.get(page_of(self.order)).status_code == 403
        assert self.change_status("paid").status_code == 403
        self.client.logout()
        self.assertRedirects(
            self.change_status("paid"),
            f"/admin/login/?next={LIST}{self.order.pk}/status/",
            fetch_redirect_response=False,
        )
        assert self.state() == before


class ActionsTest(OrderAdminCase):
    def test_action_changes_the_orders_that_allow_it(self) -> None:
        other, late = make_order(), make_order()
        change_order_status(order_id=late.pk, status="cancelled", changed_by=self.boss.pk)
        OutgoingEmail.objects.all().delete()
        response = self.run_action("mark_paid", self.order, other, late)
        assert self.messages(response) == [
            f"{late.number}: An order that is cancelled cannot become paid.",
            "2 of the selected orders changed to paid.",
        ]
        assert Order.objects.filter(status="paid").count() == 2
        assert OrderStatusChange.objects.filter(status="paid", changed_by=self.boss).count() == 2
        assert OutgoingEmail.objects.count() == 2

    def test_every_action_sets_its_status(self) -> None:
        for action, status in (
            ("mark_paid", "paid"),
            ("mark_shipped", "shipped"),
            ("mark_delivered", "delivered"),
        ):
            self.run_action(action, self.order)
            self.order.refresh_from_db()
            assert self.order.status == status
        other = make_order()
        self.run_action("cancel", other)
        other.refresh_from_db()
        assert other.status == "cancelled"

    def test_action_is_limited_to_the_maximum_number_of_orders(self) -> None:
        orders = [self.order, make_order(), make_order()]
        with mock.patch.object(admin, "MAX_ORDERS_PER_ACTION", 2):
            response = self.run_action("mark_paid", *orders)
            assert self.messages(response) == ["Select at most 2 orders."]
            self.run_action("mark_paid", orders[0], select_across=1)
            assert not Order.objects.filter(status="paid").exists()
            self.run_action("mark_paid", *orders[:2])
        assert Order.objects.filter(status="paid").count() == 2


class GuestTest(OrderAdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.guest_order = make_guest_order((self.tea, 1))
        OutgoingEmail.objects.all().delete()

    def erase(self, *orders: Order) -> list[str]:
        return self.messages(self.run_action("erase_guests", *orders))

    def test_page_shows_the_guest(self) -> None:
        page = self.client.get(page_of(self.guest_order)).content.decode()
        for text in (GUEST_EMAIL, "Vera Inber", "(guest or deleted account)"):
            assert text in page
        assert str(self.guest_order.token) not in page
        assert str(self.guest_order.token_digest) not in page

    def test_status_change_is_mailed_to_the_guest(self) -> None:
        response = self.change_status("paid", self.guest_order.pk)
        assert self.messages(response) == ["The order is now paid. The customer will be notified by mail."]
        assert OutgoingEmail.objects.get().recipient == GUEST_EMAIL

    def test_data_of_guests_is_erased_once(self) -> None:
        assert self.erase(self.order, self.guest_order) == [
            f"{self.order.number}: This order has no personal data of a guest.",
            "1 of the selected orders had personal data, which is now erased.",
        ]
        page = self.client.get(page_of(self.guest_order)).content.decode()
        assert "(guest, erased)" in page
        for text in (GUEST_EMAIL, "Vera Inber"):
            assert text not in page
        before = self.state()
        assert len(self.erase(self.guest_order)) == 1
        assert self.state() == before
        assert self.order.person.name == "Vera Inber"

    def test_view_permission_does_not_allow_erasure(self) -> None:
        self.log_in_as_clerk("view_order")
        before = self.state()
        assert "erase_guests" not in self.client.get(LIST).content.decode()
        self.erase(self.guest_order)
        assert self.state() == before


class SearchTest(OrderAdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.other = make_order(None, (make_product(sku="MUG-7"), 1))

    def search(self, **query: Any) -> list[Order]:
        return list(self.client.get(LIST, query).context["cl"].result_list)

    def test_orders_are_listed_newest_first(self) -> None:
        assert self.search() == [self.other, self.order]
        self.assertContains(self.client.get(LIST), "50.00 RUB")

    def test_search_finds_numbers_emails_and_skus(self) -> None:
        number = self.order.number
        for text in (number, f" {number} ", number.partition("-")[0], "Vera@Example.com", "tea-1", "TEA-1"):
            with self.subTest(text):
                assert self.search(q=text) == [self.order]
        for text in (number[:3], "vera@", "tea", "Green", "%", "_", "1-", "100%_\\", "a" * 3000):
            with self.subTest(text[:9]):
                assert self.search(q=text) == []

    def test_search_finds_the_email_of_a_guest(self) -> None:
        order = make_guest_order()
        for text in (GUEST_EMAIL, GUEST_EMAIL.upper(), f" {GUEST_EMAIL} "):
            assert self.search(q=text) == [order]
        assert self.search(q="guest") == []

    def test_search_for_a_guest_uses_an_index(self) -> None:
        with connection.cursor() as cursor:
            # Otherwise the few rows of the test are read without one.
            cursor.execute("SET LOCAL enable_seqscan = off")
            assert "order_of_guest" in Order.objects.filter(email=GUEST_EMAIL).order_by().explain()

    def test_order_with_two_matching_lines_is_found_once(self) -> None:
        self.other.lines.create(sku="mug-7", name="Mug", unit_price=1, quantity=1, line_total=1)
        assert self.search(q="MUG-7") == [self.other]

    def test_orders_are_filtered_by_status_and_date(self) -> None:
        self.bring_to_status("paid")
        assert self.search(status__exact="paid") == [self.order]
        assert self.search(status__exact="placed", q="tea-1") == []
        Order.objects.filter(pk=self.order.pk).update(placed_at=timezone.now() - timedelta(days=8))
        week = (timezone.now() - timedelta(days=7)).isoformat()
        assert self.search(placed_at__gte=week) == [self.other]

    def test_query_count_is_the_same_for_one_and_many_orders(self) -> None:
        counts = []
        for query in ("", "?q=vera@example.com", "?status__exact=placed"):
            for _ in range(2):
                self.client.get(LIST + query)
                with CaptureQueriesContext(connection) as queries:
                    assert self.client.get(LIST + query).status_code == 200
                counts.append(len(queries))
                for _ in range(10):
                    make_order(self.vera)
        # Session, user, permissions, count, and orders with their customers.
        assert counts == [5] * 6

    def test_count_is_bounded(self) -> None:
        for most, pages, cut in ((2, 1, False), (1, 1, True)):
            with self.subTest(most), mock.patch.object(BoundedPaginator, "max_count", most):
                response = self.client.get(LIST)
                assert response.context["cl"].result_count == most
                assert response.context["cl"].paginator.num_pages == pages
                assert ("Only the first" in response.content.decode()) == cut

    def test_invalid_query_parameters_are_harmless(self) -> None:
        queries = [
            "status__exact=x",
            "placed_at__gte=x",
            "p=9999",
            "o=99",
            "total=x",
            "q=%00",
            "user__password=1",
        ]
        for query in queries:
            with self.subTest(query):
                assert self.client.get(f"{LIST}?{query}", follow=True).status_code in {200, 400}
