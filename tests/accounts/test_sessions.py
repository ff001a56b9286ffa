"""Refreshing and ending sessions, and updates of the account."""

import uuid
from datetime import timedelta
from unittest import mock

from django.contrib.auth.hashers import check_password, make_password
from django.db.models import F
from django.test import override_settings
from django.utils import timezone

from backend.accounts import password_hashing
from backend.accounts.codes import Purpose
from backend.accounts.models import Session, User
from backend.accounts.services import TokenPair
from backend.accounts.services.sessions import open_session
from backend.accounts.tokens import read_refresh_token
from backend.carts.models import CartLine
from backend.carts.services import LineQuantity, add_lines
from backend.core.digests import digest_secret
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order
from tests.accounts.cases import OTHER_PASSWORD, PASSWORD, AccountCase, log_in, make_user, new_code
from tests.catalog.factories import make_product
from tests.support.clients import GraphQLClient
from tests.support.people import ADDRESS, make_viewer


class SessionCase(AccountCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_user()
        self.pair = log_in(self.user)
        self.other_pair = log_in(self.user)

    def assert_open(self, pair: TokenPair) -> None:
        assert self.graphql.me(pair.access_token)["email"] == self.user.email
        assert self.rest.read(f"Bearer {pair.access_token}").status == 200

    def assert_ended(self, pair: TokenPair) -> None:
        for api in self.apis:
            response = api.read(f"Bearer {pair.access_token}")
            assert (response.status, response.code) == (401, "TOKEN_INVALID")
            assert api.refresh(pair.refresh_token).code == "TOKEN_INVALID"


class RefreshTest(SessionCase):
    def test_each_refresh_returns_a_new_token(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                seen = set()
                token = log_in(self.user).refresh_token
                for _ in range(3):
                    response = api.refresh(token)
                    assert (response.code, response.data["expires_in"]) == (None, 600)
                    assert self.graphql.me(response.data["access_token"])["email"] == self.user.email
                    token = response.data["refresh_token"]
                    seen.add(token)
                assert len(seen) == 3

    def test_reused_token_ends_only_its_session(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                stolen = log_in(self.user)
                newer = api.refresh(stolen.refresh_token).data
                newest = api.refresh(newer["refresh_token"]).data
                response = api.refresh(stolen.refresh_token)
                assert (response.code, response.field) == ("TOKEN_INVALID", "refresh_token")
                for data in (newer, newest):
                    assert api.refresh(data["refresh_token"]).code == "TOKEN_INVALID"
                    assert api.read(f"Bearer {data['access_token']}").status == 401
        self.assert_open(self.pair)

    def test_token_reused_within_ten_seconds_returns_the_same_new_token(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                first = log_in(self.user).refresh_token
                session = Session.objects.filter(pk=read_refresh_token(first)[0])
                newer = api.refresh(first).data
                session.update(refreshed_at=timezone.now() - timedelta(seconds=9))
                repeated = api.refresh(first).data
                assert repeated["refresh_token"] == newer["refresh_token"]
                for data in (newer, repeated):
                    assert api.read(f"Bearer {data['access_token']}").code is None
                # The interval begins with the refresh and not with a repetition.
                session.update(refreshed_at=timezone.now() - timedelta(seconds=10))
                assert api.refresh(first).code == "TOKEN_INVALID"
                assert not session.exists()
                assert api.refresh(newer["refresh_token"]).code == "TOKEN_INVALID"

    def test_malformed_refresh_tokens_are_refused(self) -> None:
        session, _, secret = self.pair.refresh_token.partition(".")
        cases = {
            "unknown": f"{uuid.uuid4().hex}.{secret}",
            "empty": "",
            "a word": "null",
            "no secret": session,
            "another's secret": f"{session}.{self.other_pair.refresh_token.partition('.')[2]}",
            "null characters": f"{session}\0.{secret}",
            "a null character at the end": f"{self.pair.refresh_token}\0",
            "not ASCII": f"{session}.é",
            "an access token": self.pair.access_token,
            "10 kB": "x" * 10_240,
        }
        for api in self.apis:
            for name, token in cases.items():
                with self.subTest(name, api=api.name):
                    response = api.refresh(token)
                    assert (response.code, response.field) == ("TOKEN_INVALID", "refresh_token")
                    assert response.status == (200 if api is self.graphql else 401)

    def test_expired_refresh_token_is_refused(self) -> None:
        for api in self.apis:
            with override_settings(REFRESH_TOKEN_LIFETIME=timedelta(seconds=-1)):
                token = log_in(self.user).refresh_token
            assert api.refresh(token).code == "TOKEN_INVALID"

    def test_refresh_extends_the_session(self) -> None:
        Session.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
        self.rest.refresh(self.pair.refresh_token)
        session = Session.objects.order_by("expires_at").last()
        assert session.expires_at > timezone.now() + timedelta(days=29)

    def test_session_ends_after_ninety_days(self) -> None:
        for api in self.apis:
            pair = log_in(self.user)
            made = timezone.now() - timedelta(days=90) + timedelta(hours=1)
            session = Session.objects.filter(pk=read_refresh_token(pair.refresh_token)[0])
            session.update(created_at=made)
            response = api.refresh(pair.refresh_token)
            assert response.code is None
            assert session.get().expires_at == made + timedelta(days=90)
            header = f"Bearer {response.data['access_token']}"
            assert api.read(header).code is None
            # One hour later.
            hour = timedelta(hours=1)
            session.update(created_at=F("created_at") - hour, expires_at=F("expires_at") - hour)
            assert api.read(header).code == "TOKEN_INVALID"
            assert api.refresh(response.data["refresh_token"]).code == "TOKEN_INVALID"

    def test_stored_sessions_contain_no_token(self) -> None:
        for session in Session.objects.values():
            for pair in (self.pair, self.other_pair):
                for secret in (pair.access_token, pair.refresh_token, pair.refresh_token.partition(".")[2]):
                    assert secret not in str(session)


class EndTest(SessionCase):
    def test_logout_ends_the_current_session(self) -> None:
        for api, mine in zip(self.apis, (self.pair, log_in(self.user)), strict=True):
            with self.subTest(api.name):
                assert api.log_out(mine.access_token).code is None
                self.assert_ended(mine)
                self.assert_open(self.other_pair)

    def test_logout_everywhere_ends_all_own_sessions(self) -> None:
        other = make_user("other@example.com")
        others = log_in(other)
        response = self.graphql.send("logout everywhere", None, f"Bearer {self.pair.access_token}")
        assert response.code is None
        self.assert_ended(self.pair)
        self.assert_ended(self.other_pair)
        assert self.graphql.me(others.access_token)["email"] == other.email

    def test_password_change_ends_other_sessions(self) -> None:
        change = {"old_password": PASSWORD, "new_password": OTHER_PASSWORD}
        response = self.graphql.send("change password", change, f"Bearer {self.pair.access_token}")
        assert response.code is None
        self.assert_open(self.pair)
        self.assert_ended(self.other_pair)
        assert self.rest.log_in(self.user.email, PASSWORD).code == "WRONG_CREDENTIALS"
        assert self.rest.log_in(self.user.email, OTHER_PASSWORD).code is None

    def test_refused_password_change_ends_no_session(self) -> None:
        cases = [
            ({"old_password": "wrong", "new_password": OTHER_PASSWORD}, "WRONG_CREDENTIALS", "old_password"),
            ({"old_password": PASSWORD, "new_password": "12345678"}, "WEAK_PASSWORD", "new_password"),
            ({"old_password": PASSWORD, "new_password": "x" * 257}, "TOO_LONG", "new_password"),
            ({"old_password": PASSWORD, "new_password": ""}, "WEAK_PASSWORD", "new_password"),
        ]
        for change, code, field in cases:
            with self.subTest(code):
                response = self.graphql.send("change password", change, f"Bearer {self.pair.access_token}")
                assert (response.code, response.field) == (code, field)
        self.assert_open(self.other_pair)
        assert self.rest.log_in(self.user.email, PASSWORD).code is None

    def test_password_reset_ends_all_sessions(self) -> None:
        code = new_code(Purpose.PASSWORD_RESET, self.user.email)
        reset = {"email": self.user.email, "code": code, "new_password": OTHER_PASSWORD}
        assert self.graphql.send("reset password", reset).code is None
        self.assert_ended(self.pair)
        self.assert_ended(self.other_pair)

    def test_any_password_change_ends_all_sessions(self) -> None:
        self.user.set_password(OTHER_PASSWORD)
        self.user.save()
        self.assert_ended(self.pair)
        self.assert_ended(self.other_pair)

    def test_hash_upgrade_ends_no_session(self) -> None:
        hashers = [f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("PBKDF2", "MD5")]
        with override_settings(PASSWORD_HASHERS=hashers):
            newest = log_in(self.user)
            assert User.objects.get().password.startswith("pbkdf2")
            for pair in (self.pair, self.other_pair, newest):
                self.assert_open(pair)
            # The upgrade does not revive sessions of an older password.
            Session.objects.filter(pk=read_refresh_token(self.other_pair.refresh_token)[0]).update(
                password_digest=digest_secret("another")
            )
            User.objects.update(password=make_password(PASSWORD, hasher="md5"))
            log_in(self.user)
            self.assert_ended(self.other_pair)

    def test_staff_cannot_delete_their_account(self) -> None:
        User.objects.update(is_staff=True)
        header = f"Bearer {self.pair.access_token}"
        assert self.graphql.send("delete", {"password": PASSWORD}, header).code == "FORBIDDEN"
        assert User.objects.exists()
        User.objects.update(is_staff=False)
        assert self.graphql.send("delete", {"password": PASSWORD}, header).code is None

    def test_staff_cannot_reset_their_password(self) -> None:
        for is_staff, refusal in ((True, "WRONG_CODE"), (False, None)):
            User.objects.update(is_staff=is_staff)
            code = new_code(Purpose.PASSWORD_RESET, self.user.email)
            reset = {"email": self.user.email, "code": code, "new_password": OTHER_PASSWORD}
            assert self.graphql.send("reset password", reset).code == refusal
            assert User.objects.get().check_password(OTHER_PASSWORD) is (refusal is None)

    def test_account_deletion_deletes_its_mails(self) -> None:
        for recipient in (self.user.email, "other@example.com"):
            OutgoingEmail.objects.create(task="some", recipient=recipient, language="en")
        header = f"Bearer {self.pair.access_token}"
        assert self.graphql.send("delete", {"password": PASSWORD}, header).code is None
        assert OutgoingEmail.objects.get().recipient == "other@example.com"

    def test_account_deletion_requires_the_password(self) -> None:
        header = f"Bearer {self.pair.access_token}"
        refused = self.graphql.send("delete", {"password": OTHER_PASSWORD}, header)
        assert (refused.code, refused.field) == ("WRONG_CREDENTIALS", "password")
        self.assert_open(self.pair)
        assert self.graphql.send("delete", {"password": PASSWORD}, header).code is None
        assert not User.objects.exists()
        assert not Session.objects.exists()
        self.assert_ended(self.pair)
        self.assert_ended(self.other_pair)
        assert self.rest.log_in(self.user.email, PASSWORD).code == "WRONG_CREDENTIALS"

    def test_deletion_earlier_in_the_request_is_noticed(self) -> None:
        later = {
            "accountUpdate": ('{name: "Vera"}', "user { name } errors { code }"),
            "accountDelete": (f'{{password: "{PASSWORD}"}}', "errors { code }"),
            "passwordChange": (
                f'{{oldPassword: "{PASSWORD}", newPassword: "{OTHER_PASSWORD}"}}',
                "errors { code }",
            ),
        }
        for number, (mutation, (fields, selected)) in enumerate(later.items()):
            with self.subTest(mutation):
                user = make_user(f"user{number}@example.com")
                query = (
                    f'mutation {{ a: accountDelete(input: {{password: "{PASSWORD}"}}) '
                    "{ errors { code } } "
                    f"b: {mutation}(input: {fields}) {{ {selected} }} }}"
                )
                header = f"Bearer {log_in(user).access_token}"
                (error,) = GraphQLClient().post(query, Authorization=header).json()["errors"]
                assert (error["path"], error["extensions"]["code"]) == (["b"], "TOKEN_INVALID")

    def test_mutations_after_the_end_of_the_session_are_refused(self) -> None:
        product = make_product(stock=5)
        reused = log_in(self.user)
        self.rest.refresh(self.rest.refresh(reused.refresh_token).data["refresh_token"])
        code = new_code(Purpose.PASSWORD_RESET, self.user.email)
        ends = {
            "tokenRevoke": ("", log_in(self.user)),
            "tokenRefresh": (f'(input: {{refreshToken: "{reused.refresh_token}"}})', reused),
            "tokenRevokeAll": ("", log_in(self.user)),
            "passwordReset": (
                f'(input: {{email: "{self.user.email}", code: "{code}", newPassword: "{OTHER_PASSWORD}"}})',
                None,
            ),
            "accountDelete": (f'(input: {{password: "{OTHER_PASSWORD}"}})', None),
        }
        for mutation, (arguments, pair) in ends.items():
            with self.subTest(mutation):
                viewer = make_viewer(self.user)
                add_lines(viewer=viewer, lines=[LineQuantity(product.pk)], address=ADDRESS)
                query = (
                    'mutation { accountUpdate(input: {name: "Vera"}) { errors { code } } '
                    f"end: {mutation}{arguments} {{ errors {{ code }} }} "
                    f"cartLinesAdd(lines: [{{productId: {product.pk}}}]) {{ errors {{ code }} }} "
                    "orderCreate { order { number } errors { code } } }"
                )
                header = f"Bearer {(pair or open_session(User.objects.get())).access_token}"
                body = GraphQLClient().post(query, Authorization=header).json()
                assert body["data"]["accountUpdate"] == {"errors": []}
                assert body["data"]["end"] is not None, body
                assert [(error["path"], error["extensions"]["code"]) for error in body["errors"]] == [
                    (["cartLinesAdd"], "TOKEN_INVALID"),
                    (["orderCreate"], "TOKEN_INVALID"),
                ]
                assert not Order.objects.exists()
                assert not CartLine.objects.exclude(quantity=1).exists()
                CartLine.objects.all().delete()

    def test_password_changed_during_the_check_is_noticed(self) -> None:
        """A client that knows only the old password gets no session and changes nothing."""

        def check(password: str, encoded: str, setter: object = None) -> bool:
            right = check_password(password, encoded)
            User.objects.update(password=make_password(OTHER_PASSWORD))
            return right

        header = f"Bearer {self.pair.access_token}"
        change = {"old_password": PASSWORD, "new_password": "a third one entirely"}
        for send in (
            lambda: self.rest.log_in(self.user.email, PASSWORD),
            lambda: self.graphql.send("change password", change, header),
            lambda: self.graphql.send("delete", {"password": PASSWORD}, header),
        ):
            hashed = make_password(PASSWORD)
            User.objects.update(password=hashed)
            Session.objects.update(password_digest=digest_secret(hashed))
            with mock.patch.object(password_hashing.hashers, "check_password", side_effect=check):
                assert send().code == "WRONG_CREDENTIALS"
            assert User.objects.get().check_password(OTHER_PASSWORD)
            assert Session.objects.count() == 2

    def test_guests_are_refused(self) -> None:
        mutations = {
            "logout": None,
            "logout everywhere": None,
            "change password": {"old_password": PASSWORD, "new_password": OTHER_PASSWORD},
            "update": {"name": "Vera"},
            "delete": {"password": PASSWORD},
        }
        for action, fields in mutations.items():
            with self.subTest(action):
                assert self.graphql.send(action, fields).code == "UNAUTHENTICATED"
        self.assert_open(self.pair)


class UpdateTest(SessionCase):
    def update(self, **fields: object) -> tuple[str | None, str | None]:
        response = self.graphql.send("update", fields, f"Bearer {self.pair.access_token}")
        return response.code, response.field

    def test_name_and_language_can_be_updated(self) -> None:
        assert self.update(name=" Вера ") == (None, None)
        assert self.update(language="ru") == (None, None)
        account = self.graphql.me(self.pair.access_token)
        assert (account["name"], account["language"]) == ("Вера", "ru")
        assert self.update(name="\u202eЗо\xadя\u200b  Andre\u0301 ") == (None, None)
        assert self.graphql.me(self.pair.access_token)["name"] == "Зоя André"
        assert self.update(name="") == (None, None)
        assert self.update(name="x" * 150) == (None, None)

    def test_invalid_names_and_languages_are_refused(self) -> None:
        assert self.update(name="x" * 151) == ("TOO_LONG", "name")
        for name in ("Ve\0ra", "Ve\nra", "Vera\r", "Ve\x1bra", "Ve\x85ra", "Ve\u2028ra"):
            assert self.update(name=name) == ("INVALID", "name")
        assert self.update(language="xx") == ("INVALID", "language")
        assert self.update(name="Vera", language="e\x00") == ("INVALID", "language")
        assert self.update(email="a@b.example")[0] == "INVALID"
        account = self.graphql.me(self.pair.access_token)
        assert (account["name"], account["language"]) == ("", None)
