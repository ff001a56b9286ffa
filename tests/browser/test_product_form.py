"""The product page in a browser: pictures dropped onto it, rows moved, and the card in lists."""

import base64
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings

from backend.accounts.models import User
from backend.catalog.models import CharacteristicValue, Product, ProductImage
from backend.catalog.pictures.deletion import discard_files
from tests.browser.conftest import OpenPage
from tests.browser.test_admin import PASSWORD, log_in
from tests.browser.test_admin_layout import DESKTOP, FIND_PROBLEMS, PHONE
from tests.catalog.factories import make_category, make_product
from tests.catalog.pictures.image_files import photo

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
IMPORT = "/admin/catalog/product/feed/import/"
COLORS = ("red", "green", "blue")
REFUSED = "Not readable as JPEG, PNG, WebP or GIF, and not added"
DEVICES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
# Drop files onto the page, as the file manager of a desktop does.
DROP = """([files, selector]) => {
    const transfer = new DataTransfer();
    for (const [name, type, data] of files) {
        const bytes = Uint8Array.from(atob(data), character => character.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    for (const type of ["dragover", "drop"]) {
        document.querySelector(selector).dispatchEvent(
            new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }
}"""


@pytest.fixture(autouse=True)
def shop(transactional_db: None, settings: Settings) -> Iterator[None]:
    settings.MEDIA_URL = "/media/"
    settings.STOREFRONT_URL = "https://shop.example"
    User.objects.create_superuser(email="boss@shop.example", password=PASSWORD)
    make_product(
        "Кружка «Утро в деревне»",
        make_category("Кружки"),
        {"Colour": "white", "Volume (ml)": "330", "Weight (g)": "300"},
        sku="CUP",
        slug="kruzhka",
        price="750.00",
        compare_at_price="1000.00",
    )
    yield
    discard_files(ProductImage.objects.values_list("file", flat=True))


def open_product(page: Page, size: dict[str, int]) -> None:
    log_in(page)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto("/admin/catalog/product/")
    page.get_by_role("link", name="Кружка «Утро в деревне»", exact=True).click()
    expect(page.get_by_label("Name:", exact=True)).to_have_value("Кружка «Утро в деревне»")


def save(page: Page) -> None:
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".messagelist")).to_contain_text("was changed successfully")


def list_rows(page: Page, group: str) -> Locator:
    return page.locator(f"#{group}-group tbody tr.form-row:not(.empty-form)")


def drop(page: Page, files: list[tuple[str, str, bytes]], selector: str = "#product_form") -> None:
    encoded = [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files]
    page.evaluate(DROP, [encoded, selector])


def drag(page: Page, row: Locator, target: Locator) -> None:
    """Drag a row by its handle to the lower part of another row."""
    target.evaluate("element => element.scrollIntoView({ block: 'center' })")
    row.locator(".drag-handle").hover()
    page.mouse.down()
    box = target.bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + box["height"] * 0.8, steps=4)
    page.mouse.up()


def read_characteristics() -> list[str]:
    return list(CharacteristicValue.objects.values_list("characteristic__name", flat=True))


@DEVICES
def test_dropped_pictures_are_uploaded_in_their_order(
    size: dict[str, int], open_page: OpenPage, screenshot: Callable[[Page, str], None]
) -> None:
    files = [
        (f"{color}.jpg", "image/jpeg", photo("JPEG", size=(200, 100 + 50 * n)))
        for n, color in enumerate(COLORS)
    ]
    with open_page("/admin/") as page:
        open_product(page, size)
        rows = list_rows(page, "images")
        expect(rows).to_have_count(0)
        fakes = [("notes.txt", "text/plain", b"text"), ("fake.png", "image/png", b"text")]
        drop(page, [*files[:2], *fakes])
        status = page.locator(".drop-zone [role=status]")
        expect(status).to_have_text(f"Pictures added: 2. {REFUSED}: notes.txt, fake.png.")
        page.locator(".drop-zone input").set_input_files(
            [{"name": files[2][0], "mimeType": files[2][1], "buffer": files[2][2]}]
        )
        expect(rows).to_have_count(3)
        for row in rows.all():
            expect(row.locator("img")).to_have_js_property("naturalWidth", 200)
        # The third picture becomes the first one: with the keyboard, and its button keeps the focus.
        button = rows.nth(2).get_by_role("button", name="Move up")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#order-status")).to_have_text(
            "Moved to position 2 of 3. Save to keep the order."
        )
        expect(rows.nth(1).get_by_role("button", name="Move up")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#product-card img")).to_have_js_property("naturalHeight", 200)
        assert page.evaluate(FIND_PROBLEMS) == []
        page.locator(".drop-zone").scroll_into_view_if_needed()
        screenshot(page, f"product-pictures-{size['width']}")
        save(page)
        expect(rows).to_have_count(3)
        expect(rows.first.locator("img")).to_have_js_property("naturalHeight", 200)
        if size == DESKTOP:
            drag(page, rows.first, rows.nth(2))
        else:
            for _ in range(2):
                page.locator("#images-0").get_by_role("button", name="Move down").click()
        save(page)
    images = list(ProductImage.objects.order_by("position"))
    assert [image.height for image in images] == [100, 150, 200]
    assert [image.position for image in images] == [0, 1, 2]
    assert all(image.sha256 and image.renditions_due_at for image in images)


def test_pictures_can_be_added_again_after_an_error(open_page: OpenPage) -> None:
    files = [(f"{color}.jpg", "image/jpeg", photo("JPEG", size=(200, 100))) for color in COLORS]
    with open_page("/admin/") as page:
        open_product(page, DESKTOP)
        rows = list_rows(page, "images")
        page.get_by_text("Add another Picture").click()
        page.locator("#id_images-0-file").set_input_files(
            [{"name": "fake.png", "mimeType": "image/png", "buffer": b"text"}]
        )
        expect(page.locator(".drop-zone [role=status]")).to_have_text(f"{REFUSED}: fake.png.")
        expect(page.locator("#id_images-0-file")).to_have_value("")
        drop(page, files)
        expect(rows).to_have_count(4)
        page.get_by_label("Price:", exact=True).fill("2000")
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.locator(".messagelist")).to_contain_text(
            "Add these files again: red.jpg, green.jpg, blue.jpg."
        )
        expect(rows).to_have_count(0)
        page.get_by_label("Price:", exact=True).fill("900")
        drop(page, files[:2])
        expect(rows).to_have_count(2)
        save(page)
    assert [image.position for image in ProductImage.objects.order_by("position")] == [0, 1]


@DEVICES
def test_characteristics_are_moved(
    size: dict[str, int], open_page: OpenPage, screenshot: Callable[[Page, str], None]
) -> None:
    with open_page("/admin/") as page:
        open_product(page, size)
        rows = list_rows(page, "characteristic_values")
        names = rows.locator(".original p")
        expect(names).to_contain_text(["Colour", "Volume", "Weight"])
        rows.first.scroll_into_view_if_needed()
        drag(page, rows.first, rows.nth(1))
        expect(names).to_contain_text(["Volume", "Colour", "Weight"])
        rows.nth(2).get_by_role("button", name="Move up").click()
        expect(names).to_contain_text(["Volume", "Weight", "Colour"])
        assert page.evaluate(FIND_PROBLEMS) == []
        screenshot(page, f"product-characteristics-{size['width']}")
        save(page)
    assert read_characteristics() == ["Volume", "Weight", "Colour"]
    assert [name for name, _, _ in Product.objects.get().characteristics] == ["Volume", "Weight", "Colour"]


def test_blank_row_is_ignored_and_unmoved_rows_stay_unchanged(open_page: OpenPage) -> None:
    with open_page("/admin/") as page:
        open_product(page, DESKTOP)
        page.get_by_text("Add another Characteristic").click()
        page.get_by_text("Add another Picture").click()
        save(page)
    assert read_characteristics() == ["Colour", "Volume", "Weight"]
    assert not ProductImage.objects.exists()


@DEVICES
def test_card_shows_the_edited_values(
    size: dict[str, int], open_page: OpenPage, screenshot: Callable[[Page, str], None]
) -> None:
    with open_page("/admin/") as page:
        open_product(page, size)
        card = page.locator("#product-card")
        name, price, before = (card.locator(f"[data-part={part}]") for part in ("name", "price", "before"))
        expect(name).to_have_text("Кружка «Утро в деревне»")
        expect(price).to_have_text(re.compile(r"₽\s?750\.00"))
        expect(before).to_have_text(re.compile(r"₽\s?1,000\.00"))
        badges = card.locator(".badges > :visible")
        expect(badges).to_have_text(["−25%", "New"])
        drop(page, [("red.jpg", "image/jpeg", photo("JPEG", size=(400, 300)))])
        expect(card.locator("img")).to_have_js_property("naturalWidth", 400)
        page.evaluate("window.scrollTo(0, 0)")
        screenshot(page, f"product-card-{size['width']}")
        page.get_by_label("Name:", exact=True).fill("Mug")
        page.get_by_label("Price:", exact=True).fill("1000")
        page.get_by_label("Stock:", exact=True).fill("0")
        page.locator("#id_is_published").uncheck()
        expect(name).to_have_text("Mug")
        expect(before).to_be_hidden()
        expect(badges).to_have_text(["New", "Sold out", "Not published"])
        assert page.evaluate(FIND_PROBLEMS) == []


def test_page_without_permission_to_change_shows_the_card(open_page: OpenPage) -> None:
    clerk = User.objects.create_user(email="clerk@shop.example", password=PASSWORD, is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    with open_page("/admin/") as page:
        page.get_by_label("Email").fill("clerk@shop.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_title("Shop administration | Lavka")
        page.goto("/admin/catalog/product/")
        page.get_by_role("link", name="Кружка «Утро в деревне»", exact=True).click()
        expect(page.locator("#product-card [data-part=name]")).to_have_text("Кружка «Утро в деревне»")
        expect(page.locator("#product-card .badges > :visible")).to_have_text(["−25%", "New"])
        expect(page.locator(".drop-zone, .order-controls")).to_have_count(0)


def test_page_links_to_a_published_product_in_the_shop(open_page: OpenPage) -> None:
    with open_page("/admin/") as page:
        open_product(page, DESKTOP)
        link = page.get_by_role("link", name="View on site")
        expect(link).to_have_attribute("href", "https://shop.example/p/kruzhka")
        page.locator("#id_is_published").uncheck()
        save(page)
        expect(link).to_have_count(0)


@DEVICES
def test_archive_of_the_samples_is_imported(
    size: dict[str, int], open_page: OpenPage, screenshot: Callable[[Page, str], None], tmp_path: Path
) -> None:
    path = tmp_path / "samples.zip"
    zipfile.main(["-c", str(path), str(SAMPLES / "products.tsv"), str(SAMPLES / "images")])
    with open_page("/admin/") as page:
        log_in(page)
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.goto(IMPORT)
        screenshot(page, f"import-form-{size['width']}")
        page.get_by_label("Feed:").set_input_files(path)
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("button", name="Import")).to_be_visible(timeout=60_000)
        expect(page.locator("#content")).to_contain_text("156 created, 0 updated, 0 unchanged, 0 refused")
        assert page.evaluate(FIND_PROBLEMS) == []
        screenshot(page, f"import-preview-{size['width']}")
        page.get_by_role("button", name="Import").click()
        expect(page.locator("#content")).to_contain_text("220 pictures added", timeout=60_000)
        expect(page.locator("#content h2").first).to_have_text("samples.zip: imported")
        screenshot(page, f"import-done-{size['width']}")
        page.goto("/admin/catalog/product/?q=MUG-001")
        expect(page.locator("#result_list .field-picture img")).to_have_js_property("complete", True)
        screenshot(page, f"import-list-{size['width']}")
    assert ProductImage.objects.count() == 220
