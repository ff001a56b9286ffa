"""Mails of orders, sent by a real worker to a real SMTP server."""

from decimal import Decimal

from django.conf import settings
from django.test import TestCase, override_settings
from django.utils import timezone

from backend.notifications.email_templates import render_email
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import EmailContent, publish_due_emails
from backend.orders import tasks
from backend.orders.models import Order
from backend.orders.services import change_order_status
from tests.accounts.cases import WorkerCase
from tests.catalog.factories import make_product
from tests.orders.factories import GUEST_EMAIL, make_guest_cart, make_guest_order, make_order, order_as_guest
from tests.support.people import make_user
from tests.support.worker import get_html, get_text, wait_until

# The subjects by language and status.
SUBJECTS = {
    "en": {
        "placed": "Your order {}",
        "paid": "We received your payment for order {}",
        "shipped": "Your order {} has been shipped",
        "delivered": "Your order {} has been delivered",
        "cancelled": "Your order {} has been cancelled",
    },
    "ru": {
        "placed": "Ваш заказ {}",
        "paid": "Заказ {} оплачен",
        "shipped": "Заказ {} отправлен",
        "delivered": "Заказ {} доставлен",
        "cancelled": "Заказ {} отменён",
    },
}


class TemplatesTest(TestCase):
    def test_every_status_has_a_template_in_every_language(self) -> None:
        order = make_order()
        for language, _ in settings.LANGUAGES:
            for status in Order.Status:
                with self.subTest(status=status, language=language):
                    email_content = render_email(f"order-{status}", language, {"order": order})
                    assert email_content.subject == SUBJECTS[language][status].format(order.number)
                    assert order.number in email_content.text


class GuestTemplatesTest(TestCase):
    def render(self, order: Order, language: str = "en") -> EmailContent:
        email = OutgoingEmail.objects.latest("pk")
        email.language = language
        content = tasks._render_email(email, "order-placed")
        assert content is not None
        return content

    def test_every_mail_to_a_guest_has_the_token(self) -> None:
        order = make_guest_order()
        for language, _ in settings.LANGUAGES:
            for status in Order.Status:
                context = {"order": order, "token": order.token}
                assert str(order.token) in render_email(f"order-{status}", language, context).text
                context["storefront_url"] = "https://www.example.com"
                email_content = render_email(f"order-{status}", language, context)
                url = f"https://www.example.com/order/{order.number}#token={order.token}"
                assert f": {url}\n" in email_content.text
                assert f'<a href="{url}"' in email_content.html

    def test_mail_leads_to_the_storefront(self) -> None:
        order = make_guest_order()
        with override_settings(STOREFRONT_URL=""):
            assert f"this token: {order.token}\n" in self.render(order).text
        with override_settings(STOREFRONT_URL="https://www.example.com"):
            assert (
                f"https://www.example.com/order/{order.number}#token={order.token}\n"
                in self.render(order).text
            )

    def test_mail_without_a_valid_token_has_none(self) -> None:
        """After a change of the secret key, and to accounts."""
        order = make_guest_order()
        with override_settings(SECRET_KEY="another"):
            assert "token" not in self.render(order).text
        assert "token" not in self.render(make_order()).text


class OrderEmailsTest(WorkerCase):
    def buy(self, email: str, language: str) -> Order:
        self.user = make_user(email, language=language)
        tea = make_product(name="Чай <№ 1> & “Сенча”", price=Decimal("1234.50"), stock=9)
        mug = make_product(name="Enamel mug", price=Decimal("450.00"))
        return make_order(self.user, (tea, 3), (mug, 1))

    def change_status(self, order: Order, status: str) -> None:
        change_order_status(order_id=order.pk, status=status, changed_by=self.user.pk)

    def test_confirmation_lists_lines_and_total(self) -> None:
        for language, total in (("en", "Total: 4153.50 RUB"), ("ru", "Итого: 4153.50 RUB")):
            with self.subTest(language):
                order = self.buy(f"{language}@example.com", language)
                mail = self.mail_server.wait_for_mail(f"{language}@example.com")
                assert mail["Subject"].strip() == SUBJECTS[language]["placed"].format(order.number)
                assert mail["From"] == "shop@example.com"
                lines = get_text(mail).splitlines()
                assert lines[2:6] == [
                    "3 × Чай <№ 1> & “Сенча”: 3703.50 RUB",
                    "1 × Enamel mug: 450.00 RUB",
                    "",
                    total,
                ]
                html = get_html(mail)
                assert f'<html lang="{language}">' in html
                assert "3 × Чай &lt;№ 1&gt; &amp; “Сенча”: 3703.50 RUB<br>" in html
                assert total in html

    def test_every_status_change_is_mailed(self) -> None:
        for language in SUBJECTS:
            for statuses in (["paid", "shipped", "delivered"], ["cancelled"]):
                email = f"{language}-{statuses[-1]}@example.com"
                order = self.buy(email, language)
                self.mail_server.wait_for_mail(email)
                for count, status in enumerate(statuses, start=2):
                    with self.subTest(language=language, status=status):
                        self.change_status(order, status)
                        mail = self.mail_server.wait_for_mail(email, count=count)
                        assert mail["Subject"].strip() == SUBJECTS[language][status].format(order.number)
                        for body in (get_text(mail), get_html(mail)):
                            assert order.number in body
                            assert ("4153.50 RUB" in body) == (status in ("paid", "cancelled"))

    def test_no_mail_is_sent_after_the_account_was_deleted(self) -> None:
        self.worker.stop()
        order = self.buy("gone@example.com", "en")
        self.change_status(order, "paid")
        self.user.delete()
        self.worker.start()
        wait_until(
            lambda: not OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING).exists(),
            "the queued mails to be handled",
        )
        # Mails are sent in order, so the arrival of a later one shows that there was none before.
        self.buy("other@example.com", "en")
        self.mail_server.wait_for_mail("other@example.com")
        assert self.mail_server.list_mails_to("gone@example.com") == []

    def test_guest_gets_mails_with_the_token_in_the_language_of_the_order(self) -> None:
        order = order_as_guest(make_guest_cart(), language="ru")
        self.user = make_user()
        mail = self.mail_server.wait_for_mail(GUEST_EMAIL)
        assert mail["Subject"].strip() == SUBJECTS["ru"]["placed"].format(order.number)
        assert str(order.token) in get_text(mail)
        self.change_status(order, "paid")
        mail = self.mail_server.wait_for_mail(GUEST_EMAIL, count=2)
        assert mail["Subject"].strip() == SUBJECTS["ru"]["paid"].format(order.number)
        assert str(order.token) in get_text(mail)

    def test_repeated_mail_to_a_guest_is_the_same(self) -> None:
        order = make_guest_order()
        first = get_text(self.mail_server.wait_for_mail(GUEST_EMAIL))
        wait_until(lambda: OutgoingEmail.objects.filter(status="sent").exists(), "the mail to be recorded")
        OutgoingEmail.objects.update(status="retrying", sent_at=None, due_at=timezone.now())
        publish_due_emails()
        assert get_text(self.mail_server.wait_for_mail(GUEST_EMAIL, count=2)) == first
        assert str(order.token) in first

    def test_erased_guest_gets_no_mail(self) -> None:
        self.worker.stop()
        order = make_guest_order()
        Order.objects.filter(pk=order.pk).update(email="", token_digest="")
        self.worker.start()
        wait_until(
            lambda: OutgoingEmail.objects.filter(status="skipped").exists(), "the queued mail to be handled"
        )
        assert self.mail_server.list_mails_to(GUEST_EMAIL) == []
