"""Registration, login and password reset, with a worker process that sends mails over SMTP."""

import re

from django.utils import timezone
from gqlauth.models import UserStatus

from backend.notifications.models import OutgoingEmail
from tests.accounts.apis import Api
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    WorkerCase,
    clear_rate_limits,
    log_in,
    make_unconfirmed_user,
    make_user,
    skip_email_interval,
)
from tests.accounts.test_mail_faults import publish_emails_now
from tests.support.worker import find_code, get_html, get_text, wait_until


class JourneyTest(WorkerCase):
    def test_from_registration_to_logout(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                self.walk(api, f"{api.name.lower()}@example.com")

    def test_international_domain_receives_mail(self) -> None:
        self.rest.register("vera@пример.рф", PASSWORD)
        code = find_code(self.mail_server.wait_for_mail("vera@xn--e1afmkfd.xn--p1ai"))
        assert self.rest.confirm("vera@пример.рф", code).code is None

    def walk(self, api: Api, email: str) -> None:
        assert api.register(f" {email.upper()} ", PASSWORD).code is None
        assert api.log_in(email, PASSWORD).code == "WRONG_CREDENTIALS"
        code = find_code(self.mail_server.wait_for_mail(email))
        assert api.confirm(email.title(), f" {code} ").code is None

        login = api.log_in(email, PASSWORD)
        assert (login.status, login.code) == (200, None)
        first = login.data
        assert first["expires_in"] == 600
        assert self.graphql.me(first["access_token"])["email"] == email
        assert api.read(f"Bearer {first['access_token']}").status == 200

        second = api.refresh(first["refresh_token"]).data
        assert first["refresh_token"] != second["refresh_token"]
        assert self.graphql.me(second["access_token"])["email"] == email

        assert api.log_out(second["access_token"]).code is None
        for token in (first["access_token"], second["access_token"]):
            response = api.read(f"Bearer {token}")
            assert (response.status, response.code) == (401, "TOKEN_INVALID")
        for token in (first["refresh_token"], second["refresh_token"]):
            assert api.refresh(token).code == "TOKEN_INVALID"
        assert api.log_out(second["access_token"]).status == 401

    def test_mail_is_in_the_requested_language(self) -> None:
        cases = {"en": "confirmation code", "ru": "код подтверждения"}
        for api in self.apis:
            for language, words in cases.items():
                with self.subTest(api=api.name, language=language):
                    email = f"{api.name.lower()}-{language}@example.com"
                    api.register(email, PASSWORD, language=language)
                    mail = self.mail_server.wait_for_mail(email)
                    code = find_code(mail)
                    assert words in mail["Subject"]
                    assert mail["From"] == "shop@example.com"
                    assert words in get_text(mail).lower()
                    assert "15" in get_text(mail)
                    assert f'<html lang="{language}">' in get_html(mail)
                    assert code in get_html(mail)
                    assert api.confirm(email, code).code is None

    def test_only_the_newest_code_is_valid(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                email = f"{api.name.lower()}@example.com"
                api.register(email, PASSWORD)
                old = find_code(self.mail_server.wait_for_mail(email))
                skip_email_interval()
                assert api.resend(email).code is None
                new = find_code(self.mail_server.wait_for_mail(email, count=2))
                if old != new:
                    assert api.confirm(email, old).code == "WRONG_CODE"
                assert api.confirm(email, new).code is None
                assert api.confirm(email, new).code == "WRONG_CODE"

    def test_codes_are_sent_at_most_once_a_minute(self) -> None:
        self.rest.register("vera@example.com", PASSWORD)
        code = find_code(self.mail_server.wait_for_mail("vera@example.com"))
        for api in self.apis:
            assert api.resend("vera@example.com").code is None
        (waiting,) = OutgoingEmail.objects.filter(status=OutgoingEmail.Status.QUEUED)
        assert 40 < (waiting.due_at - timezone.now()).total_seconds() <= 60
        # This mail is enqueued later, so when it arrives, no second code was sent before it.
        self.rest.register("other@example.com", PASSWORD)
        self.mail_server.wait_for_mail("other@example.com")
        self.mail_server.wait_for_mail("vera@example.com", count=1)
        assert self.rest.confirm("vera@example.com", code).code is None

    def test_repeated_registration_with_same_password_keeps_the_code(self) -> None:
        """A client may send the form twice."""
        for api in self.apis:
            email = f"twice-{api.name.lower()}@example.com"
            api.register(email, PASSWORD)
            first = find_code(self.mail_server.wait_for_mail(email))
            api.register(email, PASSWORD)
            assert api.confirm(email, first).code is None
            clear_rate_limits()

    def test_registration_with_another_password_sends_another_code(self) -> None:
        for api in self.apis:
            email = f"{api.name.lower()}@example.com"
            api.register(email, PASSWORD)
            first = find_code(self.mail_server.wait_for_mail(email))
            api.register(email, OTHER_PASSWORD)
            assert api.confirm(email, first).code == "WRONG_CODE"
            publish_emails_now()
            assert api.confirm(email, find_code(self.mail_server.wait_for_mail(email, count=2))).code is None
            clear_rate_limits()

    def test_ineligible_accounts_receive_no_code(self) -> None:
        """Mails are enqueued for every address, and the worker skips those of ineligible accounts."""
        make_unconfirmed_user("waiting@example.com")
        make_user("known@example.com")
        make_user("staff@example.com", is_staff=True)
        make_user("deactivated@example.com", is_active=False)
        UserStatus.objects.filter(user=make_user("archived@example.com")).update(archived=True)
        for email in ("known@example.com", "unknown@example.com", "archived@example.com"):
            assert self.rest.resend(email).code is None
        for name in ("waiting", "staff", "deactivated", "archived", "unknown"):
            fields = {"email": f"{name}@example.com"}
            assert self.graphql.send("request reset", fields).code is None
        queued = OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING)
        wait_until(lambda: not queued.exists(), "all mails to be finished")
        assert set(OutgoingEmail.objects.values_list("status", "sent_at")) == {("skipped", None)}
        assert (OutgoingEmail.objects.count(), self.mail_server.mails) == (8, [])
        # A skipped mail does not delay the next one.
        assert self.rest.register("unknown@example.com", PASSWORD).code is None
        self.mail_server.wait_for_mail("unknown@example.com")

    def test_owner_is_notified_of_repeated_registration(self) -> None:
        user = make_user(language="ru")
        for count, api in enumerate(self.apis, start=1):
            with self.subTest(api.name):
                skip_email_interval()
                assert api.register(user.email, OTHER_PASSWORD).code is None
                mail = self.mail_server.wait_for_mail(user.email, count=count)
                assert mail["Subject"].strip() == "У вас уже есть учётная запись"
                assert not re.search(r"\d{6}", get_text(mail))
                assert api.log_in(user.email, OTHER_PASSWORD).code == "WRONG_CREDENTIALS"
                assert api.log_in(user.email, PASSWORD).code is None

    def test_password_reset_by_mail(self) -> None:
        user = make_user()
        sessions = [log_in(user), log_in(user)]
        assert self.graphql.send("request reset", {"email": user.email}).code is None
        mail = self.mail_server.wait_for_mail(user.email)
        reset = {"email": user.email, "code": find_code(mail), "new_password": OTHER_PASSWORD}
        # A weak password does not consume the code.
        weak = self.graphql.send("reset password", reset | {"new_password": "12345678"})
        assert (weak.code, weak.field) == ("WEAK_PASSWORD", "new_password")
        # A code is valid for one purpose only.
        assert self.graphql.confirm(user.email, reset["code"]).code == "WRONG_CODE"
        assert self.graphql.send("reset password", reset).code is None
        assert self.graphql.send("reset password", reset).code == "WRONG_CODE"
        for pair in sessions:
            assert self.graphql.read(f"Bearer {pair.access_token}").code == "TOKEN_INVALID"
            assert self.graphql.refresh(pair.refresh_token).code == "TOKEN_INVALID"
        assert self.rest.log_in(user.email, PASSWORD).code == "WRONG_CREDENTIALS"
        assert self.rest.log_in(user.email, OTHER_PASSWORD).code is None
