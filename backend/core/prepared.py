"""Queries that Django puts into SQL once in a process, not anew for every request.

Building and compiling a query takes Django three times as long as PostgreSQL takes to answer one by key.
For the few that nearly every request runs.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, Lookup, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row")


class Given(Expression):
    """Stands in a prepared query for a value that is told with every run."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]


class AnyOf(Lookup):
    """Whether a column has one of the values of a `Given` list: one statement for lists of every length."""

    lookup_name = "any_of"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, params = self.process_lhs(compiler, connection)
        values, given = compiler.compile(self.rhs)
        return f"{column} = ANY({values})", [*params, *given]


class PreparedQuery(Generic[Row]):
    """A query to be run many times, each time with other values.

    The values are sent as they are: of the type that the column is stored as, such as a number for a
    foreign key.

    Args:
        make: returns a queryset of instances or of `values_list` with `Given` where values differ; called
            once, when the query is first run. `select_related` works, `prefetch_related` does not.
    """

    def __init__(self, make: "Callable[[], QuerySet[Any, Row]]") -> None:
        self._make = make

    def run(self, **given: Any) -> list[Row]:
        """Return the rows for these values, as the queryset would.

        Raises:
            KeyError: a value of the query is missing.
            TransactionManagementError: it locks rows, and there is no transaction to keep them locked.
        """
        statement = self._statement
        connection = connections[statement.using]
        if statement.locks and not connection.in_atomic_block:
            raise TransactionManagementError("Rows can be locked inside a transaction only.")
        params = [given[param.name] if isinstance(param, Given) else param for param in statement.params]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, params)
            rows = cursor.fetchall()
        return [statement.read(row, connection) for row in rows]

    def first(self, **given: Any) -> Row | None:
        """Return the first row for these values, or None."""
        rows = self.run(**given)
        return rows[0] if rows else None

    @cached_property
    def _statement(self) -> "_Statement":
        return _Statement(self._make())


class _Statement:
    """What is known of a query before its values are."""

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        assert not queryset._prefetch_related_lookups  # type: ignore[attr-defined]
        self.using = queryset.db
        self.locks = queryset.query.select_for_update
        compiler = queryset.query.get_compiler(using=queryset.db)
        self.sql, self.params = compiler.as_sql()
        columns = [column for column, *_ in compiler.select]
        self._converters = compiler.get_converters(columns).items()
        self._model = None
        if issubclass(queryset._iterable_class, ModelIterable):
            # As `ModelIterable` does for every query.
            own = compiler.klass_info["select_fields"]
            self._model = compiler.klass_info["model"]
            self._own = slice(own[0], own[-1] + 1)
            self._names = [column.target.attname for column in columns[self._own]]
            self._related = get_related_populators(  # type: ignore[call-arg]
                compiler.klass_info, compiler.select, queryset.db
            )

    def read(self, row: Sequence[Any], connection: Any) -> Any:
        """Return the instance, or the tuple, that a row of the answer is."""
        if self._converters:
            row = list(row)
            for position, (converters, column) in self._converters:
                for convert in converters:
                    row[position] = convert(row[position], column, connection)
        if self._model is None:
            return tuple(row)
        instance = self._model.from_db(self.using, self._names, row[self._own])
        for related in self._related:
            related.populate(row, instance)
        return instance


def keep_loaded(instance: Model, relation: str, rows: Sequence[Model]) -> None:
    """Have `.all()` of a relation to many return these rows without a query, as `prefetch_related` does."""
    related: Any = instance._meta.get_field(relation).related_model
    loaded = related._default_manager.all()
    loaded._result_cache = list(rows)
    instance.__dict__.setdefault("_prefetched_objects_cache", {})[relation] = loaded
