"""General rate limits of addresses and accounts, in both APIs."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from unittest import mock

from django.http import HttpResponse
from django.test import Client, SimpleTestCase, TestCase, override_settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from backend.core import request_limits
from backend.core.redis import get_redis_client
from backend.core.request_limits import MAX_SUBJECTS, WINDOW_SECONDS, RequestCounter
from tests.accounts.cases import clear_redis
from tests.support.people import make_user, open_session_token

# 20 seconds after the beginning of a window.
NOW = 1_000_000 * WINDOW_SECONDS + 20.0


@contextmanager
def freeze(now: float) -> Iterator[None]:
    with mock.patch("backend.core.request_limits.time") as time:
        time.time.return_value = now
        yield


@contextmanager
def count_redis_calls() -> Iterator[mock.Mock]:
    with mock.patch(
        "backend.core.request_limits._increase", side_effect=request_limits._increase
    ) as increase:
        yield increase


class CounterTest(SimpleTestCase):
    def setUp(self) -> None:
        clear_redis()
        self.enterContext(freeze(NOW))

    def count(self, counter: RequestCounter, limit: int, requests: int, subject: str = "a") -> int:
        """Send requests and return the number of accepted ones."""
        states = [counter.add(subject, limit) for _ in range(requests)]
        return sum(state.count <= state.limit for state in states)

    def test_requests_up_to_the_limit_are_accepted(self) -> None:
        for limit in (1, 5, 199, 200, 1200):
            with self.subTest(limit):
                assert self.count(RequestCounter(f"up-to-{limit}"), limit, limit + 50) == limit

    def test_subjects_and_limits_are_counted_separately(self) -> None:
        counter = RequestCounter("address")
        assert self.count(counter, 3, 4) == 3
        assert self.count(counter, 3, 4, subject="b") == 3
        assert self.count(RequestCounter("account"), 3, 4) == 3

    def test_next_window_accepts_again(self) -> None:
        counter = RequestCounter("address")
        assert self.count(counter, 3, 4) == 3
        with freeze(NOW + 39.9):
            assert self.count(counter, 3, 4) == 0
        with freeze(NOW + 40):
            assert self.count(counter, 3, 4) == 3

    def test_seconds_left_end_with_the_window(self) -> None:
        for offset, seconds in ((0, 40), (0.5, 39), (39.9, 1), (40, 60)):
            with freeze(NOW + offset):
                assert RequestCounter("address").add("a", 5).seconds_left == seconds

    def test_small_limit_is_exact_over_all_processes(self) -> None:
        processes = [RequestCounter("address") for _ in range(4)]
        assert sum(self.count(processes[number % 4], 199, 1) for number in range(300)) == 199

    def test_large_limit_is_exceeded_by_a_hundredth_for_each_process_at_most(self) -> None:
        processes = [RequestCounter("address") for _ in range(4)]
        accepted = sum(self.count(processes[number % 4], 1200, 1) for number in range(3000))
        assert 1200 <= accepted <= 1200 + 4 * 12
        # Without Redis, each process would accept the whole limit.
        with mock.patch("backend.core.request_limits.try_redis", return_value=None):
            processes = [RequestCounter("alone") for _ in range(4)]
            assert sum(self.count(processes[number % 4], 1200, 1) for number in range(8000)) == 4800

    def test_process_that_starts_late_learns_the_count_of_the_others(self) -> None:
        assert self.count(RequestCounter("address"), 1200, 1200) == 1200
        assert self.count(RequestCounter("address"), 1200, 100) == 11

    def test_redis_is_called_once_for_a_hundredth_of_the_limit_and_not_for_refusals(self) -> None:
        counter = RequestCounter("address")
        with count_redis_calls() as increase:
            self.count(counter, 1200, 11)
            assert increase.call_count == 0
            self.count(counter, 1200, 1189)
            assert increase.call_count == 100
            self.count(counter, 1200, 500)
            assert increase.call_count == 100

    def test_one_call_of_redis_is_one_round_trip(self) -> None:
        counter = RequestCounter("address")
        counter.add("a", 5)
        connection = get_redis_client().connection_pool.get_connection()
        get_redis_client().connection_pool.release(connection)
        with mock.patch.object(
            type(connection),
            "send_packed_command",
            autospec=True,
            side_effect=type(connection).send_packed_command,
        ) as send:
            counter.add("a", 5)
        assert send.call_count == 1

    def test_keys_in_redis_expire_and_contain_no_address(self) -> None:
        RequestCounter("address").add("192.0.2.1", 5)
        (key,) = get_redis_client().scan_iter("lavka:requests:*")
        assert b"192.0.2.1" not in key
        assert 0 < get_redis_client().ttl(key) <= 2 * WINDOW_SECONDS

    def test_memory_is_bounded(self) -> None:
        counter = RequestCounter("address")
        for number in range(MAX_SUBJECTS + 100):
            counter.add(str(number), 1200)
        assert len(counter) == MAX_SUBJECTS
        with freeze(NOW + WINDOW_SECONDS):
            counter.add("a", 1200)
        assert len(counter) == 1

    def test_each_process_limits_by_itself_while_redis_is_down(self) -> None:
        down = mock.Mock(spec=Redis)
        down.pipeline.side_effect = RedisConnectionError
        with (
            mock.patch("backend.core.redis.get_redis_client", return_value=down),
            self.assertLogs("backend.core.redis", logging.WARNING),
        ):
            assert self.count(RequestCounter("address"), 50, 60) == 50

    def test_parallel_requests_all_count(self) -> None:
        counter = RequestCounter("address")
        barrier = Barrier(8)
        accepted: list[int] = []

        def send() -> None:
            barrier.wait()
            accepted.append(self.count(counter, 100, 50))

        threads = [Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(accepted) == 100


class RequestCase(TestCase):
    def setUp(self) -> None:
        clear_redis()
        for name in ("_addresses", "_accounts"):
            self.enterContext(mock.patch.object(request_limits, name, RequestCounter(name)))
        self.enterContext(freeze(NOW))

    def graphql(self, query: str = "{ __typename }", **headers: str) -> HttpResponse:
        return Client().post("/graphql", {"query": query}, content_type="application/json", headers=headers)

    def rest(self, **headers: str) -> HttpResponse:
        return Client().get("/cart", headers=headers)

    def assert_refused_by_rest(self, response: HttpResponse) -> None:
        assert response.status_code == 429
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "RATE_LIMITED"
        assert response["Retry-After"] == "40"
        assert response["Cache-Control"] == "no-store"

    def assert_refused_by_graphql(self, response: HttpResponse) -> None:
        assert response.status_code == 429
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["extensions"]["retryAfter"] == 40
        assert response["Retry-After"] == "40"
        assert response["Cache-Control"] == "no-store"


@override_settings(RATE_LIMIT_PER_ADDRESS=4, RATE_LIMIT_PER_ACCOUNT=0)
class AddressLimitTest(RequestCase):
    def test_both_apis_share_the_limit_of_an_address(self) -> None:
        for send in (self.graphql, self.rest, self.graphql, self.rest):
            assert send().status_code == 200
        self.assert_refused_by_graphql(self.graphql())
        self.assert_refused_by_rest(self.rest())

    def test_refusal_has_the_media_type_that_the_graphql_client_prefers(self) -> None:
        for _ in range(4):
            self.graphql()
        response = self.graphql(Accept="application/graphql-response+json")
        self.assert_refused_by_graphql(response)
        assert response["Content-Type"] == "application/graphql-response+json; charset=utf-8"

    def test_headers_report_the_limit(self) -> None:
        for remaining in (3, 2, 1, 0, 0):
            response = self.rest()
            assert response["RateLimit-Policy"] == '"address";q=4;w=60'
            assert response["RateLimit"] == f'"address";r={remaining};t=40'
            assert (response.status_code == 429) is ("Retry-After" in response)

    def test_other_addresses_are_not_affected(self) -> None:
        for _ in range(5):
            self.rest()
        assert Client(REMOTE_ADDR="192.0.2.9").get("/cart").status_code == 200

    def test_address_is_the_one_that_the_proxy_saw(self) -> None:
        with override_settings(TRUSTED_PROXIES=1):
            statuses = [self.rest(**{"X-Forwarded-For": f"{n}, 192.0.2.7"}).status_code for n in range(5)]
            assert statuses == [200, 200, 200, 200, 429]
            assert self.rest(**{"X-Forwarded-For": "192.0.2.7, 192.0.2.8"}).status_code == 200

    def test_admin_and_unknown_urls_are_counted(self) -> None:
        for path in ("/admin/", "/nowhere", "/admin/login/", "/products"):
            assert Client().get(path)["RateLimit-Policy"] == '"address";q=4;w=60'
        self.assert_refused_by_rest(Client().get("/admin/login/"))

    def test_health_checks_scrapes_and_pictures_are_not_counted(self) -> None:
        for path in ("/health/live", "/metrics", "/media/absent.webp"):
            for _ in range(6):
                response = Client().get(path)
                assert response.status_code != 429
                assert "RateLimit" not in response
        assert self.rest()["RateLimit"] == '"address";r=3;t=40'

    def test_browsers_of_other_origins_can_read_a_refusal(self) -> None:
        origin = {"Origin": "http://localhost:3000"}
        preflight = origin | {"Access-Control-Request-Method": "GET"}
        with override_settings(CORS_ALLOWED_ORIGINS=["http://localhost:3000"]):
            for _ in range(6):
                response = Client().options("/cart", headers=preflight)
                assert (response.status_code, "RateLimit" in response) == (200, False)
            for _ in range(5):
                response = self.rest(**origin)
        self.assert_refused_by_rest(response)
        assert response["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert {"ratelimit", "ratelimit-policy", "retry-after"} <= set(
            re.split(r",\s*", response["Access-Control-Expose-Headers"].lower())
        )

    @override_settings(RATE_LIMIT_PER_ADDRESS=0)
    def test_zero_switches_the_limit_off(self) -> None:
        for _ in range(20):
            response = self.rest()
            assert response.status_code == 200
            assert not {"RateLimit", "RateLimit-Policy"} & set(response.headers)


@override_settings(RATE_LIMIT_PER_ADDRESS=0, RATE_LIMIT_PER_ACCOUNT=4)
class AccountLimitTest(RequestCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_user()
        self.headers = {"Authorization": f"Bearer {open_session_token(self.user)}"}
        self.sends: list[Callable[..., HttpResponse]] = [
            lambda **headers: self.graphql("{ me { email } }", **headers),
            self.rest,
        ]

    def exhaust(self) -> None:
        for number in range(4):
            assert self.sends[number % 2](**self.headers).status_code == 200

    def test_both_apis_share_the_limit_of_an_account(self) -> None:
        self.exhaust()
        self.assert_refused_by_graphql(self.sends[0](**self.headers))
        self.assert_refused_by_rest(self.sends[1](**self.headers))

    def test_sessions_of_an_account_share_its_limit(self) -> None:
        self.exhaust()
        other_session = {"Authorization": f"Bearer {open_session_token(self.user)}"}
        self.assert_refused_by_rest(self.rest(**other_session))

    def test_other_accounts_and_guests_are_not_affected(self) -> None:
        self.exhaust()
        other = {"Authorization": f"Bearer {open_session_token(make_user('other@example.com'))}"}
        for send in self.sends:
            for headers in (other, {}):
                assert send(**headers).status_code == 200
        assert "RateLimit" not in self.rest()

    def test_refused_mutation_is_not_carried_out(self) -> None:
        self.exhaust()
        query = 'mutation { accountUpdate(input: { name: "changed" }) { errors { code } } }'
        self.assert_refused_by_graphql(self.graphql(query, **self.headers))
        self.user.refresh_from_db()
        assert self.user.name != "changed"

    def test_operation_counts_once_however_often_it_reads_the_viewer(self) -> None:
        update = 'accountUpdate(input: { name: "changed" }) { errors { code } }'
        query = f"mutation {{ a: {update} b: {update} out: tokenRevoke {{ errors {{ code }} }} }}"
        response = self.graphql(query, **self.headers)
        assert "errors" not in response.json()
        assert response["RateLimit"] == '"account";r=3;t=40'

    def test_headers_report_both_limits(self) -> None:
        with override_settings(RATE_LIMIT_PER_ADDRESS=9):
            response = self.rest(**self.headers)
        assert response["RateLimit-Policy"] == '"address";q=9;w=60, "account";q=4;w=60'
        assert response["RateLimit"] == '"address";r=8;t=40, "account";r=3;t=40'

    @override_settings(RATE_LIMIT_PER_ACCOUNT=0)
    def test_zero_switches_the_limit_off(self) -> None:
        for _ in range(20):
            response = self.rest(**self.headers)
            assert response.status_code == 200
            assert "RateLimit" not in response
