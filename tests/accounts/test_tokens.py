"""Validation of access tokens."""

import base64
import json
import secrets
import uuid
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import jwt
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backend.accounts import tokens
from backend.accounts.codes import Purpose
from backend.accounts.models import Session, User
from tests.accounts.cases import PASSWORD, AccountCase, log_in, make_user, new_code


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def as_part(content: dict[str, Any]) -> str:
    return base64url(json.dumps(content).encode())


class AccessTokenTest(AccountCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_user()
        self.token = log_in(self.user).access_token
        self.claims = jwt.decode(self.token, options={"verify_signature": False})

    def assert_refused(self, authorization: str, code: str = "TOKEN_INVALID") -> None:
        """Assert that both APIs refuse the token, also for reads that guests may make."""
        for api in self.apis:
            response = api.read(authorization)
            assert (response.status, response.code) == (401, code), api.name
            scheme, _, token = authorization.partition(" ")
            response = api.log_out(token, scheme)
            assert (response.status, response.code) == (401, code), api.name

    def signed(self, key: Any = None, algorithm: str = "HS256", **changes: Any) -> str:
        """Return a signed token with changed claims. None removes a claim."""
        claims = {name: value for name, value in (self.claims | changes).items() if value is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
            return jwt.encode(claims, tokens._derive_key() if key is None else key, algorithm)

    def test_access_token_has_standard_claims(self) -> None:
        assert self.claims.keys() == {"sub", "sid", "iat", "exp"}
        assert self.claims["sub"] == str(self.user.pk)
        assert self.claims["exp"] - self.claims["iat"] == 600
        assert jwt.get_unverified_header(self.token) == {"alg": "HS256", "typ": "JWT"}

    def test_accepted_authorization_headers(self) -> None:
        for authorization in (
            f"Bearer {self.token}",
            f"bearer {self.token}",
            f"JWT {self.token}",
            f"Bearer  {self.token}",
            f"Bearer {self.signed()}",
        ):
            with self.subTest(authorization.replace(self.token, "…")):
                assert self.graphql.me(authorization.split()[-1])["email"] == self.user.email
                for api in self.apis:
                    assert api.read(authorization).status == 200

    def test_request_without_token_is_a_guest(self) -> None:
        for authorization in (None, "", "Bearer", "Basic dmVyYTpwYXNz", self.token):
            with self.subTest(authorization):
                for api in self.apis:
                    assert api.read(authorization).status == 200
        for api in self.apis:
            response = api.log_out(None)
            assert response.code == "UNAUTHENTICATED"
        assert self.rest.log_out(None).status == 401

    def test_token_with_another_signature_is_refused(self) -> None:
        header, payload, signature = self.token.split(".")
        unsigned = as_part({"alg": "none", "typ": "JWT"})
        cases = {
            "another key": self.signed(secrets.token_bytes(64)),
            "the secret key itself": self.signed(settings.SECRET_KEY),
            "HS512 with the right key": self.signed(tokens._derive_key(), "HS512"),
            "ES256": f"{as_part({'alg': 'ES256'})}.{payload}.{base64url(secrets.token_bytes(64))}",
            "none": self.signed("", "none"),
            "none with a signature": f"{unsigned}.{payload}.{signature}",
            "no signature": f"{header}.{payload}.",
            "another payload": f"{header}.{as_part(self.claims | {'sub': '1'})}.{signature}",
            "made by gqlauth": self.signed(settings.SECRET_KEY, payload=json.dumps({"email": "a@b.example"})),
        }
        for name, token in cases.items():
            with self.subTest(name):
                self.assert_refused(f"Bearer {token}")

    def test_tokens_with_invalid_dates_are_refused(self) -> None:
        now = datetime.now(UTC)
        cases = {
            "expired": ({"exp": now - timedelta(seconds=1)}, "TOKEN_EXPIRED"),
            "expired long ago": ({"exp": 1, "iat": 0}, "TOKEN_EXPIRED"),
            "issued in the future": ({"iat": now + timedelta(seconds=90)}, "TOKEN_INVALID"),
            "not yet valid": ({"nbf": now + timedelta(seconds=90)}, "TOKEN_INVALID"),
            "no number": ({"exp": "soon"}, "TOKEN_INVALID"),
            "a list": ({"iat": [1]}, "TOKEN_INVALID"),
        }
        for name, (changes, code) in cases.items():
            with self.subTest(name):
                self.assert_refused(f"Bearer {self.signed(**changes)}", code)

    def test_issue_date_may_be_slightly_in_the_future(self) -> None:
        ahead = self.signed(iat=datetime.now(UTC) + timedelta(seconds=3))
        for api in self.apis:
            assert api.read(f"Bearer {ahead}").code is None

    def test_access_token_expires_after_ten_minutes(self) -> None:
        for minutes, is_valid in ((9.9, True), (10.1, False)):
            made = datetime.now(UTC) - timedelta(minutes=minutes)
            with mock.patch("backend.accounts.tokens.datetime") as clock:
                clock.now.return_value = made
                token = log_in(self.user).access_token
            for api in self.apis:
                assert api.read(f"Bearer {token}").code == (None if is_valid else "TOKEN_EXPIRED")

    def test_tokens_with_invalid_claims_are_refused(self) -> None:
        cases: list[dict[str, Any]] = [
            {"exp": None},
            {"iat": None},
            {"sub": None},
            {"sid": None},
            {"sub": 5},
            {"sid": 5},
            {"sid": "x"},
            {"sid": ""},
            {"sid": ["x"]},
            {"sid": "9" * 400},
            {"sid": uuid.uuid4().hex},
        ]
        for changes in cases:
            with self.subTest(changes):
                self.assert_refused(f"Bearer {self.signed(**changes)}")

    def test_malformed_tokens_are_refused(self) -> None:
        header, payload, signature = self.token.split(".")
        cases = {
            "cut": self.token[:-5],
            "cut after the payload": f"{header}.{payload}",
            "one part": header,
            "four parts": f"{self.token}.{signature}",
            "dots": "..",
            "a word": "null",
            "not base64": f"{header}.!!!!.{signature}",
            "not JSON": f"{base64url(b'{')}.{payload}.{signature}",
            "no object": f"{base64url(b'[]')}.{payload}.{signature}",
            "deep": f"{base64url(b'[' * 6000)}.{payload}.{signature}",
            "a list of algorithms": f"{as_part({'alg': ['HS256']})}.{payload}.{signature}",
            "detached": f"{as_part({'alg': 'HS256', 'b64': False, 'crit': ['b64']})}..{signature}",
            "two words": f"{self.token} {self.token}",
            "not ASCII": "té.né.bé",
            "blank": " ",
            "long": "x" * 8000,
            "a refresh token": log_in(self.user).refresh_token,
        }
        for name, token in cases.items():
            with self.subTest(name):
                self.assert_refused(f"Bearer {token}")

    def test_tokens_of_closed_accounts_are_refused(self) -> None:
        def deactivated(user: User) -> None:
            User.objects.filter(pk=user.pk).update(is_active=False)

        def unconfirmed(user: User) -> None:
            user.status.verified = False
            user.status.save()

        def without_status(user: User) -> None:
            user.status.delete()
            assert self.rest.log_in(user.email, PASSWORD).code == "WRONG_CREDENTIALS"

        def archived(user: User) -> None:
            user.status.archived = True
            user.status.save()
            for api in self.apis:
                assert api.log_in(user.email, PASSWORD).code == "WRONG_CREDENTIALS"

        def deleted(user: User) -> None:
            user.delete()

        for number, end in enumerate((deactivated, unconfirmed, without_status, archived, deleted)):
            with self.subTest(end.__name__):
                user = make_user(f"user{number}@example.com")
                pair = log_in(user)
                end(user)
                self.assert_refused(f"Bearer {pair.access_token}")
                for api in self.apis:
                    assert api.refresh(pair.refresh_token).code == "TOKEN_INVALID"

    def test_token_of_an_expired_session_is_refused(self) -> None:
        Session.objects.update(expires_at=datetime.now(UTC))
        self.assert_refused(f"Bearer {self.token}")

    def test_authentication_costs_one_query_and_none_for_guests(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                with CaptureQueriesContext(connection) as guest_queries:
                    api.read(None)
                with CaptureQueriesContext(connection) as user_queries:
                    api.read(f"Bearer {self.token}")
                # The session, and what is read: the account by `me`, the cart by `GET /cart`.
                assert len(user_queries) - len(guest_queries) == 2
                assert not [query for query in guest_queries if "accounts_" in query["sql"]]
                # A token with a wrong signature costs no query.
                with self.assertNumQueries(0):
                    api.read(f"Bearer {self.signed(secrets.token_bytes(32))}")
                with self.assertNumQueries(0):
                    api.read("Bearer x")

    def test_invalid_token_does_not_prevent_a_login(self) -> None:
        old = self.signed(exp=datetime.now(UTC) - timedelta(days=1))
        for api in self.apis:
            for header in ("Bearer x", f"Bearer {old}"):
                with self.subTest(header[:10], api=api.name):
                    email = f"{api.name.lower()}{len(header)}@example.com"
                    login = {"email": email, "password": PASSWORD}
                    assert api.send("register", login, header).code is None
                    assert api.send("resend", {"email": email}, header).code is None
                    code = new_code(Purpose.CONFIRMATION, email)
                    assert api.send("confirm", {"email": email, "code": code}, header).code is None
                    response = api.send("login", login, header)
                    assert (response.status, response.code) == (200, None)
                    renew = {"refresh_token": response.data["refresh_token"]}
                    assert api.send("refresh", renew, header).code is None

    def test_invalid_token_is_refused_where_the_viewer_is_read(self) -> None:
        assert self.graphql.execute("{ categories { id } }", {}, "Bearer x").code is None
        catalogue = self.client.get("/categories", headers={"Authorization": "Bearer x"})
        assert catalogue.status_code == 200
        for action, given in (
            ("logout everywhere", None),
            ("change password", {"old_password": PASSWORD, "new_password": PASSWORD}),
            ("update", {"name": "Vera"}),
            ("delete", {"password": PASSWORD}),
        ):
            response = self.graphql.send(action, given, "Bearer x")
            assert (response.status, response.code) == (401, "TOKEN_INVALID"), action

    def test_me_is_null_for_guests(self) -> None:
        with self.assertNumQueries(0):
            assert self.graphql.execute("{ me { email } }", {}, None).data == {}

    def test_documentation_refuses_an_invalid_token(self) -> None:
        with self.settings(SWAGGER_PERMISSION="AUTHENTICATED"):
            for path in ("/docs", "/openapi.json"):
                good = self.client.get(path, headers={"Authorization": f"Bearer {self.token}"})
                assert good.status_code == 200
                bad = self.client.get(path, headers={"Authorization": "Bearer x"})
                assert (bad.status_code, bad.json()["code"]) == (401, "TOKEN_INVALID")
