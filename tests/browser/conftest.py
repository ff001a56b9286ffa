"""Chromium against the running shop, with the rest of the network cut off."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, Request, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from slugify import slugify

from backend.catalog.models import Characteristic, CharacteristicValue, Product
from backend.catalog.services import create_category

# Not localhost: browsers grant it features that a shop on a plain http:// address does without.
HOST = "shop.test"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND",
]
# Chromium says this of every page of a plain http:// address that sends the header; it is Django's default.
ABOUT_PLAIN_HTTP = "The Cross-Origin-Opener-Policy header has been ignored"

OpenPage = Callable[[str], AbstractContextManager[Page]]


@pytest.fixture
def open_page(live_server: LiveServer, settings: Settings) -> OpenPage:
    """Open a path of the shop in a browser of its own.

    The block fails at its end if the page asked another server for anything, or if the browser's
    console had an error or a warning. Inside it the database is out of bounds: Playwright runs an
    event loop in this thread, where Django refuses to block. Prepare the data before.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("there is no Chromium here: install the package chromium")
    settings.ALLOWED_HOSTS = [HOST]
    origin = f"http://{HOST}:{urlsplit(live_server.url).port}"

    @contextmanager
    def visit(path: str) -> Iterator[Page]:
        outside: list[str] = []
        complaints: list[str] = []

        def note_request(request: Request) -> None:
            if not request.url.startswith((origin, "data:", "blob:")):
                outside.append(request.url)

        def note_message(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not message.text.startswith(ABOUT_PLAIN_HTTP):
                complaints.append(message.text)

        def note_exception(error: Error) -> None:
            complaints.append(str(error))

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1440, "height": 900}, base_url=origin)
            page.on("request", note_request)
            page.on("console", note_message)
            page.on("pageerror", note_exception)
            page.goto(path)
            yield page
            browser.close()
        assert not outside
        assert not complaints

    return visit


@pytest.fixture
def screenshot(tmp_path: Path) -> Callable[[Page, str], None]:
    """Keep what the browser shows, in the folder that SCREENSHOTS names or beside pytest's other files."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))

    def take(page: Page, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png")

    return take


@pytest.fixture
def sample_shop(transactional_db: None) -> None:
    """The part of the sample catalogue that GraphiQL's examples ask about."""
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
