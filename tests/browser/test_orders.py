"""The order admin in a browser: status changes and their errors."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from backend.accounts.models import User
from backend.catalog.models import Product
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order
from tests.browser.conftest import OpenPage
from tests.browser.test_admin import PASSWORD, log_in
from tests.catalog.factories import make_product
from tests.orders.factories import FULL_DELIVERY, make_order
from tests.support.people import make_user


@pytest.fixture
def orders(transactional_db: None) -> list[Order]:
    User.objects.create_superuser(email="boss@shop.example", password=PASSWORD)
    vera = make_user("vera@example.com", language="ru")
    tea = make_product(name="Сенча, первый сбор", sku="TEA-1", price=Decimal("1250.00"), stock=10)
    mug = make_product(name="Enamel mug “Camp”", sku="MUG-7", price=Decimal("450.00"), stock=10)
    return [make_order(vera, (tea, 2), (mug, 1), delivery=FULL_DELIVERY), make_order(make_user(), (mug, 3))]


def open_order(page: Page, order: Order) -> None:
    log_in(page)
    page.goto("/admin/orders/order/")
    page.get_by_role("link", name=order.number).click()
    expect(page.locator("#lines tbody tr")).to_have_count(2)


def test_buttons_change_the_status(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], orders: list[Order]
) -> None:
    order = orders[0]
    with open_page("/admin/") as page:
        open_order(page, order)
        expect(page.locator("#lines tfoot")).to_contain_text("2950.00 RUB")
        screenshot(page, "admin-order")
        page.get_by_role("button", name="Mark as paid").click()
        expect(page.locator(".messagelist")).to_have_text(
            "The order is now paid. The customer will be notified by mail."
        )
        rows = page.locator("#history li")
        expect(rows).to_have_count(2)
        expect(rows.last).to_contain_text("boss@shop.example")
        expect(page.get_by_role("button", name="Mark as paid")).to_have_count(0)
        page.get_by_text("Cancel…").click()
        screenshot(page, "admin-order-cancel")
        page.get_by_role("button", name="Cancel the order").click()
        expect(page.locator(".messagelist")).to_contain_text("The order is now cancelled.")
        expect(page.get_by_text("Cancel…")).to_have_count(0)
        screenshot(page, "admin-order-cancelled")
    assert Product.objects.get(sku="TEA-1").stock == 10
    mails = OutgoingEmail.objects.filter(task="orders.send_status", recipient="vera@example.com")
    assert list(mails.order_by("pk").values_list("context__status", flat=True)) == ["paid", "cancelled"]


def test_forbidden_transition_shows_an_error(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], orders: list[Order]
) -> None:
    order = orders[0]
    with open_page("/admin/") as page:
        open_order(page, order)
        # Another staff user cancels the order.
        page.evaluate(
            """async () => {
                const form = new FormData(document.querySelector("#order_form"));
                form.set("status", "cancelled");
                await fetch("../status/", { method: "POST", body: form, redirect: "manual" });
            }"""
        )
        page.get_by_role("button", name="Mark as paid").click()
        expect(page.locator(".messagelist li.error")).to_have_text(
            "An order that is cancelled cannot become paid."
        )
        screenshot(page, "admin-order-refused")
    assert Order.objects.get(pk=order.pk).status == "cancelled"


def test_actions_change_several_orders(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], orders: list[Order]
) -> None:
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/orders/order/")
        for action, messages in (
            ("Mark as paid", ["2 of the selected orders changed to paid."]),
            (
                "Mark as paid",
                [f"{order.number}: The order is already paid." for order in orders],
            ),
        ):
            page.locator("#action-toggle").check()
            page.get_by_label("Action:").select_option(label=action)
            page.get_by_role("button", name="Go").click()
            expect(page.locator(".messagelist li")).to_have_text(messages)
            screenshot(page, f"admin-orders-{len(messages)}")
        page.locator("#changelist-search input[type=text]").fill("tea-1")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("#result_list tbody tr")).to_have_count(1)
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}


def test_forms_change_lines_tracking_and_notes(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], orders: list[Order]
) -> None:
    order = orders[0]
    with open_page("/admin/") as page:
        open_order(page, order)
        page.get_by_text("Cancel units…").click()
        page.get_by_label("Units of TEA-1 to cancel").fill("1")
        screenshot(page, "admin-order-cancel-units")
        page.get_by_role("button", name="Cancel these units").click()
        expect(page.locator(".messagelist")).to_contain_text("The total of the order is now 1700.00 RUB.")
        expect(page.locator("#history")).to_contain_text("1 × TEA-1 cancelled")
        page.get_by_role("button", name="Mark as paid").click()
        page.get_by_role("textbox", name="Tracking number").fill("AB-1")
        # Enter presses the first button of the form, which must not be a cancellation.
        page.get_by_label("Tracking URL").fill("https://tracking.example.com/AB-1")
        page.get_by_label("Tracking URL").press("Enter")
        expect(page.locator(".messagelist")).to_contain_text("The order is now shipped.")
        page.get_by_role("textbox", name="Tracking number").fill("AB-2")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".messagelist")).to_contain_text("The tracking number has been changed.")
        page.get_by_label("New note, for staff only.").fill("Called.\nShe is not at home.")
        page.get_by_role("button", name="Add note").click()
        expect(page.locator("#notes")).to_contain_text("boss@shop.example")
        screenshot(page, "admin-order-notes")
    order.refresh_from_db()
    assert (order.status, order.tracking_number, order.total) == ("shipped", "AB-2", Decimal("1700.00"))
    assert order.notes.get().text == "Called.\nShe is not at home."


def test_export_button_downloads_the_filtered_orders(open_page: OpenPage, orders: list[Order]) -> None:
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/orders/order/?q=tea-1")
        with page.expect_download() as download:
            page.get_by_role("link", name="Export CSV").click()
        assert download.value.suggested_filename == "orders.csv"
        text = download.value.path().read_text()
        assert orders[0].number in text
        assert orders[1].number not in text
