"""Swagger UI at /docs works without other hosts and respects SWAGGER_PERMISSION."""

from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings

from backend.accounts.models import User
from tests.browser.conftest import OpenPage

WITHOUT_TOKEN = {("POST", "/recommendations/click")}
CATALOGUE = {
    ("POST", "/products"),
    ("GET", "/products"),
    ("GET", "/product"),
    ("GET", "/brand"),
    ("GET", "/categories"),
}


def find_route(page: Page, method: str, path: str) -> Locator:
    return page.locator(f".opblock-{method.lower()}").filter(has=page.locator(f"[data-path='{path}']"))


def test_routes_are_listed(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_page("/docs") as page:
        expect(page).to_have_title("Lavka REST")
        for method, path in CATALOGUE:
            expect(find_route(page, method, path)).to_be_visible()
        screenshot(page, "swagger")


@pytest.mark.usefixtures("sample_shop")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_route_can_be_tried(
    method: str, open_page: OpenPage, screenshot: Callable[[Page, str], None]
) -> None:
    with open_page("/docs") as page:
        route = find_route(page, method, "/products")
        route.locator(".opblock-summary-control").click()
        route.get_by_role("button", name="Execute").click()
        response = route.locator(".live-responses-table")
        expect(response).to_contain_text("Oakroom Studio One")
        expect(response.locator(".response-col_status").last).to_contain_text("200")
        response.scroll_into_view_if_needed()
        screenshot(page, f"swagger-{method}")


def test_page_fits_a_phone(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_page("/docs") as page:
        viewport = page.locator("meta[name=viewport]").get_attribute("content")
        assert viewport == "width=device-width, initial-scale=1"
        page.set_viewport_size({"width": 390, "height": 844})
        for method, path in CATALOGUE:
            route = find_route(page, method, path)
            route.locator(".opblock-summary-control").click()
            expect(route.get_by_role("button", name="Execute")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        screenshot(page, "swagger-phone")


def locks_of(page: Page) -> dict[tuple[str, str], str]:
    """Return the lock of each operation: none, open or closed."""
    locks = {}
    for block in page.locator(".opblock").all():
        method = block.locator(".opblock-summary-method").inner_text()
        path = block.locator("[data-path]").get_attribute("data-path")
        assert path is not None
        button = block.locator(".authorization__btn")
        label = str(button.get_attribute("aria-label")) if button.count() else ""
        locks[method, path] = "none" if not label else "open" if "unlocked" in label else "closed"
    return locks


def test_locks_close_after_the_login(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_page("/docs") as page:
        expect(find_route(page, "POST", "/auth/logout")).to_be_visible()
        guest = locks_of(page)
        page.locator(".auth-wrapper .authorize").click()
        page.locator(".auth-container input").fill("token")
        page.locator(".auth-container button[type=submit]").click()
        page.locator(".auth-container .btn-done").click()
        screenshot(page, "swagger-locks")
        account = locks_of(page)
    for (method, path), lock in guest.items():
        is_public = (method, path) in CATALOGUE | WITHOUT_TOKEN
        is_public = is_public or (path.startswith("/auth/") and path != "/auth/logout")
        assert (lock, account[method, path]) == (("none", "none") if is_public else ("open", "closed"))
    assert {"none", "open"} == set(guest.values())


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
@pytest.mark.parametrize(
    ("permission", "guest", "customer", "staff"),
    [
        ("ALL", 200, 200, 200),
        ("AUTHENTICATED", 401, 200, 200),
        ("STAFF", 401, 403, 200),
        ("NONE", 404, 404, 404),
    ],
)
def test_documentation_respects_the_permission(
    path: str, permission: str, guest: int, customer: int, staff: int, client: Client, settings: Settings
) -> None:
    settings.SWAGGER_PERMISSION = permission
    assert client.get(path).status_code == guest
    client.force_login(User.objects.create_user(email="customer@example.org"))
    assert client.get(path).status_code == customer
    client.force_login(User.objects.create_user(email="staff@example.org", is_staff=True))
    assert client.get(path).status_code == staff
