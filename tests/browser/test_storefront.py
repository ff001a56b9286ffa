"""Journeys through the storefront of `make up`, with its sample catalogue, worker and mails.

With SHOP_URL, they run against another shop with the sample catalogue. SHOP_MAIL is the directory of its
mails, and SHOP_EXEC the beginning of a command that runs a program beside it.
"""

import email
import email.policy
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import browse
from tests.embedded.shop import MAX_SECONDS, Shop
from tests.support.worker import wait_until

PROJECT_DIR = Path(__file__).resolve().parents[2]
AXE = PROJECT_DIR / "examples/storefront/node_modules/axe-core/axe.min.js"
PASSWORD = "correct horse battery"
DELIVERY = {
    "Name": "Anna Petrova",
    "Phone": "+7 912 345-67-89",
    "Street and house": "Nevsky prospekt 28",
    "City": "Saint Petersburg",
    "Postal code": "191186",
}
MAKE_PROMO_CODE = """
from backend.carts.models import PromoCode
PromoCode.objects.create(code="SPRING", percent=10)
"""

TakeScreenshot = Callable[[Page, str], None]


@dataclass(frozen=True)
class Journey:
    """A running shop.

    Attributes:
        mail: the directory of its mails.
        run: runs Python with arguments in the environment of the shop.
    """

    origin: str
    mail: Path
    run: Callable[..., subprocess.CompletedProcess[str]]


def run_beside_shop(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*shlex.split(os.environ["SHOP_EXEC"]), "python", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=MAX_SECONDS, check=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    if url := os.environ.get("SHOP_URL"):
        yield Journey(url, Path(os.environ["SHOP_MAIL"]), run_beside_shop)
        return
    shop = Shop(tmp_path_factory.mktemp("shop") / "data")
    shop.start()
    shop.wait_for("The shop is ready")
    yield Journey(f"http://localhost:{shop.port}", shop.data_dir / "mail", partial(shop.run, sys.executable))
    shop.stop()


@pytest.fixture
def origin(shop: Journey) -> str:
    return shop.origin


def read_mail(shop: Journey, recipient: str, text: str) -> str:
    """Wait for a mail to a recipient that contains a text, and return its plain text."""

    def find() -> str | None:
        for file in shop.mail.glob("*.eml"):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            body = message.get_body(("plain",))
            content = f"{message['Subject']}\n{body.get_content() if body else ''}"
            if message["To"] == recipient and text in content:
                return content
        return None

    return str(wait_until(find, f"a mail to {recipient}"))


def fill(page: Page, values: dict[str, str]) -> None:
    for label, value in values.items():
        page.get_by_label(label, exact=True).fill(value)


def add_to_basket(page: Page, path: str) -> None:
    page.goto(path)
    page.locator(".purchase").get_by_role("button", name="Add to basket").click()
    expect(page.get_by_text("Added to the basket")).to_be_visible()


def basket_link(page: Page) -> Any:
    return page.get_by_role("banner").get_by_role("link", name=re.compile("^Basket"))


def test_guest_orders_a_product_found_by_search(
    shop: Journey, origin: str, screenshot: TakeScreenshot
) -> None:
    with browse(origin, "/") as page:
        search = page.get_by_role("combobox", name="Search for products")
        search.fill("hedphones")
        expect(page.get_by_role("option").first).to_contain_text("Headphones")
        screenshot(page, "storefront-suggestions")
        search.press("ArrowDown")
        search.press("Enter")
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_contain_text("Headphones")
        expect(heading).to_be_focused()
        name = heading.inner_text()
        page.locator(".purchase").get_by_role("button", name="Add to basket").click()
        expect(basket_link(page)).to_have_text("Basket1")
        screenshot(page, "storefront-product")
        basket_link(page).click()
        page.get_by_role("button", name=f"One more: {name}").click()
        expect(basket_link(page)).to_have_text("Basket2")
        page.get_by_label("Promo code").fill("WRONG")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_label("Promo code")).to_have_accessible_description(re.compile("does not exist"))
        screenshot(page, "storefront-basket")
        page.get_by_role("link", name="Go to checkout").click()
        order = page.get_by_role("button", name=re.compile("^Place the order"))
        order.click()
        expect(page.get_by_label("Phone")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("E-mail address")).to_be_focused()
        screenshot(page, "storefront-checkout-errors")
        fill(page, {"E-mail address": "guest@example.com", **DELIVERY})
        order.click()
        page.wait_for_url("**/order/*#token=*")
        expect(page.locator("main")).to_contain_text("Anna Petrova")
        expect(basket_link(page)).to_have_text("Basket")
        screenshot(page, "storefront-order")
        link = page.url
        # A link without the token, or with another one, shows nothing.
        for address in (link.partition("#")[0], f"{link[:-1]}{'a' if link[-1] != 'a' else 'b'}"):
            page.goto("/")
            page.goto(address)
            expect(page.locator("main")).to_contain_text("No order has this number")
        mail = read_mail(shop, "guest@example.com", "/order/")
        match = re.search(r"http://\S+/order/\S+", mail)
        assert match
        assert match[0] == link
        page.goto("/")
        page.goto(match[0])
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Cancel the order").click()
        expect(page.locator(".status")).to_have_text("Cancelled")
        expect(page.get_by_role("button", name="Cancel the order")).to_have_count(0)


def register(shop: Journey, page: Page, address: str) -> None:
    fill(page, {"E-mail address": address, "Password": PASSWORD})
    page.get_by_role("button", name="Create account").click()
    code = page.get_by_label("Code from the mail")
    code.fill("000000")
    page.get_by_role("button", name="Confirm").click()
    expect(code).to_have_attribute("aria-invalid", "true")
    match = re.search(r"\b\d{6}\b", read_mail(shop, address, "code"))
    assert match
    code.fill(match[0])
    page.get_by_role("button", name="Confirm").click()


def test_customer_registers_and_orders_with_a_promo_code(
    shop: Journey, origin: str, screenshot: TakeScreenshot
) -> None:
    done = shop.run("manage.py", "shell", "-v0", "-c", MAKE_PROMO_CODE)
    assert done.returncode == 0, done.stderr
    with browse(origin, "/login?next=/basket") as page:
        add_to_basket(page, "/p/minnowby-kids-headphones")
        page.get_by_role("button", name=re.compile("^Add to favourites")).first.click()
        expect(page.get_by_role("link", name="Favourites")).to_have_text("Favourites1")
        page.goto("/login?next=/basket")
        page.get_by_role("link", name="New here? Create an account.").click()
        register(shop, page, "anna@example.com")
        page.wait_for_url("**/basket")
        # The guest's basket and favourites are the account's now.
        expect(page.locator(".line")).to_have_count(1)
        expect(page.get_by_role("link", name="Favourites")).to_have_text("Favourites1")
        assert page.evaluate("localStorage.getItem('lavka.cart-token')") is None
        page.get_by_label("Promo code").fill("spring")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator(".promo-code")).to_contain_text("SPRING")
        expect(page.locator(".totals")).to_contain_text("−₽299")
        page.goto("/me/addresses")
        fill(page, DELIVERY)
        page.get_by_role("button", name="Save the address").click()
        expect(page.get_by_text("Default")).to_be_visible()
        screenshot(page, "storefront-addresses")
        # An access token that has expired is replaced without a login.
        session = "JSON.parse(localStorage.getItem('lavka.session'))"
        before = page.evaluate(session)
        page.evaluate(
            f"localStorage.setItem('lavka.session', JSON.stringify({{...{session}, expiresAt: 0}}))"
        )
        page.goto("/checkout")
        expect(page.get_by_role("radio", name=re.compile("Anna Petrova"))).to_be_checked()
        after = page.evaluate(session)
        assert after["refreshToken"] != before["refreshToken"]
        page.get_by_role("button", name="Place the order for ₽2,691").click()
        expect(page.get_by_text("Thank you!")).to_be_visible()
        expect(page.locator("main")).to_contain_text("Nevsky prospekt 28")
        page.goto("/me/orders")
        expect(page.locator(".orders li")).to_have_count(1)
        screenshot(page, "storefront-orders")
        page.get_by_role("link", name=re.compile("^Order ")).click()
        expect(page.locator(".status")).to_have_text("Placed")
        page.goto("/me")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(re.compile("/login"))
        expect(basket_link(page)).to_have_text("Basket")
        fill(page, {"E-mail address": "anna@example.com", "Password": "wrong"})
        page.get_by_role("main").get_by_role("button", name="Log in").click()
        expect(page.get_by_label("E-mail address")).to_be_focused()
        expect(page.locator(".field-error")).to_contain_text("is wrong")


def assert_fits(page: Page) -> None:
    width = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], page.url


def test_list_on_a_phone_survives_the_back_button(origin: str, screenshot: TakeScreenshot) -> None:
    with browse(origin, "/", width=390, height=844, locale="ru-RU") as page:
        screenshot(page, "storefront-phone-home")
        assert_fits(page)
        page.get_by_role("button", name="Каталог").click()
        dialog = page.get_by_role("dialog", name="Каталог")
        screenshot(page, "storefront-phone-menu")
        dialog.get_by_role("link", name="Headphones").click()
        expect(dialog).not_to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_text("Headphones")
        expect(page.get_by_role("navigation", name="Вы здесь")).to_contain_text("Audio")
        page.get_by_text("Фильтры").first.click()
        page.get_by_label("до", exact=True).fill("5 000")
        page.get_by_role("button", name="Применить").click()
        page.wait_for_url("**/c/headphones?to=5000")
        page.get_by_label(re.compile("^Bluetooth")).check()
        page.wait_for_url("**Bluetooth**")
        page.get_by_label("Сортировка").select_option("PRICE_DESC")
        tiles = page.locator(".tile")
        expect(tiles.first).to_contain_text("3 990 ₽")
        screenshot(page, "storefront-phone-list")
        assert_fits(page)

        page.goto("/search")
        expect(tiles).to_have_count(24)
        more = page.get_by_role("button", name="Показать ещё")
        more.scroll_into_view_if_needed()
        expect(tiles).to_have_count(48)
        product = tiles.nth(40).get_by_role("link")
        product.scroll_into_view_if_needed()
        position = page.evaluate("scrollY")
        product.click()
        page.wait_for_url("**/p/*")
        expect(page.locator(".purchase")).to_be_visible()
        assert page.evaluate("scrollY") == 0
        assert_fits(page)
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.go_back()
        expect(tiles.nth(40)).to_be_in_viewport()
        assert abs(page.evaluate("scrollY") - position) < 50
        assert not [url for url in requests if "ProductPage" in url]
        for path in ("/basket", "/checkout", "/login", "/register", "/reset", "/favourites", "/nowhere"):
            if path != "/nowhere":
                page.goto(path)
                expect(page.get_by_role("heading", level=1)).to_be_visible()
                assert_fits(page)


@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
def test_pages_are_accessible(origin: str, locale: str) -> None:
    with browse(origin, "/", locale=locale, width=1280) as page:
        page.goto("/p/minnowby-kids-headphones")
        page.locator(".purchase .button").click()
        expect(page.locator(".basket-link .count")).to_have_text("1")
        for path in (
            "/",
            "/c/electronics",
            "/p/minnowby-kids-headphones",
            "/basket",
            "/checkout",
            "/login",
            "/search?q=xyzzy",
        ):
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            page.wait_for_load_state("networkidle")
            page.evaluate(AXE.read_text())
            found = page.evaluate("axe.run({resultTypes: ['violations']})")
            serious = [
                (violation["id"], [node["html"] for node in violation["nodes"][:3]])
                for violation in found["violations"]
                if violation["impact"] in ("serious", "critical")
            ]
            assert not serious, (path, serious)


def test_keyboard_alone_leads_from_the_home_page_to_the_basket(origin: str) -> None:
    with browse(origin, "/") as page:
        expect(page.locator(".tile").first).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")

        def press_tab_until(selector: str) -> None:
            for _ in range(60):
                page.keyboard.press("Tab")
                if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                    return
            pytest.fail(f"{selector} has no focus after 60 tabs")

        press_tab_until(".tile-link")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        press_tab_until(".purchase .button")
        page.keyboard.press("Enter")
        expect(basket_link(page)).to_have_text("Basket1")
        page.goto("/basket")
        press_tab_until(".quantity button:last-child")
        page.keyboard.press("Enter")
        expect(basket_link(page)).to_have_text("Basket2")


def test_outage_is_reported_with_a_button_that_tries_again(shop: Journey, origin: str) -> None:
    with browse(origin, "/") as page:
        expect(page.locator(".tile").first).to_be_visible()
        page.route(
            "**/graphql**", lambda route: route.fulfill(status=200, json={"errors": [{"message": "Down."}]})
        )
        page.get_by_role("button", name="Catalogue").click()
        page.get_by_role("dialog").get_by_role("link", name="Headphones").click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("Down.")
        page.unroute("**/graphql**")
        alert.get_by_role("button", name="Try again").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Headphones")


FIGURES = """() => {
  const entries = performance.getEntriesByType("resource");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return {
    requests: entries.length + 1,
    bytes: entries.reduce((sum, entry) => sum + entry.encodedBodySize, 0),
    paint: Math.round(paint.startTime),
  };
}"""


@pytest.mark.parametrize("path", ["/", "/c/electronics", "/p/minnowby-kids-headphones"])
def test_cold_load_is_small(origin: str, path: str) -> None:
    with browse(origin, path, width=390, height=844) as page:
        expect(page.locator(".tile").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        figures = page.evaluate(FIGURES)
        print(path, figures)
        assert figures["requests"] <= 40
        # Without compression, which `make up` does not apply.
        assert figures["bytes"] < 1_500_000
