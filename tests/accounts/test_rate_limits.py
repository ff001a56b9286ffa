"""Both sides of each rate limit, and the time to wait."""

import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from django.test import RequestFactory, SimpleTestCase, override_settings
from limits import RateLimitItem

from backend.accounts.codes import Purpose
from backend.accounts.models import User
from backend.accounts.services import rate_limits
from backend.core.client_address import get_client_address, get_network
from backend.core.redis import get_redis_client
from backend.notifications.models import OutgoingEmail
from tests.accounts.apis import Api, ApiResponse, GraphQL, Rest
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    AccountCase,
    clear_rate_limits,
    log_in,
    make_user,
    new_code,
)

EMAIL = "vera@example.com"


def end_window(limit: RateLimitItem) -> None:
    """End the current window of a limit for all subjects."""
    for key in get_redis_client().scan_iter(f"*/{limit.amount}/{limit.multiples}/{limit.GRANULARITY.name}"):
        get_redis_client().delete(key)


class LimitCase(AccountCase):
    def setUp(self) -> None:
        super().setUp()
        self.started = time.monotonic()

    def assert_limited(self, response: ApiResponse, limit: RateLimitItem) -> None:
        """Assert that the request is refused until the window of the limit ends."""
        assert (response.code, response.field) == ("RATE_LIMITED", None)
        assert response.retry_after is not None
        # The window begins after the test.
        earliest = limit.get_expiry() - (time.monotonic() - self.started) - 1
        assert earliest <= response.retry_after <= limit.get_expiry() + 1, response

    def assert_limited_in_both(self, action: str, fields: dict[str, Any], limit: RateLimitItem) -> None:
        graphql, rest = (api.send(action, fields) for api in self.apis)
        assert (graphql.status, rest.status) == (429, 429)
        for response in (graphql, rest):
            self.assert_limited(response, limit)


class LoginLimitTest(LimitCase):
    def setUp(self) -> None:
        super().setUp()
        make_user(EMAIL)

    def fail_to_log_in(self, times: int, api: Api, email: str = EMAIL) -> None:
        for _ in range(times):
            assert api.log_in(email, OTHER_PASSWORD).code == "WRONG_CREDENTIALS"

    def test_wait_grows_with_each_window(self) -> None:
        for api in self.apis:
            with self.subTest(api.name):
                right = {"email": EMAIL, "password": PASSWORD}
                minute, quarter, hour, day = rate_limits.LOGIN_PER_NETWORK
                waits = []
                tried = 0
                for limit in (minute, quarter, hour, day):
                    # Shorter windows end repeatedly while the longer one fills.
                    shorter = [
                        other
                        for other in (*rate_limits.LOGIN_PER_NETWORK, *rate_limits.LOGIN_PER_ADDRESS)
                        if other.get_expiry() < limit.get_expiry()
                    ]
                    for _ in range(limit.amount - tried):
                        for other in shorter:
                            end_window(other)
                        self.fail_to_log_in(1, api)
                    tried = limit.amount
                    for other in shorter:
                        end_window(other)
                    self.assert_limited_in_both("login", right, limit)
                    waits.append(api.log_in(EMAIL, PASSWORD).retry_after)
                assert waits == sorted(waits)
                clear_rate_limits()
                assert api.log_in(EMAIL, PASSWORD).code is None

    def test_successful_login_resets_the_limits(self) -> None:
        for api in self.apis:
            for _ in range(3):
                self.fail_to_log_in(4, api)
                assert api.log_in(EMAIL, PASSWORD).code is None
                end_window(rate_limits.LOGIN_PER_ADDRESS[0])

    def test_both_apis_share_the_limits(self) -> None:
        self.fail_to_log_in(2, self.graphql)
        self.fail_to_log_in(3, self.rest)
        self.assert_limited_in_both(
            "login", {"email": EMAIL.upper(), "password": PASSWORD}, rate_limits.LOGIN_PER_NETWORK[0]
        )

    def test_limits_of_one_account_do_not_affect_another(self) -> None:
        self.fail_to_log_in(5, self.rest)
        make_user("other@example.com")
        assert self.rest.log_in("other@example.com", PASSWORD).code is None

    def test_attacker_does_not_lock_the_owner_out(self) -> None:
        for network, neighbour, owner in (
            ("192.0.2.1", "192.0.2.254", "192.0.3.1"),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", "2001:db8:1:3::1"),
        ):
            with self.subTest(network):
                self.fail_to_log_in(rate_limits.LOGIN_PER_NETWORK[0].amount, Rest(network))
                for address in (network, neighbour):
                    assert Rest(address).log_in(EMAIL, PASSWORD).code == "RATE_LIMITED"
                assert Rest(owner).log_in(EMAIL, PASSWORD).code is None

    def test_guesses_from_many_networks_are_limited(self) -> None:
        hour, day = rate_limits.LOGIN_PER_ACCOUNT
        fields = {"email": EMAIL, "password": PASSWORD}
        for number in range(hour.amount - 1):
            self.fail_to_log_in(1, Rest(f"198.51.{number}.1"))
        # The owner's successful login resets the count.
        assert self.rest.log_in(EMAIL, PASSWORD).code is None
        for number in range(hour.amount):
            self.fail_to_log_in(1, Rest(f"198.51.{number}.2"))
        self.assert_limited_in_both("login", fields, hour)
        for number in range(hour.amount, day.amount):
            if number % hour.amount == 0:
                end_window(hour)
            self.fail_to_log_in(1, Rest(f"198.{number // 256}.{number % 256}.3"))
        end_window(hour)
        self.assert_limited_in_both("login", fields, day)

    def test_wait_is_the_longest_of_the_exhausted_limits(self) -> None:
        minute, quarter = rate_limits.LOGIN_PER_NETWORK[:2]
        self.fail_to_log_in(minute.amount, self.rest)
        self.assert_limited(self.rest.log_in(EMAIL, PASSWORD), minute)
        end_window(minute)
        self.fail_to_log_in(quarter.amount - minute.amount, self.rest)
        # Both are exhausted now, and the shorter one is checked first.
        self.assert_limited_in_both("login", {"email": EMAIL, "password": PASSWORD}, quarter)

    def test_wait_is_the_longest_of_all_subjects(self) -> None:
        self.fail_to_log_in(rate_limits.LOGIN_PER_NETWORK[1].amount // 2, self.rest)
        end_window(rate_limits.LOGIN_PER_NETWORK[0])
        self.fail_to_log_in(rate_limits.LOGIN_PER_NETWORK[1].amount // 2, self.rest)
        for number in range(
            rate_limits.LOGIN_PER_ADDRESS[0].amount - rate_limits.LOGIN_PER_NETWORK[1].amount
        ):
            self.rest.log_in(f"user{number}@example.com", OTHER_PASSWORD)
        # The limit of the address ends in a minute, that of the account later.
        self.assert_limited(self.rest.log_in("other@example.com", PASSWORD), rate_limits.LOGIN_PER_ADDRESS[0])
        self.assert_limited(self.rest.log_in(EMAIL, PASSWORD), rate_limits.LOGIN_PER_NETWORK[1])

    def test_password_reset_resets_the_login_limits(self) -> None:
        self.fail_to_log_in(rate_limits.LOGIN_PER_NETWORK[0].amount, self.rest)
        reset = {
            "email": EMAIL,
            "code": new_code(Purpose.PASSWORD_RESET, EMAIL),
            "new_password": OTHER_PASSWORD,
        }
        assert self.rest.log_in(EMAIL, OTHER_PASSWORD).code == "RATE_LIMITED"
        assert self.graphql.send("reset password", reset).code is None
        assert self.rest.log_in(EMAIL, OTHER_PASSWORD).code is None

    def test_logins_to_many_accounts_from_one_address_are_limited(self) -> None:
        limit = rate_limits.LOGIN_PER_ADDRESS[0]
        for number in range(limit.amount):
            self.fail_to_log_in(1, self.apis[number % 2], f"user{number}@example.com")
        self.assert_limited_in_both("login", {"email": EMAIL, "password": PASSWORD}, limit)
        for elsewhere in (GraphQL("192.0.2.7"), Rest("192.0.2.8")):
            assert elsewhere.log_in(EMAIL, PASSWORD).code is None

    def test_limits_use_the_address_that_the_proxy_saw(self) -> None:
        def log_in_from(forwarded: str) -> int:
            fields = {"email": EMAIL, "password": PASSWORD}
            return self.client.post(
                "/auth/login", fields, content_type="application/json", headers={"X-Forwarded-For": forwarded}
            ).status_code

        only = mock.patch.object(rate_limits, "LOGIN_PER_ADDRESS", rate_limits.LOGIN_PER_ADDRESS[:1])
        limit = rate_limits.LOGIN_PER_ADDRESS[0].amount
        with only, mock.patch.object(rate_limits, "LOGIN_PER_NETWORK", []):
            # Without a trusted proxy the header is ignored, because clients can send anything.
            statuses = [log_in_from(f"192.0.2.{number}") for number in range(limit + 1)]
            assert statuses == [200] * limit + [429]
            with override_settings(TRUSTED_PROXIES=1):
                statuses = [log_in_from(f"192.0.2.{number}, 198.51.100.1") for number in range(limit + 1)]
                assert statuses == [200] * limit + [429]
                assert log_in_from("198.51.100.1, 198.51.100.2") == 200

    def test_password_checks_of_a_session_are_limited(self) -> None:
        header = f"Bearer {log_in(User.objects.get()).access_token}"
        change = {"old_password": "wrong", "new_password": OTHER_PASSWORD}
        for _ in range(3):
            assert self.graphql.send("change password", change, header).code == "WRONG_CREDENTIALS"
        for _ in range(2):
            response = self.graphql.send("delete", {"password": "wrong"}, header)
            assert response.code == "WRONG_CREDENTIALS"
        right = change | {"old_password": PASSWORD}
        for response in (
            self.graphql.send("change password", right, header),
            self.graphql.send("delete", {"password": PASSWORD}, header),
        ):
            self.assert_limited(response, rate_limits.PASSWORD_PER_ACCOUNT[0])
        assert User.objects.get().check_password(PASSWORD)

    def test_correct_password_resets_the_limit_of_a_session(self) -> None:
        header = f"Bearer {log_in(User.objects.get()).access_token}"
        wrong = {"old_password": "wrong", "new_password": OTHER_PASSWORD}
        right = wrong | {"old_password": PASSWORD, "new_password": PASSWORD}
        for _ in range(3):
            for _ in range(rate_limits.PASSWORD_PER_ACCOUNT[0].amount - 1):
                response = self.graphql.send("change password", wrong, header)
                assert response.code == "WRONG_CREDENTIALS"
            assert self.graphql.send("change password", right, header).code is None

    def test_failed_logins_do_not_prevent_a_password_change(self) -> None:
        header = f"Bearer {log_in(User.objects.get()).access_token}"
        self.fail_to_log_in(rate_limits.LOGIN_PER_NETWORK[0].amount, self.rest)
        assert self.rest.log_in(EMAIL, PASSWORD).code == "RATE_LIMITED"
        change = {"old_password": PASSWORD, "new_password": OTHER_PASSWORD}
        assert self.graphql.send("change password", change, header).code is None


class RefreshLimitTest(LimitCase):
    def test_requests_from_one_address_are_limited(self) -> None:
        make_user(EMAIL)
        token = self.rest.log_in(EMAIL, PASSWORD).data["refresh_token"]
        minute = rate_limits.REFRESH_PER_ADDRESS[0]
        for _ in range(minute.amount):
            token = self.rest.refresh(token).data["refresh_token"]
        self.assert_limited_in_both("refresh", {"refresh_token": token}, minute)
        # The refused requests did not consume the token.
        assert Rest("192.0.2.7").refresh(token).code is None


class MailLimitTest(LimitCase):
    def test_mails_to_one_address_are_limited(self) -> None:
        hour, day = rate_limits.MAIL_PER_ACCOUNT
        for email in (EMAIL, "unknown@example.com"):
            if email == EMAIL:
                make_user(email)
            for number in range(hour.amount):
                api = self.apis[number % 2]
                response = (
                    api.register(email, PASSWORD)
                    if number < 2
                    else api.resend(email)
                    if number < 4
                    else self.graphql.send("request reset", {"email": email})
                )
                assert response.code is None
            before = list(OutgoingEmail.objects.values())
            self.assert_limited_in_both("register", {"email": email, "password": PASSWORD}, hour)
            self.assert_limited_in_both("resend", {"email": email}, hour)
            self.assert_limited(self.graphql.send("request reset", {"email": email}), hour)
            assert list(OutgoingEmail.objects.values()) == before
            end_window(hour)
            for _ in range(day.amount - hour.amount):
                assert self.rest.resend(email).code is None
            end_window(hour)
            self.assert_limited_in_both("resend", {"email": email}, day)
            end_window(rate_limits.MAIL_PER_ADDRESS[0])

    def test_requests_from_one_address_are_limited(self) -> None:
        limit = rate_limits.MAIL_PER_ADDRESS[0]
        for number in range(limit.amount):
            assert self.apis[number % 2].register(f"user{number}@example.com", PASSWORD).code is None
        users = User.objects.count()
        assert users == limit.amount
        self.assert_limited_in_both("register", {"email": EMAIL, "password": PASSWORD}, limit)
        assert User.objects.count() == users
        assert Rest("192.0.2.7").register(EMAIL, PASSWORD).code is None


class CodeLimitTest(LimitCase):
    def test_code_attempts_for_one_account_are_limited(self) -> None:
        hour, day = rate_limits.CODES_PER_ACCOUNT
        fields = {"email": EMAIL, "code": "123456"}
        reset = fields | {"new_password": PASSWORD}
        for number in range(hour.amount):
            assert self.apis[number % 2].confirm(EMAIL, "123456").code == "WRONG_CODE"
        self.assert_limited_in_both("confirm", fields, hour)
        end_window(hour)
        for _ in range(day.amount - hour.amount):
            assert self.rest.confirm(EMAIL, "123456").code == "WRONG_CODE"
        end_window(hour)
        self.assert_limited_in_both("confirm", fields, day)
        end_window(rate_limits.CODES_PER_ADDRESS[0])
        # Other purposes and other accounts have their own counts.
        for _ in range(hour.amount):
            assert self.graphql.send("reset password", reset).code == "WRONG_CODE"
        self.assert_limited(self.graphql.send("reset password", reset), hour)
        assert self.rest.confirm("other@example.com", "123456").code == "WRONG_CODE"

    def test_requests_from_one_address_are_limited(self) -> None:
        limit = rate_limits.CODES_PER_ADDRESS[0]
        for number in range(limit.amount):
            response = self.apis[number % 2].confirm(f"user{number}@example.com", "123456")
            assert response.code == "WRONG_CODE"
        self.assert_limited_in_both("confirm", {"email": EMAIL, "code": "123456"}, limit)
        assert Rest("192.0.2.7").confirm(EMAIL, "123456").code == "WRONG_CODE"


class WindowTest(LimitCase):
    """Both sides of every window of the limits per address and per session."""

    def assert_each(
        self, windows: list[RateLimitItem], send: Callable[[int], ApiResponse], code: str | None
    ) -> None:
        """Assert that each window allows its number of requests, and that the next one is refused."""
        tried = 0
        for limit in windows:
            shorter = [other for other in windows if other.get_expiry() < limit.get_expiry()]
            for number in range(tried, limit.amount):
                for other in shorter:
                    end_window(other)
                assert send(number).code == code
            tried = limit.amount
            for other in shorter:
                end_window(other)
            self.assert_limited(send(tried), limit)

    def test_logins(self) -> None:
        self.assert_each(
            rate_limits.LOGIN_PER_ADDRESS,
            lambda number: self.rest.log_in(f"user{number}@example.com", PASSWORD),
            "WRONG_CREDENTIALS",
        )

    def test_codes(self) -> None:
        self.assert_each(
            rate_limits.CODES_PER_ADDRESS,
            lambda number: self.rest.confirm(f"user{number}@example.com", "123456"),
            "WRONG_CODE",
        )

    def test_mails(self) -> None:
        self.assert_each(
            rate_limits.MAIL_PER_ADDRESS, lambda number: self.rest.resend(f"user{number}@example.com"), None
        )

    def test_refreshes(self) -> None:
        self.assert_each(
            rate_limits.REFRESH_PER_ADDRESS, lambda number: self.rest.refresh("x.y"), "TOKEN_INVALID"
        )

    def test_password_checks_of_a_session(self) -> None:
        header = f"Bearer {log_in(make_user(EMAIL)).access_token}"
        self.assert_each(
            rate_limits.PASSWORD_PER_ACCOUNT,
            lambda number: self.graphql.send("delete", {"password": "wrong"}, header),
            "WRONG_CREDENTIALS",
        )


class ClientAddressTest(SimpleTestCase):
    def address(self, peer: str, forwarded: str | None = None) -> str:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return get_client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))

    def test_client_address_is_normalized(self) -> None:
        for peer, expected in {
            "192.0.2.1": "192.0.2.1",
            "::ffff:192.0.2.1": "192.0.2.1",
            "::FFFF:C000:201": "192.0.2.1",
            "2001:db8:1:2::1": "2001:db8:1:2::/64",
            "2001:0DB8:1:2:ffff:ffff:ffff:ffff": "2001:db8:1:2::/64",
            "2001:db8:1:3::1": "2001:db8:1:3::/64",
            "fe80::1%eth0": "fe80::/64",
            "": "",
            "unix": "unix",
        }.items():
            with self.subTest(peer):
                assert self.address(peer) == expected
                assert self.address(peer, "198.51.100.1") == expected

    @override_settings(TRUSTED_PROXIES=2)
    def test_client_address_behind_two_proxies(self) -> None:
        for forwarded, expected in {
            None: "192.0.2.1",
            "198.51.100.1": "198.51.100.1",
            "198.51.100.1, 203.0.113.1": "198.51.100.1",
            "made up, 198.51.100.1, 203.0.113.1": "198.51.100.1",
            "198.51.100.9, 198.51.100.1, 203.0.113.1": "198.51.100.1",
            "198.51.100.9,198.51.100.1,203.0.113.1": "198.51.100.1",
            "made up, 203.0.113.1": "192.0.2.1",
        }.items():
            with self.subTest(forwarded):
                assert self.address("192.0.2.1", forwarded) == expected

    def test_network_of_an_address(self) -> None:
        for address, expected in {
            "192.0.2.1": "192.0.2.0/24",
            "192.0.2.255": "192.0.2.0/24",
            "192.0.3.0": "192.0.3.0/24",
            "2001:db8:1:2::/64": "2001:db8:1:2::/64",
            "unix": "unix",
            "": "",
        }.items():
            with self.subTest(address):
                assert get_network(address) == expected

    @override_settings(TRUSTED_PROXIES=1)
    def test_client_address_behind_one_proxy(self) -> None:
        for forwarded, expected in {
            None: "192.0.2.1",
            "": "192.0.2.1",
            "198.51.100.1": "198.51.100.1",
            "198.51.100.1, 198.51.100.2": "198.51.100.2",
            "198.51.100.1, ::ffff:198.51.100.2": "198.51.100.2",
            "2001:db8:1:2::1": "2001:db8:1:2::/64",
            "198.51.100.1, made up": "192.0.2.1",
            "198.51.100.1, ": "192.0.2.1",
            "198.51.100.1:1234": "192.0.2.1",
        }.items():
            with self.subTest(forwarded):
                assert self.address("192.0.2.1", forwarded) == expected

    @override_settings(CORS_ALLOWED_ORIGINS=["https://www.example.com"])
    def test_cors_exposes_retry_after(self) -> None:
        response = self.client.get("/health/live", headers={"Origin": "https://www.example.com"})
        assert "Retry-After" in response.headers["Access-Control-Expose-Headers"].split(", ")
