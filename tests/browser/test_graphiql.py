"""GraphiQL at /graphql: it works without any other server, and its examples are true."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import OpenPage

EXAMPLES = ["Browse", "Search", "ProductCard", "CategoryTree"]

pytestmark = pytest.mark.usefixtures("sample_shop")


def run(page: Page) -> dict[str, Any]:
    """Press the button and return the server's answer."""

    def is_answer(response: Response) -> bool:
        return response.request.method == "POST" and response.url.endswith("/graphql")

    with page.expect_response(is_answer) as answer:
        page.get_by_role("button", name="Execute query").click()
    body: dict[str, Any] = answer.value.json()
    return body


def test_first_example_shows_its_data(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_page("/graphql") as page:
        expect(page).to_have_title("Lavka GraphQL")
        data = run(page)["data"]
        name = data["products"]["nodes"][0]["name"]
        expect(page.locator(".result-window")).to_contain_text(
            re.compile(r"\s".join(map(re.escape, name.split())))
        )
        screenshot(page, "graphiql")


def test_every_example_answers(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_page("/graphql") as page:
        tabs = page.get_by_role("tab")
        expect(tabs).to_have_text(EXAMPLES)
        for index, name in enumerate(EXAMPLES):
            tabs.nth(index).click()
            answer = run(page)
            assert "errors" not in answer, name
            assert all(answer["data"].values()), name
            screenshot(page, f"graphiql-{name}")


def test_tabs_survive_a_reload(open_page: OpenPage) -> None:
    with open_page("/graphql") as page:
        tabs = page.get_by_role("tab")
        tabs.nth(EXAMPLES.index("ProductCard")).click()
        assert "errors" not in run(page)
        page.reload()
        expect(tabs).to_have_text(EXAMPLES)
        assert "errors" not in run(page)


def test_panels_open(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_page("/graphql") as page:
        panel = page.locator(".graphiql-plugin")
        page.get_by_role("button", name="Show Documentation Explorer").click()
        panel.get_by_text("Query", exact=True).click()
        expect(panel.get_by_text("recommendations")).to_be_visible()
        screenshot(page, "graphiql-docs")
        page.get_by_role("button", name="Show GraphiQL Explorer").click()
        expect(panel.get_by_text("categorySlug")).to_be_visible()
        screenshot(page, "graphiql-explorer")
        page.get_by_role("button", name="Prettify query").click()
        page.get_by_role("button", name="Show History").click()
        expect(panel.get_by_text("History")).to_be_visible()
