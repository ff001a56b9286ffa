"""The page that cancels back-in-stock notifications, on a phone."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from backend.wishlists.models import WishlistItem
from backend.wishlists.unsubscription import Subscriber, make_unsubscribe_url
from tests.browser.conftest import OpenPage
from tests.catalog.factories import make_product
from tests.support.people import make_user


@pytest.mark.parametrize(
    ("language", "button", "done"),
    [("en", "Cancel notifications", "Done."), ("ru", "Отменить уведомления", "Готово.")],
)
def test_button_cancels_the_notifications(
    open_page: OpenPage,
    screenshot: Callable[[Page, str], None],
    transactional_db: None,
    language: str,
    button: str,
    done: str,
) -> None:
    user = make_user()
    WishlistItem.objects.create(user=user, product=make_product(stock=0), notify=True)
    url = urlsplit(make_unsubscribe_url(Subscriber(user.pk, language)))
    with open_page(f"{url.path}?{url.query}") as page:
        page.set_viewport_size({"width": 360, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        box = page.get_by_role("button", name=button).bounding_box()
        assert box
        assert box["height"] >= 44
        screenshot(page, f"unsubscribe-{language}")
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("status")).to_contain_text(done)
        screenshot(page, f"unsubscribe-{language}-done")
    assert not WishlistItem.objects.get().notify
