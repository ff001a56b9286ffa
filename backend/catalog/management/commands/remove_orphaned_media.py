"""Delete picture files that no product or category refers to."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.catalog.pictures.deletion import GRACE, find_orphans, remove_orphans
from backend.core.media.storage import StorageUnavailable

MIN_HOURS = 1
DEFAULT_HOURS = int(GRACE / timedelta(hours=1))


class Command(BaseCommand):
    help = (
        "Delete the files in products/, categories/ and renditions/ of the storage that no product or "
        "category refers to, such as those of an interrupted upload, import or worker."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="list the files without deleting them")
        parser.add_argument(
            "--older-than",
            type=int,
            default=DEFAULT_HOURS,
            metavar="HOURS",
            help="keep newer files, which a running import may need (default: %(default)s)",
        )
        parser.add_argument(
            "--force", action="store_true", help="delete the files even if most files are unused"
        )

    def handle(self, *args: Any, dry_run: bool, older_than: int, force: bool, **options: Any) -> None:
        if older_than < MIN_HOURS:
            raise CommandError(
                f"--older-than must be at least {MIN_HOURS}, because running imports store files before rows."
            )
        try:
            scan = find_orphans(grace=timedelta(hours=older_than))
        except StorageUnavailable as error:
            raise CommandError(f"{error.message} Nothing was deleted.") from None
        for name in scan.orphans:
            self.stdout.write(name)
        summary = f"{len(scan.orphans)} unused files, {scan.used} used"
        if dry_run:
            self.stdout.write(f"{summary}; nothing was deleted.")
            return
        if scan.has_suspicious_orphans and not force:
            raise CommandError(
                f"{summary}. Nothing was deleted: another shop may use the same storage. "
                "--force deletes the unused files."
            )
        deleted = remove_orphans(scan.orphans)
        self.stdout.write(f"{summary}; {deleted} deleted.")
