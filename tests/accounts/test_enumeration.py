"""Whether there is an account for an address is told to its owner only."""

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

from django.contrib.auth.hashers import MD5PasswordHasher

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


class SameAnswers(AccountCase):
    """Known, waiting, deactivated and unknown addresses are answered alike, after the same work."""

    def setUp(self) -> None:
        super().setUp()
        make_user("known@example.com")
        make_waiting_user("waiting@example.com")
        make_user("deactivated@example.com", is_active=False)
        make_user("passwordless@example.com", None)
        self.emails = [*User.objects.values_list("email", flat=True), "unknown@example.com"]

    def assert_alike(self, ask: Callable[[str], Answer], expected: str | None, hashes: int) -> None:
        """Whoever is asked for, the answer, the password hashes and the Redis commands are the same."""
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
            ):
                answer = ask(email)
            commands = [call.args[0] for call in asking.call_args_list]
            found[email] = (answer, hashing.call_count, commands)
        self.assertEqual(len(found), 5)
        for email, what in found.items():
            with self.subTest(email):
                self.assertEqual(what, found["unknown@example.com"])
        answer, hashed, _ = found["unknown@example.com"]
        self.assertEqual((answer.code, hashed), (expected, hashes))

    def test_registering(self) -> None:
        for api in self.apis:
            self.assert_alike(lambda email, api=api: api.register(email, OTHER_PASSWORD), None, 1)
            User.objects.filter(email="unknown@example.com").delete()

    def test_asking_for_another_code(self) -> None:
        for api in self.apis:
            self.assert_alike(api.resend, None, 0)

    def test_asking_for_a_new_password(self) -> None:
        self.assert_alike(lambda email: self.graphql.ask("request reset", {"email": email}), None, 0)

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
            self.assert_alike(partial(register_and_log_in, api), "WRONG_CREDENTIALS", 2)
            User.objects.filter(email="unknown@example.com").delete()

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
            {"id", "email", "name", "language", "dateJoined"},
        )

    def graphql_data(self, query: str) -> Any:
        response = self.client.post("/graphql", {"query": query}, content_type="application/json")
        return response.json()["data"]
