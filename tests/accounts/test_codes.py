"""Validity of one-time codes, and protection against guessing."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from unittest import mock

from django.conf import settings
from django.db import OperationalError
from django.test import SimpleTestCase
from limits import parse_many

from backend.accounts.codes import Purpose, WrongCode, create_code, redeem_code
from backend.accounts.models import User
from backend.accounts.services import rate_limits, registration
from backend.core.redis import get_redis_client
from tests.accounts.apis import Api, ApiResponse, GraphQL, Rest
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    AccountCase,
    ThreadCase,
    clear_rate_limits,
    clear_redis,
    log_in,
    make_unconfirmed_user,
    make_user,
    new_code,
    new_message_id,
    run_in_parallel,
)
from tests.support.clients import GraphQLClient

EMAIL = "vera@example.com"
HASH = "the hash of a password"


def wrong(code: str, by: int = 1) -> str:
    """Return a code that differs from the correct one."""
    return f"{(int(code) + by) % 10**6:06}"


def collect_error_codes(calls: Iterable[Callable[[], ApiResponse]]) -> list[str | None]:
    """Make all calls in parallel and return their error codes."""
    return [response.code for response in run_in_parallel(list(calls))]


class CodeTest(SimpleTestCase):
    def setUp(self) -> None:
        clear_redis()

    def redeem(
        self,
        code: str,
        email: str = EMAIL,
        purpose: Purpose = Purpose.CONFIRMATION,
        password_hash: str = HASH,
    ) -> bool:
        try:
            redeem_code(purpose, email, code, password_hash)
        except WrongCode:
            return False
        return True

    def test_code_has_six_digits_and_works_once(self) -> None:
        for _ in range(50):
            code = create_code(Purpose.CONFIRMATION, EMAIL, HASH, new_message_id())
            assert re.search(r"^[0-9]{6}$", code)
            assert [self.redeem(code), self.redeem(code)] == [True, False]

    def test_code_is_bound_to_address_and_purpose(self) -> None:
        code = create_code(Purpose.CONFIRMATION, EMAIL, HASH, new_message_id())
        assert not self.redeem(code, email="other@example.com")
        assert not self.redeem(code, purpose=Purpose.PASSWORD_RESET)
        assert self.redeem(code, email="VERA@example.com")

    def test_code_is_bound_to_the_password(self) -> None:
        code = create_code(Purpose.CONFIRMATION, EMAIL, HASH, new_message_id())
        assert not self.redeem(code, password_hash="another")
        assert not self.redeem(code, password_hash="")
        assert self.redeem(code)

    def test_code_expires_after_fifteen_minutes(self) -> None:
        code = create_code(Purpose.CONFIRMATION, EMAIL, HASH, new_message_id())
        (key,) = get_redis_client().keys("lavka:code:*")
        assert 890 <= get_redis_client().ttl(key) <= 900
        assert not self.redeem(wrong(code))
        # An attempt does not extend the lifetime.
        assert 890 <= get_redis_client().ttl(key) <= 900
        get_redis_client().expire(key, 0)
        assert not self.redeem(code)

    def test_new_code_replaces_the_old_one_and_its_attempts(self) -> None:
        old = create_code(Purpose.CONFIRMATION, EMAIL, HASH, new_message_id())
        for _ in range(4):
            self.redeem(wrong(old))
        new = create_code(Purpose.CONFIRMATION, EMAIL, HASH, new_message_id())
        if old != new:
            assert not self.redeem(old)
        for _ in range(3):
            assert not self.redeem(wrong(new))
        assert self.redeem(new)

    def test_repeated_mail_has_the_same_valid_code(self) -> None:
        message_id = new_message_id()
        first, second = (create_code(Purpose.CONFIRMATION, EMAIL, HASH, message_id) for _ in range(2))
        assert first == second
        assert self.redeem(first)

    def test_codes_of_other_mails_passwords_and_purposes_differ(self) -> None:
        message_id = new_message_id()
        cases = [
            [(Purpose.CONFIRMATION, EMAIL, HASH, new_message_id()) for _ in range(20)],
            [(Purpose.CONFIRMATION, EMAIL, f"{HASH}{number}", message_id) for number in range(20)],
            [(Purpose.CONFIRMATION, f"{number}{EMAIL}", HASH, message_id) for number in range(20)],
            [(purpose, EMAIL, HASH, message_id) for purpose in Purpose],
        ]
        for arguments in cases:
            # Of twenty random codes, two are equal in one run of 5,000, and four in none.
            assert len({create_code(*each) for each in arguments}) >= len(arguments) - 1

    def test_code_is_deleted_after_five_attempts(self) -> None:
        for wrong_attempts, is_valid in ((4, True), (5, False)):
            code = create_code(Purpose.CONFIRMATION, EMAIL, HASH, new_message_id())
            for _ in range(wrong_attempts):
                assert not self.redeem(wrong(code))
            assert self.redeem(code) is is_valid
            assert get_redis_client().keys("lavka:code:*") == []


class GuessingTest(AccountCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_unconfirmed_user(EMAIL)
        self.code = new_code(Purpose.CONFIRMATION, EMAIL)

    def is_confirmed(self) -> bool:
        return User.objects.get(pk=self.user.pk).is_confirmed

    def test_five_wrong_attempts_invalidate_the_code(self) -> None:
        for api in self.apis:
            code = new_code(Purpose.CONFIRMATION, EMAIL)
            for offset in range(1, 6):
                assert api.confirm(EMAIL, wrong(code, offset)).code == "WRONG_CODE"
            assert api.confirm(EMAIL, code).code == "WRONG_CODE"
            assert not self.is_confirmed()
            clear_rate_limits()

    def test_code_of_another_account_is_refused(self) -> None:
        other = make_user("other@example.com")
        code = new_code(Purpose.CONFIRMATION, other.email)
        for api in self.apis:
            assert api.confirm(EMAIL, code).code == "WRONG_CODE"
            assert api.confirm("nobody@example.com", code).code == "WRONG_CODE"
        assert self.rest.confirm(other.email, code).code == "WRONG_CODE"
        assert not self.is_confirmed()

    def test_code_does_not_confirm_a_password_set_after_it(self) -> None:
        """An attacker registers the victim's address again after a code was sent to it."""
        for api in self.apis:
            code = new_code(Purpose.CONFIRMATION, EMAIL)
            assert api.register(EMAIL, f"{OTHER_PASSWORD} {api.name}").code is None
            assert api.confirm(EMAIL, code).code == "WRONG_CODE"
            assert not self.is_confirmed()
            clear_rate_limits()

    def test_password_change_invalidates_the_reset_code(self) -> None:
        user = make_user("other@example.com")
        code = new_code(Purpose.PASSWORD_RESET, user.email)
        change = {"old_password": PASSWORD, "new_password": OTHER_PASSWORD}
        header = f"Bearer {log_in(user).access_token}"
        assert self.graphql.send("change password", change, header).code is None
        reset = {"email": user.email, "code": code, "new_password": "a third one entirely"}
        assert self.graphql.send("reset password", reset).code == "WRONG_CODE"
        assert self.rest.log_in(user.email, OTHER_PASSWORD).code is None

    def test_code_stays_valid_when_the_database_fails(self) -> None:
        for api in self.apis:
            with mock.patch.object(registration.UserStatus, "objects") as statuses:
                statuses.filter.side_effect = OperationalError("Gone.")
                assert api.confirm(EMAIL, self.code).code == "UNAVAILABLE"
        assert self.rest.confirm(EMAIL, self.code).code is None

    def confirmations(self, guesses: list[str], fragment: bool = False) -> str:
        fields = " ".join(
            f'try{number}: accountConfirm(input: {{email: "{EMAIL}", code: "{guess}"}}) '
            "{ errors { code } }"
            for number, guess in enumerate(guesses)
        )
        if fragment:
            return f"mutation {{ ...tries }} fragment tries on Mutation {{ {fields} }}"
        return f"mutation {{ {fields} }}"

    def test_too_many_confirmations_in_one_request_are_refused(self) -> None:
        guesses = [*(wrong(self.code, by) for by in range(1, 100)), self.code]
        for fragment in (False, True):
            for count in (100, settings.GRAPHQL_MAX_MUTATIONS + 1):
                query = self.confirmations(guesses[-count:], fragment)
                error = GraphQLClient().error(query)
                assert error["extensions"]["code"] == "TOO_COMPLEX"
        assert not self.is_confirmed()
        assert self.rest.confirm(EMAIL, self.code).code is None

    def test_each_confirmation_in_one_request_is_an_attempt(self) -> None:
        guesses = [wrong(self.code, by) for by in range(1, settings.GRAPHQL_MAX_MUTATIONS + 1)]
        data = GraphQLClient().data(self.confirmations(guesses, fragment=True))
        assert {payload["errors"][0]["code"] for payload in data.values()} == {"WRONG_CODE"}
        assert self.rest.confirm(EMAIL, self.code).code == "WRONG_CODE"
        assert not self.is_confirmed()


class ParallelRequestsTest(ThreadCase):
    def test_parallel_guesses_all_count(self) -> None:
        make_unconfirmed_user(EMAIL)
        for kind in (GraphQL, Rest):
            with self.subTest(kind.name):
                code = new_code(Purpose.CONFIRMATION, EMAIL)
                guesses = [wrong(code, by) for by in range(1, 101)]
                responses = collect_error_codes(partial(kind().confirm, EMAIL, guess) for guess in guesses)
                # The rate limit allows ten attempts per hour and account.
                assert responses.count("WRONG_CODE") == 10
                assert responses.count("RATE_LIMITED") == 90
                clear_rate_limits()
                assert self.rest.confirm(EMAIL, code).code == "WRONG_CODE"
                clear_rate_limits()

    def test_parallel_guesses_share_five_attempts_without_rate_limits(self) -> None:
        make_unconfirmed_user(EMAIL)
        endless = parse_many("1000/minute")
        with mock.patch.multiple(rate_limits, CODES_PER_ACCOUNT=endless, CODES_PER_ADDRESS=endless):
            for _ in range(5):
                code = new_code(Purpose.CONFIRMATION, EMAIL)
                for by in range(1, 5):
                    assert self.rest.confirm(EMAIL, wrong(code, by)).code == "WRONG_CODE"
                # One attempt is left, and thirty are made in parallel.
                guesses = [wrong(code, by) for by in range(5, 35)]
                responses = collect_error_codes(partial(Rest().confirm, EMAIL, guess) for guess in guesses)
                assert set(responses) == {"WRONG_CODE"}
                assert self.rest.confirm(EMAIL, code).code == "WRONG_CODE"

    def test_code_confirms_once_in_parallel(self) -> None:
        for number, apis in enumerate(([GraphQL, GraphQL], [Rest, Rest], [GraphQL, Rest])):
            email = f"user{number}@example.com"
            make_unconfirmed_user(email)
            code = new_code(Purpose.CONFIRMATION, email)
            responses = collect_error_codes(partial(api().confirm, email, code) for api in apis)
            assert Counter(responses) == Counter([None, "WRONG_CODE"])
            assert User.objects.get(email=email).is_confirmed

    def test_code_resets_once_in_parallel(self) -> None:
        make_user(EMAIL)
        code = new_code(Purpose.PASSWORD_RESET, EMAIL)
        passwords = [OTHER_PASSWORD, "yet another one entirely"]
        reset = {"email": EMAIL, "code": code}
        responses = collect_error_codes(
            partial(GraphQL().send, "reset password", reset | {"new_password": password})
            for password in passwords
        )
        assert Counter(responses) == Counter([None, "WRONG_CODE"])
        good = passwords[responses.index(None)]
        assert [self.rest.log_in(EMAIL, password).code for password in passwords] == [
            None if password == good else "WRONG_CREDENTIALS" for password in passwords
        ]

    def test_parallel_registrations_create_one_account(self) -> None:
        for number in range(5):
            email = f"user{number}@example.com"
            apis: list[Api] = [GraphQL(), Rest(), GraphQL(), Rest()]
            spellings = [email, email.upper(), email.title(), f" {email}"]
            responses = collect_error_codes(
                partial(api.register, spelling, PASSWORD)
                for api, spelling in zip(apis, spellings, strict=True)
            )
            assert responses == [None] * 4
            assert User.objects.filter(email=email).count() == 1
            assert self.rest.confirm(email, new_code(Purpose.CONFIRMATION, email)).code is None
            assert self.rest.log_in(email, PASSWORD).code is None
            clear_rate_limits()

    def test_parallel_refreshes_return_the_same_refresh_token(self) -> None:
        user = make_user()
        for apis in ([GraphQL, GraphQL], [Rest, Rest], [GraphQL, Rest]):
            pair = log_in(user)
            responses = run_in_parallel([partial(api().refresh, pair.refresh_token) for api in apis])
            assert [response.code for response in responses] == [None, None]
            (token,) = {response.data["refresh_token"] for response in responses}
            for response in responses:
                assert self.rest.read(f"Bearer {response.data['access_token']}").code is None
            assert self.rest.refresh(token).code is None
