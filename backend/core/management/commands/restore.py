"""Restore the database and the media files from a backup."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from backend.core.backup.postgres_tools import ToolError
from backend.core.backup.reader import BackupInvalid, find_contents, find_unapplied_migrations, restore_backup
from backend.core.commands import report_interruption
from backend.core.media.storage import StorageUnavailable
from backend.core.response_cache import mark_catalogue_changed


class Command(BaseCommand):
    help = (
        "Restore the database and the media files from a file that `backup` has written. Stop the shop "
        "first. A shop that is not empty is refused unless --force is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="path of the backup, or - for the standard input")
        parser.add_argument(
            "--force",
            action="store_true",
            help="replace the database of a shop that is not empty. Other media files are kept.",
        )

    def handle(self, *args: Any, file: str, force: bool, **options: Any) -> None:
        with report_interruption("The restore was interrupted. The shop is unchanged."):
            try:
                with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as source:
                    if not force and (contained := find_contents()):
                        raise CommandError(f"The shop is not empty: {contained}. --force replaces its data.")
                    contents = restore_backup(source)
                mark_catalogue_changed()
            except BackupInvalid as error:
                raise CommandError(f"{file} cannot be restored: {error}. The shop is unchanged.") from error
            except (ToolError, StorageUnavailable, OSError, OperationalError) as error:
                raise CommandError(
                    f"The restore failed: {str(error).strip()}\nThe shop is unchanged."
                ) from error
        self.stderr.write(f"Restore complete: {contents}. Restart the web and worker processes.")
        if find_unapplied_migrations():
            self.stderr.write("The backup is of an older version of the shop. Run `manage.py migrate`.")
