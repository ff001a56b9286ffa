"""Pictures are uploaded in the admin, resized by a worker and returned by both APIs."""

import io
import json
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest
from django.db import connections
from PIL import Image
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from backend.accounts.models import User
from backend.catalog.models import Category, ProductImage
from backend.catalog.pictures.deletion import discard_files
from tests.accounts.cases import clear_redis
from tests.browser.conftest import OpenPage
from tests.browser.test_admin import PASSWORD, log_in
from tests.catalog.factories import make_product
from tests.catalog.pictures.image_files import SECRET, photo
from tests.catalog.trees import make_tree
from tests.support.object_storage import Moto
from tests.support.worker import MailServer, Worker, wait_until

IMMUTABLE = "public, max-age=31536000, immutable"
GRAPHQL = """{ product(sku: "CUP") {
    image { url alt width height srcset thumbnail(size: 300) jpeg: thumbnail(size: 300, format: JPEG) }
    category { image { thumbnail(size: 100) } }
} }"""


@pytest.fixture(autouse=True)
def shop(transactional_db: None) -> Iterator[None]:
    clear_redis()
    User.objects.create_superuser(email="boss@shop.example", password=PASSWORD)
    make_product("Чашка", make_tree({"Посуда": {}})["Посуда"], sku="CUP")
    yield
    discard_files([*ProductImage.objects.values_list("file", flat=True), *_category_files()])


def _category_files() -> list[str]:
    names = list(Category.objects.exclude(image="").values_list("image", flat=True))
    Category.objects.update(image="")
    return names


@pytest.fixture
def start_worker() -> Iterator[Callable[..., None]]:
    workers: list[Worker] = []

    def start(**environment: str) -> None:
        workers.append(Worker(MailServer(), **environment))
        workers[-1].start()

    yield start
    for worker in workers:
        worker.stop()


def upload(open_page: OpenPage, folder: Path) -> None:
    """Upload a picture for the product and a rotated one for its category."""
    (folder / "чашка.png").write_bytes(photo("JPEG", size=(500, 250)))
    (folder / "посуда.jpg").write_bytes(photo("JPEG", orientation=6, size=(200, 100)))
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/catalog/product/")
        page.get_by_role("link", name="Чашка", exact=True).click()
        page.get_by_text("Add another Picture").click()
        page.locator("#id_images-0-file").set_input_files(folder / "чашка.png")
        page.locator("#id_images-0-alt").fill("Чашка сбоку")
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.locator(".messagelist")).to_contain_text("was changed successfully")
        page.goto("/admin/catalog/category/")
        page.get_by_role("link", name="Посуда", exact=True).click()
        page.locator("#id_image").set_input_files(folder / "посуда.jpg")
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.locator(".messagelist")).to_contain_text("was changed successfully")


def remove_category_picture(open_page: OpenPage) -> None:
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/catalog/category/")
        page.get_by_role("link", name="Посуда", exact=True).click()
        page.get_by_label("Clear").check()
        # The page must have loaded its picture, which the next click deletes.
        page.wait_for_load_state()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".messagelist")).to_contain_text("was changed successfully")


def wait_for_renditions() -> None:
    wait_until(
        lambda: (
            not ProductImage.objects.filter(renditions_due_at__isnull=False).exists()
            and not Category.objects.filter(renditions_due_at__isnull=False).exists()
        ),
        "The renditions",
    )
    connections.close_all()


def fetch(url: str) -> tuple[Image.Image, HTTPResponse, bytes]:
    with urllib.request.urlopen(url) as response:
        data = response.read()
    return Image.open(io.BytesIO(data)), response, data


def assert_both_apis_return_pictures(server: str, base: str) -> None:
    """Check the URLs and the files behind them. `base` is the prefix of relative URLs."""

    def get(path: str, body: bytes | None = None) -> dict:
        request = urllib.request.Request(f"{server}{path}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    product = get("/graphql", json.dumps({"query": GRAPHQL}).encode())["data"]["product"]
    shown = product["image"]
    card = get("/product?sku=CUP")["image"]
    assert {name: card[name] for name in ("url", "alt", "width", "height", "srcset")} == {
        name: shown[name] for name in ("url", "alt", "width", "height", "srcset")
    }
    assert (shown["alt"], shown["width"], shown["height"]) == ("Чашка сбоку", 500, 250)
    assert [rendition["width"] for rendition in card["renditions"]] == [160, 400, 500]
    assert shown["thumbnail"] == card["renditions"][1]["webp"]
    assert shown["jpeg"] == card["renditions"][1]["jpeg"]
    for url, kind, size in [
        (shown["url"], "image/jpeg", (500, 250)),
        *((r["webp"], "image/webp", (r["width"], r["height"])) for r in card["renditions"]),
        *((r["jpeg"], "image/jpeg", (r["width"], r["height"])) for r in card["renditions"]),
        (product["category"]["image"]["thumbnail"], "image/webp", (100, 200)),
    ]:
        image, response, data = fetch(f"{base}{url}")
        assert (response.headers["Content-Type"], image.size) == (kind, size), url
        assert image.format == kind.removeprefix("image/").upper()
        assert response.headers["Cache-Control"] == IMMUTABLE
        assert SECRET not in data
    assert "chashka-" in shown["url"]


def test_uploaded_pictures_are_resized_and_returned(
    open_page: OpenPage,
    live_server: LiveServer,
    settings: Settings,
    start_worker: Callable[..., None],
    tmp_path: Path,
    screenshot: Callable[[Page, str], None],
) -> None:
    settings.MEDIA_URL = "/media/"
    settings.ALLOWED_HOSTS = ["*"]
    start_worker()
    upload(open_page, tmp_path)
    wait_for_renditions()
    assert_both_apis_return_pictures(live_server.url, live_server.url)
    # The admin shows the renditions.
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/catalog/product/")
        thumbnail = page.get_by_role("img", name="Чашка сбоку")
        assert thumbnail.evaluate("picture => picture.naturalWidth") == 160
        assert str(thumbnail.get_attribute("src")).endswith(".160.webp")
        screenshot(page, "pictures-list")
        page.get_by_role("link", name="Чашка", exact=True).click()
        preview = page.get_by_role("img", name="Чашка сбоку")
        preview.scroll_into_view_if_needed()
        assert preview.evaluate("picture => picture.naturalWidth") == 160
        screenshot(page, "picture-product")
        page.goto("/admin/catalog/category/")
        page.get_by_role("link", name="Посуда", exact=True).click()
        expect(page.locator("img[alt='Посуда']")).to_be_visible()
        screenshot(page, "picture-category")


def test_pictures_in_object_storage_are_resized_and_returned(
    open_page: OpenPage,
    live_server: LiveServer,
    settings: Settings,
    start_worker: Callable[..., None],
    tmp_path: Path,
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    server = Moto()
    try:
        server.start()
        start_worker(**server.environment)
        # The browser resolves only the host of the shop, so the shop serves the pictures, as in development.
        settings.MEDIA_THROUGH_SHOP = True
        with server.as_media(public_url="/media/"):
            upload(open_page, tmp_path)
            wait_for_renditions()
            assert_both_apis_return_pictures(live_server.url, live_server.url)
        with server.as_media():
            assert_both_apis_return_pictures(live_server.url, "")
            assert len(server.objects()) == 1 + 6 + 1 + 2
        with server.as_media(public_url="/media/"):
            remove_category_picture(open_page)
            assert len(server.objects()) == 1 + 6
            names = list(ProductImage.objects.values_list("file", flat=True))
            ProductImage.objects.all().delete()
            discard_files(names)
            assert server.objects() == {}
    finally:
        server.remove()
