from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from backend.feeds.importer import BATCH_SIZE, DEFAULT_STOCK, import_feed
from backend.feeds.raw_rows import FeedUnreadable
from backend.feeds.report import ImportReport, Problem


class Command(BaseCommand):
    help = (
        "Import products from a Google Merchant Center feed (tab-separated, CSV, RSS or Atom) or a Yandex "
        "Market feed (YML), plain or gzipped. Importing the same feed again changes nothing. An existing "
        "product keeps its stock, even if it is 0, unless the feed gives a quantity or an availability other "
        "than in_stock. The first rows with each kind of problem are listed; --verbosity 2 lists all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "feed", type=Path, help="path of the feed; picture links are relative to its folder"
        )
        parser.add_argument(
            "--accept-currency",
            default="",
            metavar="CODE",
            help=f"take prices in this currency unconverted, as prices in {settings.SHOP_CURRENCY}",
        )
        parser.add_argument(
            "--default-stock",
            type=int,
            default=DEFAULT_STOCK,
            metavar="UNITS",
            help="stock of a new product that is in stock without a quantity (default: %(default)s)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="write nothing and report what an import would do"
        )
        parser.add_argument(
            "--batch-size",
            type=int,
            default=BATCH_SIZE,
            metavar="ROWS",
            help="rows per transaction (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["default_stock"] < 0 or options["batch_size"] < 1:
            raise CommandError("--default-stock must be at least 0 and --batch-size at least 1")
        currency = options["accept_currency"]
        if currency and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
            raise CommandError(
                f'--accept-currency must be a code of three letters such as "USD", not {currency!r}'
            )
        # `disable=None` hides the bar if the output is not a terminal.
        with tqdm(unit="B", unit_scale=True, disable=None, desc=options["feed"].name) as bar:

            def show_problem(problem: Problem, is_listed: bool) -> None:
                if is_listed or options["verbosity"] > 1:
                    bar.clear()
                    self.stdout.write(str(problem))

            def show_progress(position: int, size: int) -> None:
                bar.total = size
                bar.update(position - bar.n)

            try:
                report = import_feed(
                    options["feed"],
                    accept_currency=currency,
                    default_stock=options["default_stock"],
                    dry_run=options["dry_run"],
                    batch_size=options["batch_size"],
                    on_problem=show_problem,
                    on_progress=show_progress,
                )
            except FeedUnreadable as error:
                raise CommandError(str(error)) from error
        if options["verbosity"] < 2:
            for line in report.list_repeated_problems():
                self.stdout.write(line)
        self._print_summary(report, dry_run=options["dry_run"])

    def _print_summary(self, report: ImportReport, *, dry_run: bool) -> None:
        if report.ignored_columns:
            self.stdout.write(f"columns ignored: {', '.join(report.ignored_columns)}")
        self.stdout.write(f"{'Dry run: ' if dry_run else ''}{report.summary()}")
        if report.stopped:
            raise CommandError(report.stopped)
