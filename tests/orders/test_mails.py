"""The mails of an order, as a real SMTP server receives them from a real worker."""

from decimal import Decimal

from django.conf import settings
from django.test import TestCase

from backend.notifications.letters import render_letter
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order
from backend.orders.services import change_order_status
from tests.accounts.cases import WorkerCase
from tests.catalog.factories import make_product
from tests.orders.factories import make_order
from tests.people import make_user
from tests.worker import html_of, text_of, wait_until

# What a mail's subject says besides the number.
SUBJECTS = {
    "en": {
        "placed": "Your order {}",
        "paid": "Your order {} is paid",
        "shipped": "Your order {} is on its way",
        "delivered": "Your order {} is delivered",
        "cancelled": "Your order {} is cancelled",
    },
    "ru": {
        "placed": "Ваш заказ {}",
        "paid": "Заказ {} оплачен",
        "shipped": "Заказ {} в пути",
        "delivered": "Заказ {} доставлен",
        "cancelled": "Заказ {} отменён",
    },
}


class TemplatesTest(TestCase):
    def test_every_status_has_its_mail_in_every_language(self) -> None:
        order = make_order()
        for language, _ in settings.LANGUAGES:
            for status in Order.Status:
                with self.subTest(status=status, language=language):
                    letter = render_letter(f"order-{status}", language, {"order": order})
                    self.assertEqual(letter.subject, SUBJECTS[language][status].format(order.number))
                    self.assertIn(order.number, letter.text)


class MailsTest(WorkerCase):
    def buy(self, email: str, language: str) -> Order:
        self.user = make_user(email, language=language)
        tea = make_product(name="Чай <№ 1> & “Сенча”", price=Decimal("1234.50"), stock=9)
        mug = make_product(name="Enamel mug", price=Decimal("450.00"))
        return make_order(self.user, (tea, 3), (mug, 1))

    def move(self, order: Order, status: str) -> None:
        change_order_status(order_id=order.pk, status=status, changed_by=self.user.pk)

    def test_an_order_that_was_placed(self) -> None:
        for language, total in (("en", "Total: 4153.50 RUB"), ("ru", "Итого: 4153.50 RUB")):
            with self.subTest(language):
                order = self.buy(f"{language}@example.com", language)
                mail = self.mail_server.wait_for_mail(f"{language}@example.com")
                self.assertEqual(mail["Subject"].strip(), SUBJECTS[language]["placed"].format(order.number))
                self.assertEqual(mail["From"], "shop@example.com")
                lines = text_of(mail).splitlines()
                self.assertEqual(
                    lines[2:6],
                    ["3 × Чай <№ 1> & “Сенча”: 3703.50 RUB", "1 × Enamel mug: 450.00 RUB", "", total],
                )
                html = html_of(mail)
                self.assertIn(f'<html lang="{language}">', html)
                self.assertIn("3 × Чай &lt;№ 1&gt; &amp; “Сенча”: 3703.50 RUB<br>", html)
                self.assertIn(total, html)

    def test_an_order_that_moves_on(self) -> None:
        for language in SUBJECTS:
            for way in (["paid", "shipped", "delivered"], ["cancelled"]):
                email = f"{language}-{way[-1]}@example.com"
                order = self.buy(email, language)
                self.mail_server.wait_for_mail(email)
                for count, status in enumerate(way, start=2):
                    with self.subTest(language=language, status=status):
                        self.move(order, status)
                        mail = self.mail_server.wait_for_mail(email, count=count)
                        self.assertEqual(
                            mail["Subject"].strip(), SUBJECTS[language][status].format(order.number)
                        )
                        for body in (text_of(mail), html_of(mail)):
                            self.assertIn(order.number, body)
                            self.assertEqual("4153.50 RUB" in body, status in ("paid", "cancelled"))

    def test_nobody_is_told_of_an_order_whose_account_is_gone(self) -> None:
        self.worker.stop()
        order = self.buy("gone@example.com", "en")
        self.move(order, "paid")
        self.user.delete()
        self.worker.start()
        wait_until(lambda: not OutgoingEmail.objects.filter(status="queued").exists(), "The mails' end")
        # Somebody else's mail, queued after theirs, shows that there is none.
        self.buy("other@example.com", "en")
        self.mail_server.wait_for_mail("other@example.com")
        self.assertEqual(self.mail_server.mails_to("gone@example.com"), [])
