"""Values that are computed once for all processes."""

import random
import threading
import time
from unittest import mock

from django.test import SimpleTestCase

from backend.core import cache, redis
from backend.core.cache import compute_once, read_cached
from backend.core.redis import get_redis_client
from tests.accounts.cases import clear_redis
from tests.concurrency.crowds import run_together
from tests.core.test_redis import replace_with_silent_redis

CLIENTS = 20


class CacheCase(SimpleTestCase):
    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)
        self.addCleanup(setattr, redis, "_skip_until", 0.0)
        self.calls = 0
        self._lock = threading.Lock()

    def compute(self) -> int:
        with self._lock:
            self.calls += 1
            return self.calls


class ComputeOnceTest(CacheCase):
    def test_value_is_computed_again_after_it_expires(self) -> None:
        for expected in (1, 1):
            assert compute_once("name", self.compute, seconds=1) == expected
        time.sleep(1.1)
        assert compute_once("name", self.compute, seconds=1) == 2

    def test_zero_seconds_compute_every_time(self) -> None:
        for expected in (1, 2):
            assert compute_once("name", self.compute, seconds=0) == expected
        assert read_cached(["name"]) == {}

    def test_empty_values_are_cached(self) -> None:
        for value in (0, [], "", None, {}):
            with self.subTest(repr(value)):
                compute_once(f"empty {value!r}", lambda: value, seconds=60)  # noqa: B023
                assert compute_once(f"empty {value!r}", self.compute, seconds=60) == value
        assert self.calls == 0

    def test_failure_is_not_cached_and_does_not_block_others(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            compute_once("name", lambda: 1 // 0, seconds=60)
        started = time.monotonic()
        assert compute_once("name", self.compute, seconds=60) == 1
        assert time.monotonic() - started < cache.LOCK_SECONDS / 2

    def test_lock_of_a_killed_process_delays_others_only_for_a_time(self) -> None:
        with mock.patch.object(cache, "LOCK_SECONDS", 0.5):
            get_redis_client().set(cache._make_key("name:lock"), "killed", px=60_000)
            started = time.monotonic()
            assert compute_once("name", self.compute, seconds=60) == 1
            assert time.monotonic() - started > 0.5

    def test_slow_process_does_not_release_the_lock_of_another_one(self) -> None:
        lock = cache._make_key("name:lock")
        compute_once("name", lambda: get_redis_client().set(lock, "another"), seconds=60)
        assert get_redis_client().get(lock) == b"another"

    def test_value_is_computed_without_redis(self) -> None:
        compute_once("name", self.compute, seconds=60)
        with replace_with_silent_redis():
            assert compute_once("name", self.compute, seconds=60) == 2
            assert compute_once("name", self.compute, seconds=60) == 3


class CrowdTest(CacheCase):
    def run_crowd(self) -> list[int]:
        """Request a missing value from many threads at once and return what each received."""
        found: list[int] = []

        def compute() -> int:
            time.sleep(0.2)
            return self.compute()

        def request(_: random.Random) -> None:
            found.append(compute_once("name", compute, seconds=60))

        run_together([request] * CLIENTS, times=1, seed=1)
        return found

    def test_crowd_computes_a_missing_value_once(self) -> None:
        assert self.run_crowd() == [1] * CLIENTS

    def test_without_the_lock_every_client_computes_it(self) -> None:
        unlocked = cache._READ_OR_LOCK.replace("and 1 or 0", "and 1 or 1")
        with mock.patch.object(cache, "_READ_OR_LOCK", unlocked):
            self.run_crowd()
        assert self.calls > 1
