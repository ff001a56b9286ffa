"""Write the database and the media files to a file."""

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from backend.core.backup.contents import Contents
from backend.core.backup.postgres_tools import ToolError
from backend.core.backup.writer import write_backup
from backend.core.commands import report_interruption
from backend.core.media.storage import StorageUnavailable, open_until_complete


class Command(BaseCommand):
    help = (
        "Write the database and the media files of the shop to a tar archive, which `restore` reads. "
        "The shop can be in use."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="path of the new file, or - for the standard output")

    def handle(self, *args: Any, file: str, **options: Any) -> None:
        with report_interruption("The backup was interrupted. Nothing was written."):
            try:
                contents = self._write_output() if file == "-" else self._write_file(Path(file))
            except (ToolError, StorageUnavailable, OSError, OperationalError) as error:
                raise CommandError(f"The backup failed: {str(error).strip()}") from error
        self.stderr.write(f"Backup complete: {contents}.")

    def _write_output(self) -> Contents:
        if sys.stdout.isatty():
            raise CommandError("The backup is binary. Redirect the standard output to a file or a program.")
        # Unbuffered, because a buffer would be written again at exit after the reader has gone.
        with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as output:
            return write_backup(output)

    def _write_file(self, path: Path) -> Contents:
        """Write a file that appears under its name when it is complete, readable by its owner only."""
        if path.exists():
            raise CommandError(f"{path} already exists. Choose another name.")
        if not path.parent.is_dir():
            raise CommandError(f"The directory {path.parent} does not exist.")
        with open_until_complete(path) as output:
            contents = write_backup(output)
            output.flush()
            os.fsync(output.fileno())
        return contents
