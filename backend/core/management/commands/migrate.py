"""Apply migrations while the shop is open."""

import time
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections

# While ALTER TABLE waits for a lock, the requests for that table wait behind it. They have 4 seconds
# (see config/gunicorn.py).
LOCK_TIMEOUT_SECONDS = 2
ATTEMPTS = 20
# Long enough for the requests that have waited, short enough for a window between two long transactions.
PAUSE_SECONDS = 3.0
# Lock not available, and deadlock: a request had locked the tables in another order.
_LOCK_ERRORS = {"55P03", "40P01"}


class Command(migrate.Command):
    """Django's command, which gives up waiting for a lock and tries again.

    A migration that is not atomic has no limit: it creates or removes indexes concurrently, which waits for
    running transactions, blocks nobody, and leaves an invalid index behind if it is cancelled.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        self._database = options["database"]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if getattr(error.__cause__, "pgcode", None) not in _LOCK_ERRORS:
                    raise
                self._set_lock_timeout("DEFAULT")
                if attempt == ATTEMPTS:
                    raise CommandError(
                        f"A migration could not lock its tables in {ATTEMPTS} attempts of "
                        f"{LOCK_TIMEOUT_SECONDS} seconds. Find the transaction that holds the locks in "
                        "pg_stat_activity, and migrate again. The migrations before it have been applied."
                    ) from error
                self.stderr.write(f" {str(error).splitlines()[0]}: trying again")
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        if action in ("apply_start", "unapply_start"):
            self._set_lock_timeout(f"'{LOCK_TIMEOUT_SECONDS}s'" if migration.atomic else "0")
        elif action in ("apply_success", "unapply_success"):
            self._set_lock_timeout("DEFAULT")
        super().migration_progress_callback(action, migration, fake)

    def _set_lock_timeout(self, value: str) -> None:
        with connections[self._database].cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {value}")
