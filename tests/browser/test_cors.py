"""Pages of other origins can call both APIs, with the headers that GraphQL clients and tracing add."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import ARGUMENTS

# The application's host in production; the page on localhost is the same in development.
APPLICATION = "application.test"
HOSTS = f"--host-resolver-rules=MAP {APPLICATION} 127.0.0.1, EXCLUDE localhost, MAP * ~NOTFOUND"

CLIENT_HEADERS = {
    "Apollo": {
        "apollographql-client-name": "storefront",
        "apollographql-client-version": "1.0",
        "apollo-require-preflight": "true",
        "x-apollo-operation-name": "Products",
        "x-apollo-operation-id": "0" * 64,
    },
    "Relay and urql": {"x-requested-with": "fetch", "graphql-preflight": "1"},
    "OpenTelemetry": {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "vendor=1",
    },
    "Sentry": {
        "sentry-trace": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "baggage": "sentry-a=b",
    },
    "the shop": {"Idempotency-Key": "1", "If-None-Match": '"none"', "Cache-Control": "no-cache"},
}
ALL_HEADERS = {name: value for headers in CLIENT_HEADERS.values() for name, value in headers.items()}

FETCH = """async ([url, options]) => {
    const response = await fetch(url, options);
    return {
        status: response.status,
        etag: response.headers.get('ETag'),
        retryAfter: response.headers.get('Retry-After'),
        body: await response.json(),
    };
}"""

Fetch = Callable[[str, dict[str, Any]], Any]


class Page(BaseHTTPRequestHandler):
    """An empty page of the application."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>The application</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def application_port() -> Iterator[int]:
    """The port of a web server with the application's page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def shop_url(live_server: LiveServer) -> str:
    return f"http://localhost:{urlsplit(live_server.url).port}"


@contextmanager
def open_application(origin: str) -> Iterator[Fetch]:
    """Open the application's page in a browser, and provide its `fetch`."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is not installed. Install the package chromium."
    arguments = [*(item for item in ARGUMENTS if "host-resolver-rules" not in item), HOSTS]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page()
        page.goto(origin)
        yield lambda url, options: page.evaluate(FETCH, [url, options])
        browser.close()


def graphql_request(headers: dict[str, str]) -> dict[str, Any]:
    return {
        "method": "POST",
        "headers": {"Content-Type": "application/json", **headers},
        "body": '{"query": "{ products { nodes { name } } }"}',
    }


@pytest.mark.usefixtures("sample_shop")
def test_page_on_any_local_port_can_use_both_apis_in_development(
    application_port: int, shop_url: str
) -> None:
    with open_application(f"http://localhost:{application_port}") as fetch:
        graphql = fetch(f"{shop_url}/graphql", graphql_request(ALL_HEADERS))
        rest = fetch(f"{shop_url}/products?limit=1", {"headers": ALL_HEADERS})
        cart = fetch(f"{shop_url}/cart", {"headers": {"X-Cart-Token": "x" * 43, "Authorization": "Bearer x"}})

    assert len(graphql["body"]["data"]["products"]["nodes"]) == 3
    assert len(rest["body"]["items"]) == 1
    # The page can revalidate its copy, and read the status of a refusal.
    assert rest["etag"]
    assert (cart["status"], cart["body"]["code"]) == (401, "TOKEN_INVALID")


@pytest.mark.usefixtures("sample_shop")
def test_page_of_an_allowed_origin_can_use_both_apis_in_production(
    application_port: int, shop_url: str, settings: Settings
) -> None:
    origin = f"http://{APPLICATION}:{application_port}"
    settings.CORS_ALLOWED_ORIGIN_REGEXES = []
    settings.CORS_ALLOWED_ORIGINS = [origin]
    with open_application(origin) as fetch:
        graphql = fetch(f"{shop_url}/graphql", graphql_request(ALL_HEADERS))
        rest = fetch(f"{shop_url}/products?limit=1", {"headers": ALL_HEADERS})

    assert graphql["status"] == rest["status"] == 200


@pytest.mark.usefixtures("sample_shop")
def test_page_of_another_origin_is_refused(application_port: int, shop_url: str) -> None:
    with open_application(f"http://{APPLICATION}:{application_port}") as fetch:
        for request in (graphql_request({}), {}):
            with pytest.raises(Error, match="Failed to fetch"):
                fetch(f"{shop_url}/graphql?query={{__typename}}", request)


@pytest.mark.usefixtures("sample_shop")
def test_header_that_is_not_allowed_is_refused(
    application_port: int, shop_url: str, settings: Settings
) -> None:
    request = graphql_request({"X-Other": "1"})
    with open_application(f"http://localhost:{application_port}") as fetch:
        with pytest.raises(Error, match="Failed to fetch"):
            fetch(f"{shop_url}/graphql", request)
        settings.CORS_ALLOW_HEADERS = [*settings.CORS_ALLOW_HEADERS, "x-other"]
        assert fetch(f"{shop_url}/graphql", request)["status"] == 200
