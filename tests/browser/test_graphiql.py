"""GraphiQL at /graphql works without other hosts, and its examples return data."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import OpenPage

EXAMPLES = ["Browse", "Search", "ProductCard", "CategoryTree"]

pytestmark = pytest.mark.usefixtures("sample_shop")


@contextmanager
def open_graphiql(open_page: OpenPage) -> Iterator[Page]:
    """Open GraphiQL and wait for its editors."""
    with open_page("/graphql") as page:
        wait_for_editors(page)
        yield page


def wait_for_editors(page: Page) -> None:
    """Wait for the editors of the query, the variables, the headers and the response."""
    expect(page.locator(".monaco-editor[role=code]")).to_have_count(4)


def choose_tab(page: Page, name: str) -> None:
    """Select a tab and wait: GraphiQL does not show when it has parsed the operation of the tab."""
    page.get_by_role("tab").nth(EXAMPLES.index(name)).click()
    page.wait_for_timeout(500)


def run(page: Page) -> dict[str, Any]:
    """Execute the query and return the response."""

    def is_result(response: Response) -> bool:
        sent = response.request.post_data
        return sent is not None and "IntrospectionQuery" not in sent

    with page.expect_response(is_result) as received:
        page.get_by_role("button", name="Execute query").click()
    body: dict[str, Any] = received.value.json()
    return body


def test_first_example_shows_its_data(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_graphiql(open_page) as page:
        expect(page).to_have_title("Lavka GraphQL")
        data = run(page)["data"]
        name = data["products"]["nodes"][0]["name"]
        expect(page.locator(".result-window")).to_contain_text(
            re.compile(r"\s".join(map(re.escape, name.split())))
        )
        screenshot(page, "graphiql")


def test_every_example_returns_data(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_graphiql(open_page) as page:
        tabs = page.get_by_role("tab")
        expect(tabs).to_have_text(EXAMPLES, use_inner_text=True)
        for name in EXAMPLES:
            choose_tab(page, name)
            result = run(page)
            assert "errors" not in result, name
            assert all(result["data"].values()), name
            screenshot(page, f"graphiql-{name}")


def test_tabs_survive_a_reload(open_page: OpenPage) -> None:
    with open_graphiql(open_page) as page:
        tabs = page.get_by_role("tab")
        choose_tab(page, "ProductCard")
        assert "errors" not in run(page)
        # GraphiQL stores what is edited half a second later.
        page.wait_for_function("localStorage.getItem('graphiql:variables')?.includes('slug')")
        page.reload()
        wait_for_editors(page)
        expect(tabs).to_have_text(EXAMPLES, use_inner_text=True)
        assert "errors" not in run(page)


def test_panels_open(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_graphiql(open_page) as page:
        panel = page.locator(".graphiql-plugin")
        page.get_by_role("button", name="Show Documentation Explorer").click()
        panel.get_by_text("Query", exact=True).click()
        expect(panel.get_by_text("categorySlug")).to_be_visible()
        screenshot(page, "graphiql-docs")
        page.get_by_role("button", name="Show GraphiQL Explorer").click()
        expect(panel.get_by_text("categorySlug")).to_be_visible()
        screenshot(page, "graphiql-explorer")
        page.get_by_role("button", name="Prettify query").click()
        page.get_by_role("button", name="Show History").click()
        expect(panel.get_by_text("History")).to_be_visible()
