"""The admin in Russian and English: every visible text is in the language of the user's account."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from babel.messages.pofile import read_po
from django.conf import settings as configured
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from backend.accounts.models import User
from backend.carts.models import RecommendationList
from backend.catalog.empty_searches import count_empty_search
from backend.catalog.models import Product
from backend.notifications.models import OutgoingEmail
from backend.orders.delivery import Address, ContactInput, Delivery
from backend.orders.models import Order, OrderLine, Payment
from backend.orders.services import add_order_note, cancel_order_lines, change_order_status
from backend.recommendations.models import ClickCount, RelatedProduct
from tests.accounts.cases import clear_redis
from tests.browser.conftest import OpenPage
from tests.browser.test_admin import PASSWORD
from tests.browser.test_admin_layout import DESKTOP, FIND_PROBLEMS, PHONE
from tests.carts.factories import make_promo_code
from tests.catalog.factories import make_brand, make_category, make_product
from tests.orders.factories import make_order
from tests.support.people import make_user

SHOTS = {"": "index", "catalog/product/": "products", "orders/order/{}/change/": "order"}
# Names, formats and data of the shop, which have no Russian form.
UNTRANSLATED = re.compile(
    r"[\w.+-]+@[\w.-]+|\d+-[0-9a-f]{8}|https?://\S*|\b(?:Lavka|SEO|CSV|XLSX|TSV|YML|XML|RSS|Atom|ZIP|JPEG|PNG|WebP|GIF|gzip|JSON"
    r"|RUB|USD|Redis|Google|Merchant|Center|Id|id|slug|SHA|HMAC|ISO|alpha|stripe|payment-\d+|SKU-\d+|VESNA|UTC"
    r"|orders\.\w+|accounts\.\w+|wishlists\.\w+|English|order_id|null|manage\.py|import_products|FEED)\b"
)
# Slugs, permissions and variables of mails, and texts of Django and gqlauth that have no translation.
DATA = re.compile(
    r"\| Can \w+ |^(?:Search|True|False|manual|chai|vesna|verified)$|“Control“"
    r'|User status|category relationship|\((?:queued|failed)\)|^\{"'
)
READ_TEXTS = """() => {
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (!node.parentElement.closest("script, style, textarea, code")) texts.push(node.textContent);
    }
    for (const element of document.querySelectorAll("body *")) {
        for (const name of ["aria-label", "placeholder", "title", "alt"]) {
            texts.push(element.getAttribute(name));
        }
        if (element.matches("input[type=submit], input[type=button]")) texts.push(element.value);
    }
    return [document.title, ...texts].map(text => text?.trim().replace(/\\s+/g, " ")).filter(Boolean);
}"""


@pytest.fixture
def order(transactional_db: None, settings: Settings) -> Order:
    """Create a shop whose data is in Russian, with an order in which everything has happened."""
    clear_redis()
    settings.MEDIA_URL = "/media/"
    settings.STOREFRONT_URL = "http://shop.test"
    boss = User.objects.create_superuser(email="boss@shop.example", password=PASSWORD)
    tea, brand = make_category("Чай"), make_brand("Весна")
    products = [
        make_product(
            f"Чай зелёный № {number}",
            tea,
            {"Вес (г)": "100"},
            brand=brand,
            price=Decimal(350 + number),
            compare_at_price=Decimal(500),
            stock=40,
            popularity=12,
        )
        for number in range(4)
    ]
    RelatedProduct.objects.create(product=products[0], related=products[1])
    make_promo_code("VESNA", tea, percent=10, ends_at=timezone.now() + timedelta(days=3))
    vera = make_user("vera@shop.example", name="Вера Инбер", language="ru")
    delivery = Delivery(
        contact=ContactInput(name="Вера Инбер", phone="+7 921 555-01-02"),
        address=Address(line1="Невский, 1", line2="", city="Петербург", postal_code="191186", country="RU"),
        comment="Позвоните",
    )
    order = make_order(vera, (products[0], 3), (products[1], 1), delivery=delivery)
    waiting = make_order(vera, (products[2], 1))
    line = order.lines.order_by("pk")[0]
    cancel_order_lines(
        order_id=order.pk, quantities={line.pk: 1}, expected_total=order.total, changed_by=boss.pk
    )
    change_order_status(order_id=order.pk, status=Order.Status.PAID, changed_by=boss.pk)
    change_order_status(order_id=waiting.pk, status=Order.Status.PAID, changed_by=boss.pk)
    make_order(vera, (products[3], 1))
    Payment.objects.create(
        order=order,
        provider="stripe",
        reference="payment-1",
        amount=1,
        currency="RUB",
        status=Payment.Status.WRONG_AMOUNT,
    )
    add_order_note(order_id=order.pk, text="Упаковать в подарок", author=boss.pk)
    OrderLine.objects.update(recommended_by=RecommendationList.SIMILAR)
    ClickCount.objects.create(day=timezone.localdate(), recommended_by=RecommendationList.PERSONAL, clicks=7)
    OutgoingEmail.objects.filter(pk=OutgoingEmail.objects.latest("pk").pk).update(status="failed")
    Group.objects.create(name="Склад")
    Product.objects.filter(pk=products[3].pk).update(stock=2)
    count_empty_search("набор для матча")
    return order


def list_paths(order: Order) -> list[str]:
    """Return the paths of all pages of the admin, below /admin/."""
    paths = ["", "catalog/product/feed/import/"]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        stored = order if model is Order else model.objects.order_by("pk").last()
        paths += [reverse(f"{name}_changelist"), reverse(f"{name}_change", args=[stored.pk])]
        if model not in (Order, OutgoingEmail):
            paths += [reverse(f"{name}_add"), reverse(f"{name}_delete", args=[stored.pk])]
    return [path.removeprefix("/admin/") for path in paths]


def log_in(page: Page) -> None:
    page.locator("#id_username").fill("boss@shop.example")
    page.locator("#id_password").fill(PASSWORD)
    page.locator("[type=submit]").click()
    expect(page.locator("#user-tools")).to_contain_text("boss@shop.example")


def find_english(texts: list[str]) -> list[str]:
    """Return the texts with a Latin word that is no name, format or data."""
    return [
        text
        for text in texts
        if not DATA.search(text) and re.search(r"[A-Za-z]{2,}", UNTRANSLATED.sub("", text))
    ]


def list_translated() -> set[str]:
    """Return the English texts of the catalogue whose translation differs."""
    with (configured.LOCALE_PATHS[0] / "ru" / "LC_MESSAGES" / "django.po").open("rb") as file:
        catalogue = read_po(file, locale="ru")
    texts = {text for message in catalogue for text in [message.id, message.string] if isinstance(text, str)}
    return {
        name
        for message in catalogue
        if isinstance(message.id, str) and message.id != message.string
        for name in (message.id, message.id[:1].upper() + message.id[1:], f"{message.id}:")
        if name and re.search(r"[A-Za-z]{2,}", name) and "%(" not in name and message.id in texts
    }


def test_admin_is_in_russian_without_english_texts(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], order: Order
) -> None:
    User.objects.filter(email="boss@shop.example").update(language="ru")
    paths, translated = list_paths(order), list_translated()
    english, problems = {}, {}
    with open_page("/admin/login/") as page:
        page.set_extra_http_headers({"Accept-Language": "ru"})
        page.goto("/admin/login/")
        assert find_english(page.evaluate(READ_TEXTS)) == []
        # The account's language precedes that of the browser.
        page.set_extra_http_headers({"Accept-Language": "en"})
        log_in(page)
        for device, size in (("1280", DESKTOP), ("390", PHONE)):
            page.set_viewport_size(size)
            for path in paths:
                response = page.goto(f"/admin/{path}")
                assert response is not None
                assert (response.status, response.headers["content-language"]) == (200, "ru")
                page.wait_for_load_state("networkidle")
                texts = page.evaluate(READ_TEXTS)
                if found := find_english(texts) + [
                    text for text in texts if text in translated and not DATA.search(text)
                ]:
                    english[path] = found
                if found := page.evaluate(FIND_PROBLEMS):
                    problems[f"{device} {path}"] = found
                for pattern, name in SHOTS.items():
                    if path == pattern.format(order.pk):
                        screenshot(page, f"ru-{name}-{device}")
    assert not english, "\n".join(f"{path}: {sorted(set(found))}" for path, found in english.items())
    assert not problems


def test_admin_is_in_english_for_an_english_account(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], order: Order
) -> None:
    User.objects.filter(email="boss@shop.example").update(language="en")
    texts = {
        "": ["Revenue by day", "Best sellers in 30 days", "Waiting for payment"],
        "catalog/product/": ["Compare-at price", "Export TSV", "By category"],
        f"orders/order/{order.pk}/change/": ["Mark as shipped", "Internal notes", "Cancel units…"],
    }
    with open_page("/admin/login/") as page:
        page.set_extra_http_headers({"Accept-Language": "ru"})
        log_in(page)
        for path, expected in texts.items():
            response = page.goto(f"/admin/{path}")
            assert response is not None
            assert response.headers["content-language"] == "en"
            found = page.evaluate(READ_TEXTS)
            for text in expected:
                assert any(text.lower() == each.lower() for each in found), (path, text)
            for pattern, name in SHOTS.items():
                if path == pattern.format(order.pk):
                    screenshot(page, f"en-{name}-1280")


def test_product_is_edited_in_russian(open_page: OpenPage, order: Order) -> None:
    """Decimal commas in the texts of a page do not reach the values of its form."""
    User.objects.filter(email="boss@shop.example").update(language="ru")
    product = Product.objects.latest("pk")
    with open_page("/admin/login/") as page:
        log_in(page)
        page.goto(f"/admin/catalog/product/{product.pk}/change/")
        page.locator("#id_price").fill("321.50")
        page.get_by_role("button", name="Сохранить", exact=True).first.click()
        expect(page.locator(".messagelist .success")).to_be_visible()
    product.refresh_from_db()
    assert product.price == Decimal("321.50")
