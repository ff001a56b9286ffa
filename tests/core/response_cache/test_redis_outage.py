"""A Redis that fails and comes back: slower responses, and no edit is missed."""

import time
from contextlib import ExitStack
from unittest import mock

from django.test import LiveServerTestCase
from redis.exceptions import ConnectionError as RedisConnectionError

from backend.catalog.models import Category
from backend.core import redis
from backend.core.redis import PREFIX, get_redis_client
from backend.core.response_cache import mark_catalogue_changed, responses
from backend.core.response_cache.version import READ_SECONDS
from backend.embedded import valkey
from tests.accounts.cases import clear_redis
from tests.accounts.test_services_down import make_own_environment, run_own_valkey
from tests.catalog.factories import make_category
from tests.core.response_cache.cases import SECONDS, CommittingCacheCase
from tests.core.test_redis import replace_with_silent_redis
from tests.support.web import Web
from tests.support.worker import wait_until


class OutageTest(CommittingCacheCase):
    """An outage as one process sees it."""

    def read_version(self) -> int:
        return int(get_redis_client().get(f"{PREFIX}catalogue-version") or 0)  # type: ignore[arg-type]

    def read_name(self) -> str:
        return str(self.rest("/categories").json()[0]["name"])

    def recovered(self) -> bool:
        return responses._version.read() is not None and not responses._version._is_recovering

    def test_edit_during_the_outage_is_seen(self) -> None:
        before = self.read_version()
        assert self.read_name() == "Tea"
        with mock.patch("backend.core.redis.get_redis_client", side_effect=RedisConnectionError):
            time.sleep(READ_SECONDS)
            assert self.read_name() == "Tea"
            assert len(responses._memory) == 0
            # Another process has edited it, and its increase of the version has failed.
            Category.objects.update(name="Coffee")
            assert self.read_name() == "Coffee"
        time.sleep(READ_SECONDS)
        assert self.read_name() == "Coffee"
        assert self.read_version() > before
        self.assert_hit(lambda: self.rest("/categories"))
        wait_until(self.recovered, "the recovery")

    def test_nothing_is_cached_during_the_outage(self) -> None:
        for name, read in self.reads().items():
            read()
            with (
                self.subTest(name),
                mock.patch("backend.core.redis.get_redis_client", side_effect=RedisConnectionError),
            ):
                responses._version.invalidate()
                self.assert_miss(read)
                self.assert_miss(read)
            wait_until(self.recovered, "the recovery")

    def test_edit_whose_count_has_failed_is_counted_without_a_request(self) -> None:
        before = self.read_version()
        with mock.patch("backend.core.redis.get_redis_client", side_effect=RedisConnectionError):
            mark_catalogue_changed()
            time.sleep(READ_SECONDS)
            assert self.read_version() == before
        wait_until(lambda: self.read_version() > before, "the increase", max_seconds=3 * READ_SECONDS)
        wait_until(self.recovered, "the recovery")
        after = self.read_version()
        time.sleep(READ_SECONDS)
        assert self.read_version() == after

    def test_failure_between_the_calls_of_a_request_drops_the_entries(self) -> None:
        for function in ("read_or_lock", "store"):
            with self.subTest(function):
                self.rest("/categories")
                with mock.patch(f"backend.core.response_cache.shared.{function}", return_value=None):
                    assert self.rest("/products").status_code == 200
                assert len(responses._memory) == 0
                self.assert_miss(lambda: self.rest("/categories"))
                wait_until(self.recovered, "the recovery")

    def test_silent_redis_costs_one_timeout(self) -> None:
        self.rest("/categories")
        time.sleep(READ_SECONDS)
        with replace_with_silent_redis():
            started = time.monotonic()
            for _ in range(5):
                assert self.rest("/categories").status_code == 200
            assert time.monotonic() - started < 2 * redis.TIMEOUT_SECONDS + 1
        redis._skip_until = 0.0
        wait_until(self.recovered, "the recovery")


class SeveralProcessesTest(LiveServerTestCase):
    def setUp(self) -> None:
        clear_redis()
        self.category = make_category("Tea")
        self.running = ExitStack()
        self.addCleanup(self.running.close)
        self.directory, self.server = self.running.enter_context(run_own_valkey())
        environment = make_own_environment(self.directory) | {"CATALOG_CACHE_SECONDS": str(SECONDS)}
        self.web = Web(**environment, WEB_WORKERS="2")
        self.web.start()
        self.running.callback(self.web.stop)

    def read_names(self) -> set[str]:
        names = set()
        for _ in range(10):
            status, tree = self.web.send_request("GET", "/categories")
            assert status == 200
            names.add(tree[0]["name"])
        return names

    def test_edit_during_the_outage_is_seen_by_all_processes(self) -> None:
        assert self.read_names() == {"Tea"}
        Category.objects.update(name="Coffee")
        assert self.read_names() == {"Tea"}, "the cache is in use"

        valkey.stop(self.server)
        # The version cannot be increased: the processes only see that Redis has failed.
        Category.objects.update(name="Cocoa")
        time.sleep(2 * READ_SECONDS)
        assert self.read_names() == {"Cocoa"}
        Category.objects.update(name="Juice")
        assert self.read_names() == {"Juice"}, "nothing is cached"

        # It has kept its entries.
        server = valkey.start(self.directory)
        self.running.callback(valkey.stop, server)
        assert self.read_names() == {"Juice"}
        time.sleep(3 * READ_SECONDS)
        assert self.read_names() == {"Juice"}
        Category.objects.update(name="Water")
        assert self.read_names() == {"Juice"}, "the cache is in use again"
