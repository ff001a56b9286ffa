from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from backend.core.commands import measure_peak_memory, show_step_progress
from backend.orders.order_import import DEFAULT_STOCK, ImportReport, import_orders
from backend.orders.purchase_log import PurchaseLogError

MAX_STOCK = 1_000_000


class Command(BaseCommand):
    help = (
        "Import a purchase log as historical orders, and create the products that do not exist yet. The log "
        "is a CSV file, plain or gzipped, with the columns invoice, stock_code, description, quantity, "
        "invoice_date and unit_price. Importing the same log again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("log", type=Path)
        parser.add_argument(
            "--timezone",
            default=settings.TIME_ZONE,
            help="time zone of dates without an offset (default: %(default)s)",
        )
        parser.add_argument(
            "--stock",
            type=int,
            default=DEFAULT_STOCK,
            metavar="UNITS",
            help="initial stock of new products (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["stock"] <= MAX_STOCK:
            raise CommandError(f"--stock must be between 0 and {MAX_STOCK}")
        try:
            zone = ZoneInfo(options["timezone"])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise CommandError(
                f"--timezone must be a name such as Europe/London, not {options['timezone']!r}"
            ) from None
        try:
            with show_step_progress("rows") as show_progress:
                report = import_orders(
                    options["log"], zone=zone, stock=options["stock"], on_progress=show_progress
                )
        except PurchaseLogError as error:
            raise CommandError(str(error)) from error
        self._print_report(report)

    def _print_report(self, report: ImportReport) -> None:
        for row in report.listed_rejections:
            # An overlong code would hide the reason.
            self.stdout.write(f"line {row.line} [{row.sku[:64]}] {row.reason}")
        rejected = report.rejected.total()
        if rejected > len(report.listed_rejections):
            self.stdout.write(f"… and {rejected - len(report.listed_rejections):,} more rejected rows")
        for number in report.differing:
            self.stdout.write(f"order {number} exists with a different total and was not changed")
        for reason, count in report.rejected.most_common():
            self.stdout.write(f"{count:>9,} rows rejected: {reason}")
        self.stdout.write(
            f"{report.accepted:>9,} rows accepted: {report.orders_created:,} orders created with "
            f"{report.lines_created:,} lines, {report.orders_unchanged:,} unchanged; "
            f"{report.products_created:,} products created; peak memory {measure_peak_memory()} MB"
        )
