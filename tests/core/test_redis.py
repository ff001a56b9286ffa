"""The circuit breaker in front of Redis."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from django.test import SimpleTestCase
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from backend.core import redis
from backend.core.broker import enqueue
from backend.core.cache import read_cached, write_cached
from backend.core.errors import Unavailable
from backend.core.redis import SKIP_SECONDS, TIMEOUT_SECONDS, get_redis_client, redis_required, try_redis
from tests.accounts.cases import clear_redis
from tests.faults.test_services_down import dead_address


@contextmanager
def replace_with_silent_redis() -> Iterator[None]:
    """Replace the client by one whose server accepts connections and never responds."""
    options = get_redis_client().connection_pool.connection_kwargs
    same = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout", "retry")}
    with dead_address() as address:
        list(address.ways())
        silent = Redis.from_url(f"redis://{address.host}:{address.port}/0", **same)
        with mock.patch("backend.core.redis.get_redis_client", return_value=silent):
            yield


class CircuitBreakerTest(SimpleTestCase):
    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(setattr, redis, "_skip_until", 0.0)

    def test_silent_redis_costs_all_callers_one_timeout_together(self) -> None:
        with replace_with_silent_redis():
            started = time.monotonic()
            assert read_cached(["name"]) == {}
            first = time.monotonic() - started
            assert TIMEOUT_SECONDS <= first < 2 * TIMEOUT_SECONDS + 0.5
            started = time.monotonic()
            for _ in range(10):
                assert read_cached(["name"]) == {}
                write_cached({"name": 1}, seconds=60)
                with self.assertLogs("backend.core.broker", "WARNING"):
                    enqueue([("notifications.publish_due_emails", {})])
            assert time.monotonic() - started < TIMEOUT_SECONDS / 2
        assert get_redis_client().llen("celery") == 0

    def test_redis_is_skipped_for_a_fixed_time_after_a_timeout(self) -> None:
        write_cached({"name": 1}, seconds=60)
        opened = time.monotonic()
        with mock.patch("backend.core.redis.time.monotonic", return_value=opened):
            assert try_redis(mock.Mock(side_effect=RedisTimeoutError)) is None
            assert read_cached(["name"]) == {}
        with mock.patch("backend.core.redis.time.monotonic", return_value=opened + SKIP_SECONDS - 0.01):
            assert read_cached(["name"]) == {}
        with mock.patch("backend.core.redis.time.monotonic", return_value=opened + SKIP_SECONDS):
            assert read_cached(["name"]) == {"name": 1}

    def test_refused_connection_does_not_skip_redis(self) -> None:
        write_cached({"name": 1}, seconds=60)
        assert try_redis(mock.Mock(side_effect=RedisConnectionError)) is None
        assert read_cached(["name"]) == {"name": 1}

    def test_actions_that_require_redis_are_never_skipped(self) -> None:
        try_redis(mock.Mock(side_effect=RedisTimeoutError))
        with redis_required() as client:
            assert client.ping()
        with self.assertRaises(Unavailable), replace_with_silent_redis(), redis_required():
            redis.get_redis_client().ping()
