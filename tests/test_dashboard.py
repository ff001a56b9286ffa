"""The Grafana dashboard queries metrics and labels that /metrics has."""

import json
import re
from pathlib import Path
from typing import Any

from django.test import TestCase, override_settings
from prometheus_client.parser import text_string_to_metric_families

from backend.orders.metrics import REFUSED_ORDERS
from tests.accounts.cases import clear_redis

PROJECT_DIR = Path(__file__).resolve().parents[1]
DASHBOARD = json.loads((PROJECT_DIR / "docs/grafana-dashboard.json").read_text())
TOKEN = "token-of-the-test"
METRIC = re.compile(r"\blavka_\w+")
# Labels in `{name="value"}` and in `by (name, name)`.
MATCHED_LABEL = re.compile(r"[{,]\s*(\w+)\s*(?:=~|!=|!~|=)")
GROUPING = re.compile(r"\bby \(([^)]*)\)")


def list_queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def find_unknown_names(query: str, samples: dict[str, set[str]]) -> set[str]:
    """Return the metrics of a query that do not exist, and the labels that its metrics do not have."""
    metrics = set(METRIC.findall(query))
    labels = set(MATCHED_LABEL.findall(query)) | {
        name.strip() for names in GROUPING.findall(query) for name in names.split(",")
    }
    known = set().union(*(samples.get(metric, set()) for metric in metrics))
    return (metrics - samples.keys()) | (labels - known)


@override_settings(METRICS_TOKEN=TOKEN)
class DashboardTest(TestCase):
    def read_samples(self) -> dict[str, set[str]]:
        """Return the labels of each sample of /metrics, after requests that count in every metric."""
        clear_redis()
        with override_settings(CATALOG_CACHE_SECONDS=30):
            self.client.get("/products")
        REFUSED_ORDERS.labels("CART_EMPTY")
        page: Any = self.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        samples: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(page.content.decode()):
            for sample in family.samples:
                samples.setdefault(sample.name, set()).update(sample.labels)
        # The processes of the tests have no statement timeout, and count no calls of PostgreSQL.
        for name in ("lavka_database_seconds_total", "lavka_database_calls_total"):
            samples.setdefault(name, {"operation"})
        return samples

    def test_every_query_names_metrics_and_labels_of_the_page(self) -> None:
        samples = self.read_samples()
        queries = list_queries()
        assert len(queries) >= len(DASHBOARD["panels"]) >= 10
        for query in queries:
            with self.subTest(query):
                assert METRIC.search(query)
                assert find_unknown_names(query, samples) == set()

    def test_every_metric_of_the_page_is_on_the_dashboard_and_in_the_documentation(self) -> None:
        documented = (PROJECT_DIR / "docs/monitoring.md").read_text()
        queried = " ".join(list_queries())
        for name in self.read_samples():
            if name.startswith("lavka_") and not name.endswith("_created"):
                family = re.sub(r"_(bucket|sum|count)$", "", name)
                assert family in queried
                assert family in documented


def test_unknown_metrics_and_labels_are_found() -> None:
    samples = {"lavka_a_total": {"api"}}

    assert find_unknown_names('sum by (api) (rate(lavka_a_total{api="x"}[5m]))', samples) == set()
    assert find_unknown_names("sum by (host) (lavka_a_total)", samples) == {"host"}
    assert find_unknown_names('lavka_a_total{api="x", kind!="y"}', samples) == {"kind"}
    assert find_unknown_names("rate(lavka_b_total[5m])", samples) == {"lavka_b_total"}


def test_panels_have_distinct_ids_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for position in (panel["gridPos"] for panel in panels)
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
