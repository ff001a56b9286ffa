"""The dashboard of the admin and the colours of statuses in a browser, in the light and the dark theme."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from backend.accounts.models import User
from backend.carts.models import RecommendationList
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, OrderLine, OrderStatusChange
from backend.recommendations.models import ClickCount
from tests.accounts.cases import clear_redis
from tests.browser.conftest import OpenPage
from tests.browser.test_admin import PASSWORD, log_in
from tests.browser.test_admin_layout import DESKTOP, PHONE
from tests.catalog.factories import make_empty_searches, make_product
from tests.orders.factories import FULL_DELIVERY, make_order
from tests.support.people import make_user

PRODUCTS = [
    ("Sencha, first flush, 100 g", 41, 3),
    ("Enamel mug “Camp”, 350 ml", 36, 120),
    ("Cast iron teapot “Arare”", 22, 0),
    ("Oolong Tie Guan Yin, 250 g", 17, 40),
    ("Bamboo whisk for matcha, 80 prongs", 12, 5),
    ("Gaiwan, white porcelain", 9, 14),
]
# Contrast of the text of each status to its background, by WCAG 2.
READ_CONTRASTS = """() => {
    const luminance = color => {
        const [r, g, b] = color.match(/[\\d.]+/g).map(value => {
            const share = value / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return [...document.querySelectorAll(".status")].map(element => {
        const style = getComputedStyle(element);
        const [low, high] = [luminance(style.color), luminance(style.backgroundColor)].sort((a, b) => a - b);
        return [element.textContent, (high + 0.05) / (low + 0.05)];
    });
}"""


@pytest.fixture
def shop(transactional_db: None) -> Order:
    """Create a shop with sales of 30 days, and return its newest order, which is paid."""
    clear_redis()
    boss = User.objects.create_superuser(email="boss@shop.example", password=PASSWORD)
    products = [
        make_product(name, popularity=sold, stock=stock + 2, price=Decimal(350 + 410 * number))
        for number, (name, sold, stock) in enumerate(PRODUCTS)
    ]
    vera = make_user("vera.inber@example.com", name="Vera Inber")
    lines = [(products[0], 2), (products[1], 2)]
    newest = make_order(vera, *lines, delivery=FULL_DELIVERY)
    OrderLine.objects.update(recommended_by=RecommendationList.SIMILAR)
    ClickCount.objects.create(
        day=timezone.localdate(), recommended_by=RecommendationList.SIMILAR, clicks=1234
    )
    for product, (_, _, stock) in zip(products, PRODUCTS, strict=True):
        product.stock = stock
        product.save(update_fields=["stock"])
    now = timezone.now()
    statuses = [Order.Status.DELIVERED] * 5 + [Order.Status.SHIPPED, Order.Status.CANCELLED]
    past = []
    for number in range(160):
        days = Decimal(number * 29) / 160
        status = statuses[number % 7]
        if days < 3:
            status = (Order.Status.PAID, Order.Status.PLACED)[number % 2]
        past.append(
            Order(
                user=vera,
                status=status,
                total=Decimal(1200 + (number * 7919) % 9000),
                currency="RUB",
                placed_at=now - timedelta(days=float(days), hours=(number * 5) % 9),
            )
        )
    Order.objects.bulk_create(past)
    Order.objects.filter(pk=newest.pk).update(status=Order.Status.PAID)
    OrderStatusChange.objects.create(order=newest, status=Order.Status.PAID, changed_by=boss)
    OutgoingEmail.objects.create(task="some", recipient="a@example.com", language="en", status="failed")
    for text, count in (("matcha set", 14), ("puer 2008", 9), ("teapot glass", 4), ("yixing", 2)):
        make_empty_searches(text, count)
    return newest


@pytest.mark.parametrize(("device", "size"), [("1280", DESKTOP), ("390", PHONE)])
def test_figures_lead_to_the_lists(
    open_page: OpenPage,
    screenshot: Callable[[Page, str], None],
    shop: Order,
    device: str,
    size: dict[str, int],
) -> None:
    with open_page("/admin/") as page:
        page.set_viewport_size(size)
        log_in(page)
        chart = page.get_by_role("img", name="Bar chart of the revenue by day, in RUB.")
        expect(chart).to_be_visible()
        assert chart.locator(".bar").count() == 30
        page.get_by_text("Show as a table").click()
        table = page.locator(".chart-table")
        expect(table.locator("tbody tr")).to_have_count(30)
        page.get_by_text("Show as a table").click()
        expect(page.get_by_role("region", name="Searches without results in 7 days")).to_contain_text(
            "matcha set"
        )
        screenshot(page, f"dashboard-{device}")
        recommendations = page.get_by_role("region", name="Recommendations in 30 days")
        recommendations.scroll_into_view_if_needed()
        expect(recommendations.get_by_role("row", name="Similar products")).to_have_text(
            re.compile(r"1,234\s+1\s+4")
        )
        screenshot(page, f"dashboard-recommendations-{device}")
        page.get_by_role("link", name="Failed mails").click()
        expect(page.locator("#result_list tbody tr")).to_have_count(1)
        page.goto("/admin/")
        page.get_by_role("link", name="To ship").click()
        expect(page.locator("#result_list .status").first).to_have_text("Paid")
        page.goto("/admin/orders/order/")
        screenshot(page, f"orders-{device}")
        page.goto(f"/admin/orders/order/{shop.pk}/change/")
        expect(page.get_by_role("button", name="Mark as shipped")).to_be_visible()
        screenshot(page, f"order-{device}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_statuses_have_enough_contrast(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], shop: Order, theme: str
) -> None:
    with open_page("/admin/") as page:
        page.set_viewport_size(DESKTOP)
        page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        log_in(page)
        low_stock = dict(page.evaluate(READ_CONTRASTS))
        screenshot(page, f"dashboard-{theme}")
        page.goto("/admin/orders/order/?all=")
        contrasts = dict(page.evaluate(READ_CONTRASTS))
        screenshot(page, f"orders-{theme}")
    assert contrasts.keys() == {"Placed", "Paid", "Shipped", "Delivered", "Cancelled"}
    assert low_stock.keys() == {"0", "3", "5"}
    assert min(*contrasts.values(), *low_stock.values()) >= 4.5


def test_cancellation_of_selected_orders_asks_for_confirmation(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], shop: Order
) -> None:
    with open_page("/admin/") as page:
        page.set_viewport_size(PHONE)
        log_in(page)
        page.goto("/admin/orders/order/")
        page.locator("#result_list .action-select").first.check()
        page.get_by_label("Action:").select_option(label="Cancel")
        page.get_by_role("button", name="Go").click()
        expect(page.get_by_text("The products return to stock")).to_be_visible()
        screenshot(page, "orders-confirmation")
        page.get_by_role("button", name="Cancel orders").click()
        expect(page.locator(".messagelist")).to_have_text("1 of the selected orders changed to cancelled.")
