"""User administration and login of staff."""

import re
from io import StringIO
from unittest import mock

from django.contrib.auth.management.commands import changepassword
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from gqlauth.models import UserStatus
from redis.exceptions import ConnectionError as RedisConnectionError

from backend.accounts.models import User
from backend.accounts.services import TokenPair, rate_limits
from backend.core.errors import Invalid
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    AccountCase,
    clear_rate_limits,
    log_in,
    make_unconfirmed_user,
    make_user,
)


class UserAdminTest(AccountCase):
    def setUp(self) -> None:
        super().setUp()
        self.client.force_login(User.objects.create_superuser("boss@example.com", PASSWORD))

    def test_user_added_by_staff_can_log_in_and_cannot_be_registered_again(self) -> None:
        form = {
            "email": "Vera@Example.com",
            "usable_password": "true",
            "password1": PASSWORD,
            "password2": PASSWORD,
        }
        response = self.client.post("/admin/accounts/user/add/", form)
        assert response.status_code == 302, response.content
        for api in self.apis:
            assert api.register("vera@example.com", OTHER_PASSWORD).code is None
            assert api.log_in("vera@example.com", PASSWORD).code is None

    def test_deactivation_ends_access_at_once(self) -> None:
        user = User.objects.create_user("vera@example.com", PASSWORD)
        token = self.rest.log_in(user.email, PASSWORD).data["access_token"]
        form = {"email": user.email, "name": "", "language": "en"}
        response = self.client.post(f"/admin/accounts/user/{user.pk}/change/", form)
        assert response.status_code == 302, response.content
        for api in self.apis:
            assert api.read(f"Bearer {token}").code == "TOKEN_INVALID"
            assert api.log_in(user.email, PASSWORD).code == "WRONG_CREDENTIALS"

    def test_password_set_by_staff_ends_all_sessions(self) -> None:
        user = make_user()
        other = make_user("other@example.com")
        log_in(other)
        token = log_in(user).access_token
        address = f"/admin/accounts/user/{user.pk}/password/"
        form = {"usable_password": "true", "password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD}
        refused = self.client.post(address, form | {"password2": PASSWORD})
        assert (refused.status_code, user.sessions.count()) == (200, 1)
        response = self.client.post(address, form)
        assert response.status_code == 302, response.content
        for api in self.apis:
            assert api.read(f"Bearer {token}").code == "TOKEN_INVALID"
            assert api.log_in(user.email, OTHER_PASSWORD).code is None
        assert other.sessions.count() == 1

    def test_own_password_change_ends_api_sessions(self) -> None:
        boss = User.objects.get()
        pair = log_in(boss)
        form = {
            "old_password": "wrong",
            "new_password1": OTHER_PASSWORD,
            "new_password2": OTHER_PASSWORD,
        }
        refused = self.client.post("/admin/password_change/", form)
        assert (refused.status_code, boss.sessions.count()) == (200, 1)
        response = self.client.post("/admin/password_change/", form | {"old_password": PASSWORD})
        assert response.status_code == 302
        self.assert_ended(pair)
        assert self.client.get("/admin/").status_code == 200

    def test_password_set_by_command_ends_all_sessions(self) -> None:
        user = make_user()
        pair = log_in(user)
        with mock.patch.object(changepassword, "getpass") as terminal:
            terminal.getpass.return_value = OTHER_PASSWORD
            call_command("changepassword", user.email, stdout=StringIO())
        self.assert_ended(pair)
        assert self.rest.log_in(user.email, OTHER_PASSWORD).code is None

    def assert_ended(self, pair: TokenPair) -> None:
        for api in self.apis:
            assert api.read(f"Bearer {pair.access_token}").code == "TOKEN_INVALID"
            assert api.refresh(pair.refresh_token).code == "TOKEN_INVALID"

    def test_email_addresses_are_normalized(self) -> None:
        form = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
        response = self.client.post(
            "/admin/accounts/user/add/", form | {"email": "Vera@XN--E1AFMKFD.xn--p1ai"}
        )
        assert response.status_code == 302, response.content
        assert User.objects.filter(email="vera@пример.рф").exists()
        for spelling in ("VERA@пример.рф", "вера@example.com", '"vera"@example.com'):
            response = self.client.post("/admin/accounts/user/add/", form | {"email": spelling})
            assert response.status_code == 200
            assert "email" in response.context["adminform"].form.errors
        for api in self.apis:
            assert api.log_in("vera@xn--e1afmkfd.xn--p1ai", PASSWORD).code is None
        assert User.objects.create_user(" Anna@XN--E1AFMKFD.xn--p1ai").email == "anna@пример.рф"
        with self.assertRaises(Invalid):
            User.objects.create_user("вера@example.com")

    def test_user_pages_show_and_edit_all_fields(self) -> None:
        make_user("vera@example.com", name="Vera Inber", language="ru")
        waiting = make_unconfirmed_user("waiting@example.com")
        page = self.client.get("/admin/accounts/user/?q=Inber").content.decode()
        assert "Vera Inber" in page
        assert "Русский" in page
        assert "waiting@example.com" not in page
        page = self.client.get("/admin/accounts/user/?status__verified__exact=0").content.decode()
        assert "waiting@example.com" in page
        assert 'alt="False"' in page
        page = self.client.get(f"/admin/accounts/user/{waiting.pk}/change/").content.decode()
        assert "Confirmed" in page
        form = {"email": waiting.email, "name": "Wait", "language": "ru", "is_active": "on"}
        self.client.post(f"/admin/accounts/user/{waiting.pk}/change/", form)
        waiting = User.objects.get(pk=waiting.pk)
        assert (waiting.name, waiting.language, waiting.is_confirmed) == ("Wait", "ru", False)

    def test_language_switch_stores_the_language_of_the_account(self) -> None:
        page = self.client.get("/admin/accounts/user/?q=x").content.decode()
        assert '<button name="language" value="ru" lang="ru">Русский</button>' in page
        assert 'name="next" value="/admin/accounts/user/?q=x"' in page
        response = self.client.post("/admin/language/", {"language": "ru", "next": "/admin/accounts/user/"})
        assert (response.status_code, response["Location"]) == (302, "/admin/accounts/user/")
        assert User.objects.get(email="boss@example.com").language == "ru"
        page = self.client.get("/admin/accounts/user/").content.decode()
        assert '<html lang="ru"' in page
        assert '<button name="language" value="en" lang="en">English</button>' in page

    def test_language_switch_refuses_other_languages_methods_and_hosts(self) -> None:
        for data in ({"language": "de"}, {}):
            assert self.client.post("/admin/language/", data).status_code == 422
        assert self.client.get("/admin/language/").status_code == 405
        for target in ("https://evil.example/", "//evil.example", ""):
            response = self.client.post("/admin/language/", {"language": "en", "next": target})
            assert (response.status_code, response["Location"]) == (302, "/admin/")
        client = Client()
        assert client.post("/admin/language/", {"language": "ru"}).status_code == 302
        assert User.objects.get(email="boss@example.com").language == "en"

    def test_gqlauth_models_are_not_in_the_admin(self) -> None:
        assert "gqlauth" not in self.client.get("/admin/").content.decode()
        for model in ("refreshtoken", "userstatus"):
            assert self.client.get(f"/admin/gqlauth/{model}/").status_code == 404

    def test_outgoing_emails_are_read_only(self) -> None:
        mail = OutgoingEmail.objects.create(task="some", recipient="vera@example.com", language="en")
        address = f"/admin/notifications/outgoingemail/{mail.pk}"
        assert self.client.get(f"{address}/change/").status_code == 200
        assert self.client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": [mail.pk], "post": "yes"}
        self.client.post("/admin/notifications/outgoingemail/", chosen)
        assert OutgoingEmail.objects.exists()


class StaffLoginTest(AccountCase):
    def setUp(self) -> None:
        super().setUp()
        User.objects.create_superuser("boss@example.com", PASSWORD)

    def log_in(self, email: str = "boss@example.com", password: str = PASSWORD, **meta: str) -> str | None:
        """Return the error message of the login form, or None if the login succeeds."""
        response = self.send_form(email, password, **meta)
        if response.status_code == 302:
            return None
        return " ".join(response.context["form"].non_field_errors())

    def send_form(self, email: str, password: str, **meta: str) -> HttpResponse:
        form = {"username": email, "password": password}
        return Client().post("/admin/login/?next=/admin/", form, **meta)

    def test_status_of_the_form_says_whether_the_attempt_was_made(self) -> None:
        minute = rate_limits.LOGIN_PER_NETWORK[0]
        for _ in range(minute.amount):
            response = self.send_form("boss@example.com", "wrong")
            assert response.status_code == 200
            assert "Retry-After" not in response
        response = self.send_form("boss@example.com", PASSWORD)
        assert response.status_code == 429
        seconds = int(response["Retry-After"])
        assert 0 < seconds <= minute.get_expiry() + 1, seconds
        self.assertContains(response, f"Try again in {seconds} seconds.", status_code=429)
        self.assertContains(response, 'name="password"', status_code=429)
        with mock.patch("backend.core.throttling._get_limiter") as limiter:
            limiter.return_value.hit.side_effect = RedisConnectionError
            response = self.send_form("boss@example.com", PASSWORD)
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        self.assertContains(response, 'name="password"', status_code=503)

    def test_login_attempts_are_limited_per_account_and_network(self) -> None:
        minute = rate_limits.LOGIN_PER_NETWORK[0].amount
        for number in range(minute):
            email = "boss@example.com" if number % 2 else " BOSS@example.com"
            assert "Please enter the correct" in (self.log_in(email, "wrong") or "")
        assert re.search(r"^Too many attempts. Try again in \d+ seconds\.$", self.log_in() or "")
        # Logins from other networks and to other accounts are not affected.
        assert self.log_in(REMOTE_ADDR="192.0.2.7") is None
        assert "Too many attempts" in (self.log_in() or "")
        User.objects.create_superuser("other@example.com", PASSWORD)
        assert self.log_in("other@example.com") is None
        clear_rate_limits()
        assert self.log_in() is None

    def test_successful_login_resets_the_limits(self) -> None:
        for _ in range(3):
            for _ in range(rate_limits.LOGIN_PER_NETWORK[0].amount - 1):
                self.log_in(password="wrong")
            assert self.log_in() is None

    def test_login_attempts_are_limited_per_address(self) -> None:
        for number in range(rate_limits.LOGIN_PER_ADDRESS[0].amount):
            self.log_in(f"user{number}@example.com", "wrong")
        assert "Too many attempts" in (self.log_in() or "")
        assert self.log_in(REMOTE_ADDR="192.0.2.7") is None

    def test_archived_staff_cannot_log_in(self) -> None:
        assert self.log_in() is None
        UserStatus.objects.update(archived=True)
        assert "Please enter the correct" in (self.log_in() or "")

    def test_archiving_ends_admin_access_at_once(self) -> None:
        self.client.force_login(User.objects.get())
        assert self.client.get("/admin/").status_code == 200
        UserStatus.objects.update(archived=True)
        self.assertRedirects(self.client.get("/admin/"), "/admin/login/?next=/admin/")
        UserStatus.objects.update(archived=False)
        assert self.client.get("/admin/").status_code == 200

    def test_login_accepts_any_spelling_of_the_address(self) -> None:
        User.objects.create_superuser("boss@пример.рф", PASSWORD)
        assert self.log_in("Boss@xn--e1afmkfd.xn--p1ai") is None
        assert "Please enter the correct" in (self.log_in("no address") or "")

    def test_incomplete_forms_are_not_counted(self) -> None:
        for _ in range(rate_limits.LOGIN_PER_ADDRESS[0].amount + 1):
            self.log_in(password="")
        assert self.log_in() is None

    def test_login_is_unavailable_while_redis_is_down(self) -> None:
        with mock.patch("backend.core.throttling._get_limiter") as limiter:
            limiter.return_value.hit.side_effect = RedisConnectionError
            assert "temporarily unavailable" in (self.log_in() or "")
