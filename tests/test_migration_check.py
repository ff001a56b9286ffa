"""Rules of .squawk.toml for the SQL of migrations."""

from typing import Any

import pytest
from django.db.migrations import Migration, RunPython, RunSQL, SeparateDatabaseAndState

from scripts.lint_migrations import MigrationSQL, find_problems, runs_python_in_transaction

LOCK_TIMEOUT = "SET lock_timeout = '2s'"


def find_rules(*statements: str, is_atomic: bool = True, exceptions: tuple[str, ...] = ()) -> list[str]:
    """Return what follows the name of a migration in the descriptions of its problems."""
    migration = MigrationSQL([LOCK_TIMEOUT, *statements], is_atomic, frozenset(exceptions))
    return [problem.split(": ")[1] for problem in find_problems({"carts.0009_trial": migration})]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE carts_cart DROP COLUMN token", "ban-drop-column"),
        ("DROP TABLE carts_cart", "ban-drop-table"),
        ("ALTER TABLE carts_cart RENAME COLUMN token TO secret", "renaming-column"),
        ("ALTER TABLE carts_cart RENAME TO carts_basket", "renaming-table"),
        ("ALTER TABLE carts_cart ADD COLUMN note text NOT NULL", "adding-required-field"),
        ("ALTER TABLE carts_cart ALTER COLUMN note SET NOT NULL", "adding-not-nullable-field"),
        # Django removes the default of a field that has only `default`.
        ("ALTER TABLE carts_cart ALTER COLUMN note DROP DEFAULT", "ban-drop-default"),
        ("ALTER TABLE carts_cart ALTER COLUMN note TYPE integer", "changing-column-type"),
        ("ALTER TABLE carts_cart ADD CONSTRAINT c CHECK (id > 0)", "constraint-missing-not-valid"),
        ("CREATE INDEX i ON carts_cart (note)", "require-concurrent-index-creation"),
        ("DROP INDEX i", "require-concurrent-index-deletion"),
        ("CREATE INDEX CONCURRENTLY i ON carts_cart (note)", "ban-concurrent-index-creation-in-transaction"),
        ("UPDATE carts_cart SET note = ''", "row-changes-in-transaction"),
        ('update only "carts_cart" AS c set note = 1', "row-changes-in-transaction"),
        ("DELETE FROM carts_cart WHERE note IS NULL", "row-changes-in-transaction"),
        (
            "WITH old AS (DELETE FROM carts_cart RETURNING id) SELECT id FROM old",
            "row-changes-in-transaction",
        ),
        ("DO $$ BEGIN UPDATE carts_cart SET note = ''; END $$", "row-changes-in-transaction"),
    ],
)
def test_statement_that_blocks_or_breaks_a_running_shop_is_a_problem(statement: str, rule: str) -> None:
    assert rule in find_rules(statement)


@pytest.mark.parametrize(
    ("statement", "is_atomic"),
    [
        ("CREATE TABLE carts_note (id bigint PRIMARY KEY, text varchar(10) NOT NULL)", True),
        ("ALTER TABLE carts_cart ADD COLUMN note varchar(10) NULL", True),
        ("ALTER TABLE carts_cart ADD COLUMN note varchar(10) DEFAULT '' NOT NULL", True),
        ("ALTER TABLE carts_cart ADD CONSTRAINT c CHECK (id > 0) NOT VALID", True),
        ("CREATE INDEX CONCURRENTLY i ON carts_cart (note)", False),
        ("DROP INDEX CONCURRENTLY i", False),
        ("UPDATE carts_cart SET note = ''", False),
        ("CREATE TABLE carts_note (id bigint PRIMARY KEY); UPDATE carts_note SET id = 1", True),
        ('CREATE TABLE "carts_note" (id bigint PRIMARY KEY); DELETE FROM ONLY "carts_note"', True),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $a$ BEGIN"
            " UPDATE carts_cart SET note = ''; DELETE FROM carts_cart; RETURN NULL; END $a$",
            True,
        ),
        (
            "CREATE TRIGGER t AFTER UPDATE OR DELETE ON carts_cart FOR EACH ROW EXECUTE FUNCTION f()",
            True,
        ),
        ("INSERT INTO carts_cart (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET note = ''", True),
    ],
)
def test_statement_that_a_running_shop_does_not_notice_is_none(statement: str, is_atomic: bool) -> None:
    assert find_rules(statement, is_atomic=is_atomic) == []


def test_migration_without_a_lock_timeout_is_a_problem() -> None:
    statement = "ALTER TABLE carts_cart ADD COLUMN note text"
    (problem,) = find_problems({"carts.0009_trial": MigrationSQL([statement], True, frozenset())})
    assert problem.startswith("carts.0009_trial: require-lock-timeout: ")


def test_exception_applies_to_its_rule_only_and_must_be_used() -> None:
    statements = ("ALTER TABLE carts_cart DROP COLUMN note", "DROP TABLE carts_note")
    assert find_rules(*statements) == ["ban-drop-column", "ban-drop-table"]
    assert find_rules(*statements, exceptions=("ban-drop-column",)) == ["ban-drop-table"]
    assert find_rules(exceptions=("ban-drop-column",)) == ["the exception for ban-drop-column is not used."]


def test_sql_that_the_linter_cannot_parse_is_a_problem() -> None:
    assert "syntax-error" in find_rules("ALTER TABLE WITHOUT A NAME OR ACTION")


def test_python_function_is_a_problem_unless_it_is_excluded_with_a_reason() -> None:
    def find(*exceptions: str) -> list[str]:
        migration = MigrationSQL([LOCK_TIMEOUT], True, frozenset(exceptions), runs_python=True)
        return [problem.split(": ")[1] for problem in find_problems({"carts.0009_trial": migration})]

    assert find() == ["run-python-in-transaction"]
    assert find("run-python-in-transaction") == []


@pytest.mark.parametrize(
    ("operation", "is_atomic", "expected"),
    [
        (RunPython(RunPython.noop), True, True),
        (RunPython(RunPython.noop), False, False),
        (RunPython(RunPython.noop, atomic=True), False, True),
        (SeparateDatabaseAndState([RunPython(RunPython.noop)]), True, True),
        (SeparateDatabaseAndState(state_operations=[RunPython(RunPython.noop)]), True, False),
        (RunSQL("SELECT 1"), True, False),
    ],
)
def test_python_functions_that_run_in_a_transaction_are_found(
    operation: Any, is_atomic: bool, expected: bool
) -> None:
    class Trial(Migration):
        atomic = is_atomic
        dependencies = [("carts", "0008_before")]
        operations = [operation]

    assert runs_python_in_transaction(Trial("0009_trial", "carts")) is expected


def test_python_function_in_the_first_migration_of_an_app_is_no_problem() -> None:
    class Trial(Migration):
        dependencies = [("catalog", "0001_initial")]
        operations = [RunPython(RunPython.noop)]

    assert not runs_python_in_transaction(Trial("0001_initial", "carts"))
