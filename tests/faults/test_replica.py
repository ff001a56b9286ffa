"""Anonymous reads of the catalogue use a streaming replica, everything else and every failure the primary."""

import math
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import Any
from unittest import mock

from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError, connections, router
from django.test import TransactionTestCase, override_settings

from backend.catalog.models import Category
from backend.core.compiled_query import CompiledQuery, Param
from backend.core.replica import REPLICA, get_read_alias, permit_replica, use_replica
from backend.core.replica.monitor import CHECK_SECONDS, MAX_LAG_SECONDS, MAX_TIMEOUTS, monitor
from backend.core.replica.routing import Router
from backend.core.response_cache import mark_catalogue_changed
from backend.core.response_cache.version import READ_SECONDS
from tests.accounts.cases import clear_redis
from tests.carts.factories import make_products
from tests.catalog.factories import make_category
from tests.concurrency.actors import execute
from tests.support.operations import list_graphql_operations, list_rest_operations
from tests.support.people import make_user, open_session_token
from tests.support.replica import Replica, run_own_postgres
from tests.support.web import Web
from tests.support.worker import wait_until

CATALOGUE_TABLES = ("catalog_", "recommendations_")
CATALOGUE_FIELDS = ("products", "product", "categories", "category", "brands", "brand")
CATALOGUE_ROUTES = ("/products", "/product", "/brand", "/categories")
# Requests get their responses in two seconds. The rest is for a busy machine.
MAX_SECONDS = 2.0 + 1.5


_servers = ExitStack()


@cache
def start_servers() -> tuple[dict[str, str], Replica]:
    """Start the servers of this module, after Django has prepared the shared test database."""
    variables = _servers.enter_context(run_own_postgres())
    replica = Replica()
    _servers.callback(replica.remove)
    return variables, replica


def tearDownModule() -> None:
    _servers.close()
    start_servers.cache_clear()


class ReplicaCase(TransactionTestCase):
    """A PostgreSQL server with a replica that has replayed all of its rows."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.variables, cls.replica = start_servers()

    def setUp(self) -> None:
        clear_redis()
        self.category = make_category("Tea")
        (self.product,) = make_products(1)
        self.user = make_user()
        self.token = open_session_token(self.user)
        self.replica.start()
        # Before the tables are emptied, which the replica replays.
        self.addCleanup(self.replica.execute, "SELECT pg_wal_replay_resume()")
        self.addCleanup(self.replica.start)

    def count_reads(self, call: Callable[[], Any]) -> int:
        """Return the number of queries that the replica gets while `call` runs."""
        before = len(self.replica.list_read_tables())
        call()
        return len(self.replica.list_read_tables()) - before


class WebCase(ReplicaCase):
    """A web process with this replica."""

    cache_seconds = "0"

    def setUp(self) -> None:
        super().setUp()
        self.web = Web(
            WEB_WORKERS="1",
            DB_REPLICA_HOST=self.replica.host,
            CATALOG_CACHE_SECONDS=self.cache_seconds,
            **self.variables,
        )
        self.addCleanup(self.web.stop)
        self.web.start()

    def wait_until_used(self) -> None:
        wait_until(lambda: self.count_reads(self.read) > 0, "the use of the replica")

    def read(self) -> str:
        """Return the name of the category, which must be read in time."""
        status, tree = self.web.send_request("GET", "/categories", timeout=MAX_SECONDS)
        assert status == 200
        return str(tree[0]["name"])

    def graphql(self, query: str, **headers: str) -> None:
        status, _ = self.web.send_request("POST", "/graphql", {"query": query}, **headers)
        assert status < 500

    def rest(self, method: str, path: str, request: dict[str, Any], **headers: str) -> None:
        query = "&".join(f"{name}={value}" for name, value in request.get("query", {}).items())
        headers = {
            name.replace("-", "_"): value for name, value in request.get("headers", {}).items()
        } | headers
        status, _ = self.web.send_request(method.upper(), f"{path}?{query}", request.get("body"), **headers)
        assert status < 500


class RoutingTest(WebCase):
    def requests(self) -> dict[str, Callable[..., None]]:
        """Return a request for each root field and route, as functions of further headers."""
        arguments = (self.user.email, self.product.pk, "1")
        fields = {
            name: lambda query=query, **headers: self.graphql(query, **headers)
            for name, query in list_graphql_operations(*arguments).items()
        }
        routes = {
            f"{method} {path}": lambda method=method, path=path, request=request, **headers: self.rest(
                method, path, request, **headers
            )
            for (method, path), request in list_rest_operations(*arguments).items()
        }
        return fields | routes

    def test_only_anonymous_catalogue_reads_use_the_replica(self) -> None:
        self.wait_until_used()
        credentials = {
            "no credentials": {},
            "access token": {"Authorization": f"Bearer {self.token}"},
            "invalid token": {"Authorization": "Bearer x"},
            "cart token": {"X_Cart_Token": "x" * 43},
            "cookie": {"Cookie": "sessionid=x"},
        }
        catalogue = {
            *CATALOGUE_FIELDS,
            "get /products",
            "post /products",
            "get /product",
            "get /brand",
            "get /categories",
        }
        for name, headers in credentials.items():
            for operation, send in self.requests().items():
                with self.subTest(operation, credentials=name):
                    reads = self.count_reads(lambda: send(**headers))  # noqa: B023
                    if operation in catalogue and not headers:
                        assert reads > 0
                    else:
                        assert reads == 0
        assert all(table.startswith(CATALOGUE_TABLES) for table in self.replica.list_read_tables())

    def test_operation_with_another_root_field_or_a_mutation_uses_the_primary(self) -> None:
        self.wait_until_used()
        assert self.count_reads(lambda: self.graphql("{ categories { name } }")) > 0
        for query in (
            "{ categories { name } cart { total } }",
            "{ categories { name } me { email } }",
            "query A { categories { name } recommendations { name } }",
            f'mutation {{ cartLinesAdd(lines: [{{ productId: "{self.product.pk}" }}]) '
            "{ cart { lines { product { category { name } } } } } }",
        ):
            with self.subTest(query):
                assert self.count_reads(lambda: self.graphql(query)) == 0  # noqa: B023


class OutageTest(WebCase):
    def check_readiness(self) -> str:
        status, report = self.web.send_request("GET", "/health/ready")
        assert status == 200
        return str(report["replica"])

    def test_stopped_replica_is_replaced_by_the_primary_and_used_again(self) -> None:
        self.wait_until_used()
        assert self.check_readiness() == "ok"
        self.replica.stop()
        for _ in range(20):
            assert self.read() == "Tea"
        wait_until(lambda: self.check_readiness() == "unavailable", "the failure of the check")
        assert "The replica is not used: " in self.web.output()
        self.replica.start()
        self.wait_until_used()
        wait_until(lambda: self.check_readiness() == "ok", "the success of the check")
        assert "The replica is used again" in self.web.output()

    def test_frozen_replica_costs_less_than_two_seconds(self) -> None:
        self.wait_until_used()
        self.replica.signal(signal.SIGSTOP)
        self.addCleanup(self.replica.signal, signal.SIGCONT)
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            # `read` has the limit.
            assert self.read() == "Tea"
        # The timeouts of the replica must not pause the primary.
        assert "The database does not respond" not in self.web.output()
        self.replica.signal(signal.SIGCONT)
        self.wait_until_used()

    def test_replica_that_is_unreachable_at_the_start_is_not_used(self) -> None:
        self.web.stop()
        self.replica.stop()
        self.web.start()
        for _ in range(5):
            assert self.read() == "Tea"

    def test_replica_that_stops_replaying_is_not_used(self) -> None:
        self.wait_until_used()
        self.replica.execute("SELECT pg_wal_replay_pause()")
        Category.objects.update(name="Coffee")
        time.sleep(MAX_LAG_SECONDS)
        assert self.read() == "Coffee"
        assert self.count_reads(self.read) == 0
        self.replica.execute("SELECT pg_wal_replay_resume()")
        self.wait_until_used()
        assert self.read() == "Coffee"

    def test_promoted_replica_is_not_used(self) -> None:
        self.wait_until_used()
        self.replica.execute("SELECT pg_promote()")
        # The other tests need a standby.
        self.addCleanup(self.replica.rebuild)
        time.sleep(MAX_LAG_SECONDS + CHECK_SECONDS)
        assert self.count_reads(self.read) == 0


@override_settings(CATALOG_CACHE_SECONDS=600)
class CachedReadsTest(WebCase):
    cache_seconds = "600"

    def edit(self, name: str) -> None:
        Category.objects.update(name=name)
        mark_catalogue_changed()

    def test_edit_is_visible_although_the_replica_is_behind(self) -> None:
        names = iter(f"Tea {number}" for number in range(1000))

        def is_used() -> bool:
            # Each edit makes the cached response obsolete. The first request that sees it uses the primary.
            self.edit(next(names))
            time.sleep(READ_SECONDS)
            self.web.send_request("GET", "/products")
            time.sleep(CHECK_SECONDS + 0.2)
            return self.count_reads(self.read) > 0

        wait_until(is_used, "the use of the replica")
        self.replica.execute("SELECT pg_wal_replay_pause()")
        self.edit("Coffee")
        time.sleep(READ_SECONDS)
        assert self.read() == "Coffee"
        self.replica.execute("SELECT pg_wal_replay_resume()")
        time.sleep(MAX_LAG_SECONDS)
        assert self.read() == "Coffee", "the response that was cached meanwhile"
        wait_until(is_used, "the use of the replica")


class LagTest(ReplicaCase):
    """The routing in this process, with a replica that no monitor checks."""

    databases = {"default", REPLICA}

    @classmethod
    def setUpClass(cls) -> None:
        # A mirror is not flushed after each test.
        options = {"ENGINE": "backend.core.replica", "TEST": {"MIRROR": "default"}}
        cls.enterClassContext(mock.patch.dict(connections.settings))
        connections.settings |= connections.configure_settings(
            {**settings.DATABASES, REPLICA: settings.DATABASES["default"] | options}
        )
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        database = settings.DATABASES["default"]
        connections.settings[REPLICA] |= {"NAME": database["NAME"], "HOST": self.replica.host}
        self.addCleanup(self.close_replica)
        self.enterContext(mock.patch.object(router, "routers", [Router()]))
        self.enterContext(mock.patch.object(monitor, "start"))
        self.addCleanup(monitor.__init__)
        self.check()

    def close_replica(self) -> None:
        connections[REPLICA].close()
        delattr(connections._connections, REPLICA)

    def check(self) -> None:
        """Run one check of the monitor."""
        connections[REPLICA].falls_back = False
        try:
            monitor._check()
        finally:
            connections[REPLICA].falls_back = True

    def read(self, since: float = -math.inf) -> str:
        with permit_replica(since), use_replica():
            return Category.objects.get(pk=self.category.pk).name

    def pause(self) -> None:
        self.replica.execute("SELECT pg_wal_replay_pause()")

    def test_replica_that_lacks_an_edit_is_not_used(self) -> None:
        self.pause()
        Category.objects.update(name="Coffee")
        assert self.read(since=time.monotonic()) == "Coffee"

    def test_replica_that_lacks_an_edit_is_used_without_the_time_of_the_edit(self) -> None:
        self.pause()
        Category.objects.update(name="Coffee")
        assert self.read() == "Tea"

    def test_replica_is_used_again_when_it_has_replayed_the_edit(self) -> None:
        Category.objects.update(name="Coffee")
        edited_at = time.monotonic()
        assert self.count_reads(lambda: self.read(edited_at)) == 0
        self.check()
        assert self.count_reads(lambda: self.read(edited_at)) == 1

    def test_lag_is_limited(self) -> None:
        checked_at = monitor._replayed_until
        for seconds, reads in ((MAX_LAG_SECONDS - 0.01, 1), (MAX_LAG_SECONDS + 0.01, 0)):
            with (
                self.subTest(seconds),
                mock.patch("backend.core.replica.monitor.time.monotonic", return_value=checked_at + seconds),
            ):
                assert self.count_reads(self.read) == reads

    def test_check_of_a_replica_that_is_behind_fails_in_time(self) -> None:
        self.pause()
        Category.objects.update(name="Coffee")
        with self.assertLogs("backend.core.replica.monitor", "WARNING"):
            self.check()
        assert monitor.last_error

    def test_read_without_permission_uses_the_primary(self) -> None:
        def read() -> None:
            with use_replica():
                Category.objects.get(pk=self.category.pk)

        assert self.count_reads(read) == 0

    def test_write_in_a_permitted_read_uses_the_primary(self) -> None:
        with permit_replica(), use_replica():
            category = Category.objects.get(pk=self.category.pk)
            category.name = "Coffee"
            category.save()
        assert Category.objects.get(pk=self.category.pk).name == "Coffee"

    def test_compiled_query_uses_the_database_of_each_run(self) -> None:
        query = CompiledQuery(lambda: Category.objects.filter(pk=Param("pk")))

        def run() -> None:
            assert query.first(pk=self.category.pk) == self.category

        def run_on_replica() -> None:
            with permit_replica(), use_replica():
                run()

        for _ in range(2):
            assert self.count_reads(run_on_replica) == 1
            assert self.count_reads(run) == 0

    def test_query_that_fails_on_the_replica_runs_on_the_primary(self) -> None:
        self.read()
        self.replica.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND query LIKE '%catalog_category%'"
        )
        with self.assertLogs("backend.core.replica.monitor", "WARNING"):
            assert self.read() == "Tea"
        # Until the next check.
        assert self.count_reads(self.read) == 0
        connections[REPLICA].close()
        self.check()
        assert self.count_reads(self.read) == 1

    def fetch_on_replica(self, statement: str) -> Any:
        with permit_replica(), use_replica(), connections[get_read_alias()].cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]

    def assert_only_this_query_leaves_the_replica(self, statement: str) -> None:
        with self.assertLogs("backend.core.replica.base", "WARNING") as logs:
            assert self.fetch_on_replica(statement) is False
        assert len(logs.output) == 1
        assert not monitor.has_failed
        assert not monitor.last_error
        assert self.count_reads(self.read) == 1

    def test_slow_query_runs_on_the_primary_and_others_on_the_replica(self) -> None:
        assert self.fetch_on_replica("SELECT pg_is_in_recovery()") is True
        self.fetch_on_replica("SELECT set_config('statement_timeout', '50ms', false)")
        slow = "SELECT pg_is_in_recovery() FROM pg_sleep(0.1)"
        self.assert_only_this_query_leaves_the_replica(slow)

    def test_replica_whose_queries_time_out_repeatedly_is_suspended(self) -> None:
        self.fetch_on_replica("SELECT set_config('statement_timeout', '50ms', false)")
        slow = "SELECT pg_is_in_recovery() FROM pg_sleep(0.1)"
        for _ in range(MAX_TIMEOUTS - 1):
            self.assert_only_this_query_leaves_the_replica(slow)
        with self.assertLogs("backend.core.replica.monitor", "WARNING"):
            assert self.fetch_on_replica(slow) is False
        assert monitor.has_failed
        self.check()
        assert self.count_reads(self.read) == 0
        suspended_until = monitor._suspended_until
        for is_used, moment in ((False, suspended_until - 0.01), (True, suspended_until)):
            with (
                self.subTest(is_used=is_used),
                mock.patch("backend.core.replica.monitor.time.monotonic", return_value=moment),
            ):
                self.check()
                assert self.count_reads(self.read) == int(is_used)
        assert not monitor.last_error

    def test_timeouts_that_are_far_apart_do_not_suspend_the_replica(self) -> None:
        now = time.monotonic()
        for interval, is_suspended in ((5.01, False), (5.0, True)):
            monitor.__init__()
            with (
                self.subTest(interval),
                mock.patch("backend.core.replica.monitor.time.monotonic") as monotonic,
            ):
                for index in range(MAX_TIMEOUTS):
                    monotonic.return_value = now + index * interval
                    monitor.report_timeout()
                assert (monitor._suspended_until > now) == is_suspended

    def test_cancelled_query_runs_on_the_primary_and_others_on_the_replica(self) -> None:
        for sqlstate in ("40001", "40P01"):
            execute(
                "CREATE OR REPLACE FUNCTION fail_on_the_replica() RETURNS boolean LANGUAGE plpgsql"
                " AS $$ BEGIN IF pg_is_in_recovery() THEN"
                f" RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END IF; RETURN false; END $$"
            )
            self.addCleanup(execute, "DROP FUNCTION IF EXISTS fail_on_the_replica()")
            self.check()
            with self.subTest(sqlstate):
                self.assert_only_this_query_leaves_the_replica("SELECT fail_on_the_replica()")

    def test_query_that_is_logged_for_debugging_runs_on_the_primary_after_a_failure(self) -> None:
        self.read()
        with mock.patch.object(connections[REPLICA], "force_debug_cursor", True):
            self.replica.stop()
            with self.assertLogs("backend.core.replica.monitor", "WARNING"):
                assert self.read() == "Tea"

    def test_error_of_the_statement_itself_is_raised_once(self) -> None:
        self.read()
        with (
            permit_replica(),
            use_replica(),
            self.assertRaises(DataError),
            connections[REPLICA].cursor() as cursor,
        ):
            cursor.execute("SELECT 1 / 0")
        assert not monitor.last_error

    def test_monitor_sees_a_failure_of_the_replica(self) -> None:
        self.replica.stop()
        with self.assertRaises((OperationalError, InterfaceError)):
            self.check()
