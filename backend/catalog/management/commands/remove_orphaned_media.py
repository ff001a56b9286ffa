"""Remove the files of pictures that no product or category needs."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.catalog.pictures.discarding import GRACE, find_orphans, remove_orphans
from backend.core.media import StorageUnavailable

MIN_HOURS = 1
DEFAULT_HOURS = int(GRACE / timedelta(hours=1))


class Command(BaseCommand):
    help = (
        "Remove the files below products/, categories/ and renditions/ of the storage that no picture "
        "needs: what was left behind by an upload, an import or a worker that was cut off."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only list them")
        parser.add_argument(
            "--older-than",
            type=int,
            default=DEFAULT_HOURS,
            metavar="HOURS",
            help="leave newer files, which an upload may be about to need; default: %(default)s",
        )
        parser.add_argument(
            "--force", action="store_true", help="remove them even if most of the storage is unknown"
        )

    def handle(self, *args: Any, dry_run: bool, older_than: int, force: bool, **options: Any) -> None:
        if older_than < MIN_HOURS:
            raise CommandError(f"--older-than must be at least {MIN_HOURS}: imports under way store first.")
        try:
            found = find_orphans(grace=timedelta(hours=older_than))
        except StorageUnavailable as error:
            raise CommandError(f"{error.message} Nothing was removed.") from None
        for name in found.orphans:
            self.stdout.write(name)
        summary = f"{len(found.orphans)} files that nothing needs, {found.needed} others"
        if dry_run:
            self.stdout.write(f"{summary}; nothing was removed.")
            return
        if found.are_strange and not force:
            raise CommandError(
                f"{summary}: is the storage another shop's, too? Nothing was removed; --force removes them."
            )
        removed = remove_orphans(found.orphans)
        self.stdout.write(f"{summary}; {removed} are removed.")
