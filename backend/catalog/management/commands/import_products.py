from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from backend.catalog.feed.importing import BATCH_SIZE, DEFAULT_STOCK, import_feed
from backend.catalog.feed.report import FeedUnreadable, ImportReport, Problem


class Command(BaseCommand):
    help = (
        "Import products from a Google Merchant Center feed: tab-separated, CSV, RSS or Atom, plain or "
        "gzipped. Importing the same feed again changes nothing. A product that the shop has keeps its "
        "stock, 0 too, unless the feed gives a quantity or says that it is out of stock."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("feed", type=Path, help="the file; its pictures are looked for beside it")
        parser.add_argument(
            "--accept-currency",
            default="",
            metavar="CODE",
            help=f"take prices in this currency as if they were in {settings.SHOP_CURRENCY}, unconverted",
        )
        parser.add_argument(
            "--default-stock",
            type=int,
            default=DEFAULT_STOCK,
            metavar="UNITS",
            help="what a new product gets that is in stock, nobody says how many (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing, tell what would be done")
        parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="rows a transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["default_stock"] < 0 or options["batch_size"] < 1:
            raise CommandError("--default-stock cannot be negative, and --batch-size is at least 1")
        currency = options["accept_currency"]
        if currency and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
            raise CommandError(
                f'--accept-currency takes a code of three letters such as "USD", not {currency!r}'
            )
        # Without a terminal `disable=None` shows no bar.
        with tqdm(unit="B", unit_scale=True, disable=None, desc=options["feed"].name) as bar:

            def show_problem(problem: Problem) -> None:
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
        self._conclude(report, dry_run=options["dry_run"])

    def _conclude(self, report: ImportReport, *, dry_run: bool) -> None:
        if report.ignored_columns:
            self.stdout.write(f"columns ignored: {', '.join(report.ignored_columns)}")
        self.stdout.write(f"{'Dry run: ' if dry_run else ''}{report.summary()}")
        if report.stopped:
            raise CommandError(report.stopped)
