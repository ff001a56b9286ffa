"""Tracking numbers: entered with the shipment, changed while shipped, mailed, and returned by both APIs."""

from typing import Any

import pytest
from django.db import IntegrityError

from backend.core.errors import Invalid, NotFound, TooLong
from backend.notifications.models import OutgoingEmail
from backend.orders.models import MAX_TRACKING_NUMBER_LENGTH, MAX_TRACKING_URL_LENGTH, Order
from backend.orders.services import WrongOrderStatus, change_order_status, change_tracking
from backend.orders.tasks import _render_email
from tests.orders.test_admin import LIST, OrderAdminCase, page_of
from tests.support.shopping import make_shoppers

URL = "https://tracking.example.com/AB-1?lang=en"


class TrackingCase(OrderAdminCase):
    def ship(self, number: str = "", url: str = "") -> Order:
        return change_order_status(
            order_id=self.order.pk,
            status="shipped",
            changed_by=self.boss.pk,
            tracking_number=number,
            tracking_url=url,
        )

    def change(self, number: str = "", url: str = "") -> Order:
        return change_tracking(order_id=self.order.pk, tracking_number=number, tracking_url=url)

    def stored(self) -> tuple[str, str]:
        order = Order.objects.get(pk=self.order.pk)
        return order.tracking_number, order.tracking_url


class TrackingServicesTest(TrackingCase):
    def test_shipment_stores_clean_tracking_number_and_url(self) -> None:
        self.bring_to_status("paid")
        order = self.ship("  AB\u200b 1\n2 ", f" {URL} ")
        assert (order.tracking_number, order.tracking_url) == ("AB 1 2", URL)
        assert self.stored() == ("AB 1 2", URL)

    def test_tracking_number_and_url_are_optional(self) -> None:
        self.bring_to_status("paid")
        self.ship()
        assert self.stored() == ("", "")

    def test_delivery_keeps_the_tracking_number(self) -> None:
        self.bring_to_status("paid")
        self.ship("AB-1", URL)
        change_order_status(order_id=self.order.pk, status="delivered", changed_by=self.boss.pk)
        assert self.stored() == ("AB-1", URL)

    def test_lengths_are_limited(self) -> None:
        self.bring_to_status("paid")
        start = "https://example.com/"
        longest_url = start + "x" * (MAX_TRACKING_URL_LENGTH - len(start))
        with pytest.raises(TooLong, match=str(MAX_TRACKING_NUMBER_LENGTH)):
            self.ship("x" * (MAX_TRACKING_NUMBER_LENGTH + 1))
        with pytest.raises(TooLong, match=str(MAX_TRACKING_URL_LENGTH)):
            self.ship("", f"{longest_url}x")
        assert Order.objects.get(pk=self.order.pk).status == "paid"
        self.ship("x" * MAX_TRACKING_NUMBER_LENGTH, longest_url)
        assert self.stored() == ("x" * MAX_TRACKING_NUMBER_LENGTH, longest_url)

    def test_urls_other_than_https_are_refused(self) -> None:
        self.bring_to_status("paid")
        for url in (
            "http://example.com/",
            "javascript:alert(1)",
            "HTTPS://example.com",
            "https://",
            "//example.com",
            "https://exa mple.com",
            "AB-1",
        ):
            with self.subTest(url), pytest.raises(Invalid, match="https://"):
                self.ship("AB-1", url)
        assert self.stored() == ("", "")

    def test_constraint_refuses_urls_other_than_https(self) -> None:
        with pytest.raises(IntegrityError, match="order_tracking_url_is_https"):
            Order.objects.filter(pk=self.order.pk).update(tracking_url="http://example.com/")

    def test_only_a_shipment_gets_a_tracking_number(self) -> None:
        for status in ("paid", "cancelled"):
            with pytest.raises(Invalid, match=f"becomes {status} cannot get a tracking number"):
                change_order_status(
                    order_id=self.order.pk,
                    status=status,
                    changed_by=self.boss.pk,
                    tracking_number="AB-1",
                )
        assert Order.objects.get(pk=self.order.pk).status == "placed"

    def test_tracking_number_changes_only_while_the_order_is_shipped(self) -> None:
        for status in Order.Status:
            self.order = self.make_order()
            self.bring_to_status(status)
            with self.subTest(status):
                if status == Order.Status.SHIPPED:
                    self.change("AB-2", URL)
                    assert self.stored() == ("AB-2", URL)
                    self.change()
                    assert self.stored() == ("", "")
                else:
                    with pytest.raises(WrongOrderStatus, match=f"not one that is {status}"):
                        self.change("AB-2", URL)
                    assert self.stored() == ("", "")

    def test_tracking_number_of_an_unknown_order_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            change_tracking(order_id=0, tracking_number="AB-1", tracking_url="")


class TrackingMailTest(TrackingCase):
    def render(self) -> str:
        email = OutgoingEmail.objects.get(context__status="shipped")
        content = _render_email(email, "order-shipped")
        assert content is not None
        return content.text

    def test_mail_contains_the_tracking_number_of_the_shipment(self) -> None:
        for language in ("en", "ru"):
            self.vera.language = language
            self.vera.save()
            self.order = self.make_order()
            self.bring_to_status("paid")
            self.ship("AB & 1", URL)
            before = self.render()
            # A retry after the change sends the same mail.
            self.change("AB-2", "")
            with self.subTest(language):
                assert self.render() == before
                assert "AB & 1\n" in before
                assert URL in before
            OutgoingEmail.objects.all().delete()

    def test_mail_without_a_tracking_number_has_no_empty_lines_for_it(self) -> None:
        self.bring_to_status("paid")
        self.ship()
        assert self.render().count("\n") == 1

    def test_change_sends_no_mail(self) -> None:
        self.bring_to_status("shipped")
        self.change("AB-2", URL)
        assert not OutgoingEmail.objects.exists()


class TrackingApiTest(TrackingCase):
    def test_both_apis_return_the_tracking_number(self) -> None:
        self.bring_to_status("paid")
        shoppers = make_shoppers(self.vera)

        def read() -> list[tuple[Any, Any]]:
            orders = [shopper.read(self.order.number).data for shopper in shoppers]
            return [(order["tracking_number"], order["tracking_url"]) for order in orders]

        assert read() == [("", "")] * 2
        self.ship("AB-1", URL)
        assert read() == [("AB-1", URL)] * 2


class TrackingAdminTest(TrackingCase):
    def test_shipment_is_entered_with_its_tracking_number(self) -> None:
        self.bring_to_status("paid")
        assert {"tracking_number", "tracking_url"} <= self.form(page_of(self.order), "order_form").keys()
        response = self.client.post(
            f"{LIST}{self.order.pk}/status/",
            {"status": "shipped", "tracking_number": "AB-1", "tracking_url": URL},
        )
        self.assertRedirects(response, page_of(self.order))
        assert self.stored() == ("AB-1", URL)

    def test_other_buttons_ignore_the_tracking_fields(self) -> None:
        self.bring_to_status("paid")
        fields = {"status": "cancelled", "tracking_number": "AB-1", "tracking_url": URL}
        self.client.post(f"{LIST}{self.order.pk}/status/", fields)
        assert Order.objects.get(pk=self.order.pk).status == "cancelled"
        assert self.stored() == ("", "")

    def test_shipped_order_shows_and_changes_its_tracking_number(self) -> None:
        self.bring_to_status("paid")
        self.ship('AB"<1>', URL)
        form = self.form(page_of(self.order), "tracking-form")
        assert (form["tracking_number"], form["tracking_url"]) == ('AB"<1>', URL)
        self.assertContains(self.client.get(page_of(self.order)), "AB&quot;&lt;1&gt;<br>https://tracking")
        response = self.change_in_admin(tracking_number="AB-2", tracking_url="")
        assert self.messages(response) == [
            "The tracking number has been changed. The customer will not be notified."
        ]
        assert self.stored() == ("AB-2", "")

    def test_errors_are_shown_and_change_nothing(self) -> None:
        self.bring_to_status("shipped")
        before = self.state()
        response = self.change_in_admin(tracking_number="AB-2", tracking_url="ftp://example.com")
        assert self.messages(response) == [
            "The tracking URL must be empty or begin with https://, such as "
            "https://tracking.example.com/AB123."
        ]
        assert self.state() == before

    def test_form_is_shown_only_to_staff_who_may_change_a_shipped_order(self) -> None:
        for status in ("placed", "paid", "delivered"):
            self.order = self.make_order()
            self.bring_to_status(status)
            self.assertNotContains(self.client.get(page_of(self.order)), "tracking-form")
        self.order = self.make_order()
        self.bring_to_status("shipped")
        self.assertContains(self.client.get(page_of(self.order)), "tracking-form")
        self.log_in_as_clerk("view_order")
        before = self.state()
        self.assertNotContains(self.client.get(page_of(self.order)), "tracking-form")
        assert self.change_in_admin(tracking_number="AB-2").status_code == 403
        assert self.client.get(f"{LIST}{self.order.pk}/tracking/").status_code == 405
        assert self.state() == before

    def change_in_admin(self, **fields: str) -> Any:
        return self.client.post(f"{LIST}{self.order.pk}/tracking/", fields)
