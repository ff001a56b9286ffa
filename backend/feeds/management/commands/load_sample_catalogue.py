from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from backend.feeds.importer import import_feed
from backend.feeds.raw_rows import FeedUnreadable

# The currency of the sample prices. A shop with another currency takes the numbers unchanged.
CURRENCY = "RUB"


class Command(BaseCommand):
    help = "Import the sample catalogue from samples/. Running it again resets the sample products."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = import_feed(settings.SAMPLES_DIR / "products.tsv", accept_currency=CURRENCY)
        except FeedUnreadable as error:
            raise CommandError(str(error)) from error
        for problem in report.problems:
            self.stdout.write(str(problem))
        for line in report.list_repeated_problems():
            self.stdout.write(line)
        self.stdout.write(report.summary())
        if report.stopped:
            raise CommandError(report.stopped)
