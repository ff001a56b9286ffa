"""Find migrations that block a running shop or break the release before them.

Applies all migrations to an empty database, and passes the SQL of each to squawk. A migration excludes a rule
by a comment with the reason: ``# squawk-ignore RULE: REASON``. Exits with status 1 if a rule is broken, or if
an exception is not used.
"""

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backend.config.environment import read_environment
from backend.embedded import services

PROJECT_DIR = Path(__file__).resolve().parents[1]
_EXCEPTION = re.compile(r"# squawk-ignore ([a-z-]+): \S")


@dataclass(frozen=True)
class MigrationSQL:
    """The statements that a migration has executed.

    Attributes:
        exceptions: the rules that its source excludes.
    """

    statements: list[str]
    is_atomic: bool
    exceptions: frozenset[str]


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
    for problem in found:
        label, rule = Path(problem["file"]).stem, problem["rule_name"]
        broken.add((label, rule))
        if rule not in migrations[label].exceptions:
            problems[label, rule, f"{problem['message']} {problem['help'] or ''}".strip()] = None
    return [": ".join(problem) for problem in problems] + [
        f"{label}: the exception for {rule} is not used."
        for label, migration in migrations.items()
        for rule in sorted(migration.exceptions)
        if (label, rule) not in broken
    ]


def main() -> int:
    data_dir = read_environment().data_dir / "migrations"
    with (
        services.claim(data_dir, "the check of migrations"),
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
