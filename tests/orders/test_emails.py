"""Mails of orders, sent by a real worker to a real SMTP server."""

from decimal import Decimal

from django.conf import settings
from django.test import TestCase

from backend.notifications.email_templates import render_email
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order
from backend.orders.services import change_order_status
from tests.accounts.cases import WorkerCase
from tests.catalog.factories import make_product
from tests.orders.factories import make_order
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
