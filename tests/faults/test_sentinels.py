"""The shop follows Redis's master when Sentinels promote its replica."""

import re
import signal
import time
from collections.abc import Callable
from itertools import count
from typing import Any
from unittest import mock

from django.core.cache.backends.redis import RedisCache
from django.test import LiveServerTestCase, SimpleTestCase
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from backend.core import redis
from backend.core.redis import PREFIX, SKIP_SECONDS, get_redis_client, try_redis
from backend.core.redis_sentinels import SENTINEL_OPTIONS, SentinelPool
from backend.core.response_cache.version import CatalogueVersion
from backend.notifications.models import OutgoingEmail
from tests.carts.factories import make_products
from tests.support.sentinels import DOWN_AFTER_SECONDS, Sentinels
from tests.support.web import Web
from tests.support.worker import MailServer, Worker, wait_until

KEY = f"{PREFIX}catalogue-version"
# Seconds until the replica is promoted and known, on a busy machine.
FAILOVER_SECONDS = DOWN_AFTER_SECONDS + 30


class SentinelCase(SimpleTestCase):
    def setUp(self) -> None:
        self.sentinels = Sentinels()
        self.addCleanup(self.sentinels.stop)
        self.sentinels.start()


class ClientTest(SentinelCase):
    def setUp(self) -> None:
        super().setUp()
        self.enterContext(self.settings(REDIS_URL=self.sentinels.url))
        get_redis_client.cache_clear()
        self.addCleanup(get_redis_client.cache_clear)
        self.addCleanup(setattr, redis, "_skip_until", 0.0)

    def wait_until_back(self, call: Callable[[Redis], Any] = lambda client: client.ping()) -> float:
        """Wait until `try_redis` works, and return the seconds."""
        started = time.monotonic()
        wait_until(lambda: try_redis(call), "the new master", max_seconds=FAILOVER_SECONDS + SKIP_SECONDS)
        return time.monotonic() - started

    def test_client_uses_the_master_with_its_password_and_database(self) -> None:
        get_redis_client().set("name", 1)
        assert self.sentinels.connect(self.sentinels.find_master()).get("name") == b"1"

    def test_client_follows_the_promoted_replica_after_a_crash(self) -> None:
        get_redis_client().set("name", 1)
        self.sentinels.wait_for_replication()
        old = self.sentinels.signal_master(signal.SIGKILL)
        self.wait_until_back()
        assert self.sentinels.find_master() != old
        assert try_redis(lambda client: client.get("name")) == b"1"

    def test_client_follows_the_promoted_replica_while_the_old_master_is_frozen(self) -> None:
        get_redis_client().ping()
        old = self.sentinels.signal_master(signal.SIGSTOP)
        self.wait_until_back()
        assert self.sentinels.find_master() != old
        # The old master comes back and becomes a replica, which a connection to it must not use.
        self.sentinels.servers[old].send_signal(signal.SIGCONT)
        for _ in range(20):
            assert try_redis(lambda client: client.set("name", 1))
            time.sleep(0.1)

    def count_questions(self, *, responds: bool) -> int:
        """Call Redis without a pause between attempts, and return how often a Sentinel was asked."""
        ask = mock.patch.object(Redis, "sentinel_masters", autospec=True, side_effect=Redis.sentinel_masters)
        with ask as asked, mock.patch("redis.retry.sleep") as sleep:
            assert bool(try_redis(lambda client: client.ping())) is responds
        sleep.assert_not_called()
        return asked.call_count

    def test_client_asks_each_sentinel_at_most_twice_while_there_is_no_master(self) -> None:
        get_redis_client().ping()
        for server in self.sentinels.servers.values():
            server.kill()
            server.wait()
        # Again after the connection that was open has broken.
        assert self.count_questions(responds=False) <= 2 * 3

    def test_client_waits_once_for_a_frozen_sentinel_and_asks_the_next(self) -> None:
        self.sentinels._watchers[0].send_signal(signal.SIGSTOP)
        assert self.count_questions(responds=True) == 2
        assert SENTINEL_OPTIONS["socket_timeout"] + SENTINEL_OPTIONS["socket_connect_timeout"] < 1

    def test_cache_of_django_uses_the_master(self) -> None:
        cache = RedisCache([self.sentinels.url], {"OPTIONS": {"pool_class": SentinelPool}})
        cache.set("name", "value", 60)
        assert cache.get("name") == "value"
        self.sentinels.wait_for_replication()
        self.sentinels.signal_master(signal.SIGKILL)

        def get() -> Any:
            try:
                return cache.get("name")
            except RedisConnectionError:
                return None

        assert wait_until(get, "the new master", max_seconds=FAILOVER_SECONDS) == "value"


class LostVersionTest(SimpleTestCase):
    """A failover can lose the latest writes, such as increases of the version of the catalogue."""

    def setUp(self) -> None:
        self.dropped = 0
        self.versions = [CatalogueVersion(on_change=self.drop) for _ in range(2)]
        # Versions begin with the time, and edits are less frequent than milliseconds.
        get_redis_client().set(KEY, time.time_ns() // 1_000_000 - 60_000)

    def drop(self) -> None:
        self.dropped += 1

    def lose(self, count: int) -> None:
        get_redis_client().decr(KEY, count)

    def read(self, version: CatalogueVersion) -> int | None:
        version._read_again_at = 0.0
        return version.read()

    def test_lost_edit_makes_the_responses_obsolete(self) -> None:
        first, second = self.versions
        before = self.read(first)
        first.increase()
        edited = self.read(second)
        assert edited == before + 1
        self.lose(1)
        self.dropped = 0
        # Responses without the edit are stored under the earlier version.
        assert self.read(first) not in (before, edited)
        assert self.read(second) == self.read(first)
        assert self.dropped == 2

    def test_version_after_a_loss_was_never_used(self) -> None:
        first, second = self.versions
        self.read(second)
        used = {self.read(second)}
        for _ in range(3):
            first.increase()
            used.add(self.read(second))
        self.lose(3)
        # This process only sees that a call fails.
        first.invalidate()
        assert self.read(first) not in used
        wait_until(lambda: not first._is_recovering, "the recovery")

    def test_next_increase_after_a_loss_repeats_a_version_without_the_guard(self) -> None:
        first, second = self.versions
        used = self.read(second)
        first.increase()
        used = self.read(second)
        self.lose(1)
        with mock.patch.object(first, "_value", None):
            first.increase()
        assert self.read(second) == used


class FailoverTest(SentinelCase, LiveServerTestCase):
    """A worker and a web process whose master is killed."""

    def setUp(self) -> None:
        super().setUp()
        self.mail_server = MailServer()
        self.mail_server.start()
        self.addCleanup(self.mail_server.stop)
        self.products = make_products(1)

    def start(self) -> None:
        environment = {"REDIS_URL": self.sentinels.url}
        # Readiness needs Django's cache.
        self.web, self.worker = Web(WEB_WORKERS="1", **environment), Worker(self.mail_server, **environment)
        for process in (self.worker, self.web):
            self.addCleanup(process.stop)
            process.start()
        assert self.web.send_request("GET", "/health/ready")[0] == 200

    def register(self, email: str) -> None:
        """Register when Redis responds, and wait for the mail."""
        wait_until(lambda: self.is_registered(email), "the new master", max_seconds=FAILOVER_SECONDS)
        wait_until(lambda: self.mail_server.list_mails_to(email), "the mail", max_seconds=FAILOVER_SECONDS)

    def is_registered(self, email: str) -> bool:
        fields = {"email": email, "password": "correct horse battery"}
        status, _ = self.web.send_request("POST", "/auth/register", fields)
        assert status in (202, 503)
        return status == 202

    def is_mailed(self, email: str) -> bool:
        """Register, and return whether a mail follows within three seconds."""
        if not self.is_registered(email):
            return False
        time.sleep(3)
        return bool(self.mail_server.list_mails_to(email))

    def test_mails_are_sent_after_a_failover_and_carts_work_during_it(self) -> None:
        self.start()
        self.register("a@example.com")
        self.sentinels.signal_master(signal.SIGKILL)
        line = {"product_id": self.products[0].pk, "quantity": 1}
        # Carts and the catalogue need no Redis.
        for _ in range(5):
            assert self.web.send_request("POST", "/cart", line)[0] == 200
            assert self.web.send_request("GET", "/products")[0] == 200
        self.register("b@example.com")
        unsent = OutgoingEmail.objects.exclude(status=OutgoingEmail.Status.SENT)
        wait_until(lambda: not unsent.exists(), "the commit of the worker")

    def test_mails_are_sent_after_each_of_three_failovers(self) -> None:
        self.start()
        self.register("a@example.com")
        old = self.sentinels.signal_master(signal.SIGKILL)
        self.register("b@example.com")
        self.sentinels.start_server(old)
        wait_until(lambda: self.sentinels.is_replica(old), "a replica", max_seconds=FAILOVER_SECONDS)
        for email in ("c@example.com", "d@example.com"):
            # The worker waits for a task when its master becomes a replica.
            self.sentinels.demote_master()
            self.register(email)

    def test_worker_leaves_a_frozen_master(self) -> None:
        self.start()
        self.register("a@example.com")
        self.sentinels.signal_master(signal.SIGSTOP)
        # A frozen server can take tasks with it, which beat would publish again.
        addresses = (f"b{number}@example.com" for number in count())
        wait_until(lambda: self.is_mailed(next(addresses)), "the mail", max_seconds=2 * FAILOVER_SECONDS)
        waited = re.search(r"BRPOP got no reply for (\d+) seconds", self.worker.output())
        assert waited
        # The default of kombu is 26 to 51 seconds.
        assert 5 <= int(waited[1]) < 26
