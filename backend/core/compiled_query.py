"""Statements that Django compiles to SQL once per process instead of once per request.

Building and compiling a queryset takes Django three times as long as PostgreSQL takes to fetch a row by
primary key. Use this for the few statements that nearly every request or every order runs.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar

import orjson
from django.contrib.postgres.fields import ArrayField
from django.db import connections, router
from django.db.models import Expression, Field, JSONField, Lookup, Model, QuerySet
from django.db.models.expressions import DatabaseDefault
from django.db.models.query import ModelIterable, get_related_populators
from django.db.models.sql import InsertQuery
from django.db.transaction import TransactionManagementError

from backend.core.replica import get_read_alias

Row = TypeVar("Row")
Instance = TypeVar("Instance", bound=Model)

# Statements of each `CompiledInsert` that are kept, for different numbers of rows.
MAX_INSERT_SIZES = 32


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
            `select_related` and `select_for_update` work; `prefetch_related` is refused.
    """

    def __init__(self, build: "Callable[[], QuerySet[Any, Row]]") -> None:
        self._build = build
        # By database, since the rows and their related objects know the database that they come from.
        self._statements: dict[str, _Statement] = {}

    def run(self, **params: Any) -> list[Row]:
        """Return the rows that the queryset would return for these parameters.

        Raises:
            KeyError: a parameter is missing.
            TransactionManagementError: the queryset locks rows, outside a transaction.
        """
        statement = self._get_statement(get_read_alias())
        connection = connections[statement.using]
        if statement.locks_rows and connection.get_autocommit():
            raise TransactionManagementError("Rows can be locked in a transaction only.")
        values = [params[param.name] if isinstance(param, Param) else param for param in statement.params]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, values)
            rows = cursor.fetchall()
        return rows if statement.is_raw else [statement.read(row, connection) for row in rows]

    def first(self, **params: Any) -> Row | None:
        """Return the first row for these parameters, or None."""
        rows = self.run(**params)
        return rows[0] if rows else None

    def _get_statement(self, alias: str) -> "_Statement":
        statement = self._statements.get(alias)
        if statement is None:
            statement = self._statements[alias] = _Statement(self._build().using(alias))
        return statement


class _Statement:
    """The SQL of a queryset, and the conversion of database rows to instances or tuples.

    Attributes:
        is_raw: true if database rows need no conversion.
    """

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        if queryset._prefetch_related_lookups:  # type: ignore[attr-defined]
            raise TypeError("A compiled query cannot use prefetch_related.")
        self.locks_rows = queryset.query.select_for_update
        self.using = queryset.db
        compiler = queryset.query.get_compiler(using=queryset.db)
        self.sql, self.params = compiler.as_sql()
        columns = [column for column, *_ in compiler.select]
        self._converters = [
            (position, _choose_converters(column, converters), column)
            for position, (converters, column) in compiler.get_converters(columns).items()
        ]
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
            for position, converters, column in self._converters:
                for convert in converters:
                    row[position] = convert(row[position], column, connection)
        if self._model is None:
            return tuple(row)
        instance = self._model.from_db(self.using, self._names, row[self._own])
        for related in self._related:
            related.populate(row, instance)
        return instance


def _choose_converters(column: Any, converters: Sequence[Callable[..., Any]]) -> Sequence[Callable[..., Any]]:
    """Return the converters of a column. They parse JSON five times as fast as those of Django.

    Integers of more than 64 bits become floats.
    """
    field = column.output_field
    if _is_plain_json(field):
        return [_parse_json]
    if isinstance(field, ArrayField) and _is_plain_json(field.base_field):
        return [_parse_json_array]
    return converters


def _is_plain_json(field: "Field[Any, Any]") -> bool:
    return isinstance(field, JSONField) and field.decoder is None


def _parse_json(value: str | None, *_: object) -> Any:
    return None if value is None else orjson.loads(value)


def _parse_json_array(values: Sequence[str] | None, *_: object) -> Any:
    return None if values is None else [_parse_json(value) for value in values]


class CompiledInsert(Generic[Instance]):
    """An INSERT of instances that is compiled on first use for each number of rows.

    Works like `bulk_create`: it calls neither `save` nor signals, and sets the columns that the database
    computes.

    Args:
        model: columns that the database computes must need no conversion, like numbers and texts.
    """

    def __init__(self, model: type[Instance]) -> None:
        self._model = model
        self._compile = lru_cache(MAX_INSERT_SIZES)(_InsertStatement)

    def run(self, instances: Sequence[Instance]) -> None:
        """Insert new instances, at least one, in one statement.

        Raises:
            ValueError: an instance has a value for a column that the database computes.
        """
        statement = self._compile(self._model, len(instances))
        connection = connections[statement.using]
        values = [
            field.get_db_prep_save(field.pre_save(instance, add=True), connection)
            for instance in instances
            for field in statement.fields
        ]
        for instance in instances:
            for name in statement.computed:
                if not isinstance(getattr(instance, name), DatabaseDefault | None):
                    raise ValueError(f"{name} is computed by the database.")
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, values)
            rows = cursor.fetchall() if statement.computed else [()] * len(instances)
        for instance, row in zip(instances, rows, strict=True):
            for name, value in zip(statement.computed, row, strict=True):
                setattr(instance, name, value)
            instance._state.adding = False
            instance._state.db = statement.using


class _InsertStatement:
    """The SQL that inserts a number of rows, its fields, and the attributes that the database computes."""

    def __init__(self, model: type[Model], count: int) -> None:
        self.using = router.db_for_write(model)
        self.fields: list[Any] = []
        computed: list[Any] = []
        for field in model._meta.local_concrete_fields:
            is_computed = field is model._meta.auto_field or isinstance(field.get_default(), DatabaseDefault)
            (computed if is_computed else self.fields).append(field)
        self.computed = [field.attname for field in computed]
        template = model(**{field.attname: Param(field.attname) for field in self.fields})
        query = InsertQuery(model)
        query.insert_values(self.fields, [template] * count)
        compiler = query.get_compiler(using=self.using)
        compiler.returning_fields = computed
        ((self.sql, _),) = compiler.as_sql()


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
