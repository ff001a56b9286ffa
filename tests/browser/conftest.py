"""Chromium against the running shop, with the rest of the network cut off."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, Request, sync_playwright
from pytest_django.live_server_helper import LiveServer

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

OpenPage = Callable[[str], AbstractContextManager[Page]]


@pytest.fixture
def open_page(live_server: LiveServer, settings) -> OpenPage:
    """Open a path of the shop in a browser of its own.

    The block fails at its end if the page asked another server for anything, or if the browser's
    console had an error or a warning. Inside it the database is out of bounds: Playwright runs an
    event loop in this thread, where Django refuses to block. Prepare the data before.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium here (the package chromium)")
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
            if message.type in {"error", "warning"}:
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
