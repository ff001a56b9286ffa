"""Prometheus metrics: labels, counts of both APIs, the guard of the page, files of several processes."""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from django.test import TestCase, override_settings
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from backend.api.graphql import schema
from backend.core.metrics import count_request, make_metrics_view, name_graphql_operation
from backend.core.metrics_files import lock_files, merge_dead_processes
from backend.core.redis import get_redis_client
from backend.core.request_record import RequestRecord, record_database_call, reset_record, set_record
from tests.accounts.cases import FAST_HASHER, clear_redis
from tests.carts.factories import make_products
from tests.support.people import make_user
from tests.support.shopping import RestShopper

TOKEN = "t" * 16


def read_value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class CountCase(TestCase):
    def setUp(self) -> None:
        clear_redis()
        self._before: dict[Any, float] = {}

    def requests(self) -> Mapping[tuple[str, ...], float]:
        """Return the counts of requests that have changed since the last call."""
        counts = {
            tuple(sample.labels[name] for name in ("api", "operation", "status", "code")): sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == "lavka_requests_total"
        }
        changed = {key: n - self._before.get(key, 0) for key, n in counts.items()}
        self._before = counts
        return {key: n for key, n in changed.items() if n}

    def graphql(self, query: str, **options: Any) -> Any:
        return self.client.post(
            "/graphql", json.dumps({"query": query, **options}), content_type="application/json"
        )


@FAST_HASHER
class RequestCountTest(CountCase):
    def test_graphql_requests_are_counted_by_root_field(self) -> None:
        self.requests()
        self.graphql("query Secret { mine: categories { name } }")
        self.graphql("{ categories { name } products { totalCount } }")
        self.graphql("{ __typename }")
        self.graphql("{ me { email } }")

        assert self.requests() == {
            ("graphql", "categories", "200", ""): 1,
            ("graphql", "several", "200", ""): 1,
            ("graphql", "__typename", "200", ""): 1,
            ("graphql", "me", "200", ""): 1,
        }

    def test_invalid_documents_add_no_label_of_the_client(self) -> None:
        self.requests()
        for query in (
            "{ stolen { name } }",
            "{ categories",
            "query A { categories { evil } }",
            "",
            "{ a: b }",
        ):
            self.graphql(query)
        self.graphql("query A { categories { name } }", operationName="Other")

        changed = self.requests()
        assert sum(changed.values()) == 6
        assert {(api, operation) for api, operation, _, _ in changed} == {("graphql", "none")}
        assert {code for _, _, _, code in changed} <= {"INVALID", "MALFORMED"}

    def test_rest_requests_are_counted_by_operation_id_and_code(self) -> None:
        self.requests()
        self.client.get("/products")
        self.client.head("/products")
        self.client.post("/products", "{}", content_type="application/json")
        self.client.get("/products?limit=0")
        self.client.get("/product?id=1")
        self.client.get("/orders")
        self.client.patch("/cart")
        self.client.get("/nothing/at/all")
        self.client.generic("EVIL", "/cart")

        assert self.requests() == {
            ("rest", "productsList", "200", ""): 2,
            ("rest", "productsSearch", "200", ""): 1,
            ("rest", "productsList", "422", "OUT_OF_RANGE"): 1,
            ("rest", "productGet", "404", "NOT_FOUND"): 1,
            ("rest", "ordersList", "401", "UNAUTHENTICATED"): 1,
            ("rest", "none", "405", "METHOD_NOT_ALLOWED"): 2,
            ("other", "none", "404", "NOT_FOUND"): 1,
        }

    def test_latency_is_observed_for_each_request(self) -> None:
        labels = {"api": "rest", "operation": "categoriesList"}
        count = read_value("lavka_request_seconds_count", **labels)
        seconds = read_value("lavka_request_seconds_sum", **labels)
        started = time.perf_counter()
        self.client.get("/categories")
        elapsed = time.perf_counter() - started

        assert read_value("lavka_request_seconds_count", **labels) == count + 1
        assert 0 < read_value("lavka_request_seconds_sum", **labels) - seconds < elapsed

    def test_orders_refusals_and_stock_outs_are_counted(self) -> None:
        names = ("lavka_orders_total", "lavka_stock_outs_total")
        first, second = make_products(2)
        shopper = RestShopper(make_user())
        refused = read_value("lavka_refused_orders_total", code="CART_EMPTY")
        before = [read_value(name) for name in names]
        with self.captureOnCommitCallbacks(execute=True):
            shopper.order()
        assert read_value("lavka_refused_orders_total", code="CART_EMPTY") == refused + 1
        assert [read_value(name) for name in names] == before

        type(first).objects.filter(pk=first.pk).update(stock=2)
        shopper.add(first.pk, 2)
        shopper.add(second.pk, 1)
        with self.captureOnCommitCallbacks(execute=True):
            shopper.order()

        assert [read_value(name) for name in names] == [before[0] + 1, before[1] + 1]
        assert read_value("lavka_refused_orders_total", code="CART_EMPTY") == refused + 1

    def test_order_that_is_not_committed_is_not_counted(self) -> None:
        (product,) = make_products(1)
        shopper = RestShopper(make_user())
        shopper.add(product.pk, 1)
        before = read_value("lavka_orders_total")
        # The transaction of the test is rolled back.
        with self.captureOnCommitCallbacks(execute=False):
            assert shopper.order().data["status"] == "placed"

        assert read_value("lavka_orders_total") == before


class CacheCountTest(CountCase):
    def results(self, operation: str) -> tuple[float, float]:
        name = "lavka_response_cache_requests_total"
        return tuple(read_value(name, operation=operation, result=result) for result in ("hit", "miss"))

    @override_settings(CATALOG_CACHE_SECONDS=30)
    def test_hits_and_misses_are_counted_in_both_apis(self) -> None:
        for operation, send in {
            "categoriesList": lambda: self.client.get("/categories"),
            "categories": lambda: self.graphql("{ categories { name } }"),
        }.items():
            with self.subTest(operation):
                hits, misses = self.results(operation)
                send()
                assert self.results(operation) == (hits, misses + 1)
                send()
                assert self.results(operation) == (hits + 1, misses + 1)

    def test_no_result_is_counted_without_the_cache(self) -> None:
        before = self.results("categoriesList")
        self.client.get("/categories")

        assert self.results("categoriesList") == before


def test_operation_is_named_by_fields_of_the_schema_only() -> None:
    assert name_graphql_operation(frozenset()) == "none"
    assert name_graphql_operation({"products", "__typename"}) == "products"
    assert name_graphql_operation({"products", "cart"}) == "several"
    kinds = (schema._schema.query_type, schema._schema.mutation_type)
    assert not {"none", "several"} & {name for kind in kinds for name in kind.fields}


def test_database_calls_are_added_to_the_current_request_only() -> None:
    record = RequestRecord("12345678")
    token = set_record(record)
    record_database_call(0.25)
    record_database_call(0.5)
    reset_record(token)
    record_database_call(1.0)

    assert (record.database_seconds, record.database_calls) == (0.75, 2)


class PageTest(TestCase):
    def setUp(self) -> None:
        clear_redis()

    def get(self, **headers: str) -> Any:
        return self.client.get("/metrics", headers=headers)

    def test_page_does_not_exist_without_a_token_in_the_settings(self) -> None:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
            assert self.get(**headers).status_code == 404

    @override_settings(METRICS_TOKEN=TOKEN)
    def test_page_is_refused_without_the_token(self) -> None:
        for sent in ("", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[1:]}", f"Basic {TOKEN}", "Bearer é"):
            response = self.get(Authorization=sent)
            assert response.status_code == 401
            assert response["WWW-Authenticate"] == "Bearer"
            assert b"lavka_" not in response.content

    @override_settings(METRICS_TOKEN=TOKEN)
    def test_page_is_found_at_any_address_of_the_host(self) -> None:
        for hosts in (["shop.example.com"], [".example.com"], ["*"]):
            with override_settings(ALLOWED_HOSTS=hosts):
                response = self.get(Authorization=f"Bearer {TOKEN}", Host="10.0.0.7:8000")
                assert response.status_code == 200, hosts
        with override_settings(ALLOWED_HOSTS=["shop.example.com"]):
            assert self.client.get("/metrics/", headers={"Host": "10.0.0.7:8000"}).status_code == 400

    @override_settings(METRICS_TOKEN=TOKEN)
    def test_page_shows_counts_and_gauges_to_the_token(self) -> None:
        get_redis_client().rpush("celery\x06\x169", "task")
        response = self.get(Authorization=f"Bearer {TOKEN}")

        assert response.status_code == 200
        assert self.get(Authorization=f"bearer  {TOKEN}").status_code == 200
        assert response["Cache-Control"] == "no-store"
        families = {
            family.name: family for family in text_string_to_metric_families(response.content.decode())
        }
        queued = families["lavka_queued_tasks"].samples
        assert {sample.labels["priority"]: sample.value for sample in queued} == {"high": 0, "low": 1}
        assert families["lavka_waiting_mails"].samples[0].value == 0
        assert {"lavka_requests", "lavka_request_seconds", "lavka_orders"} <= families.keys()

    @override_settings(METRICS_TOKEN=TOKEN)
    def test_gauge_that_cannot_be_read_is_left_out_with_one_log_line(self) -> None:
        broken = mock.Mock(side_effect=OSError("the server\nis gone"))
        view = make_metrics_view({("a_gauge", "A.", ""): broken, ("b_gauge", "B.", ""): lambda: {"": 7.0}})
        request = mock.Mock(headers={"Authorization": f"Bearer {TOKEN}"})
        with self.assertLogs("backend.core.metrics") as logs:
            content = view(request).content.decode()

        assert "b_gauge 7.0" in content
        assert "a_gauge" not in content
        assert len(logs.output) == 1
        assert "\n" not in logs.output[0]


# prometheus_client chooses its files when it is imported.
COUNT = """
import sys
from prometheus_client import Counter, Histogram
Counter("n", "N.", ["kind"]).labels(sys.argv[2]).inc(int(sys.argv[1]))
Histogram("s", "S.", buckets=(1, 2)).observe(int(sys.argv[1]))
"""


def run_process(directory: Path, orders: int, kind: str = "a") -> None:
    subprocess.run(
        [sys.executable, "-c", COUNT, str(orders), kind],
        env={"PROMETHEUS_MULTIPROC_DIR": str(directory)},
        check=True,
        timeout=30,
    )


def read_samples(directory: Path) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def test_files_of_ended_processes_are_merged_without_changing_a_value(tmp_path: Path) -> None:
    for orders, kind in ((1, "a"), (2, "a"), (5, "b")):
        run_process(tmp_path, orders, kind)
    before = read_samples(tmp_path)
    assert before["n_total", "a"] == 3
    assert before["s_sum", ""] == 8

    for _ in range(2):
        merge_dead_processes(tmp_path, living=set())
        assert read_samples(tmp_path) == before
    assert {path.name for path in tmp_path.glob("*.db")} == {"counter_ended.db", "histogram_ended.db"}

    run_process(tmp_path, 4)
    merge_dead_processes(tmp_path, living=set())
    assert read_samples(tmp_path)["n_total", "a"] == 7


def test_files_of_living_processes_are_kept(tmp_path: Path) -> None:
    run_process(tmp_path, 1)
    (path,) = tmp_path.glob("counter_*.db")
    process = int(path.stem.partition("_")[2])
    merge_dead_processes(tmp_path, living={process})

    assert path.exists()


def test_files_are_kept_while_they_are_read(tmp_path: Path) -> None:
    run_process(tmp_path, 1)
    with lock_files(tmp_path, fcntl.LOCK_SH):
        merge_dead_processes(tmp_path, living=set())
        assert not list(tmp_path.glob("*_ended.db"))
    merge_dead_processes(tmp_path, living=set())

    assert list(tmp_path.glob("*_ended.db"))


def test_counting_a_request_takes_little_cpu() -> None:
    record = RequestRecord("12345678", operation="products", cache_result="hit", database_calls=2)
    match = mock.Mock(url_name="graphql")
    started = time.process_time()
    for _ in range(2000):
        count_request("POST", match, 200, 0.01, record)

    assert (time.process_time() - started) / 2000 < 0.0001
