from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from backend.catalog.sample.pictures import FEED, draw_pictures
from backend.feeds.importer import import_feed

# What the sample's prices are in; they are taken as they are in a shop with another currency.
CURRENCY = "RUB"


class Command(BaseCommand):
    help = "Fill the shop with the sample catalogue. Loading it again brings it back to what it was."

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.MEDIA_ROOT.parent / "sample"
        drawn = draw_pictures(folder)
        if drawn:
            self.stdout.write(f"{drawn} pictures drawn")
        report = import_feed(FEED, folder=folder, accept_currency=CURRENCY)
        for problem in report.problems:
            self.stdout.write(str(problem))
        self.stdout.write(report.summary())
        if report.stopped:
            raise CommandError(report.stopped)
