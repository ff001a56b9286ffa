"""``manage.py migrate`` on a table that others use."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import TransactionTestCase, override_settings

from backend.core.management.commands import migrate
from scripts.lint_migrations import apply_migrations, find_problems
from tests.concurrency.actors import execute
from tests.concurrency.deadlocks import count_deadlocks, deadlocks
from tests.support.worker import wait_until

LOCK_SECONDS = 1


@contextmanager
def open_transaction(statement: str) -> Iterator[threading.Event]:
    """Hold the locks of a statement in a transaction of another connection until the event is set."""
    end = threading.Event()
    # Not `connection.copy()`, which only its own thread may close.
    other = connection.get_new_connection(connection.get_connection_params())
    other.cursor().execute(statement)
    thread = threading.Thread(target=lambda: (end.wait(), other.close()))
    thread.start()
    try:
        yield end
    finally:
        end.set()
        thread.join()


class ReleasingStream(StringIO):
    """A stream that sets an event on the first write."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self.event = event

    def write(self, text: str) -> int:
        self.event.set()
        return super().write(text)


@override_settings(MIGRATION_MODULES={"core": "tests.core.trial.migrations"})
@mock.patch.multiple(migrate, LOCK_TIMEOUT_SECONDS=LOCK_SECONDS, PAUSE_SECONDS=0.1, ATTEMPTS=2)
class MigrateTest(TransactionTestCase):
    # A reader, such as a report or a backup.
    reader = "SELECT count(*) FROM catalog_category"

    def setUp(self) -> None:
        self.addCleanup(self._migrate, "zero")

    def _migrate(self, target: str, **options: object) -> None:
        call_command("migrate", "core", target, verbosity=0, **options)

    def _columns(self) -> set[str]:
        with connection.cursor() as cursor:
            return {
                column.name
                for column in connection.introspection.get_table_description(cursor, "catalog_category")
            }

    def _lock_timeout(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            return cursor.fetchone()[0]

    def test_migration_is_tried_again_until_its_table_is_free(self) -> None:
        with open_transaction(self.reader) as end:
            errors = ReleasingStream(end)
            self._migrate("0001", stderr=errors)
        assert errors.getvalue().count("trying again") == 1
        assert "canceling statement due to lock timeout" in errors.getvalue()
        assert "renamed" in self._columns()
        assert self._lock_timeout() == "0"

    def _migrate_with_a_deadlock(self) -> str:
        """Let a reader deadlock with the migration, whose transaction is cancelled. Return the messages."""
        errors = StringIO()
        before = count_deadlocks()
        with deadlocks(
            "django.db.migrations.executor.MigrationExecutor.record_migration",
            lambda: execute(self.reader),
            times=1,
        ):
            self._migrate("0001", stderr=errors)
        assert count_deadlocks() == before + 1
        return errors.getvalue()

    def test_migration_is_tried_again_after_a_deadlock(self) -> None:
        assert "deadlock detected: trying again" in self._migrate_with_a_deadlock()
        assert "renamed" in self._columns()
        assert self._lock_timeout() == "0"

    def test_deadlock_ends_the_migration_without_the_retry(self) -> None:
        with mock.patch.object(migrate, "_LOCK_ERRORS", {"55P03"}), self.assertRaises(OperationalError):
            self._migrate_with_a_deadlock()
        assert "renamed" not in self._columns()

    def test_migration_of_a_table_that_stays_locked_is_given_up(self) -> None:
        started = time.monotonic()
        with open_transaction(self.reader), self.assertRaises(CommandError) as caught:
            self._migrate("0001", stderr=StringIO())
        assert time.monotonic() - started > 2 * LOCK_SECONDS
        assert "could not lock its tables in 2 attempts of 1 seconds" in str(caught.exception)
        assert "renamed" not in self._columns()
        assert self._lock_timeout() == "0"

    def test_other_errors_are_not_tried_again(self) -> None:
        with (
            mock.patch(
                "django.core.management.commands.migrate.Command.handle", side_effect=OperationalError
            ) as handle,
            self.assertRaises(OperationalError),
        ):
            self._migrate("0001")
        handle.assert_called_once()

    def test_requests_wait_no_longer_than_a_migration_for_its_lock(self) -> None:
        assert self._read_behind_a_migration() == 0

    def test_requests_behind_a_migration_without_a_limit_fail(self) -> None:
        with mock.patch.object(migrate.Command, "_set_lock_timeout"):
            assert self._read_behind_a_migration() is None

    def _read_behind_a_migration(self) -> int | None:
        """Return the number of categories, or None if the query takes twice the lock timeout."""
        failures: list[Exception] = []

        def run() -> None:
            try:
                self._migrate("0001", stderr=StringIO())
            except CommandError as error:
                failures.append(error)
            finally:
                connection.close()

        with open_transaction(self.reader) as end:
            migration = threading.Thread(target=run)
            migration.start()
            try:
                wait_until(self._is_migration_waiting, "a migration that waits for its lock")
                with connection.cursor() as cursor:
                    cursor.execute(f"SET statement_timeout = '{2 * LOCK_SECONDS}s'")
                    try:
                        cursor.execute("SELECT count(*) FROM catalog_category")
                        return cursor.fetchone()[0]
                    except OperationalError:
                        return None
                    finally:
                        cursor.execute("SET statement_timeout = 0")
            finally:
                end.set()
                migration.join()
                assert len(failures) <= 1

    def _is_migration_waiting(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks"
                " WHERE NOT granted AND relation = 'catalog_category'::regclass)"
            )
            return bool(cursor.fetchone()[0])

    def test_index_is_created_concurrently_however_long_it_waits(self) -> None:
        self._migrate("0001")
        with open_transaction("UPDATE catalog_category SET name = name") as end:
            timer = threading.Timer(1.5 * LOCK_SECONDS, end.set)
            timer.start()
            started = time.monotonic()
            self._migrate("0002")
            timer.join()
        assert time.monotonic() - started > LOCK_SECONDS
        with connection.cursor() as cursor:
            cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'trial_index'::regclass")
            assert cursor.fetchone() == (True,)

    def test_check_reads_the_statements_and_exceptions_of_pending_migrations(self) -> None:
        applied = apply_migrations()
        assert list(applied) == ["core.0001_column", "core.0002_index"]
        column, index = applied.values()
        assert column.exceptions == {"ban-drop-default"}
        assert column.statements[0] == "SET lock_timeout = '1s'"
        assert (column.is_atomic, index.is_atomic) == (True, False)
        (problem,) = find_problems(applied)
        assert problem.startswith("core.0001_column: renaming-column: "), problem
