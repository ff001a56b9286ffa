"""The catalogue admin in a browser: dragging categories, editing products and choosing filters."""

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from backend.accounts.models import User
from backend.catalog.models import Product, ProductImage
from tests.browser.conftest import OpenPage
from tests.catalog.admin.pages import picture
from tests.catalog.derived import assert_listing_is_right, assert_tree_is_valid
from tests.catalog.factories import make_product
from tests.catalog.trees import make_tree, outline

PASSWORD = "of-the-browser-test"


@pytest.fixture(autouse=True)
def shop(transactional_db: None, settings: Settings) -> Iterator[None]:
    # URLs of pictures are relative, because the browser does not resolve the host of PUBLIC_URL.
    settings.MEDIA_URL = "/media/"
    User.objects.create_superuser(email="boss@shop.example", password=PASSWORD)
    tree = make_tree({"Чай": {"Зелёный": {"Сенча": {}}, "Чёрный": {}}, "Кофе": {}})
    for number in range(1, 4):
        product = make_product(category=tree["Сенча"], name=f"Сенча № {number}")
        ProductImage.objects.create(
            product=product, file=picture(size=(60, 40)), alt="Пачка", sha256="0" * 64
        )
    images = list(ProductImage.objects.all())
    yield
    for image in images:
        image.file.delete(save=False)


def log_in(page: Page) -> None:
    page.get_by_label("Email").fill("boss@shop.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title("Shop administration | Lavka")


def test_category_is_moved_by_dragging(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/catalog/category/")
        rows = page.locator("#result_list tbody tr")
        expect(rows).to_have_count(5)
        screenshot(page, "admin-tree")
        rows.filter(has_text="Зелёный").locator(".drag-handle").hover()
        page.mouse.down()
        # Dropping on the middle of a row moves into that category.
        rows.filter(has_text="Кофе").hover()
        expect(page.locator("#drag-line")).to_be_visible()
        page.mouse.up()
        expect(page.locator(".messagelist")).to_have_text("“Зелёный” has been moved.")
        expect(rows.locator(".field-indented_title")).to_have_text(
            ["Чай", "Чёрный", "Кофе", "Зелёный", "Сенча"]
        )
        screenshot(page, "admin-tree-moved")
    assert outline() == {"Чай": {"Чёрный": {}}, "Кофе": {"Зелёный": {"Сенча": {}}}}
    assert_tree_is_valid()
    assert_listing_is_right()


def test_price_is_edited_in_the_list(open_page: OpenPage, screenshot: Callable[[Page, str], None]) -> None:
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/catalog/product/")
        row = page.locator("#result_list tbody tr").filter(has_text="Сенча № 2")
        row.get_by_role("spinbutton").first.fill("123.45")
        screenshot(page, "admin-products")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".messagelist")).to_have_text("1 product was changed successfully.")
        row.get_by_role("link", name="Сенча № 2").click()
        expect(page.get_by_label("Price:", exact=True)).to_have_value("123.45")
        expect(page.locator("#id_category")).to_have_text("Чай › Зелёный › Сенча")
        assert page.locator("img[alt=Пачка]").evaluate("picture => picture.naturalWidth") == 60
        screenshot(page, "admin-product")
    assert Product.objects.get(name="Сенча № 2").price == Decimal("123.45")
    assert_listing_is_right()


def test_product_is_added_with_a_suggested_category(open_page: OpenPage) -> None:
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/catalog/product/add/")
        page.get_by_label("Name:").fill("Кружка")
        page.get_by_label("Name:").press("Tab")
        expect(page.get_by_label("Slug:")).to_have_value("kruzhka")
        page.get_by_label("SKU:").fill("M-1")
        page.get_by_label("Price:", exact=True).fill("5")
        page.locator("#id_category + .select2").click()
        page.locator(".select2-search__field").fill("зел")
        page.get_by_role("option", name="Чай › Зелёный", exact=True).click()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".messagelist")).to_contain_text("was added successfully")
    product = Product.objects.select_related("category").get(sku="M-1")
    assert (product.slug, str(product.category)) == ("kruzhka", "Зелёный")


def test_category_filter_limits_the_list(open_page: OpenPage) -> None:
    with open_page("/admin/") as page:
        log_in(page)
        page.goto("/admin/catalog/product/")
        page.get_by_label("category", exact=True).select_option(label="Кофе")
        expect(page.locator(".paginator")).to_contain_text("Products: 0")
        page.get_by_label("category", exact=True).select_option(label="Чай")
        expect(page.locator(".paginator")).to_contain_text("Products: 3")
