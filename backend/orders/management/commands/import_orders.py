from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from backend.core.memory import peak_memory
from backend.core.progress import step_progress
from backend.orders.importing import DEFAULT_STOCK, ImportReport, import_orders
from backend.orders.log import LogUnreadable

MAX_STOCK = 1_000_000


class Command(BaseCommand):
    help = (
        "Import a purchase log as orders of the past, with the products that the shop lacks: a CSV file, "
        "plain or gzipped, with the columns invoice, stock_code, description, quantity, invoice_date and "
        "unit_price. Importing the same log again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("log", type=Path)
        parser.add_argument(
            "--timezone", default=settings.TIME_ZONE, help="of dates without an offset (default: %(default)s)"
        )
        parser.add_argument(
            "--stock",
            type=int,
            default=DEFAULT_STOCK,
            metavar="UNITS",
            help="what new products get (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["stock"] <= MAX_STOCK:
            raise CommandError(f"--stock is 0 to {MAX_STOCK}")
        try:
            zone = ZoneInfo(options["timezone"])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise CommandError(
                f"--timezone is a name such as Europe/London, not {options['timezone']!r}"
            ) from None
        try:
            with step_progress("rows") as show_progress:
                report = import_orders(
                    options["log"], zone=zone, stock=options["stock"], on_progress=show_progress
                )
        except LogUnreadable as error:
            raise CommandError(str(error)) from error
        self._conclude(report)

    def _conclude(self, report: ImportReport) -> None:
        for line, sku, reason in report.listed:
            self.stdout.write(f"line {line} [{sku}] {reason}")
        refused = report.refused.total()
        if refused > len(report.listed):
            self.stdout.write(f"… and {refused - len(report.listed):,} more like these")
        for number in report.differing:
            self.stdout.write(f"order {number} is in the shop with another total, and stays as it is")
        for reason, count in report.refused.most_common():
            self.stdout.write(f"{count:>9,} rows refused: {reason}")
        self.stdout.write(
            f"{report.accepted:>9,} rows accepted: {report.orders_created:,} orders created with "
            f"{report.lines_created:,} lines, {report.orders_unchanged:,} unchanged; "
            f"{report.products_created:,} products created; at most {peak_memory()} MB"
        )
