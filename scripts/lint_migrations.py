"""Find migrations that block a running shop or break the release before them.

Applies all migrations to an empty database, and passes the SQL of each to squawk. Two rules are added for
statements that can lock many rows until the transaction of a migration ends:

- ``row-changes-in-transaction``: UPDATE or DELETE of a table that an earlier migration has created.
- ``run-python-in-transaction``: RunPython, whose statements depend on rows that the empty database lacks. The
  first migration of an app is exempt.

A migration excludes a rule by a comment with the reason: ``# squawk-ignore RULE: REASON``. Exits with status
1 if a rule is broken, or if an exception is not used.
"""

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db.migrations import Migration, RunPython, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from backend.config.environment import read_environment
from backend.embedded import services

PROJECT_DIR = Path(__file__).resolve().parents[1]
_EXCEPTION = re.compile(r"# squawk-ignore ([a-z-]+): \S")
_FUNCTION_BODY = re.compile(r"(CREATE\s(?:OR\s+REPLACE\s+)?FUNCTION\b[^$;]*)\$(\w*)\$.*?\$\2\$", re.I | re.S)
_CREATED_TABLE = re.compile(r'\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"?(\w+)', re.I)
_CHANGED_TABLE = re.compile(
    r'\b(?:UPDATE\s+(?:ONLY\s+)?"?(\w+)"?(?:\s+(?:AS\s+)?"?\w+"?)?\s+SET\b'
    r'|DELETE\s+FROM\s+(?:ONLY\s+)?"?(\w+))',
    re.I,
)


@dataclass(frozen=True)
class MigrationSQL:
    """The statements that a migration has executed.

    Attributes:
        exceptions: the rules that its source excludes.
        runs_python: true if it runs a Python function in a transaction, and the tables of the app exist.
    """

    statements: list[str]
    is_atomic: bool
    exceptions: frozenset[str]
    runs_python: bool = False


def apply_migrations() -> dict[str, MigrationSQL]:
    """Apply the pending migrations and return the SQL of those of the project by label."""
    from django.core.management import call_command
    from django.db import connection

    from backend.core.management.commands import migrate

    recorded: dict[str, MigrationSQL] = {}
    statements: list[str] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Mapping[str, Any]) -> Any:
        statements.append(sql if many else context["cursor"].cursor.mogrify(sql, params).decode())
        return execute(sql, params, many, context)

    class Command(migrate.Command):
        def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
            if action == "apply_start":
                statements.clear()
            elif action == "apply_success" and migration.__module__.startswith(("backend.", "tests.")):
                recorded[f"{migration.app_label}.{migration.name}"] = MigrationSQL(
                    statements.copy(),
                    migration.atomic,
                    frozenset(_EXCEPTION.findall(inspect.getsource(sys.modules[migration.__module__]))),
                    runs_python_in_transaction(migration),
                )
            super().migration_progress_callback(action, migration, fake)

    with connection.execute_wrapper(record):
        call_command(Command(), verbosity=0)
    return recorded


def find_problems(migrations: Mapping[str, MigrationSQL]) -> list[str]:
    """Return a description of every broken rule that is not excluded, and of every unused exception."""
    if not migrations:
        return []
    problems: dict[tuple[str, str, str], None] = {}
    broken: set[tuple[str, str]] = set()
    with TemporaryDirectory() as folder:
        for label, migration in migrations.items():
            lines = [] if migration.is_atomic else ["-- squawk-disable-assume-in-transaction"]
            lines += [statement.rstrip().rstrip(";") + ";\n" for statement in migration.statements]
            (Path(folder) / f"{label}.sql").write_text("\n".join(lines))
        done = subprocess.run(
            [
                Path(sys.executable).with_name("squawk"),
                *("--config", PROJECT_DIR / ".squawk.toml", "--reporter", "json"),
                *sorted(Path(folder).iterdir()),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    # The exit status is 1 for broken rules too.
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"squawk failed: {done.stderr or done.stdout}") from None
    reported = []
    for problem in found:
        description = f"{problem['message']} {problem['help'] or ''}".strip()
        reported.append((Path(problem["file"]).stem, problem["rule_name"], description))
    for label, migration in migrations.items():
        reported += [(label, *problem) for problem in _find_row_locks(migration)]
    for label, rule, description in reported:
        broken.add((label, rule))
        if rule not in migrations[label].exceptions:
            problems[label, rule, description] = None
    return [": ".join(problem) for problem in problems] + [
        f"{label}: the exception for {rule} is not used."
        for label, migration in migrations.items()
        for rule in sorted(migration.exceptions)
        if (label, rule) not in broken
    ]


def runs_python_in_transaction(migration: Migration) -> bool:
    """Return whether a migration runs a Python function in a transaction, except for the first of an app."""
    is_first = all(app != migration.app_label for app, _ in migration.dependencies)
    return not is_first and _runs_python(migration.operations, migration.atomic)


def _runs_python(operations: Sequence[Operation], is_atomic: bool) -> bool:
    """Return whether one of the operations runs a Python function in a transaction."""
    return any(
        _runs_python(operation.database_operations, is_atomic)
        if isinstance(operation, SeparateDatabaseAndState)
        else isinstance(operation, RunPython) and (is_atomic or bool(operation.atomic))
        for operation in operations
    )


def _find_row_locks(migration: MigrationSQL) -> Iterator[tuple[str, str]]:
    """Yield the rule and a description of what locks many rows until a transaction ends."""
    if migration.runs_python:
        yield (
            "run-python-in-transaction",
            "It locks the rows that the function changes until it commits. Change rows in batches.",
        )
    if not migration.is_atomic:
        return
    # The statements of a function do not run in the migration.
    script = _FUNCTION_BODY.sub(r"\1", "\n".join(migration.statements))
    created = set(_CREATED_TABLE.findall(script))
    for updated, deleted in _CHANGED_TABLE.findall(script):
        if (updated or deleted) not in created:
            yield (
                "row-changes-in-transaction",
                f"It locks the rows of {updated or deleted} until it commits. Change rows in batches.",
            )


def main() -> int:
    data_dir = read_environment().data_dir / "migrations"
    with (
        services.lock_data_directory(data_dir, "the check of migrations"),
        services.run_services(
            data_dir, database="lavka", with_valkey=False, with_mail_sink=False, for_tests=True
        ) as started,
    ):
        os.environ |= started.variables | {"DJANGO_SETTINGS_MODULE": "backend.config.settings"}
        import django

        django.setup()
        from django.db import connection

        # The database of the previous run would have no pending migrations.
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        problems = find_problems(apply_migrations())
    for problem in problems:
        print(problem)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
