"""GraphQL and REST refuse the same input with the same code and field, and write nothing."""

from typing import Any

from backend.accounts.codes import Purpose
from backend.accounts.models import Session, User
from backend.core.redis import get_redis_client
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    AccountCase,
    clear_rate_limits,
    make_unconfirmed_user,
    make_user,
    new_code,
)
from tests.support.clients import GraphQLClient

EMAIL = "vera@example.com"
# An address of the maximum length of 254 characters.
LONGEST_EMAIL = f"{'v' * 60}@{'.'.join(['x' * 60] * 3)}.examples"
LONGEST_EMAIL += "s" * (254 - len(LONGEST_EMAIL))
LONG = "x" * 10_240

INVALID_EMAILS = {
    "": "INVALID",
    " ": "INVALID",
    "vera": "INVALID",
    "vera@": "INVALID",
    "@example.com": "INVALID",
    "vera@example": "INVALID",
    "ve ra@example.com": "INVALID",
    "vera@example.com, other@example.com": "INVALID",
    "Vera <vera@example.com>": "INVALID",
    "vera@example.com\nBcc: other@example.com": "INVALID",
    "vera@example.com\r\n\r\nx": "INVALID",
    "ve\0ra@example.com": "INVALID",
    "vera@exa\0mple.com": "INVALID",
    "vera@example.com\0": "INVALID",
    # Valid by the standard, but mail servers treat them as other addresses.
    "=?utf-8?q?vera?=@example.com": "INVALID",
    '"vera"@example.com': "INVALID",
    '"\x01vera"@example.com': "INVALID",
    "vera@exam\xadple.com": "INVALID",
    "vera@exam\u200bple.com": "INVALID",
    "vera@℀xample.com": "INVALID",
    "vera@[127.0.0.1]": "INVALID",
    # Letters that equal ASCII letters when case is ignored.
    "admın@example.com": "INVALID",
    "ſhop@example.com": "INVALID",
    "\u212aate@example.com": "INVALID",
    # The IDNA form of this label is too long.
    f"vera@{'ü' * 60}.example": "INVALID",
    f"{LONGEST_EMAIL}s": "TOO_LONG",
    f"{LONG}@example.com": "TOO_LONG",
    LONG: "TOO_LONG",
}
NON_STRINGS: list[Any] = [None, 5, 1.5, True, [], {}, ["vera@example.com"], {"a": 1}]


class RefusalTest(AccountCase):
    def assert_refused(self, action: str, fields: dict[str, Any], code: str, field: str | None) -> None:
        """Assert that both APIs return this code and field, and that nothing is written or sent."""
        before = self.written()
        for api in self.apis:
            with self.subTest(
                action, api=api.name, fields={name: str(value)[:30] for name, value in fields.items()}
            ):
                response = api.send(action, fields)
                assert (response.code, response.field) == (code, field)
                assert self.written() == before
        clear_rate_limits()

    @staticmethod
    def written() -> list[Any]:
        # Includes `last_login`, so that a successful login would be noticed.
        rows = [list(model.objects.order_by("pk").values()) for model in (User, Session, OutgoingEmail)]
        return [*rows, sorted(get_redis_client().keys("lavka:code:*"))]

    def test_invalid_email_addresses_are_refused(self) -> None:
        actions: dict[str, dict[str, Any]] = {
            "register": {"password": PASSWORD},
            "confirm": {"code": "123456"},
            "resend": {},
            "login": {"password": PASSWORD},
        }
        for action, more in actions.items():
            for email, code in INVALID_EMAILS.items():
                self.assert_refused(action, {"email": email, **more}, code, "email")

    def test_values_of_wrong_types_are_refused(self) -> None:
        good = {
            "register": {"email": EMAIL, "password": PASSWORD, "language": "en"},
            "confirm": {"email": EMAIL, "code": "123456"},
            "resend": {"email": EMAIL},
            "login": {"email": EMAIL, "password": PASSWORD},
            "refresh": {"refresh_token": "x.y"},
        }
        for action, fields in good.items():
            for name in fields:
                for value in NON_STRINGS:
                    if (name, value) == ("language", None):
                        continue
                    self.assert_refused(action, fields | {name: value}, "INVALID", name)
                if name != "language":
                    left = {other: value for other, value in fields.items() if other != name}
                    self.assert_refused(action, left, "INVALID", name)

    def test_unknown_fields_are_refused(self) -> None:
        fields = {"email": EMAIL, "password": PASSWORD}
        for api in self.apis:
            for more in ("is_staff", "name", "pass"):
                with self.subTest(more, api=api.name):
                    response = api.send("register", fields | {more: "true"})
                    assert (response.code, response.field) == ("INVALID", more)
        assert not User.objects.exists()

    def test_weak_passwords_are_refused(self) -> None:
        cases = {
            "": "WEAK_PASSWORD",
            " ": "WEAK_PASSWORD",
            "Xy7#kQz": "WEAK_PASSWORD",
            "password": "WEAK_PASSWORD",
            "password123": "WEAK_PASSWORD",
            "qwertyuiop": "WEAK_PASSWORD",
            "9274610385": "WEAK_PASSWORD",
            EMAIL: "WEAK_PASSWORD",
            "example.com": "WEAK_PASSWORD",
            # RFC 8265 disallows control characters and invisible characters.
            f"{PASSWORD}\0": "WEAK_PASSWORD",
            f"{PASSWORD}\t": "WEAK_PASSWORD",
            f"{PASSWORD}\u200b": "WEAK_PASSWORD",
            f"{PASSWORD}\xad": "WEAK_PASSWORD",
            f"{PASSWORD}\u200f": "WEAK_PASSWORD",
            "x" * 257: "TOO_LONG",
            LONG: "TOO_LONG",
        }
        for password, code in cases.items():
            self.assert_refused("register", {"email": EMAIL, "password": password}, code, "password")

    def test_spellings_of_a_password_are_equal(self) -> None:
        spellings = ["Кофейный été 7", "Кофеи\u0306ный e\u0301te\u0301 7", "Кофейный\xa0été\u30007"]
        for api in self.apis:
            for password in spellings:
                answers = [api.register(EMAIL, password), api.log_in(EMAIL, password)]
                assert [answer.code for answer in answers] == [None, "WRONG_CREDENTIALS"]
                assert api.confirm(EMAIL, new_code(Purpose.CONFIRMATION, EMAIL)).code is None
                for typed in spellings:
                    assert api.log_in(EMAIL, typed).code is None
                for typed in ("кофейный été 7", "Кофейный ete 7", "Кофейныйété7", "Кофейный été 7 "):
                    assert api.log_in(EMAIL, typed).code == "WRONG_CREDENTIALS"
                User.objects.all().delete()
                clear_rate_limits()

    def test_long_decomposed_password_equals_its_composed_form(self) -> None:
        for api in self.apis:
            assert api.register(EMAIL, "ǘ" * 256).code is None
            assert api.confirm(EMAIL, new_code(Purpose.CONFIRMATION, EMAIL)).code is None
            assert api.log_in(EMAIL, "ǘ" * 256).code is None
            assert api.log_in(EMAIL, "ǘ" * 255).code == "WRONG_CREDENTIALS"
            User.objects.all().delete()
            clear_rate_limits()

    def test_languages(self) -> None:
        for language in ("", "de", "EN", "en-GB", "russian", "r\0", LONG):
            fields = {"email": EMAIL, "password": PASSWORD, "language": language}
            self.assert_refused("register", fields, "INVALID", "language")

    def test_codes(self) -> None:
        make_unconfirmed_user(EMAIL)
        new_code(Purpose.CONFIRMATION, EMAIL)
        for code in (
            "",
            " ",
            "abcdef",
            "12345",
            "1234567",
            "12 34 56",
            "１２３４５６",
            "12345\0",
            "-12345",
            LONG,
        ):
            before = User.objects.get().is_confirmed
            for api in self.apis:
                with self.subTest(code[:20], api=api.name):
                    response = api.confirm(EMAIL, code)
                    assert (response.code, response.field) == ("WRONG_CODE", "code")
                    assert User.objects.get().is_confirmed == before
            clear_rate_limits()

    def test_all_errors_of_an_input_are_returned(self) -> None:
        for api in self.apis:
            with self.subTest(api=api.name):
                response = api.register("vera", "12345678", language="fr")
                assert (response.code, response.field) == ("INVALID", "email")
                assert response.others == (("INVALID", "language"), ("WEAK_PASSWORD", "password"))
        assert not User.objects.exists()
        (graphql, _) = self.apis
        reset = {"email": "vera", "code": "123456", "new_password": "12345678"}
        response = graphql.send("reset password", reset)
        assert (response.code, response.field) == ("INVALID", "email")
        assert response.others == (("WEAK_PASSWORD", "new_password"),)

    def test_logins(self) -> None:
        make_user(EMAIL)
        for password in ("", " ", "\0", f"{PASSWORD} ", PASSWORD.upper(), f"{PASSWORD}\0", "пароль", LONG):
            self.assert_refused("login", {"email": EMAIL, "password": password}, "WRONG_CREDENTIALS", "email")

    def test_unconfirmed_or_inactive_account_cannot_log_in(self) -> None:
        user = make_unconfirmed_user(EMAIL)
        self.assert_refused("login", {"email": EMAIL, "password": PASSWORD}, "WRONG_CREDENTIALS", "email")
        wrong = {"email": EMAIL, "password": OTHER_PASSWORD}
        self.assert_refused("login", wrong, "WRONG_CREDENTIALS", "email")
        user.is_active = False
        user.save()
        self.assert_refused("login", {"email": EMAIL, "password": PASSWORD}, "WRONG_CREDENTIALS", "email")

    def test_graphql_errors_name_the_argument_path(self) -> None:
        query = "mutation($input: RefreshInput!) { tokenRefresh(input: $input) { errors { field } } }"
        data = GraphQLClient().data(query, {"input": {"refreshToken": "x"}})
        assert data["tokenRefresh"]["errors"] == [{"field": ["input", "refreshToken"]}]
        error = GraphQLClient().error(query, {"input": {"refreshToken": 5}})
        assert error["extensions"]["field"] == ["input", "refreshToken"]

    def test_rest_errors_have_their_status(self) -> None:
        make_unconfirmed_user(EMAIL)
        assert self.rest.register("x", PASSWORD).status == 422
        assert self.rest.register(EMAIL, "x").status == 422
        assert self.rest.confirm(EMAIL, "x").status == 422
        assert self.rest.log_in(EMAIL, "x").status == 401
        assert self.rest.log_in(EMAIL, PASSWORD).status == 401
        assert self.rest.refresh("x").status == 401


class SuccessTest(AccountCase):
    def test_rest_statuses_of_successful_requests(self) -> None:
        assert self.rest.register(EMAIL, PASSWORD).status == 202
        assert self.rest.resend(EMAIL).status == 202
        assert self.rest.confirm(EMAIL, new_code(Purpose.CONFIRMATION, EMAIL)).status == 200
        login = self.rest.log_in(EMAIL, PASSWORD)
        assert (login.status, login.data["expires_in"]) == (200, 600)
        assert login.data.keys() == {"access_token", "refresh_token", "expires_in"}
        assert self.rest.refresh(login.data["refresh_token"]).status == 200
        assert self.rest.log_out(login.data["access_token"]).status == 204

    def test_values_at_the_limits_are_accepted(self) -> None:
        for api in self.apis:
            for email, password in (
                (LONGEST_EMAIL, PASSWORD),
                ("v@example.com", "Xy7#kQz2"),
                ("w@example.com", ("correct horse" * 20)[:256]),
                ("x@example.com", "правильная лошадь"),
                ("o'hara+shop@sub.example.co.uk", PASSWORD),
                ("vera@пример.рф", PASSWORD),
            ):
                with self.subTest(email[:30], api=api.name):
                    assert api.register(email, password).code is None
                    assert api.confirm(email, new_code(Purpose.CONFIRMATION, email)).code is None
                    assert api.log_in(email, password).code is None
                    assert User.objects.get(email=email).language == "en"
                    clear_rate_limits()
            User.objects.all().delete()

    def test_idna_and_unicode_domain_are_one_account(self) -> None:
        for api, spelling in zip(self.apis, ("vera@xn--e1afmkfd.xn--p1ai", "VERA@Пример.РФ"), strict=True):
            assert api.register(spelling, PASSWORD).code is None
            assert User.objects.get().email == "vera@пример.рф"
            assert api.confirm(spelling, new_code(Purpose.CONFIRMATION, "vera@пример.рф")).code is None
            assert api.log_in(spelling, PASSWORD).code is None
            User.objects.all().delete()
            clear_rate_limits()

    def test_registration_can_be_repeated_until_confirmed(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                email = f"{api.name.lower()}@example.com"
                api.register(email, PASSWORD, language="en")
                assert api.register(email.upper(), OTHER_PASSWORD, language="ru").code is None
                user = User.objects.get(email=email)
                assert (user.language, user.is_confirmed) == ("ru", False)
                assert api.confirm(email, new_code(Purpose.CONFIRMATION, email)).code is None
                assert api.log_in(email, PASSWORD).code == "WRONG_CREDENTIALS"
                assert api.log_in(email, OTHER_PASSWORD).code is None
                # A confirmed account does not change.
                assert api.register(email, PASSWORD).code is None
                assert api.log_in(email, OTHER_PASSWORD).code is None

    def test_staff_account_cannot_be_registered_again(self) -> None:
        staff = make_unconfirmed_user("staff@example.com")
        staff.is_staff = True
        staff.save()
        for api in self.apis:
            assert api.register(staff.email, OTHER_PASSWORD).code is None
            staff.refresh_from_db()
            assert staff.check_password(PASSWORD)
