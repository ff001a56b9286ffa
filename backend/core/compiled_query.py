"""Queries that Django compiles to SQL once per process instead of once per request.

Building and compiling a queryset takes Django three times as long as PostgreSQL takes to fetch a row by
primary key. Use this in selectors only, for the few queries that nearly every request runs.
"""

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, Lookup, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators

Row = TypeVar("Row")


class Param(Expression):
    """A placeholder bound at execution time."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]


class EqualsAny(Lookup):
    """A condition that a column equals an element of a list `Param` or of an array expression.

    The statement is the same for lists of every length, unlike that of `__in`.
    """

    lookup_name = "equals_any"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, column_params = self.process_lhs(compiler, connection)
        values, value_params = compiler.compile(self.rhs)
        return f"{column} = ANY({values})", [*column_params, *value_params]


class CompiledQuery(Generic[Row]):
    """A queryset that is compiled on first use and then run with different parameters.

    Parameters are passed to the database as they are, so they must have the type of the column: a number
    for a foreign key.

    Args:
        build: returns a queryset of instances or of `values_list`, with a `Param` for every parameter.
            `select_related` works; `prefetch_related` and `select_for_update` are refused.
    """

    def __init__(self, build: "Callable[[], QuerySet[Any, Row]]") -> None:
        self._build = build

    def run(self, **params: Any) -> list[Row]:
        """Return the rows that the queryset would return for these parameters.

        Raises:
            KeyError: a parameter is missing.
        """
        statement = self._statement
        connection = connections[statement.using]
        values = [params[param.name] if isinstance(param, Param) else param for param in statement.params]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, values)
            rows = cursor.fetchall()
        return rows if statement.is_raw else [statement.read(row, connection) for row in rows]

    def first(self, **params: Any) -> Row | None:
        """Return the first row for these parameters, or None."""
        rows = self.run(**params)
        return rows[0] if rows else None

    @cached_property
    def _statement(self) -> "_Statement":
        return _Statement(self._build())


class _Statement:
    """The SQL of a queryset, and the conversion of database rows to instances or tuples.

    Attributes:
        is_raw: true if database rows need no conversion.
    """

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        if queryset._prefetch_related_lookups:  # type: ignore[attr-defined]
            raise TypeError("A compiled query cannot use prefetch_related.")
        if queryset.query.select_for_update:
            raise TypeError("A compiled query cannot lock rows; run the queryset itself.")
        self.using = queryset.db
        compiler = queryset.query.get_compiler(using=queryset.db)
        self.sql, self.params = compiler.as_sql()
        columns = [column for column, *_ in compiler.select]
        self._converters = compiler.get_converters(columns).items()
        self._model = None
        self.is_raw = not self._converters and not issubclass(queryset._iterable_class, ModelIterable)
        if issubclass(queryset._iterable_class, ModelIterable):
            # The steps that ModelIterable repeats for every query.
            own = compiler.klass_info["select_fields"]
            self._model = compiler.klass_info["model"]
            self._own = slice(own[0], own[-1] + 1)
            self._names = [column.target.attname for column in columns[self._own]]
            self._related = get_related_populators(  # type: ignore[call-arg]
                compiler.klass_info, compiler.select, queryset.db
            )

    def read(self, row: Sequence[Any], connection: Any) -> Any:
        """Return the instance or tuple of a database row."""
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


def set_prefetched(instance: Model, relation: str, rows: Sequence[Model]) -> None:
    """Set the rows that `.all()` of a to-many relation returns, as `prefetch_related` does."""
    template = _query_all(instance._meta.get_field(relation).related_model)
    # Querysets clone their query before they change it, so that all of these can share one.
    loaded = type(template)(model=template.model, query=template.query)
    loaded._result_cache = list(rows)
    instance.__dict__.setdefault("_prefetched_objects_cache", {})[relation] = loaded


@cache
def _query_all(model: type[Model]) -> QuerySet[Any, Any]:
    return model._default_manager.all()
