"""Orders in the admin: found by what staff know of them, moved on along the allowed ways and no other."""

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
from backend.orders import admin
from backend.orders.models import NEXT_STATUSES, Order, OrderStatusChange
from backend.orders.services import change_order_status
from tests.catalog.admin.pages import AdminCase
from tests.catalog.factories import make_product
from tests.orders.factories import EVERYTHING, make_order
from tests.people import make_user

LIST = "/admin/orders/order/"


def page_of(order: Order) -> str:
    return f"{LIST}{order.pk}/change/"


class OrderAdminCase(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.vera = make_user("vera@example.com")
        self.tea = make_product(name="Green <tea>", sku="Tea-1", price=Decimal("12.50"), stock=10)
        self.order = make_order(self.vera, (self.tea, 4), delivery=EVERYTHING)
        OutgoingEmail.objects.all().delete()

    def become(self, status: str) -> None:
        """Bring the order to a status by the shortest way, and forget the mails of that."""
        ways = {"placed": [], "paid": ["paid"], "cancelled": ["cancelled"]}
        ways |= {"shipped": ["paid", "shipped"], "delivered": ["paid", "shipped", "delivered"]}
        for step in ways[status]:
            change_order_status(order_id=self.order.pk, status=step, changed_by=self.boss.pk)
        OutgoingEmail.objects.all().delete()

    def move(self, status: str, order_id: object = None) -> Any:
        return self.client.post(f"{LIST}{order_id or self.order.pk}/move/", {"status": status})

    def act(self, action: str, *orders: Order, **more: Any) -> Any:
        chosen = [order.pk for order in orders]
        return self.client.post(LIST, {"action": action, "index": 0, "_selected_action": chosen} | more)

    def state(self) -> tuple[Any, ...]:
        """What moving an order on can write."""
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


class PageTest(OrderAdminCase):
    def test_everything_is_shown_and_nothing_can_be_written(self) -> None:
        self.become("paid")
        page = self.client.get(page_of(self.order)).content.decode()
        for text in (
            self.order.number,
            "vera@example.com",
            "Vera Inber<br>+7 921 555-01-02",
            "Nevsky 1",
            "flat &lt;2&gt;",
            "191186 St Petersburg, RU",
            "The &lt;bell&gt; is broken.",
            "Tea-1",
            "Green &lt;tea&gt;",
            "12.50",
            "50.00 RUB",
            "boss@shop.example",
        ):
            self.assertIn(text, page)
        for field in ("text", "checkbox", "submit"):
            main = page[page.index('id="order_form"') :]
            self.assertNotIn(f'<input type="{field}"', main)
        self.assertNotIn("<select", page)

    def test_what_was_never_said_or_is_deleted(self) -> None:
        bare = make_order()
        self.assertContains(self.client.get(page_of(bare)), "—")
        self.tea.delete()
        self.vera.delete()
        page = self.client.get(page_of(self.order)).content.decode()
        self.assertIn("Tea-1", page)
        self.assertIn("(account deleted)", page)
        for text in ("vera@example.com", "Vera Inber", "Nevsky", "Ring twice"):
            self.assertNotIn(text, page)

    def test_the_page_takes_the_same_queries_for_one_line_and_for_many(self) -> None:
        many = make_order(None, *[(make_product(), 1) for _ in range(30)], delivery=EVERYTHING)
        counts = []
        for order in (self.order, many):
            with CaptureQueriesContext(connection) as queries:
                self.client.get(page_of(order))
            counts.append(len(queries))
        # Session, user, order, lines, history.
        self.assertEqual(counts, [6, 6])

    def test_only_what_may_follow_is_offered(self) -> None:
        for status in Order.Status:
            self.order = make_order(self.vera)
            with self.subTest(status):
                self.become(status)
                page = self.client.get(page_of(self.order)).content.decode()
                offered = {name for name in Order.Status.values if f'name="status" value="{name}"' in page}
                self.assertEqual(offered, set(NEXT_STATUSES[status]))

    def test_nothing_is_added_changed_or_deleted(self) -> None:
        before = self.state()
        for path in (f"{LIST}add/", page_of(self.order), f"{LIST}{self.order.pk}/delete/"):
            with self.subTest(path):
                response = self.client.post(path, {"status": "paid", "total": "0", "post": "yes"})
                self.assertEqual(response.status_code, 403)
        self.act("delete_selected", self.order, post="yes")
        self.assertEqual(self.state(), before)

    def test_addresses_made_up(self) -> None:
        for number in ("0", "999", "x", "9" * 30, "-1", "%00"):
            with self.subTest(number):
                self.assertIn(self.client.get(f"{LIST}{number}/change/").status_code, {302, 404})
                self.assertIn(self.move("paid", number).status_code, {302, 404})


class MovingTest(OrderAdminCase):
    def test_along_the_whole_way(self) -> None:
        for status in ("paid", "shipped", "delivered"):
            response = self.move(status)
            self.assertRedirects(response, page_of(self.order))
            self.assertEqual(
                self.messages(response), [f"The order is {status} now. The customer is told by mail."]
            )
        history = self.order.history.values_list("status", "changed_by__email")
        self.assertEqual(
            list(history),
            [("placed", "vera@example.com")]
            + [(status, "boss@shop.example") for status in ("paid", "shipped", "delivered")],
        )
        for change in self.order.history.all():
            self.assertLess(timezone.now() - change.changed_at, timedelta(minutes=1))
        mails = OutgoingEmail.objects.order_by("pk").values_list("recipient", "task", "context__status")
        self.assertEqual(
            list(mails),
            [
                ("vera@example.com", "orders.send_status", status)
                for status in ("paid", "shipped", "delivered")
            ],
        )

    def test_cancelling_gives_the_stock_back(self) -> None:
        self.tea.refresh_from_db()
        self.assertEqual(self.tea.stock, 6)
        self.move("cancelled")
        self.tea.refresh_from_db()
        self.assertEqual(self.tea.stock, 10)

    def test_every_forbidden_step_is_refused_with_nothing_written(self) -> None:
        for status in Order.Status:
            self.order = make_order(self.vera)
            self.become(status)
            before = self.state()
            for wanted in set(Order.Status) - set(NEXT_STATUSES[status]):
                with self.subTest(f"{status} to {wanted}"):
                    response = self.move(wanted)
                    self.assertRedirects(response, page_of(self.order))
                    self.assertEqual(
                        self.messages(response), [f"An order that is {status} cannot become {wanted}."]
                    )
                    self.assertEqual(self.state(), before)

    def test_forged_statuses(self) -> None:
        before = self.state()
        for wanted in ("", "sent", "PAID", "paid ", "\0", "9" * 5000):
            with self.subTest(wanted[:9]):
                self.assertEqual(
                    self.messages(self.move(wanted))[-1:], ["There is no such status of an order."]
                )
        self.assertEqual(self.state(), before)

    def test_by_button_only(self) -> None:
        self.assertEqual(self.client.get(f"{LIST}{self.order.pk}/move/?status=paid").status_code, 405)

    def test_an_order_of_a_deleted_account(self) -> None:
        self.vera.delete()
        self.assertEqual(self.messages(self.move("paid")), ["The order is paid now."])
        self.assertFalse(OutgoingEmail.objects.exists())

    def test_who_may_only_look(self) -> None:
        self.log_in_as_clerk("view_order")
        before = self.state()
        page = self.client.get(page_of(self.order)).content.decode()
        self.assertIn(self.order.number, page)
        self.assertNotIn('name="status"', page)
        self.assertNotIn("mark_paid", self.client.get(LIST).content.decode())
        self.assertEqual(self.move("paid").status_code, 403)
        self.act("mark_paid", self.order)
        self.assertEqual(self.state(), before)

    def test_who_may_move_them_on_but_nothing_else(self) -> None:
        clerk = self.log_in_as_clerk("change_order")
        self.assertEqual(self.client.get(page_of(self.order)).status_code, 200)
        self.move("paid")
        self.assertEqual(self.order.history.get(status="paid").changed_by, clerk)

    def test_who_has_no_business_here(self) -> None:
        self.log_in_as_clerk("change_product")
        before = self.state()
        self.assertEqual(self.client.get(LIST).status_code, 403)
        self.assertEqual(self.client.get(page_of(self.order)).status_code, 403)
        self.assertEqual(self.move("paid").status_code, 403)
        self.client.logout()
        self.assertRedirects(
            self.move("paid"),
            f"/admin/login/?next={LIST}{self.order.pk}/move/",
            fetch_redirect_response=False,
        )
        self.assertEqual(self.state(), before)


class ActionsTest(OrderAdminCase):
    def test_those_that_can_be_are_moved_on(self) -> None:
        other, late = make_order(), make_order()
        change_order_status(order_id=late.pk, status="cancelled", changed_by=self.boss.pk)
        OutgoingEmail.objects.all().delete()
        response = self.act("mark_paid", self.order, other, late)
        self.assertEqual(
            self.messages(response),
            [
                f"{late.number}: An order that is cancelled cannot become paid.",
                "2 of the chosen orders paid now.",
            ],
        )
        self.assertEqual(Order.objects.filter(status="paid").count(), 2)
        self.assertEqual(OrderStatusChange.objects.filter(status="paid", changed_by=self.boss).count(), 2)
        self.assertEqual(OutgoingEmail.objects.count(), 2)

    def test_each_of_them(self) -> None:
        for action, status in (
            ("mark_paid", "paid"),
            ("mark_shipped", "shipped"),
            ("mark_delivered", "delivered"),
        ):
            self.act(action, self.order)
            self.order.refresh_from_db()
            self.assertEqual(self.order.status, status)
        other = make_order()
        self.act("cancel", other)
        other.refresh_from_db()
        self.assertEqual(other.status, "cancelled")

    def test_as_many_as_are_allowed_at_once(self) -> None:
        orders = [self.order, make_order(), make_order()]
        with mock.patch.object(admin, "MAX_MOVED_AT_ONCE", 2):
            response = self.act("mark_paid", *orders)
            self.assertEqual(self.messages(response), ["Choose at most 2 orders."])
            self.act("mark_paid", orders[0], select_across=1)
            self.assertFalse(Order.objects.filter(status="paid").exists())
            self.act("mark_paid", *orders[:2])
        self.assertEqual(Order.objects.filter(status="paid").count(), 2)


class FindingTest(OrderAdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.other = make_order(None, (make_product(sku="MUG-7"), 1))

    def found(self, **query: Any) -> list[Order]:
        return list(self.client.get(LIST, query).context["cl"].result_list)

    def test_the_newest_first(self) -> None:
        self.assertEqual(self.found(), [self.other, self.order])
        self.assertContains(self.client.get(LIST), "50.00 RUB")

    def test_by_number_address_and_sku(self) -> None:
        number = self.order.number
        for text in (number, f" {number} ", number.partition("-")[0], "Vera@Example.com", "tea-1", "TEA-1"):
            with self.subTest(text):
                self.assertEqual(self.found(q=text), [self.order])
        for text in (number[:3], "vera", "tea", "Green", "%", "_", "1-", "100%_\\", "a" * 3000):
            with self.subTest(text[:9]):
                self.assertEqual(self.found(q=text), [])

    def test_an_order_with_two_lines_of_what_is_sought_is_found_once(self) -> None:
        self.other.lines.create(sku="mug-7", name="Mug", unit_price=1, quantity=1, line_total=1)
        self.assertEqual(self.found(q="MUG-7"), [self.other])

    def test_by_status_and_date(self) -> None:
        self.become("paid")
        self.assertEqual(self.found(status__exact="paid"), [self.order])
        self.assertEqual(self.found(status__exact="placed", q="tea-1"), [])
        Order.objects.filter(pk=self.order.pk).update(placed_at=timezone.now() - timedelta(days=8))
        week = (timezone.now() - timedelta(days=7)).isoformat()
        self.assertEqual(self.found(placed_at__gte=week), [self.other])

    def test_the_same_queries_for_one_order_and_for_many(self) -> None:
        counts = []
        for query in ("", "?q=vera@example.com", "?status__exact=placed"):
            for _ in range(2):
                self.client.get(LIST + query)
                with CaptureQueriesContext(connection) as queries:
                    self.assertEqual(self.client.get(LIST + query).status_code, 200)
                counts.append(len(queries))
                for _ in range(10):
                    make_order(self.vera)
        # Session, user and status of the viewer, count, orders with their customers.
        self.assertEqual(counts, [5] * 6)

    def test_the_count_ends_where_nobody_leafs(self) -> None:
        for most, pages, cut in ((2, 1, False), (1, 1, True)):
            with self.subTest(most), mock.patch.object(BoundedPaginator, "most", most):
                response = self.client.get(LIST)
                self.assertEqual(response.context["cl"].result_count, most)
                self.assertEqual(response.context["cl"].paginator.num_pages, pages)
                self.assertEqual("Only the first" in response.content.decode(), cut)

    def test_addresses_made_up(self) -> None:
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
                self.assertIn(self.client.get(f"{LIST}?{query}", follow=True).status_code, {200, 400})
