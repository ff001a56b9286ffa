"""From registration to logout, with a worker process that sends the mail over SMTP."""

from django.utils import timezone
from gqlauth.models import UserStatus

from backend.notifications.models import OutgoingEmail
from tests.accounts.apis import Api
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    WorkerCase,
    forget_limits,
    let_a_minute_pass,
    log_in,
    make_user,
    make_waiting_user,
)
from tests.accounts.test_mail_faults import time_has_come
from tests.worker import code_in, html_of, text_of, wait_until


class Journey(WorkerCase):
    def test_from_registration_to_logout(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                self.walk(api, f"{api.name.lower()}@example.com")

    def test_an_international_domain(self) -> None:
        self.rest.register("vera@пример.рф", PASSWORD)
        code = code_in(self.mail_server.wait_for_mail("vera@xn--e1afmkfd.xn--p1ai"))
        self.assertIsNone(self.rest.confirm("vera@пример.рф", code).code)

    def walk(self, api: Api, email: str) -> None:
        self.assertEqual(api.register(f" {email.upper()} ", PASSWORD).code, None)
        self.assertEqual(api.log_in(email, PASSWORD).code, "WRONG_CREDENTIALS")
        code = code_in(self.mail_server.wait_for_mail(email))
        self.assertEqual(api.confirm(email.title(), f" {code} ").code, None)

        login = api.log_in(email, PASSWORD)
        self.assertEqual((login.status, login.code), (200, None))
        first = login.data
        self.assertEqual(first["expires_in"], 600)
        self.assertEqual(self.graphql.me(first["access_token"])["email"], email)
        self.assertEqual(api.read(f"Bearer {first['access_token']}").status, 200)

        second = api.refresh(first["refresh_token"]).data
        self.assertNotEqual(first["refresh_token"], second["refresh_token"])
        self.assertEqual(self.graphql.me(second["access_token"])["email"], email)

        self.assertEqual(api.log_out(second["access_token"]).code, None)
        for token in (first["access_token"], second["access_token"]):
            answer = api.read(f"Bearer {token}")
            self.assertEqual((answer.status, answer.code), (401, "TOKEN_INVALID"))
        for token in (first["refresh_token"], second["refresh_token"]):
            self.assertEqual(api.refresh(token).code, "TOKEN_INVALID")
        self.assertEqual(api.log_out(second["access_token"]).status, 401)

    def test_the_mail_is_in_the_language_that_was_asked_for(self) -> None:
        cases = {"en": "confirmation code", "ru": "код подтверждения"}
        for api in self.apis:
            for language, words in cases.items():
                with self.subTest(api=api.name, language=language):
                    email = f"{api.name.lower()}-{language}@example.com"
                    api.register(email, PASSWORD, language=language)
                    mail = self.mail_server.wait_for_mail(email)
                    code = code_in(mail)
                    self.assertIn(words, mail["Subject"])
                    self.assertEqual(mail["From"], "shop@example.com")
                    self.assertIn(words, text_of(mail).lower())
                    self.assertIn("15", text_of(mail))
                    self.assertIn(f'<html lang="{language}">', html_of(mail))
                    self.assertIn(code, html_of(mail))
                    self.assertEqual(api.confirm(email, code).code, None)

    def test_the_newest_code_is_the_one_that_counts(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                email = f"{api.name.lower()}@example.com"
                api.register(email, PASSWORD)
                old = code_in(self.mail_server.wait_for_mail(email))
                let_a_minute_pass()
                self.assertEqual(api.resend(email).code, None)
                new = code_in(self.mail_server.wait_for_mail(email, count=2))
                if old != new:
                    self.assertEqual(api.confirm(email, old).code, "WRONG_CODE")
                self.assertEqual(api.confirm(email, new).code, None)
                self.assertEqual(api.confirm(email, new).code, "WRONG_CODE")

    def test_one_code_a_minute(self) -> None:
        self.rest.register("vera@example.com", PASSWORD)
        code = code_in(self.mail_server.wait_for_mail("vera@example.com"))
        for api in self.apis:
            self.assertEqual(api.resend("vera@example.com").code, None)
        (waiting,) = OutgoingEmail.objects.filter(status=OutgoingEmail.Status.QUEUED)
        self.assertTrue(40 < (waiting.due_at - timezone.now()).total_seconds() <= 60)
        # Somebody else's mail, queued after theirs would have been, shows that there is none.
        self.rest.register("other@example.com", PASSWORD)
        self.mail_server.wait_for_mail("other@example.com")
        self.mail_server.wait_for_mail("vera@example.com", count=1)
        self.assertEqual(self.rest.confirm("vera@example.com", code).code, None)

    def test_registering_twice_with_one_password_leaves_the_code_good(self) -> None:
        """A double click."""
        for api in self.apis:
            email = f"twice-{api.name.lower()}@example.com"
            api.register(email, PASSWORD)
            first = code_in(self.mail_server.wait_for_mail(email))
            api.register(email, PASSWORD)
            self.assertIsNone(api.confirm(email, first).code)
            forget_limits()

    def test_registering_anew_with_another_password_mails_another_code(self) -> None:
        for api in self.apis:
            email = f"{api.name.lower()}@example.com"
            api.register(email, PASSWORD)
            first = code_in(self.mail_server.wait_for_mail(email))
            api.register(email, OTHER_PASSWORD)
            self.assertEqual(api.confirm(email, first).code, "WRONG_CODE")
            time_has_come()
            self.assertIsNone(
                api.confirm(email, code_in(self.mail_server.wait_for_mail(email, count=2))).code
            )
            forget_limits()

    def test_who_gets_no_mail(self) -> None:
        """Rows are queued for every address; the worker ends those that are for nobody."""
        make_waiting_user("waiting@example.com")
        make_user("known@example.com")
        make_user("staff@example.com", is_staff=True)
        make_user("deactivated@example.com", is_active=False)
        UserStatus.objects.filter(user=make_user("archived@example.com")).update(archived=True)
        for email in ("known@example.com", "unknown@example.com", "archived@example.com"):
            self.assertIsNone(self.rest.resend(email).code)
        for name in ("waiting", "staff", "deactivated", "archived", "unknown"):
            given = {"email": f"{name}@example.com"}
            self.assertIsNone(self.graphql.ask("request reset", given).code)
        queued = OutgoingEmail.objects.filter(status=OutgoingEmail.Status.QUEUED)
        wait_until(lambda: not queued.exists(), "The end of all mails")
        self.assertEqual(set(OutgoingEmail.objects.values_list("status", "sent_at")), {("skipped", None)})
        self.assertEqual((OutgoingEmail.objects.count(), self.mail_server.mails), (8, []))
        # One that nobody got keeps nobody waiting.
        self.assertIsNone(self.rest.register("unknown@example.com", PASSWORD).code)
        self.mail_server.wait_for_mail("unknown@example.com")

    def test_the_owner_of_a_known_address_is_told(self) -> None:
        user = make_user(language="ru")
        for count, api in enumerate(self.apis, start=1):
            with self.subTest(api.name):
                let_a_minute_pass()
                self.assertEqual(api.register(user.email, OTHER_PASSWORD).code, None)
                mail = self.mail_server.wait_for_mail(user.email, count=count)
                self.assertEqual(mail["Subject"].strip(), "У вас уже есть учётная запись")
                self.assertNotRegex(text_of(mail), r"\d{6}")
                self.assertEqual(api.log_in(user.email, OTHER_PASSWORD).code, "WRONG_CREDENTIALS")
                self.assertEqual(api.log_in(user.email, PASSWORD).code, None)

    def test_a_new_password_by_mail(self) -> None:
        user = make_user()
        sessions = [log_in(user), log_in(user)]
        self.assertEqual(self.graphql.ask("request reset", {"email": user.email}).code, None)
        mail = self.mail_server.wait_for_mail(user.email)
        reset = {"email": user.email, "code": code_in(mail), "new_password": OTHER_PASSWORD}
        # A weak password leaves the code good.
        weak = self.graphql.ask("reset password", reset | {"new_password": "12345678"})
        self.assertEqual((weak.code, weak.field), ("WEAK_PASSWORD", "new_password"))
        # A code of one purpose is nothing to the other.
        self.assertEqual(self.graphql.confirm(user.email, reset["code"]).code, "WRONG_CODE")
        self.assertEqual(self.graphql.ask("reset password", reset).code, None)
        self.assertEqual(self.graphql.ask("reset password", reset).code, "WRONG_CODE")
        for pair in sessions:
            self.assertEqual(self.graphql.read(f"Bearer {pair.access_token}").code, "TOKEN_INVALID")
            self.assertEqual(self.graphql.refresh(pair.refresh_token).code, "TOKEN_INVALID")
        self.assertEqual(self.rest.log_in(user.email, PASSWORD).code, "WRONG_CREDENTIALS")
        self.assertEqual(self.rest.log_in(user.email, OTHER_PASSWORD).code, None)
