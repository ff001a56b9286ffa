"""The report of `make bench` is built from a known set of figures."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock
from xml.etree import ElementTree

import pytest

from benchmarks.growth import Growth
from benchmarks.performance.__main__ import make_result, measure_round
from benchmarks.performance.figures import Figures, Load, MemoryGrowth, Result, Scaling, Setting, medians
from benchmarks.performance.goals import Goal, list_goals
from benchmarks.performance.load import find_difference
from benchmarks.performance.operations import STATIC, STATIC_MS, Operation
from benchmarks.performance.report import format_goals, format_report, format_settings, write_report

LOAD = Load(200, 70.5, 90, 110, 150, web_ms=3, database_ms=1, client_ms=0.5, requests=400)
BASELINE = replace(LOAD, rate=900, web_ms=1.25, database_ms=0.75)


def make_figures() -> Figures:
    lists = Result("GraphQL list", LOAD, 2, BASELINE, ratio=2, scaled_ms=4, max_ratio=3, max_ms=4.9)
    cached = Result(
        "REST list, cached",
        replace(LOAD, rate=450),
        0,
        BASELINE,
        0.4,
        rate_ratio=0.5,
        min_rate=0.5,
        compared_with="the static view",
    )
    order = Result("order of 5 lines", replace(LOAD, web_ms=11.5), 15, scaled_ms=12.01, max_ms=12)
    slower = replace(lists, load=replace(LOAD, web_ms=4.5), ratio=3.5, scaled_ms=5.5)
    return Figures(
        date="2026-11-26",
        machine="2 cores of a processor",
        seconds=2,
        rounds=3,
        categories=5011,
        results={10_000: [lists, cached, order], 100_000: [slower, cached, order]},
        growth=[
            Growth("GraphQL card", "5,011 categories relative to 103", 2, 2.2, 1.1, 1.05, 1.12, 1.1),
            Growth("GraphQL tree", "5,011 categories relative to 103", 1, 15, 15, 14, 16, None),
            Growth("REST list", "100,000 products relative to 10,000", 3, 4, 1.33, 1.31, 1.4, 1.3),
        ],
        scaling=[Scaling("GraphQL list", LOAD, replace(LOAD, rate=380))],
        memory=MemoryGrowth(1_000, 130, 100_000, 140),
    )


def test_goals_use_the_worst_figure_of_all_catalogues() -> None:
    goals = {goal.name: goal for goal in list_goals(make_figures())}

    assert goals["GraphQL list: CPU time relative to raw SQL"].measured == 3.5
    assert goals["GraphQL list: scaled CPU ms"].measured == 5.5
    assert {name for name, goal in goals.items() if not goal.is_kept} == {
        "GraphQL list: CPU time relative to raw SQL",
        "GraphQL list: scaled CPU ms",
        "REST list: CPU time with 100,000 products relative to 10,000",
        "order of 5 lines: scaled CPU ms",
    }
    assert goals["REST list, cached: requests/s relative to the static view"].is_kept
    assert goals["GraphQL list: requests/s of two processes relative to one"].measured == 1.9
    assert goals["memory of a worker: growth"].is_kept
    assert goals["GraphQL card: CPU time with 5,011 categories relative to 103"].is_kept
    assert "GraphQL tree: CPU time with 5,011 categories relative to 103" not in goals


def test_missing_measurement_is_no_kept_goal() -> None:
    figures = make_figures()
    results = {10_000: [Result("order of 5 lines", LOAD, 15, max_ms=12)]}
    goals = {goal.name: goal for goal in list_goals(replace(figures, results=results))}
    assert not goals["order of 5 lines: scaled CPU ms"].is_kept


def test_ratios_are_medians_over_the_rounds() -> None:
    static = Operation("static view", [])
    operation = Operation("list", [], baseline=static, max_ratio=3, max_ms=5)

    def measure(cpu_ms: float, static_ms: float, baseline_ms: float) -> dict[str, Load]:
        return {
            name: replace(LOAD, web_ms=spent, database_ms=0)
            for name, spent in (
                ("list", cpu_ms),
                ("static view after list", static_ms),
                ("baseline after list", baseline_ms),
            )
        }

    result = make_result(operation, 2, [measure(4, 1, 2), measure(9, 3, 1), measure(10, 1, 5)])

    # Of 4, 3 and 10, and of 2, 9 and 2.
    assert result.scaled_ms == pytest.approx(4 * STATIC_MS)
    assert result.ratio == 2
    assert result.load.cpu_ms == 9


def test_operations_are_measured_next_to_what_they_are_compared_with() -> None:
    raw_sql = Operation("raw SQL", [])
    operations = [
        Operation("list", [], baseline=raw_sql, max_ms=5),
        Operation("hit", [], baseline=STATIC, min_rate=1),
        Operation("cart", [], max_ms=15),
    ]
    measured: list[str] = []

    def measure(operation: Operation) -> Load:
        measured.append(operation.name)
        return replace(LOAD, rate=len(measured))

    loads = measure_round(Mock(measure=measure), operations)

    assert measured == ["list", "static view", "raw SQL", "hit", "static view", "cart"]
    assert {name: load.rate for name, load in loads.items()} == {
        "list": 1,
        "static view after list": 2,
        "baseline after list": 3,
        "hit": 4,
        "baseline after hit": 5,
        "cart": 6,
        "static view after cart": 5,
    }


@pytest.mark.parametrize(
    ("measured", "is_minimum", "is_kept"),
    [(3, False, True), (3.01, False, False), (3, True, True), (2.99, True, False)],
)
def test_goal_is_kept_up_to_its_limit(measured: float, is_minimum: bool, is_kept: bool) -> None:
    assert Goal("goal", measured, 3, is_minimum).is_kept is is_kept


def test_report_contains_every_figure_and_goal() -> None:
    report = format_report(make_figures())

    assert "| GraphQL list: scaled CPU ms | 5.50 | at most 4.9 | **not kept** |" in report
    assert "| memory of a worker: MB | 140.00 | at most 150 | kept |" in report
    assert "| GraphQL list | 200 | 70.5 | 90.0 | 110.0 | 4.00 | 3.00 | 1.00 | 2 | 2.00 | 2.00 |" in report
    assert "| order of 5 lines | 200 | 70.5 | 90.0 | 110.0 | 12.50 | 11.50 | 1.00 | 15 |  |  |" in report
    assert "| GraphQL list | 2 | 380 | 70.5 | 110.0 | 150 | 4.00 | 1.71 |" in report
    assert "| REST list | 100,000 products relative to 10,000 | 3.00 | 4.00 | 1.33 | 1.31 to 1.40 |" in report
    assert "130 MB (resident) after 1,000 mixed requests and 140 MB after 100,000" in report
    assert format_goals(make_figures()).count("NOT KEPT") == 4


def test_charts_are_valid_svg_with_a_bar_for_each_value(tmp_path: Path) -> None:
    write_report(make_figures(), tmp_path)

    bars = {
        name: len(ElementTree.parse(tmp_path / name).findall("{*}rect[@height='14']"))
        for name in ("ratios.svg", "growth.svg")
    }
    assert bars == {"ratios.svg": 1, "growth.svg": 6}


def test_settings_are_compared_by_operation_and_memory() -> None:
    settings = [
        Setting("as in production", {"static view": LOAD}, 130, 100),
        Setting("preload", {"static view": replace(LOAD, rate=210)}, 131, 80),
    ]
    report = format_settings(settings, "2026-11-26", "2 cores")

    assert "| preload | 210 | 70.5 | 110.0 | 150 | 4.00 |" in report
    assert "| preload | 131 | 80 |" in report


def test_medians_are_taken_of_each_figure() -> None:
    middle = medians([LOAD, replace(LOAD, rate=100, web_ms=9), replace(LOAD, rate=300, web_ms=1)])

    assert (middle.rate, middle.web_ms) == (200, 3)


def test_difference_between_responses_is_found_by_its_place() -> None:
    products = {"items": [{"id": 1, "image": None}], "total": 5}

    assert not find_difference(products, {**products, "total": 6})
    assert find_difference(products, {"items": [{"id": 1, "image": {}}]}).startswith("/items/0/image/: None")
    assert find_difference({"items": [1]}, {"items": [1, 2]}).startswith("/items/: [1]")
