"""Fixtures that open the running shop in Chromium, without access to other hosts."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, Request, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from slugify import slugify

from backend.catalog.models import Characteristic, CharacteristicValue, Product
from backend.catalog.services import create_category

# Not localhost, for which browsers enable features that other http:// URLs do not get.
HOST = "shop.test"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost",
]
# Chromium logs this for every http:// page with this header, which Django sends by default.
PLAIN_HTTP_WARNING = "The Cross-Origin-Opener-Policy header has been ignored"

# Other tests may use all cores.
expect.set_options(timeout=30_000)

OpenPage = Callable[[str], AbstractContextManager[Page]]


@contextmanager
def browse(
    origin: str, path: str, *, width: int = 1440, height: int = 900, locale: str | None = None
) -> Iterator[Page]:
    """Open a path of a shop in a new browser.

    At its end, the block fails if the page sent requests to other hosts, or if the console has errors or
    warnings. The database cannot be used inside the block, because Playwright runs an event loop in this
    thread, where Django refuses blocking calls. Prepare the data before.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("Chromium is not installed. Install the package chromium.")
    other_hosts: list[str] = []
    problems: list[str] = []

    def record_request(request: Request) -> None:
        if not request.url.startswith((origin, "data:", "blob:")):
            other_hosts.append(request.url)

    def record_message(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(PLAIN_HTTP_WARNING):
            problems.append(message.text)

    def record_exception(error: Error) -> None:
        problems.append(str(error))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height}, base_url=origin, locale=locale)
        page.on("request", record_request)
        page.on("console", record_message)
        page.on("pageerror", record_exception)
        page.goto(path)
        yield page
        browser.close()
    assert not other_hosts
    assert not problems


@pytest.fixture
def open_page(live_server: LiveServer, settings: Settings) -> OpenPage:
    """Open a path of the shop in a new browser, as `browse` does."""
    settings.ALLOWED_HOSTS = [HOST]
    origin = f"http://{HOST}:{urlsplit(live_server.url).port}"
    return lambda path: browse(origin, path)


@pytest.fixture
def screenshot(tmp_path: Path) -> Callable[[Page, str], None]:
    """Save a screenshot in the folder of the variable SCREENSHOTS, or in the temporary folder of the test."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))

    def take(page: Page, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png")

    return take


@pytest.fixture
def sample_shop(transactional_db: None) -> None:
    """Create the part of the sample catalogue that the examples of GraphiQL query."""
    electronics = create_category(name="Electronics")
    audio = create_category(name="Audio", parent_id=electronics.pk)
    headphones = create_category(name="Headphones", parent_id=audio.pk)
    connection = Characteristic.objects.create(name="Connection")
    for sku, name, price in [
        ("HPH-001", "Fjordwave Quiet 3 Over-Ear Headphones", "18990.00"),
        ("HPH-003", "Oakroom Studio One Wired Headphones", "9490.00"),
        ("HPH-005", "Minnowby Drops Earbuds", "3990.00"),
    ]:
        product = Product.objects.create(
            sku=sku, slug=slugify(name), name=name, price=price, stock=9, category=headphones
        )
        CharacteristicValue.objects.create(product=product, characteristic=connection, value="Bluetooth")
