"""Which tokens are good, and how the others are refused."""

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


class AccessTokens(AccountCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_user()
        self.token = log_in(self.user).access_token
        self.claims = jwt.decode(self.token, options={"verify_signature": False})

    def assert_refused(self, authorization: str, code: str = "TOKEN_INVALID") -> None:
        """Both APIs refuse it: to read, where a guest may, and to log out."""
        for api in self.apis:
            answer = api.read(authorization)
            self.assertEqual((answer.status, answer.code), (401, code), api.name)
            scheme, _, token = authorization.partition(" ")
            answer = api.log_out(token, scheme)
            self.assertEqual((answer.status, answer.code), (401, code), api.name)

    def signed(self, key: Any = None, algorithm: str = "HS256", **changes: Any) -> str:
        """Sign the claims again, with changes; None leaves a claim out."""
        claims = {name: value for name, value in (self.claims | changes).items() if value is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
            return jwt.encode(claims, tokens._key() if key is None else key, algorithm)

    def test_the_claims_are_the_standard_ones(self) -> None:
        self.assertEqual(self.claims.keys(), {"sub", "sid", "iat", "exp"})
        self.assertEqual(self.claims["sub"], str(self.user.pk))
        self.assertEqual(self.claims["exp"] - self.claims["iat"], 600)
        self.assertEqual(jwt.get_unverified_header(self.token), {"alg": "HS256", "typ": "JWT"})

    def test_how_a_good_one_may_be_sent(self) -> None:
        for authorization in (
            f"Bearer {self.token}",
            f"bearer {self.token}",
            f"JWT {self.token}",
            f"Bearer  {self.token}",
            f"Bearer {self.signed()}",
        ):
            with self.subTest(authorization.replace(self.token, "…")):
                self.assertEqual(self.graphql.me(authorization.split()[-1])["email"], self.user.email)
                for api in self.apis:
                    self.assertEqual(api.read(authorization).status, 200)

    def test_nobody_is_logged_in_without_one(self) -> None:
        for authorization in (None, "", "Bearer", "Basic dmVyYTpwYXNz", self.token):
            with self.subTest(authorization):
                for api in self.apis:
                    self.assertEqual(api.read(authorization).status, 200)
        for api in self.apis:
            answer = api.log_out(None)
            self.assertEqual(answer.code, "UNAUTHENTICATED")
        self.assertEqual(self.rest.log_out(None).status, 401)

    def test_signed_by_somebody_else(self) -> None:
        header, payload, signature = self.token.split(".")
        unsigned = as_part({"alg": "none", "typ": "JWT"})
        cases = {
            "another key": self.signed(secrets.token_bytes(64)),
            "the secret key itself": self.signed(settings.SECRET_KEY),
            "HS512 with the right key": self.signed(tokens._key(), "HS512"),
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

    def test_dates(self) -> None:
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

    def test_a_clock_that_is_a_little_ahead(self) -> None:
        ahead = self.signed(iat=datetime.now(UTC) + timedelta(seconds=3))
        for api in self.apis:
            self.assertIsNone(api.read(f"Bearer {ahead}").code)

    def test_ten_minutes(self) -> None:
        for minutes, good in ((9.9, True), (10.1, False)):
            made = datetime.now(UTC) - timedelta(minutes=minutes)
            with mock.patch("backend.accounts.tokens.datetime") as clock:
                clock.now.return_value = made
                token = log_in(self.user).access_token
            for api in self.apis:
                self.assertEqual(api.read(f"Bearer {token}").code, None if good else "TOKEN_EXPIRED")

    def test_claims(self) -> None:
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

    def test_cut_and_garbled(self) -> None:
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

    def test_whose_account_is_no_more(self) -> None:
        def deactivated(user: User) -> None:
            User.objects.filter(pk=user.pk).update(is_active=False)

        def unconfirmed(user: User) -> None:
            user.status.verified = False
            user.status.save()

        def without_status(user: User) -> None:
            user.status.delete()
            self.assertEqual(self.rest.log_in(user.email, PASSWORD).code, "WRONG_CREDENTIALS")

        def archived(user: User) -> None:
            user.status.archived = True
            user.status.save()
            for api in self.apis:
                self.assertEqual(api.log_in(user.email, PASSWORD).code, "WRONG_CREDENTIALS")

        def deleted(user: User) -> None:
            user.delete()

        for number, end in enumerate((deactivated, unconfirmed, without_status, archived, deleted)):
            with self.subTest(end.__name__):
                user = make_user(f"user{number}@example.com")
                pair = log_in(user)
                end(user)
                self.assert_refused(f"Bearer {pair.access_token}")
                for api in self.apis:
                    self.assertEqual(api.refresh(pair.refresh_token).code, "TOKEN_INVALID")

    def test_whose_session_is_over(self) -> None:
        Session.objects.update(expires_at=datetime.now(UTC))
        self.assert_refused(f"Bearer {self.token}")

    def test_no_query_for_a_guest_and_one_for_anybody_else(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                with CaptureQueriesContext(connection) as as_guest:
                    api.read(None)
                with CaptureQueriesContext(connection) as signed_in:
                    api.read(f"Bearer {self.token}")
                # `me` reads the account too.
                of_the_answer = 1 if api is self.graphql else 0
                self.assertEqual(len(signed_in) - len(as_guest) - of_the_answer, 1)
                self.assertFalse([query for query in as_guest if "accounts_" in query["sql"]])
                # A token that is not ours costs no query at all.
                with self.assertNumQueries(0):
                    api.read(f"Bearer {self.signed(secrets.token_bytes(32))}")
                with self.assertNumQueries(0):
                    api.read("Bearer x")

    def test_a_bad_one_keeps_nobody_from_getting_a_good_one(self) -> None:
        old = self.signed(exp=datetime.now(UTC) - timedelta(days=1))
        for api in self.apis:
            for header in ("Bearer x", f"Bearer {old}"):
                with self.subTest(header[:10], api=api.name):
                    email = f"{api.name.lower()}{len(header)}@example.com"
                    login = {"email": email, "password": PASSWORD}
                    self.assertIsNone(api.ask("register", login, header).code)
                    self.assertIsNone(api.ask("resend", {"email": email}, header).code)
                    code = new_code(Purpose.CONFIRMATION, email)
                    self.assertIsNone(api.ask("confirm", {"email": email, "code": code}, header).code)
                    answer = api.ask("login", login, header)
                    self.assertEqual((answer.status, answer.code), (200, None))
                    renew = {"refresh_token": answer.data["refresh_token"]}
                    self.assertIsNone(api.ask("refresh", renew, header).code)

    def test_a_bad_one_is_refused_by_the_fields_that_ask_who_it_is(self) -> None:
        self.assertIsNone(self.graphql._answer("{ categories { id } }", {}, "Bearer x").code)
        for action, given in (
            ("logout everywhere", None),
            ("change password", {"old_password": PASSWORD, "new_password": PASSWORD}),
            ("update", {"name": "Vera"}),
            ("delete", {"password": PASSWORD}),
        ):
            answer = self.graphql.ask(action, given, "Bearer x")
            self.assertEqual((answer.status, answer.code), (401, "TOKEN_INVALID"), action)

    def test_a_guest_has_no_account(self) -> None:
        with self.assertNumQueries(0):
            self.assertEqual(self.graphql._answer("{ me { email } }", {}, None).data, {})

    def test_the_documentation_refuses_a_bad_token_too(self) -> None:
        with self.settings(SWAGGER_PERMISSION="AUTHENTICATED"):
            for path in ("/docs", "/openapi.json"):
                good = self.client.get(path, headers={"Authorization": f"Bearer {self.token}"})
                self.assertEqual(good.status_code, 200)
                bad = self.client.get(path, headers={"Authorization": "Bearer x"})
                self.assertEqual((bad.status_code, bad.json()["code"]), (401, "TOKEN_INVALID"))
