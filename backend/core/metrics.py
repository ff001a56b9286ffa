"""Prometheus metrics of all web processes of a host, and the page that shows them.

Each process writes its values to files in ``PROMETHEUS_MULTIPROC_DIR``, which gunicorn's master creates, and
any of them adds up the files of all. Without that directory, the metrics are those of the process itself.
Label values are names of the schema, of routes and of error codes, never texts of clients.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from backend.core.errors import ErrorCode
from backend.core.metrics_files import DIRECTORY_VARIABLE, lock_files
from backend.core.problems import page_not_found, refuse
from backend.core.request_record import RequestRecord

logger = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Operations with several root fields, and requests that belong to no operation, such as an invalid document.
SEVERAL_FIELDS = "several"
NO_OPERATION = "none"

REQUESTS = Counter(
    "lavka_requests",
    "Requests by API, operation, HTTP status and code of the first error.",
    ["api", "operation", "status", "code"],
)
REQUEST_SECONDS = Histogram(
    "lavka_request_seconds",
    "Time from the start of a request in Django to its response.",
    ["api", "operation"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CACHE_REQUESTS = Counter(
    "lavka_response_cache_requests",
    "Requests that the response cache could answer, by result: hit or miss.",
    ["operation", "result"],
)
DATABASE_SECONDS = Counter(
    "lavka_database_seconds", "Time that requests have waited for PostgreSQL.", ["operation"]
)
DATABASE_CALLS = Counter(
    "lavka_database_calls", "Statements, commits, rollbacks and connections of requests.", ["operation"]
)

# Returns the values of a gauge by its label, or by "" for a gauge without one.
ReadGauge = Callable[[], Mapping[str, float]]


def name_graphql_operation(root_fields: Set[str]) -> str:
    """Return the operation's label: its root field, or `SEVERAL_FIELDS`.

    Args:
        root_fields: names of fields of the schema.
    """
    names = root_fields - {"__typename"} or root_fields
    return next(iter(names), NO_OPERATION) if len(names) < 2 else SEVERAL_FIELDS


def count_request(
    method: str | None, match: ResolverMatch | None, status: int, seconds: float, record: RequestRecord
) -> None:
    """Count a request that has been answered.

    Args:
        match: the route; None if the URL does not exist or middleware has answered the request.
    """
    api, operation = name_operation(method, match, record)
    REQUESTS.labels(api, operation, str(status), record.error_code).inc()
    REQUEST_SECONDS.labels(api, operation).observe(seconds)
    if record.cache_result:
        CACHE_REQUESTS.labels(operation, record.cache_result).inc()
    if record.database_calls:
        DATABASE_SECONDS.labels(operation).inc(record.database_seconds)
        DATABASE_CALLS.labels(operation).inc(record.database_calls)


def name_operation(method: str | None, match: ResolverMatch | None, record: RequestRecord) -> tuple[str, str]:
    """Return the API of a request (graphql, rest, admin or other) and the name of its operation."""
    if match is None:
        return "other", NO_OPERATION
    if match.url_name == "graphql":
        return "graphql", record.operation or NO_OPERATION
    operation_ids = getattr(match.func, "operation_ids", None)
    if operation_ids is not None:
        return "rest", operation_ids.get("GET" if method == "HEAD" else method, NO_OPERATION)
    if match.app_name == "admin":
        return "admin", match.url_name or NO_OPERATION
    return "other", match.url_name or NO_OPERATION


def make_metrics_view(gauges: Mapping[tuple[str, str, str], ReadGauge]) -> Callable[..., HttpResponseBase]:
    """Return the view of the metrics, for requests with `METRICS_TOKEN` as their bearer token.

    Args:
        gauges: functions that read values that all hosts share, by name, description and name of the label.
    """

    def metrics(request: HttpRequest) -> HttpResponseBase:
        token = settings.METRICS_TOKEN
        if not token:
            return page_not_found(request)
        scheme, _space, sent = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not constant_time_compare(sent.strip(), token):
            return refuse(ErrorCode.UNAUTHENTICATED, _("Send METRICS_TOKEN as a bearer token."))
        return HttpResponse(_collect(gauges), content_type=CONTENT_TYPE)

    return metrics


def _collect(gauges: Mapping[tuple[str, str, str], ReadGauge]) -> bytes:
    shared = CollectorRegistry()
    shared.register(_Gauges(gauges))
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        return generate_latest(REGISTRY) + generate_latest(shared)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    with lock_files(Path(directory), fcntl.LOCK_SH):
        return generate_latest(registry) + generate_latest(shared)


class _Gauges(Collector):
    def __init__(self, gauges: Mapping[tuple[str, str, str], ReadGauge]) -> None:
        self._gauges = gauges

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that no gauge is read when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the gauges. One whose service does not respond is left out."""
        for (name, description, label), read in self._gauges.items():
            try:
                values = read()
            except Exception as error:
                logger.warning("The metric %s cannot be read: %s", name, " ".join(str(error).split()))
                continue
            family = GaugeMetricFamily(name, description, labels=[label] if label else [])
            for value, number in values.items():
                family.add_metric([value] if label else [], number)
            yield family
