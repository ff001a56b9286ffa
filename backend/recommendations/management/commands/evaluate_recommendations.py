import json
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy.typing as npt
from django.core.management.base import BaseCommand, CommandError, CommandParser

from backend.core.memory import peak_memory
from backend.recommendations import baselines
from backend.recommendations.evaluation import (
    CUT,
    Estimate,
    NothingToTest,
    Scorer,
    Split,
    ask,
    find_hits,
    hit_rate,
    lead,
    split_baskets,
)
from backend.recommendations.log import LogUnreadable, Purchase, collect_baskets, read_log
from backend.recommendations.model import build_tables
from backend.recommendations.purchases import newest_day, read_purchases

OURS = "lavka"
# On how many days of the shop's own orders it is tested.
OWN_TEST_DAYS = 30
TASKS = {
    "A": "complete the cart: a hidden item of a basket, asked with the rest of it",
    "B": "bought together: the rest of a basket, asked with one of its items",
}


class Command(BaseCommand):
    help = (
        "Measure the recommendations on a purchase log, or on the shop's own orders, against textbook "
        "methods: learn from the baskets before a day, test on those from that day on. Prints hit rates at "
        f"{CUT} with 95 % intervals."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "log",
            type=Path,
            nargs="?",
            help="a CSV file, plain or gzipped; without it, the shop's own orders",
        )
        parser.add_argument(
            "--train-before",
            type=_day,
            metavar="DATE",
            help=f"YYYY-MM-DD; needed with a log, else the last {OWN_TEST_DAYS} days are tested on",
        )
        parser.add_argument("--until", type=_day, metavar="DATE", help="test on baskets before this day")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        start = time.monotonic()
        until: date | None = options["until"]
        purchases, train_before = _source(options["log"], options["train_before"])
        if until is not None and until <= train_before:
            raise CommandError("--until must be after --train-before")
        try:
            baskets = collect_baskets(purchases)
            split = split_baskets(baskets, train_before, until)
        except (LogUnreadable, NothingToTest) as error:
            raise CommandError(str(error)) from error
        hits, build_seconds = _measure(split)
        result = {
            **{
                task: {
                    method: {"hit_rate_at_10": rate.value, "ci95": [rate.low, rate.high]}
                    for method, rate in ((method, hit_rate(found)) for method, found in methods.items())
                }
                for task, methods in hits.items()
            },
            "lead": {
                task: {
                    method: {"by": ahead.value, "ci95": [ahead.low, ahead.high]}
                    for method, ahead in _leads(methods).items()
                }
                for task, methods in hits.items()
            },
            "train_baskets": len(split.train.days),
            "test_baskets": len(split.test.days),
            "items": len(split.train.items),
            "build_seconds": build_seconds,
            "seconds": time.monotonic() - start,
            "peak_mb": peak_memory(),
        }
        self.stdout.write(json.dumps(result) if options["json"] else _as_text(result))


def _source(log: Path | None, train_before: date | None) -> tuple[Iterator[Purchase], date]:
    """Return what to learn from and test on, and the day between the two."""
    if log is not None:
        if train_before is None:
            raise CommandError("--train-before is needed with a log")
        return read_log(log), train_before
    today = newest_day()
    if today is None:
        raise CommandError("There are no orders to learn from; name a purchase log.")
    return read_purchases(today), train_before or today - timedelta(days=OWN_TEST_DAYS - 1)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a day such as 2011-10-01") from error


def _measure(split: Split) -> tuple[dict[str, dict[str, npt.NDArray]], float]:
    """Return the hits by task and method, and how many seconds it took to build our own tables."""
    start = time.monotonic()
    tables = build_tables(split.train, split.today)
    build_seconds = time.monotonic() - start
    served = {"A": tables.complements, "B": tables.bought_together}
    scorers = {name: make(split.train) for name, make in baselines.METHODS.items()}

    hits: dict[str, dict[str, npt.NDArray]] = {}
    for task, questions in ask(split.test.matrix).items():
        methods: dict[str, Scorer] = scorers | {
            OURS: lambda queries, table=served[task]: (queries @ table).toarray()
        }
        hits[task] = {name: find_hits(questions, scorer) for name, scorer in methods.items()}
    return hits, build_seconds


def _leads(methods: dict[str, npt.NDArray]) -> dict[str, Estimate]:
    return {name: lead(methods[OURS], found) for name, found in methods.items() if name != OURS}


def _as_text(result: dict[str, Any]) -> str:
    lines = [
        f"learnt from {result['train_baskets']:,} baskets of {result['items']:,} items, "
        f"tested on {result['test_baskets']:,}"
    ]
    for task, meaning in TASKS.items():
        lines += ["", f"{task}, {meaning}", f"{'':20}hit rate at {CUT}, 95 %{'':5}{OURS} is ahead by, 95 %"]
        for method, rate in result[task].items():
            line = f"{method:20}{rate['hit_rate_at_10']:.3f}  [{rate['ci95'][0]:.3f}, {rate['ci95'][1]:.3f}]"
            ahead = result["lead"][task].get(method)
            if ahead:
                line += f"{'':7}{ahead['by']:+.3f}  [{ahead['ci95'][0]:+.3f}, {ahead['ci95'][1]:+.3f}]"
            lines.append(line)
    lines += [
        "",
        f"{result['seconds']:.1f} s in all, {result['build_seconds']:.1f} s of it to build {OURS}; "
        f"at most {result['peak_mb']} MB",
    ]
    return "\n".join(lines)
