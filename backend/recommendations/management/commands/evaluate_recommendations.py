import json
import time
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backend.orders.purchase_log import PurchaseLogError
from backend.recommendations.baskets import Purchase, collect_baskets
from backend.recommendations.evaluation.protocol import HIT_RANK, InsufficientDataError, split_baskets
from backend.recommendations.evaluation.report import evaluate
from backend.recommendations.training_data import (
    get_newest_order_day,
    read_logged_purchases,
    read_purchases,
)

# The test period for the shop's own orders.
TEST_DAYS = 30


class Command(BaseCommand):
    help = (
        "Compare the recommendations with textbook methods, on a purchase log or on the shop's own orders: "
        "train on the baskets before a day and test on the baskets from that day on. Prints hit rates at "
        f"{HIT_RANK} with 95 % confidence intervals."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "log",
            type=Path,
            nargs="?",
            help="a CSV file, plain or gzipped, as import_orders reads it, with the column customer_id "
            "(default: the shop's own orders)",
        )
        parser.add_argument(
            "--train-before",
            type=_parse_date,
            metavar="DATE",
            help="first day of the test period; required with a log "
            f"(default: the last {TEST_DAYS} days are the test period)",
        )
        parser.add_argument(
            "--until", type=_parse_date, metavar="DATE", help="day after the test period (default: none)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        started_at = time.monotonic()
        until: date | None = options["until"]
        rejected: Counter[str] = Counter()
        purchases, train_before = _open_source(options["log"], options["train_before"], rejected)
        if until is not None and until <= train_before:
            raise CommandError("--until must be after --train-before")
        try:
            split = split_baskets(collect_baskets(purchases), train_before, until)
        except (PurchaseLogError, InsufficientDataError) as error:
            raise CommandError(str(error)) from error
        finally:
            for reason, count in rejected.most_common():
                self.stderr.write(f"{count:>9,} rows rejected: {reason}")
        report = evaluate(split, started_at=started_at)
        self.stdout.write(json.dumps(report.to_json()) if options["json"] else report.to_text())


def _open_source(
    log: Path | None, train_before: date | None, rejected: Counter[str]
) -> tuple[Iterator[Purchase], date]:
    """Return the purchases and the first day of the test period."""
    if log is not None:
        if train_before is None:
            raise CommandError("--train-before is required with a log")
        return read_logged_purchases(log, rejected), train_before
    newest_day = get_newest_order_day()
    if newest_day is None:
        raise CommandError("There are no orders. Name a purchase log.")
    return read_purchases(newest_day), train_before or newest_day - timedelta(days=TEST_DAYS - 1)


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2011-10-01") from error
