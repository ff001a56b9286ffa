"""Mails about products that are back in stock: once each, and with a link that cancels them."""

import io
import re
from collections.abc import Callable
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.test import Client, TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from gqlauth.models import UserStatus

from backend.accounts.models import User
from backend.catalog.models import Product
from backend.config.celery import app
from backend.feeds.importer import import_feed
from backend.notifications.models import OutgoingEmail
from backend.orders.services import cancel_order
from backend.wishlists import services
from backend.wishlists.models import WishlistItem
from backend.wishlists.services import (
    add_item,
    enqueue_back_in_stock_mails,
    remove_item,
    stop_notifications,
)
from backend.wishlists.tasks import _render_email, enqueue_back_in_stock, send_back_in_stock
from backend.wishlists.unsubscription import Subscriber, make_unsubscribe_url
from tests.accounts.cases import WorkerCase
from tests.catalog.factories import make_product
from tests.feeds.helpers import table
from tests.orders.factories import make_order
from tests.support.people import ADDRESS, make_user, make_viewer
from tests.support.worker import get_html, get_text, wait_until
from tests.wishlists.shoppers import make_wishlist_shoppers


def wait_for(user: User, product: Product) -> None:
    """Make an account wait for a product."""
    WishlistItem.objects.create(user=user, product=product, notify=True)


class EnqueueTest(TestCase):
    def setUp(self) -> None:
        self.user = make_user(language="ru")
        self.product = make_product("Чай", sku="TEA-1", price="12.50", stock=0)
        for shopper in make_wishlist_shoppers(self.user):
            shopper.save(self.product.pk, notify=True)

    def set(self, **fields: object) -> None:
        Product.objects.filter(pk=self.product.pk).update(**fields)

    def test_nothing_is_enqueued_for_a_sold_out_product(self) -> None:
        assert enqueue_back_in_stock_mails() == 0

    def test_one_mail_is_enqueued_once(self) -> None:
        self.set(stock=3)
        assert [enqueue_back_in_stock_mails() for _ in range(3)] == [1, 0, 0]
        (email,) = OutgoingEmail.objects.all()
        assert (email.recipient, email.language) == (self.user.email, "ru")
        item = WishlistItem.objects.get()
        assert email.context == {"item_id": item.pk, "name": "Чай", "price": "12.50"}
        assert not item.notify
        # Another rise of the stock is mailed only after another request.
        self.set(stock=0)
        self.set(stock=5)
        assert enqueue_back_in_stock_mails() == 0

    def test_notification_can_be_requested_again(self) -> None:
        self.set(stock=3)
        enqueue_back_in_stock_mails()
        self.set(stock=0)
        assert make_wishlist_shoppers(self.user)[0].save(self.product.pk, notify=True).code is None
        self.set(stock=1)
        assert enqueue_back_in_stock_mails() == 1

    def test_import_and_cancelled_order_are_noticed(self) -> None:
        def cancel() -> None:
            self.set(stock=2)
            order = make_order(make_user(), (self.product, 2))
            assert enqueue_back_in_stock_mails() == 0
            assert order.user is not None
            cancel_order(viewer=make_viewer(order.user), number=order.number)

        def import_stock() -> None:
            row = {"id": "TEA-1", "title": "Чай", "price": "12.50 RUB", "quantity": "4"}
            import_feed(io.BytesIO(table(row)))

        rises: list[Callable[[], None]] = [cancel, import_stock]
        for rise in rises:
            with self.subTest(rise.__name__):
                self.set(stock=0)
                WishlistItem.objects.update(notify=True)
                rise()
                self.product.refresh_from_db()
                assert self.product.stock
                assert enqueue_back_in_stock_mails() == 1

    def test_unpublished_product_is_not_mailed_until_it_is_published(self) -> None:
        self.set(stock=3, is_published=False)
        assert enqueue_back_in_stock_mails() == 0
        self.set(is_published=True)
        assert enqueue_back_in_stock_mails() == 1

    def test_accounts_that_cannot_log_in_get_no_mail(self) -> None:
        self.set(stock=3)
        status = UserStatus.objects.filter(user=self.user)
        for rows, changes in (
            (status, {"verified": False}),
            (status, {"archived": True}),
            (User.objects.filter(pk=self.user.pk), {"is_active": False}),
        ):
            with self.subTest(changes):
                rows.update(**changes)
                assert enqueue_back_in_stock_mails() == 0
                rows.update(**{name: not value for name, value in changes.items()})
        assert enqueue_back_in_stock_mails() == 1

    def test_mails_are_enqueued_in_bounded_batches(self) -> None:
        self.set(stock=3)
        for _ in range(4):
            wait_for(make_user(), self.product)
        with (
            mock.patch.object(services, "MAX_MAILS_AT_ONCE", 2),
            CaptureQueriesContext(connection) as queries,
        ):
            assert enqueue_back_in_stock_mails() == 5
        locks = [query["sql"] for query in queries if "FOR NO KEY UPDATE" in query["sql"]]
        assert len(locks) == 3
        assert all("LIMIT 2" in sql for sql in locks)
        assert OutgoingEmail.objects.count() == 5

    def test_statements_do_not_depend_on_the_number_of_other_items(self) -> None:
        for _ in range(3):
            wait_for(make_user(), make_product(stock=0))
        with self.assertNumQueries(3):
            # The transaction and one query.
            assert enqueue_back_in_stock_mails() == 0

    @override_settings(PUBLIC_URL="")
    def test_nothing_is_enqueued_without_the_address_of_the_shop(self) -> None:
        self.set(stock=3)
        assert enqueue_back_in_stock_mails() == 0
        assert WishlistItem.objects.get().notify

    def test_beat_schedules_the_task_every_minute(self) -> None:
        entry = app.conf.beat_schedule["wishlists.enqueue_back_in_stock"]
        assert (entry["schedule"], entry["task"]) == (60.0, enqueue_back_in_stock.name)
        self.set(stock=1)
        enqueue_back_in_stock()
        assert OutgoingEmail.objects.count() == 1


class SkipTest(TestCase):
    """Mails that are enqueued when the account no longer wants them."""

    def setUp(self) -> None:
        self.user, self.other = make_user(), make_user()
        self.tea, self.mug = make_product(), make_product()
        for user in (self.user, self.other):
            for product in (self.tea, self.mug):
                wait_for(user, product)
        assert enqueue_back_in_stock_mails() == 4

    def count_waiting(self, user: User) -> int:
        """Return the number of mails that are not skipped."""
        mails = OutgoingEmail.objects.filter(recipient=user.email)
        return mails.exclude(status=OutgoingEmail.Status.SKIPPED).count()

    def test_unsubscription_skips_the_mails_of_the_account(self) -> None:
        url = make_unsubscribe_url(Subscriber(self.user.pk, "en")).removeprefix(settings.PUBLIC_URL)
        self.client.get(url)
        assert self.count_waiting(self.user) == 2
        self.client.post(url)
        assert (self.count_waiting(self.user), self.count_waiting(self.other)) == (0, 2)

    def test_cancelled_notification_skips_the_mail_of_the_product(self) -> None:
        for product, waiting in ((self.tea, 1), (self.mug, 0)):
            add_item(viewer=make_viewer(self.user), product_id=product.pk, address=ADDRESS, notify=False)
            assert self.count_waiting(self.user) == waiting
        assert self.count_waiting(self.other) == 2

    def test_addition_without_a_choice_keeps_the_mail(self) -> None:
        add_item(viewer=make_viewer(self.user), product_id=self.tea.pk, address=ADDRESS)
        assert self.count_waiting(self.user) == 2

    def test_new_request_replaces_the_mail_of_the_earlier_rise(self) -> None:
        Product.objects.update(stock=0)
        add_item(viewer=make_viewer(self.user), product_id=self.tea.pk, address=ADDRESS, notify=True)
        assert self.count_waiting(self.user) == 1
        Product.objects.update(stock=1)
        assert enqueue_back_in_stock_mails() == 1
        assert self.count_waiting(self.user) == 2

    def test_attempt_that_fails_is_not_repeated(self) -> None:
        email = OutgoingEmail.objects.filter(recipient=self.user.email).first()
        assert email is not None

        def unsubscribe_and_fail(*_: Any) -> None:
            stop_notifications(user_id=self.user.pk)
            raise OSError

        with mock.patch("backend.wishlists.tasks._render_email", unsubscribe_and_fail):
            send_back_in_stock(email_id=email.pk)
        assert self.count_waiting(self.user) == 0


class LinkTest(TestCase):
    def render(self, language: str) -> tuple[str, str]:
        """Render the mail about a product, and return its text and HTML."""
        wait_for(make_user(language=language), make_product("Чай", slug=f"chay-{language}"))
        enqueue_back_in_stock_mails()
        content = _render_email(OutgoingEmail.objects.latest("pk"))
        assert content is not None
        return content.text, content.html

    @override_settings(STOREFRONT_URL="https://shop.example")
    def test_mail_links_to_the_product_in_the_storefront(self) -> None:
        for language in ("en", "ru"):
            text, html = self.render(language)
            url = f"https://shop.example/p/chay-{language}"
            assert f" RUB\n{url}\n" in text
            assert f'href="{url}"' in html

    @override_settings(STOREFRONT_URL="")
    def test_mail_has_no_link_without_the_address_of_the_storefront(self) -> None:
        for language in ("en", "ru"):
            assert "/p/" not in self.render(language)[0]


class MailTest(WorkerCase):
    """Mails sent by a real worker to a real SMTP server."""

    def test_mail_has_the_product_and_a_link_that_cancels_notifications(self) -> None:
        product = make_product("Чай <№ 1> & “Сенча”", price="1234.50", stock=4)
        other = make_product(stock=0)
        for language, subject, price in (
            ("en", "Back in stock: Чай <№ 1> & “Сенча”", "Price: 1234.50 RUB"),
            ("ru", "Снова в наличии: Чай <№ 1> & “Сенча”", "Цена: 1234.50 RUB"),
        ):
            with self.subTest(language):
                user = make_user(f"{language}@example.com", language=language)
                wait_for(user, product)
                wait_for(user, other)
                app.send_task("wishlists.enqueue_back_in_stock")
                mail = self.mail_server.wait_for_mail(user.email)
                assert mail["Subject"].strip() == subject
                text, html = get_text(mail), get_html(mail)
                assert price in text
                assert price in html
                assert "Чай &lt;№ 1&gt; &amp; “Сенча”" in html
                (url,) = re.findall(rf"{settings.PUBLIC_URL}/unsubscribe\S+", text)
                assert f'href="{url}"' in html
                # The header is folded before the long URL.
                assert mail["List-Unsubscribe"].strip() == f"<{url}>"
                assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
                # The mail client's own button, see RFC 8058.
                path = url.removeprefix(settings.PUBLIC_URL)
                assert Client().post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
                assert not WishlistItem.objects.filter(user=user, notify=True).exists()

    def test_no_mail_is_sent_for_a_product_that_was_removed(self) -> None:
        self.worker.stop()
        user, product = make_user(), make_product()
        wait_for(user, product)
        enqueue_back_in_stock_mails()
        remove_item(viewer=make_viewer(user), product_id=product.pk)
        self.worker.start()
        wait_until(
            lambda: OutgoingEmail.objects.get().status == OutgoingEmail.Status.SKIPPED,
            "the mail to be skipped",
        )


class UnsubscribePageTest(TestCase):
    def setUp(self) -> None:
        self.user = make_user()
        self.other = make_user()
        for user in (self.user, self.other):
            for _ in range(2):
                wait_for(user, make_product(stock=0))

    def url(self, language: str = "en") -> str:
        parts = urlsplit(make_unsubscribe_url(Subscriber(self.user.pk, language)))
        return f"{parts.path}?{parts.query}"

    def waiting(self) -> list[int]:
        return [
            WishlistItem.objects.filter(user=user, notify=True).count() for user in (self.user, self.other)
        ]

    def test_get_and_head_change_nothing(self) -> None:
        for send in (self.client.get, self.client.head):
            response = send(self.url())
            assert response.status_code == 200
            assert response["Cache-Control"] == "no-store"
        assert self.waiting() == [2, 2]

    def test_post_cancels_the_notifications_of_the_account(self) -> None:
        client = Client(enforce_csrf_checks=True)
        for _ in range(2):
            assert client.post(self.url()).status_code == 200
            assert self.waiting() == [0, 2]
        assert WishlistItem.objects.count() == 4

    def test_pages_have_the_language_of_the_mail(self) -> None:
        for language, button, done in (
            ("en", "Cancel notifications", "Done."),
            ("ru", "Отменить уведомления", "Готово."),
        ):
            with self.subTest(language):
                page = self.client.get(self.url(language)).content.decode()
                assert f'<html lang="{language}">' in page
                assert f'<form method="post"><button>{button}</button></form>' in page
                page = self.client.post(self.url(language)).content.decode()
                assert done in page
                assert "<form" not in page

    def test_invalid_links_are_refused_in_the_language_of_the_browser(self) -> None:
        valid = self.url()
        paths = ["/unsubscribe", "/unsubscribe?token=", "/unsubscribe?token=%00", valid[:-1], f"{valid}x"]
        paths.append(valid.replace(f"={self.user.pk}", f"={self.other.pk}"))
        for path in paths:
            for language, text in (("en", "This link is invalid."), ("ru", "Ссылка недействительна.")):
                for send in (self.client.get, self.client.post):
                    with self.subTest(path, language=language):
                        response = send(path, headers={"Accept-Language": language})
                        assert response.status_code == 400
                        assert text in response.content.decode()
        assert self.waiting() == [2, 2]

    def test_other_methods_are_refused(self) -> None:
        for method in ("PUT", "DELETE", "PATCH"):
            response = self.client.generic(method, self.url())
            assert (response.status_code, response["Content-Type"]) == (405, "application/problem+json")

    def test_deleted_account_is_no_error(self) -> None:
        url = self.url()
        self.user.delete()
        assert self.client.post(url).status_code == 200
