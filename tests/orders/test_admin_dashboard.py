"""The dashboard of the admin: figures and panels, permissions and queries."""

import re
from decimal import Decimal
from typing import Any
from unittest import mock

from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.accounts.models import User
from backend.carts.models import RecommendationList
from backend.catalog import empty_searches
from backend.catalog.empty_searches import count_empty_search
from backend.notifications.models import OutgoingEmail
from backend.notifications.selectors import count_failed_emails_up_to
from backend.orders import sales
from backend.orders.admin.dashboard import CHART_HEIGHT, CHART_WIDTH
from backend.orders.models import Order, OrderLine
from backend.recommendations.models import ClickCount
from tests.accounts.cases import clear_redis
from tests.catalog.admin.pages import AdminCase
from tests.catalog.factories import make_product
from tests.orders.factories import make_order

PAGE = "/admin/"


def add_failed_email() -> None:
    OutgoingEmail.objects.create(task="some", recipient="a@example.com", language="en", status="failed")


class DashboardTest(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        clear_redis()
        self.tea = make_product("Green <tea>", price=Decimal("1250.00"), stock=90, popularity=4)

    def read(self) -> Any:
        response = self.client.get(PAGE)
        assert response.status_code == 200
        return response

    def figures(self) -> dict[str, str]:
        return {figure.label: figure.value for figure in self.read().context["figures"]}

    def panels(self) -> list[str]:
        return [panel.template for panel in self.read().context["panels"]]

    def test_empty_shop_has_figures_of_zero(self) -> None:
        self.tea.delete()
        page = self.read()
        assert [figure[:2] for figure in page.context["figures"]] == [
            ("Revenue in 30 days", "0 RUB"),
            ("Orders in 30 days", "0"),
            ("Average order", "—"),
            ("To ship", "0"),
            ("Waiting for payment", "0"),
            ("Failed mails", "0"),
        ]
        assert not any(figure.needs_attention for figure in page.context["figures"])
        for text in (
            "No orders.",
            "No sales were found by the last count.",
            "are in stock.",
            "Every search had results.",
        ):
            self.assertContains(page, text)

    def test_figures_and_panels_show_the_orders_products_and_mails(self) -> None:
        first, second = make_order(None, (self.tea, 3)), make_order(None, (self.tea, 1))
        Order.objects.filter(pk=second.pk).update(status=Order.Status.PAID)
        make_product("Sold out", stock=0)
        count_empty_search("unicorn")
        add_failed_email()
        page = self.read()
        figures = {figure.label: figure for figure in page.context["figures"]}
        assert {label: figure.value for label, figure in figures.items()} == {
            "Revenue in 30 days": "5,000 RUB",
            "Orders in 30 days": "2",
            "Average order": "2,500 RUB",
            "To ship": "1",
            "Waiting for payment": "1",
            "Failed mails": "1",
        }
        assert {label for label, figure in figures.items() if figure.needs_attention} == {
            "To ship",
            "Failed mails",
        }
        # The panel of best sellers can lag behind the figures.
        self.assertContains(page, "Units sold are counted every hour.")
        for text in (first.number, second.number, "Green &lt;tea&gt;", "Sold out", "unicorn"):
            self.assertContains(page, text)
        for label, listed in (("To ship", [second]), ("Waiting for payment", [first])):
            assert list(self.client.get(figures[label].url).context["cl"].result_list) == listed
        failed = self.client.get(figures["Failed mails"].url).context["cl"].result_list
        assert [email.status for email in failed] == ["failed"]
        assert self.client.get(figures["Orders in 30 days"].url).context["cl"].result_count == 2

    def test_clicks_and_orders_of_recommendations_are_shown_by_list(self) -> None:
        make_order(None, (self.tea, 3))
        OrderLine.objects.update(recommended_by=RecommendationList.SIMILAR)
        ClickCount.objects.create(
            day=timezone.localdate(), recommended_by=RecommendationList.PERSONAL, clicks=1234
        )
        page = re.sub(r"\s*\n\s*", "", self.read().content.decode())
        for cells in (
            ("Similar products", "0", "1", "3", "3,750"),
            ("Bought together", "0", "0", "0", "0"),
            ("Personal", "1,234", "0", "0", "0"),
        ):
            name, *numbers = cells
            row = f'<td class="label">{name}</td>' + "".join(f'<td class="number">{n}</td>' for n in numbers)
            assert row in page

    def test_chart_is_as_high_as_the_best_day(self) -> None:
        make_order(None, (self.tea, 1))
        chart = self.read().context["panels"][0].data
        assert (chart.maximum, chart.bars[-1].height, chart.bars[0].height) == (1250, CHART_HEIGHT, 0)
        assert chart.bars[-1].x + chart.bars[-1].width <= CHART_WIDTH

    def test_large_counts_are_bounded(self) -> None:
        for _ in range(2):
            make_order(None, (self.tea, 1))
        for maximum, text in ((2, "2"), (1, "> 1")):
            with (
                mock.patch.object(sales, "MAX_COUNT", maximum),
                mock.patch("backend.orders.admin.dashboard.MAX_COUNT", maximum),
            ):
                assert self.figures()["Waiting for payment"] == text

    def test_failed_mails_are_counted_by_their_index(self) -> None:
        for count in (0, 1, 2, 2):
            assert count_failed_emails_up_to(2) == count
            add_failed_email()
        with connection.cursor() as cursor:
            # Otherwise the few rows of the test are read without one.
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "email_failed" in OutgoingEmail.objects.filter(status="failed").order_by()[:2].explain()

    def test_queries_do_not_depend_on_the_number_of_rows(self) -> None:
        counts = []
        for _ in range(3):
            with CaptureQueriesContext(connection) as queries:
                self.read()
            counts.append(len(queries))
            for number in range(12):
                order = make_order(None, (self.tea, 1))
                if number % 2:
                    Order.objects.filter(pk=order.pk).update(status=Order.Status.PAID)
                make_product(popularity=number, stock=0)
                count_empty_search(f"nothing {number}")
                add_failed_email()
        # Session, user and its status, sales, two queues with their counts, best sellers, recommendations,
        # low stock, failed mails, recent actions.
        assert counts == [13, 13, 13]

    def test_page_shows_what_the_user_may_view(self) -> None:
        make_order(None, (self.tea, 1))
        count_empty_search("unicorn")
        clerk = User.objects.create_user("clerk@shop.example", is_staff=True)
        self.client.force_login(clerk)
        for permissions, panels, figures in (
            ([], [], 0),
            (["view_category"], [], 0),
            (["view_outgoingemail"], [], 1),
            (["view_product"], ["low_stock", "empty_searches"], 0),
            (["change_product"], ["low_stock", "empty_searches"], 0),
            (["view_order"], ["revenue", "orders", "orders", "recommendations"], 5),
            (["change_order"], ["revenue", "orders", "orders", "recommendations"], 5),
            (
                ["view_order", "view_product"],
                [
                    "revenue",
                    "orders",
                    "orders",
                    "best_sellers",
                    "recommendations",
                    "low_stock",
                    "empty_searches",
                ],
                5,
            ),
        ):
            with self.subTest(permissions):
                clerk.user_permissions.set(Permission.objects.filter(codename__in=permissions))
                assert self.panels() == panels
                assert len(self.figures()) == figures
                text = self.read().content.decode()
                assert ("1,250" in text) == ("revenue" in panels)
                assert ("unicorn" in text) == ("empty_searches" in panels)

    def test_page_needs_a_login(self) -> None:
        self.client.logout()
        assert self.client.get(PAGE).headers["Location"] == "/admin/login/?next=/admin/"

    def test_page_works_without_redis(self) -> None:
        with mock.patch.object(empty_searches, "try_redis", return_value=None):
            self.assertContains(self.read(), "Not available: Redis does not respond.")
