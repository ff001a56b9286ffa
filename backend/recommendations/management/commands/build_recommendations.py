from typing import Any

from django.core.management.base import BaseCommand

from backend.core.commands import measure_peak_memory, show_step_progress
from backend.recommendations.services import BuildReport, build_model


class Command(BaseCommand):
    help = (
        "Build the recommendations from the orders of the last three years and from the products. Until the "
        "build is complete, shoppers see the previous recommendations."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with show_step_progress("rows") as show_progress:
            report = build_model(on_progress=show_progress)
        self._print_report(report)

    def _print_report(self, report: BuildReport) -> None:
        self.stdout.write(f"built from {report.orders:,} orders and {report.products:,} products")
        for kind, count in report.rows.items():
            self.stdout.write(f"{kind:28}{count:>12,} rows")
        for step, seconds in report.seconds.items():
            self.stdout.write(f"{step:28}{seconds:>12.1f} s")
        self.stdout.write(f"version {report.version}; peak memory {measure_peak_memory()} MB")
