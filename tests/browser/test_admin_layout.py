"""Every page of the admin fits a desktop and a phone, and logs no error."""

import os
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import cycle
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import Settings

from backend.accounts.models import User
from backend.catalog.empty_searches import count_empty_search
from backend.catalog.models import Product
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, Payment
from backend.orders.services import add_order_note, cancel_order_lines, change_order_status
from backend.recommendations.models import RelatedProduct
from tests.browser.conftest import OpenPage
from tests.browser.test_admin import PASSWORD, log_in
from tests.carts.factories import make_promo_code
from tests.catalog.factories import make_brand, make_product
from tests.catalog.trees import make_tree
from tests.orders.factories import FULL_DELIVERY, make_guest_order, make_order
from tests.support.people import make_user

IMPORT = "/admin/catalog/product/feed/import/"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

# One word that cannot be broken at a space, and a sentence of the maximum length.
WORD = "Ultraviolettdesinfektionsgerätehalterungsschraube"
SENTENCE = "Enamel mug for expeditions with a folding handle, a lid and a gift box " * 3
LONG_EMAIL = f"{'customer-with-a-long-address.' * 4}x@mail.example.com"

# Elements that stick out of a page that scrolls sideways, parts of a page that are too narrow to read, and
# cells that are narrower than their words, unless these are longer than 20 letters.
FIND_PROBLEMS = """() => {
    const width = window.innerWidth;
    const isClipped = element => {
        for (let parent = element.parentElement; parent; parent = parent.parentElement) {
            if (getComputedStyle(parent).overflowX !== "visible") return true;
        }
        return false;
    };
    const problems = [];
    if (document.scrollingElement.scrollWidth > width) {
        const wide = [...document.querySelectorAll("body *")].filter(
            element => element.getBoundingClientRect().right > width + 0.5 && !isClipped(element));
        problems.push("too wide", ...wide.slice(0, 5).map(element => element.outerHTML.slice(0, 120)));
    }
    const parts = [["#content", 0.75], ["#changelist .results", 0.5], ["#content form", 0.5]];
    for (const [selector, share] of document.querySelector("body.login") ? [] : parts) {
        const element = document.querySelector(selector);
        if (element?.offsetParent && element.offsetWidth < share * width) {
            problems.push(`${selector} has ${element.offsetWidth} pixels`);
        }
    }
    const range = document.createRange();
    for (const cell of document.querySelectorAll("#content :is(td, th)")) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        for (let text = texts.nextNode(); text; text = texts.nextNode()) {
            for (const { 0: word, index } of text.data.matchAll(/(?<!\\S)\\p{L}{2,20}(?!\\S)/gu)) {
                range.setStart(text, index);
                range.setEnd(text, index + word.length);
                const lines = new Set([...range.getClientRects()].map(line => Math.round(line.top)));
                if (lines.size > 1) problems.push(`“${word}” is broken at ${cell.offsetWidth} pixels`);
            }
        }
    }
    return problems;
}"""
NARROW_LABELS = """() => {
    for (const { style } of document.querySelectorAll("td.label")) {
        Object.assign(style, { display: "block", width: "20px", overflowWrap: "anywhere" });
    }
}"""
FEED = "id\ttitle\tprice\tavailability\nNEW-1\t{title}\t10.00 RUB\tin stock\n{sku}\tMug\tten\tin stock\n"


@pytest.fixture
def pages(transactional_db: None, settings: Settings) -> list[str]:
    """Fill the shop with long texts, and return the paths of all pages of the admin."""
    settings.MEDIA_URL = "/media/"
    boss = User.objects.create_superuser(email="boss@shop.example", password=PASSWORD)
    tree = make_tree(
        {"Kitchen": {"Tableware and everything for the table": {WORD: {SENTENCE[:200].strip(): {}}}}}
    )
    categories = cycle(tree.values())
    brand = make_brand(f"{WORD} & Sons")
    characteristics = {f"Property {number} {WORD} (millimetres)": SENTENCE[:100] for number in range(3)}
    products = [
        make_product(
            f"{SENTENCE[:240]}{number}" if number % 3 else f"{WORD}{WORD}",
            next(categories),
            characteristics,
            sku=f"LONG-{'SKU-' * 12}{number:03}",
            price=Decimal("1234567890.99"),
            compare_at_price=Decimal("1999999999.99"),
            stock=1_000_000 + number,
            brand=brand,
            description=SENTENCE * 20,
        )
        for number in range(55)
    ]
    RelatedProduct.objects.create(product=products[-1], related=products[0])
    vera = make_user(LONG_EMAIL, name=f"{WORD} {WORD}")
    orders = [
        make_order(vera, (products[-1], 2), (products[-2], 30), (products[-3], 1), delivery=FULL_DELIVERY),
        make_order(vera, (products[-2], 3)),
        make_guest_order((products[1], 1)),
    ]
    Payment.objects.create(
        order=orders[0], provider="stripe-compatible", reference="pi_" + "3" * 90, amount=1, currency="RUB",
        status=Payment.Status.WRONG_AMOUNT,
    )  # fmt: skip
    line = orders[0].lines.order_by("pk")[1]
    cancelled = cancel_order_lines(
        order_id=orders[0].pk, quantities={line.pk: 4}, expected_total=orders[0].total, changed_by=boss.pk
    )
    assert cancelled.status == Order.Status.PLACED
    add_order_note(order_id=orders[0].pk, text=f"{WORD}{WORD}{WORD} {SENTENCE}", author=boss.pk)
    change_order_status(order_id=orders[1].pk, status=Order.Status.PAID, changed_by=boss.pk)
    Group.objects.create(name=SENTENCE[:150])
    # For the panels of the dashboard.
    Product.objects.filter(pk__in=[product.pk for product in products[:9]]).update(
        popularity=1_000_000, stock=3
    )
    count_empty_search((WORD * 2)[:60].lower())
    make_promo_code(f"{'SUMMER-' * 4}2026", *tree.values(), percent=10)
    email = OutgoingEmail.objects.first()
    assert email is not None
    OutgoingEmail.objects.filter(pk=email.pk).update(status="failed", attempts=8, last_error="Timeout " * 60)
    objects: dict[Any, Any] = {Order: orders[0], OutgoingEmail: email, Product: products[-1], User: vera}
    paths = ["/admin/password_change/", IMPORT]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        stored = objects.get(model) or model.objects.order_by("pk").last()
        paths += [reverse(f"{name}_changelist"), reverse(f"{name}_history", args=[stored.pk])]
        paths += [reverse(f"{name}_change", args=[stored.pk])]
        if model not in (Order, OutgoingEmail):
            paths += [reverse(f"{name}_add"), reverse(f"{name}_delete", args=[stored.pk])]
    return ["/admin/", *dict.fromkeys(paths)]


def test_every_page_fits_a_desktop_and_a_phone(
    open_page: OpenPage, screenshot: Callable[[Page, str], None], pages: list[str]
) -> None:
    problems = {}

    def look_at(page: Page, name: str) -> None:
        page.wait_for_load_state("networkidle")
        if found := page.evaluate(FIND_PROBLEMS):
            problems[name] = found
        if "SCREENSHOTS" in os.environ:
            screenshot(page, name.replace("/", "-"))

    with open_page("/admin/login/") as page:
        for device, size in (("desktop", DESKTOP), ("phone", PHONE)):
            page.set_viewport_size(size)
            page.goto("/admin/login/")
            look_at(page, f"{device}/admin/login/")
            log_in(page)
            for path in pages:
                response = page.goto(path)
                assert response is not None
                assert response.status == 200, path
                look_at(page, f"{device}{path}")
            page.goto(IMPORT)
            feed = FEED.format(title=SENTENCE, sku=WORD).encode()
            page.get_by_label("Feed:").set_input_files(
                {"name": f"{WORD}.tsv", "mimeType": "text/plain", "buffer": feed}
            )
            page.get_by_role("button", name="Preview").click()
            expect(page.get_by_role("button", name="Import")).to_be_visible()
            look_at(page, f"{device}{IMPORT}preview")
            page.goto("/admin/catalog/product/")
            page.locator("#action-toggle").check()
            page.get_by_label("Action:").select_option("delete_selected")
            page.get_by_role("button", name="Go").click()
            expect(page.get_by_role("button", name="Yes, I’m sure")).to_be_visible()
            look_at(page, f"{device}/admin/catalog/product/delete-selected")
            page.goto("/admin/orders/order/")
            page.locator("#action-toggle").check()
            page.get_by_label("Action:").select_option("cancel")
            page.get_by_role("button", name="Go").click()
            expect(page.get_by_role("button", name="Cancel orders")).to_be_visible()
            look_at(page, f"{device}/admin/orders/order/cancel")
            page.get_by_role("button", name="Log out").click()
            look_at(page, f"{device}/admin/logout/")
    assert not problems


def test_wide_page_and_narrow_form_are_found(open_page: OpenPage, pages: list[str]) -> None:
    with open_page("/admin/") as page:
        log_in(page)
        page.set_viewport_size(PHONE)
        page.goto("/admin/catalog/brand/add/")
        assert page.evaluate(FIND_PROBLEMS) == []
        page.evaluate("document.querySelector('h1').style.minWidth = '500px'")
        assert page.evaluate(FIND_PROBLEMS)[0] == "too wide"
        page.evaluate("document.querySelector('h1').style.minWidth = ''")
        page.evaluate("document.querySelector('#content form').style.maxWidth = '100px'")
        assert page.evaluate(FIND_PROBLEMS) == ["#content form has 100 pixels"]
        page.goto("/admin/")
        assert page.evaluate(FIND_PROBLEMS) == []
        page.evaluate(NARROW_LABELS)
        assert re.fullmatch(r"“Similar” is broken at \d+ pixels", page.evaluate(FIND_PROBLEMS)[0])
