"""The admin list of orders: actions and their confirmation, dates, totals and search."""

from datetime import timedelta
from typing import Any
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.core.admin import BoundedPaginator
from backend.notifications.models import OutgoingEmail
from backend.orders.admin import orders as admin
from backend.orders.models import Order, OrderStatusChange
from backend.orders.services import change_order_status
from tests.catalog.factories import make_product
from tests.orders.factories import GUEST_EMAIL, make_guest_order, make_order
from tests.orders.test_admin import LIST, OrderAdminCase


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
        self.run_action("cancel", other, confirmed="yes")
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


class ConfirmationTest(OrderAdminCase):
    """Actions that cannot be undone ask first."""

    def setUp(self) -> None:
        super().setUp()
        self.guest_order = make_guest_order((self.tea, 1))
        OutgoingEmail.objects.all().delete()

    def test_action_writes_only_after_its_confirmation(self) -> None:
        for action, title in (
            ("cancel", "Cancel orders"),
            ("erase_guests", "Erase the personal data of guests"),
        ):
            with self.subTest(action):
                before = self.state()
                page = self.run_action(action, self.guest_order)
                self.assertContains(page, f"{title}</button>")
                self.assertContains(page, self.guest_order.number)
                assert self.guest_order.person.name == "Vera Inber"
                assert self.state() == before
                assert self.messages(self.run_action(action, self.guest_order, confirmed="yes"))
                assert self.state() != before
        self.guest_order.refresh_from_db()
        assert (self.guest_order.status, self.guest_order.email) == ("cancelled", "")

    def test_too_many_orders_are_refused_before_the_confirmation(self) -> None:
        for limit, refused in ((1, True), (2, False)):
            with mock.patch.object(admin, "MAX_ORDERS_PER_ACTION", limit):
                response = self.run_action("cancel", self.order, self.guest_order)
            assert (response.status_code == 302) == refused

    def test_view_permission_opens_no_confirmation(self) -> None:
        self.log_in_as_clerk("view_order")
        for action in ("cancel", "erase_guests"):
            assert "cannot be undone" not in self.run_action(action, self.order).content.decode()


class DateTest(OrderAdminCase):
    def dates(self, **query: object) -> list[tuple[str, int]]:
        """Return the links of the date hierarchy, and the number of orders that each of them lists."""
        links = self.client.get(LIST, query).context["dates"]
        return [
            (link.text, self.client.get(LIST + link.url).context["cl"].result_count)
            for link in links
            if link.text.startswith("‹") or "2024" in link.url or not query
        ]

    def setUp(self) -> None:
        super().setUp()
        other = self.make_order()
        for order, placed_at in ((self.order, "2024-02-29T23:59:59Z"), (other, "2023-12-31T12:00:00Z")):
            Order.objects.filter(pk=order.pk).update(placed_at=placed_at)

    def test_years_months_and_days_narrow_the_list(self) -> None:
        assert self.dates() == [("2023", 1), ("2024", 1)]
        months = self.dates(placed_at__year=2024)
        assert months[:3] == [("‹ All dates", 2), ("January", 0), ("February", 1)]
        assert len(months) == 13
        days = self.dates(placed_at__year=2024, placed_at__month=2)
        assert (days[0], days[-1], len(days)) == (("‹ 2024", 1), ("29", 1), 30)
        assert self.dates(placed_at__year=2024, placed_at__month=2, placed_at__day=29) == [
            ("‹ February 2024", 1)
        ]

    def test_months_are_offered_if_all_orders_are_of_one_year(self) -> None:
        Order.objects.exclude(pk=self.order.pk).delete()
        assert self.dates()[:3] == [("January", 0), ("February", 1), ("March", 0)]

    def test_links_keep_the_other_filters(self) -> None:
        link = self.client.get(LIST, {"status__exact": "paid"}).context["dates"][0]
        assert link.url == "?placed_at__year=2023&status__exact=paid"

    def test_invalid_dates_lead_to_the_list(self) -> None:
        for query in (
            "year=0",
            "year=9999",
            "year=x",
            "year=2024&placed_at__month=13",
            "month=x",
            "month=13&placed_at__day=40",
        ):
            with self.subTest(query):
                response = self.client.get(f"{LIST}?placed_at__{query}", follow=True)
                assert response.status_code == 200

    def test_totals_follow_the_filters(self) -> None:
        self.assertContains(self.client.get(LIST), "<strong>62.50 RUB</strong>")
        self.assertContains(self.client.get(LIST, {"placed_at__year": 2023}), "<strong>12.50 RUB</strong>")
        self.bring_to_status("cancelled")
        page = self.client.get(LIST)
        self.assertContains(page, "<strong>12.50 RUB</strong>")
        assert "Only the newest" not in page.content.decode()
        with mock.patch.object(BoundedPaginator, "max_count", 1):
            self.assertContains(self.client.get(LIST), "Only the newest 1 orders of the list are counted.")


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
        # Session, user, count, orders with their customers, totals, and the first and last day.
        assert counts == [7] * 6

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
