"""Measure the shop in its production configuration and write the report to docs/performance.

Run it with `make bench`, or with `make bench-settings` for the settings of the web server.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from backend.embedded.services import RunningServices
from benchmarks import growth
from benchmarks.catalogues import count_categories
from benchmarks.database import create_migrated_database
from benchmarks.performance import operations
from benchmarks.performance.figures import (
    Figures,
    Load,
    MemoryGrowth,
    Result,
    Scaling,
    Setting,
    medians,
)
from benchmarks.performance.goals import list_goals
from benchmarks.performance.load import Loader, check_operation
from benchmarks.performance.operations import Operation, Request
from benchmarks.performance.report import format_goals, format_settings, write_report
from benchmarks.performance.server import ADDRESS, describe_machine, serve

REPORT_DIR = Path("docs/performance")
SIZES = [1_000, 10_000, 100_000]
# The catalogue of what is measured only once, and the smaller one of the growth with the products.
MIDDLE_SIZE = 10_000
# More than can order within a measurement.
SHOPPERS = 300
# Requests until the memory is measured for the first time.
MEMORY_AFTER = 1_000
SCALED = ("GraphQL list", "GraphQL card with both lists", "REST list")

# Name, options of gunicorn, environment variables and number of workers.
SETTINGS: list[tuple[str, list[str], dict[str, str], int]] = [
    ("as in production, 2 workers", [], {}, 2),
    ("Python's garbage collection", [], {"BENCH_DEFAULT_GC": "1"}, 2),
    ("preload", ["--preload"], {}, 2),
    ("max-requests 1,000, jitter 200", ["--max-requests=1000", "--max-requests-jitter=200"], {}, 2),
    ("no keep-alive", ["--keep-alive=0"], {}, 2),
    ("1 worker", [], {}, 1),
    ("3 workers", [], {}, 3),
    ("4 workers", [], {}, 4),
]


@dataclass(frozen=True)
class Options:
    """The extent of a run."""

    seconds: int
    rounds: int
    mixed: int


def measure_operations(services: RunningServices, options: Options, *, with_trees: bool) -> list[Result]:
    """Measure every operation in turns with its baseline."""
    shoppers = operations.create_shoppers(int(SHOPPERS * options.seconds))
    with serve(services) as server:
        loader = Loader(server, options.seconds)
        measured = [
            *operations.reads(),
            *(operations.trees() if with_trees else []),
            *operations.cached_reads(lambda path: server.send(Request("GET", path)).headers["ETag"]),
            *operations.cart_reads(shoppers),
            *operations.writes(shoppers),
        ]
        queries = {}
        for operation in measured:
            if operation.baseline is not None and operation.is_compared:
                check_operation(server, operation)
                loader.warm_up(operation.baseline)
            loader.warm_up(operation)
            # The first requests of each worker fill its caches.
            if operation.prepare:
                operation.prepare()
            queries[operation.name] = min(
                server.count_queries(request) for request in (operation.requests * 4)[:4]
            )
        rounds = [measure_round(loader, measured) for _ in range(options.rounds)]
    return [make_result(operation, queries[operation.name], rounds) for operation in measured]


def measure_round(loader: Loader, measured: list[Operation]) -> dict[str, Load]:
    """Measure each operation, and what it is compared with right before or after it."""
    loads: dict[str, Load] = {}
    latest: tuple[Operation, Load] | None = None
    for operation in measured:
        nearest, latest = latest, (operation, loader.measure(operation))
        loads[operation.name] = latest[1]
        compared = {_static_name(operation): operations.STATIC} if operation.max_ms is not None else {}
        if operation.baseline is not None:
            compared[_baseline_name(operation)] = operation.baseline
        for name, other in compared.items():
            if nearest is None or nearest[0] is not other:
                nearest = latest = other, loader.measure(other)
            loads[name] = nearest[1]
    return loads


def _baseline_name(operation: Operation) -> str:
    return f"baseline after {operation.name}"


def _static_name(operation: Operation) -> str:
    return f"static view after {operation.name}"


def make_result(operation: Operation, queries: int, rounds: Sequence[dict[str, Load]]) -> Result:
    """Return the figures of an operation from the loads of each round by name."""
    own = [loads[operation.name] for loads in rounds]
    baseline, ratio, rate_ratio, scaled_ms = None, None, None, None
    if operation.max_ms is not None:
        statics = [loads[_static_name(operation)] for loads in rounds]
        scaled_ms = operations.STATIC_MS * _median_ratio(own, statics, "cpu_ms")
    if operation.baseline is not None:
        others = [loads[_baseline_name(operation)] for loads in rounds]
        baseline = medians(others)
        ratio = _median_ratio(own, others, "cpu_ms")
        if operation.min_rate is not None:
            rate_ratio = _median_ratio(own, others, "rate")
    return Result(
        operation.name,
        medians(own),
        queries,
        baseline,
        ratio,
        rate_ratio,
        scaled_ms,
        operation.max_ratio,
        operation.max_ms,
        operation.min_rate,
        operation.compared_with,
    )


def _median_ratio(loads: list[Load], others: list[Load], figure: str) -> float:
    return median(
        getattr(load, figure) / getattr(other, figure) for load, other in zip(loads, others, strict=True)
    )


def measure_scaling(services: RunningServices, options: Options) -> list[Scaling]:
    """Measure some operations with one web process and with two, in turns."""
    scaled = [operation for operation in operations.reads() if operation.name in SCALED]
    loads: dict[tuple[str, int], list[Load]] = {}
    for _ in range(options.rounds):
        for workers in (1, 2):
            with serve(services, workers=workers) as server:
                loader = Loader(server, options.seconds)
                for operation in scaled:
                    loader.warm_up(operation)
                    loads.setdefault((operation.name, workers), []).append(loader.measure(operation))
    return [
        Scaling(operation.name, *(medians(loads[operation.name, workers]) for workers in (1, 2)))
        for operation in scaled
    ]


def measure_memory(services: RunningServices, products: int, requests: int) -> MemoryGrowth:
    """Measure the memory of the workers while they serve mixed requests."""
    operation = operations.mixed_requests(products, operations.create_shoppers(100))
    with serve(services) as server:
        loader = Loader(server, 10)
        for request in operation.requests[:MEMORY_AFTER]:
            loader.send(operation, request)
        few = MEMORY_AFTER, server.memory().resident
        loader.warm_up(operation)
        while (count := server.wait_until_idle().requests) < requests:
            loader.measure(operation)
        return MemoryGrowth(*few, count, server.memory().resident)


def measure_settings(services: RunningServices, options: Options) -> list[Setting]:
    """Measure the settings of the web server in turns."""
    (graphql_list, *_), (static, cached_list, *_) = operations.reads(), operations.cached_reads(lambda _: "-")
    measured = [static, cached_list, graphql_list]
    loads: dict[tuple[str, str], list[Load]] = {}
    memory = {}
    for _ in range(options.rounds):
        for name, gunicorn_options, variables, workers in SETTINGS:
            with serve(services, workers=workers, options=gunicorn_options, variables=variables) as server:
                loader = Loader(server, options.seconds)
                for operation in measured:
                    loader.warm_up(operation)
                    loads.setdefault((name, operation.name), []).append(loader.measure(operation))
                memory[name] = server.memory()
    return [
        Setting(
            name,
            {operation.name: medians(loads[name, operation.name]) for operation in measured},
            memory[name].resident,
            memory[name].proportional,
        )
        for name, *_ in SETTINGS
    ]


def fill_catalogue(products: int) -> None:
    """Replace the catalogue."""
    _log(f"Filling the catalogue with {products:,} products")
    operations.fill_catalogue(products)


def hold(services: RunningServices, products: int) -> None:
    """Run the shop until Enter is pressed, so that others can be measured beside it."""
    fill_catalogue(products)
    with serve(services):
        print(f"The shop: http://{ADDRESS}")
        print(f"PostgreSQL: socket in {services.variables['DB_HOST']}, database lavka, user lavka")
        input("Press Enter to stop.")


def _log(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="PRODUCTS")
    parser.add_argument("--million", action="store_true", help="add 1,000,000 products to the sizes")
    parser.add_argument("--seconds", type=int, default=2, help="duration of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="number of measurements of each operation")
    parser.add_argument("--mixed", type=int, default=100_000, help="requests until the memory is measured")
    parser.add_argument("--report", type=Path, default=REPORT_DIR, help="directory of the report")
    parser.add_argument(
        "--settings", action="store_true", help="measure the settings of the web server instead"
    )
    parser.add_argument("--hold", type=int, metavar="PRODUCTS", help="only run the shop with this catalogue")
    arguments = parser.parse_args()
    options = Options(arguments.seconds, arguments.rounds, arguments.mixed)
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    started = time.monotonic()
    with create_migrated_database(with_valkey=True, durable=True) as services:
        if arguments.hold:
            hold(services, arguments.hold)
            return 0
        if arguments.settings:
            fill_catalogue(MIDDLE_SIZE)
            settings = measure_settings(services, options)
            arguments.report.mkdir(parents=True, exist_ok=True)
            (arguments.report / "settings.md").write_text(format_settings(settings, date, describe_machine()))
            return 0
        sizes = sorted([*arguments.sizes, *([1_000_000] if arguments.million else [])])
        middle = MIDDLE_SIZE if MIDDLE_SIZE in sizes else sizes[0]
        few, many, large = catalogues = growth.list_catalogues(middle, sizes[-1])
        has_growth = sizes[-1] > middle
        results = {}
        for products in sizes:
            if has_growth and products == middle:
                _log(f"Filling a catalogue: {growth.describe(few)}")
                operations.fill_catalogue(products, few.shape)
                growth.copy_database(few)
            fill_catalogue(products)
            for catalogue in (many, large):
                if has_growth and products == catalogue.products:
                    growth.copy_database(catalogue)
            _log("Measuring all operations")
            # The rest does not depend on the number of products.
            results[products] = measure_operations(services, options, with_trees=products == middle)
            if products == middle:
                _log("Measuring one and two web processes")
                scaling = measure_scaling(services, options)
                _log(f"Measuring the memory during {options.mixed:,} mixed requests")
                memory = measure_memory(services, products, options.mixed)
        measured_growth = []
        if has_growth:
            _log("Measuring catalogues of different sizes in turns")
            measured_growth = growth.measure(catalogues)
    figures = Figures(
        date,
        describe_machine(),
        options.seconds,
        options.rounds,
        count_categories(operations.SHAPE),
        results,
        measured_growth,
        scaling,
        memory,
    )
    write_report(figures, arguments.report)
    print(format_goals(figures))
    _log(f"Took {(time.monotonic() - started) / 60:.0f} minutes. The report is in {arguments.report}.")
    return int(any(not goal.is_kept for goal in list_goals(figures)))


if __name__ == "__main__":
    sys.exit(main())
