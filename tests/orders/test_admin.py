"""The admin page of an order: its parts, links and status changes."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.accounts.models import User
from backend.catalog.models import Product
from backend.notifications.models import OutgoingEmail
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
                    assert self.messages(response) == [
                        f"The order is already {status}."
                        if wanted == status
                        else f"An order that is {status} cannot become {wanted}."
                    ]
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


class GuestTest(OrderAdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.guest_order = make_guest_order((self.tea, 1))
        OutgoingEmail.objects.all().delete()

    def erase(self, *orders: Order) -> list[str]:
        return self.messages(self.run_action("erase_guests", *orders, confirmed="yes"))

    def test_page_shows_the_guest(self) -> None:
        page = self.client.get(page_of(self.guest_order)).content.decode()
        for text in (GUEST_EMAIL, "Vera Inber", "(guest)"):
            assert text in page
        assert str(self.guest_order.token) not in page
        assert str(self.guest_order.token_digest) not in page

    def test_history_tells_guests_from_deleted_accounts(self) -> None:
        self.erase(self.guest_order)
        self.assertContains(self.client.get(page_of(self.guest_order)), "(guest)")
        user = self.order.user
        assert user is not None
        user.delete()
        page = self.client.get(page_of(self.order))
        self.assertContains(page, "(account deleted)")
        self.assertNotContains(page, "(guest)")

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


class LinkTest(OrderAdminCase):
    def test_customer_and_mails_are_linked_for_users_who_may_view_them(self) -> None:
        account = f'href="/admin/accounts/user/{self.vera.pk}/change/"'
        mails = f'href="/admin/notifications/outgoingemail/?order={self.order.pk}"'
        for permissions, linked in (
            (["view_order"], []),
            (["view_order", "view_user"], [account]),
            (["view_order", "view_outgoingemail"], [mails]),
        ):
            with self.subTest(permissions):
                User.objects.filter(email="clerk@shop.example").delete()
                self.log_in_as_clerk(*permissions)
                page = self.client.get(page_of(self.order)).content.decode()
                assert [link for link in (account, mails) if link in page] == linked
                assert (account in self.client.get(LIST).content.decode()) == (account in linked)

    def test_mails_about_an_order_are_listed(self) -> None:
        other = self.make_order()
        guest_order = make_guest_order((self.tea, 1))
        OutgoingEmail.objects.all().delete()
        for order in (self.order, other, guest_order):
            change_order_status(order_id=order.pk, status="paid", changed_by=self.boss.pk)
        for order in (self.order, other, guest_order):
            page = self.client.get("/admin/notifications/outgoingemail/", {"order": order.pk})
            (email,) = page.context["cl"].result_list
            assert email.context["order_id"] == order.pk
            self.assertContains(page, f"Order with id {order.pk}")
        for unknown in ("0", "x", "9" * 30):
            page = self.client.get("/admin/notifications/outgoingemail/", {"order": unknown})
            assert not page.context["cl"].result_list
        assert "By order" not in self.client.get("/admin/notifications/outgoingemail/").content.decode()

    def test_page_has_one_prominent_next_step(self) -> None:
        for status, label in (
            ("placed", "Mark as paid"),
            ("paid", "Mark as shipped"),
            ("shipped", "Mark as delivered"),
            ("delivered", None),
            ("cancelled", None),
        ):
            self.order = self.make_order()
            with self.subTest(status):
                self.bring_to_status(status)
                page = self.client.get(page_of(self.order)).content.decode()
                assert page.count('class="button default"') == (1 if label else 0)
                assert label is None or f"{label}</button>" in page
                assert f">{status.capitalize()}</span>" in page
