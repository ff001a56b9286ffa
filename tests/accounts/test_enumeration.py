"""No response reveals whether an address has an account."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backend.accounts.models import User
from backend.core.redis import get_redis_client
from tests.accounts.apis import Api, ApiResponse
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    AccountCase,
    clear_redis,
    make_unconfirmed_user,
    make_user,
)


def without_values(statement: str) -> str:
    """Return an SQL statement with its values replaced."""
    return re.sub(r"'(?:[^']|'')*'|\b\d+\b|\bs\d+_x\d+\b", "?", statement)


class EnumerationTest(AccountCase):
    """The response and the work are the same for every kind of address."""

    def setUp(self) -> None:
        super().setUp()
        make_user("known@example.com")
        make_unconfirmed_user("waiting@example.com")
        make_user("deactivated@example.com", is_active=False)
        make_user("passwordless@example.com", None)
        make_user("staff@example.com", is_staff=True)
        self.emails = [*User.objects.values_list("email", flat=True), "unknown@example.com"]

    def assert_alike(
        self, send: Callable[[str], ApiResponse], expected: str | None, hashes: int, mails: int = 0
    ) -> None:
        """Assert that the response and the work are the same for all addresses.

        The work is the number of password hashes, the SQL statements, the Redis commands and the number of
        published tasks, including those after the commit.
        """
        # Load the Lua scripts into a server that has just started.
        send("first@example.com")
        found: dict[str, Any] = {}
        for email in self.emails:
            clear_redis()
            with (
                mock.patch.object(
                    MD5PasswordHasher, "encode", autospec=True, side_effect=MD5PasswordHasher.encode
                ) as hashing,
                mock.patch.object(
                    get_redis_client(), "execute_command", side_effect=get_redis_client().execute_command
                ) as executed,
                CaptureQueriesContext(connection) as statements,
                self.captureOnCommitCallbacks(execute=True),
            ):
                response = send(email)
            commands = [call.args[0] for call in executed.call_args_list]
            shapes = [without_values(statement["sql"]) for statement in statements]
            published = get_redis_client().llen("celery")
            found[email] = (response, hashing.call_count, commands, shapes, published)
        assert len(found) == 6
        for email, what in found.items():
            with self.subTest(email):
                assert what == found["unknown@example.com"]
        response, hashed, _, shapes, published = found["unknown@example.com"]
        assert (response.code, hashed, published) == (expected, hashes, mails)
        assert shapes

    def test_register_does_not_reveal_accounts(self) -> None:
        for api in self.apis:
            self.assert_alike(lambda email, api=api: api.register(email, OTHER_PASSWORD), None, 2, mails=1)
            User.objects.filter(email__in=["unknown@example.com", "first@example.com"]).delete()

    def test_resend_does_not_reveal_accounts(self) -> None:
        for api in self.apis:
            self.assert_alike(api.resend, None, 0, mails=1)

    def test_password_reset_request_does_not_reveal_accounts(self) -> None:
        self.assert_alike(
            lambda email: self.graphql.send("request reset", {"email": email}), None, 0, mails=1
        )

    def test_login_does_not_reveal_accounts(self) -> None:
        for api in self.apis:
            self.assert_alike(
                lambda email, api=api: api.log_in(email, OTHER_PASSWORD), "WRONG_CREDENTIALS", 1
            )

    def test_register_and_login_does_not_reveal_accounts(self) -> None:
        def register_and_log_in(api: Api, email: str) -> ApiResponse:
            assert api.register(email, OTHER_PASSWORD).code is None
            return api.log_in(email, OTHER_PASSWORD)

        for api in self.apis:
            self.assert_alike(partial(register_and_log_in, api), "WRONG_CREDENTIALS", 3, mails=1)
            User.objects.filter(email__in=["unknown@example.com", "first@example.com"]).delete()

    def test_confirm_does_not_reveal_accounts(self) -> None:
        for api in self.apis:
            self.assert_alike(lambda email, api=api: api.confirm(email, "000000"), "WRONG_CODE", 0)

    def test_password_reset_does_not_reveal_accounts(self) -> None:
        def reset(email: str) -> ApiResponse:
            fields = {"email": email, "code": "000000", "new_password": PASSWORD}
            return self.graphql.send("reset password", fields)

        self.assert_alike(reset, "WRONG_CODE", 1)


class SchemaTest(AccountCase):
    def test_schema_has_nothing_of_gqlauth(self) -> None:
        query = "{ __schema { types { name fields { name } } } }"
        types = {found["name"]: found for found in self.graphql_data(query)["__schema"]["types"]}
        names = {
            f"{kind}.{field['name']}" for kind, found in types.items() for field in found["fields"] or ()
        }
        assert {"Mutation.accountRegister", "Query.me"} <= names
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
                assert their.lower() not in name.lower()
        assert {name.partition(".")[2] for name in names if name.startswith("User.")} == {
            "id",
            "email",
            "name",
            "language",
            "dateJoined",
            "orders",
            "addresses",
            "defaultAddress",
            "order",
        }

    def graphql_data(self, query: str) -> Any:
        response = self.client.post("/graphql", {"query": query}, content_type="application/json")
        return response.json()["data"]
