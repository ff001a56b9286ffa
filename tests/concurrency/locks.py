"""Context managers that remove locks and constraints, to show the races that they prevent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import connection
from django.db.models import Model, QuerySet

from backend.core.compiled_query import CompiledQuery, _Statement
from tests.concurrency.actors import execute


@contextmanager
def _replace_select_for_update(select: Any) -> Iterator[None]:
    # Compile every query anew, because a compiled statement keeps its locks.
    def compile_anew(query: CompiledQuery[Any], alias: str) -> _Statement:
        return _Statement(query._build().using(alias))

    with (
        mock.patch.object(QuerySet, "select_for_update", select),
        mock.patch.object(CompiledQuery, "_get_statement", compile_anew),
    ):
        yield


@contextmanager
def without_row_locks(*unlocked: type[Model]) -> Iterator[None]:
    """Make `select_for_update` lock no rows of these models."""
    original = QuerySet.select_for_update

    def select(rows: "QuerySet[Any]", *arguments: Any, **options: Any) -> "QuerySet[Any]":
        return rows.all() if rows.model in unlocked else original(rows, *arguments, **options)

    with _replace_select_for_update(select):
        yield


@contextmanager
def without_joined_locks() -> Iterator[None]:
    """Make `select_for_update` lock the selected rows, but not the joined ones."""
    original = QuerySet.select_for_update

    def select(rows: "QuerySet[Any]", *arguments: Any, **options: Any) -> "QuerySet[Any]":
        if options.get("of"):
            options["of"] = ["self"]
        return original(rows, *arguments, **options)

    with _replace_select_for_update(select):
        yield


@contextmanager
def without_index(name: str) -> Iterator[None]:
    """Drop a unique index. Its table is truncated before the index is restored."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef, tablename FROM pg_indexes WHERE indexname = %s", [name])
        definition, table = cursor.fetchone()
    execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        execute(f"TRUNCATE {table} CASCADE")
        execute(definition)


@contextmanager
def without_constraints(table: str, *, about: str) -> Iterator[None]:
    """Drop the constraints whose definition contains a text. The table is truncated before they return."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND pg_get_constraintdef(oid) LIKE %s",
            [table, f"%{about}%"],
        )
        constraints = cursor.fetchall()
    assert constraints
    for name, _ in constraints:
        execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    try:
        yield
    finally:
        execute(f"TRUNCATE {table} CASCADE")
        for name, definition in constraints:
            execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


@contextmanager
def without_cascade(table: str) -> Iterator[None]:
    """Make the foreign keys of a table refuse deletions instead of cascading."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND confdeltype = 'c'",
            [table],
        )
        keys = cursor.fetchall()
    assert keys
    for name, definition in keys:
        _replace(table, name, definition.replace("ON DELETE CASCADE", ""))
    try:
        yield
    finally:
        for name, definition in keys:
            _replace(table, name, definition)


def _replace(table: str, name: str, definition: str) -> None:
    execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition}")
