"""Whether there is an account for an address is told to its owner only."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backend.accounts.models import User
from backend.core.redis import redis_client
from tests.accounts.apis import Answer, Api
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    AccountCase,
    forget_in_redis,
    make_user,
    make_waiting_user,
)


def shape_of(statement: str) -> str:
    """Return a statement without its values."""
    return re.sub(r"'(?:[^']|'')*'|\b\d+\b|\bs\d+_x\d+\b", "?", statement)


class SameAnswers(AccountCase):
    """Known, waiting, deactivated and unknown addresses are answered alike, after the same work."""

    def setUp(self) -> None:
        super().setUp()
        make_user("known@example.com")
        make_waiting_user("waiting@example.com")
        make_user("deactivated@example.com", is_active=False)
        make_user("passwordless@example.com", None)
        make_user("staff@example.com", is_staff=True)
        self.emails = [*User.objects.values_list("email", flat=True), "unknown@example.com"]

    def assert_alike(
        self, ask: Callable[[str], Answer], expected: str | None, hashes: int, mails: int = 0
    ) -> None:
        """Whoever is asked for, the answer and the work are the same, to what comes after the commit.

        The work is the password hashes, the statements in the database, the Redis commands and the
        mails that are handed over.
        """
        # A server that was just started has to be told the scripts first.
        ask("first@example.com")
        found: dict[str, Any] = {}
        for email in self.emails:
            forget_in_redis()
            with (
                mock.patch.object(
                    MD5PasswordHasher, "encode", autospec=True, side_effect=MD5PasswordHasher.encode
                ) as hashing,
                mock.patch.object(
                    redis_client(), "execute_command", side_effect=redis_client().execute_command
                ) as asking,
                CaptureQueriesContext(connection) as statements,
                self.captureOnCommitCallbacks(execute=True),
            ):
                answer = ask(email)
            commands = [call.args[0] for call in asking.call_args_list]
            shapes = [shape_of(statement["sql"]) for statement in statements]
            handed_over = redis_client().llen("celery")
            found[email] = (answer, hashing.call_count, commands, shapes, handed_over)
        self.assertEqual(len(found), 6)
        for email, what in found.items():
            with self.subTest(email):
                self.assertEqual(what, found["unknown@example.com"])
        answer, hashed, _, shapes, handed_over = found["unknown@example.com"]
        self.assertEqual((answer.code, hashed, handed_over), (expected, hashes, mails))
        self.assertTrue(shapes)

    def test_registering(self) -> None:
        for api in self.apis:
            self.assert_alike(lambda email, api=api: api.register(email, OTHER_PASSWORD), None, 2, mails=1)
            User.objects.filter(email__in=["unknown@example.com", "first@example.com"]).delete()

    def test_asking_for_another_code(self) -> None:
        for api in self.apis:
            self.assert_alike(api.resend, None, 0, mails=1)

    def test_asking_for_a_new_password(self) -> None:
        self.assert_alike(lambda email: self.graphql.ask("request reset", {"email": email}), None, 0, mails=1)

    def test_logging_in_with_a_wrong_password(self) -> None:
        for api in self.apis:
            self.assert_alike(
                lambda email, api=api: api.log_in(email, OTHER_PASSWORD), "WRONG_CREDENTIALS", 1
            )

    def test_registering_and_logging_in_with_the_same_password(self) -> None:
        def register_and_log_in(api: Api, email: str) -> Answer:
            self.assertIsNone(api.register(email, OTHER_PASSWORD).code)
            return api.log_in(email, OTHER_PASSWORD)

        for api in self.apis:
            self.assert_alike(partial(register_and_log_in, api), "WRONG_CREDENTIALS", 3, mails=1)
            User.objects.filter(email__in=["unknown@example.com", "first@example.com"]).delete()

    def test_confirming(self) -> None:
        for api in self.apis:
            self.assert_alike(lambda email, api=api: api.confirm(email, "000000"), "WRONG_CODE", 0)

    def test_a_new_password_by_a_wrong_code(self) -> None:
        def reset(email: str) -> Answer:
            given = {"email": email, "code": "000000", "new_password": PASSWORD}
            return self.graphql.ask("reset password", given)

        self.assert_alike(reset, "WRONG_CODE", 1)


class Schema(AccountCase):
    def test_nothing_of_gqlauth_is_in_it(self) -> None:
        query = "{ __schema { types { name fields { name } } } }"
        types = {found["name"]: found for found in self.graphql_data(query)["__schema"]["types"]}
        names = {
            f"{kind}.{field['name']}" for kind, found in types.items() for field in found["fields"] or ()
        }
        self.assertTrue({"Mutation.accountRegister", "Query.me"} <= names)
        theirs = (
            "verifyToken",
            "verifyAccount",
            "archiveAccount",
            "resendActivation",
            "swapEmails",
            "captcha",
        )
        for name in names:
            for their in theirs:
                self.assertNotIn(their.lower(), name.lower())
        self.assertEqual(
            {name.partition(".")[2] for name in names if name.startswith("User.")},
            {"id", "email", "name", "language", "dateJoined", "orders", "order"},
        )

    def graphql_data(self, query: str) -> Any:
        response = self.client.post("/graphql", {"query": query}, content_type="application/json")
        return response.json()["data"]
