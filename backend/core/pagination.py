"""Keyset pages: the rows after (or before) the one a cursor names, however deep."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

from backend.core.errors import Invalid, InvalidCursor, OutOfRange
from backend.core.identifiers import MAX_ID

MAX_PAGE_SIZE = 100

Row = TypeVar("Row")
ModelRow = TypeVar("ModelRow", bound=Model)


@dataclass(frozen=True, slots=True)
class SortOrder:
    """An order of rows that a cursor can continue: one key, ties broken by an identifier.

    Attributes:
        name: what cursors of this order are marked with.
        key: the column or annotation sorted by.
        tie: the unique column that breaks ties, in the same direction.
        descending: the direction of both.
        parse: turns a cursor's text back into a key; raises ValueError for what cannot be one.
    """

    name: str
    key: str
    tie: str
    descending: bool
    parse: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is asked for: the first rows after a cursor, or the last before one."""

    size: int
    cursor: str | None = None
    backward: bool = False

    @property
    def cursor_field(self) -> str:
        """The name of the parameter that gave the cursor."""
        return "before" if self.backward else "after"

    @classmethod
    def of(
        cls,
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        default: int = 20,
    ) -> "Window":
        """Read Relay's four arguments.

        Raises:
            Invalid: both directions are asked for, or `before` without `last`.
            OutOfRange: a size outside 1 to `MAX_PAGE_SIZE`.
        """
        backward = last is not None
        if backward and (first is not None or after is not None):
            raise Invalid("Page with first and after, or with last and before, not with both.", field="last")
        if before is not None and not backward:
            raise Invalid("A page before a cursor needs its size as last.", field="before")
        size = last if backward else first
        size = default if size is None else size
        if not 1 <= size <= MAX_PAGE_SIZE:
            raise OutOfRange(
                f"A page has 1 to {MAX_PAGE_SIZE} items, not {size}.", field="last" if backward else "first"
            )
        return cls(size, before if backward else after, backward)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some consecutive rows of a list, in the list's order, each with its cursor."""

    items: Sequence[Row]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool


def parse_moment(text: str) -> datetime:
    """Read a time as a cursor has it.

    Raises:
        ValueError: it is none, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    # PostgreSQL knows fewer offsets than Python does.
    return moment.astimezone(UTC)


def encode_cursor(order: SortOrder, key: Any, identifier: int) -> str:
    """Return the opaque text that names the row with this key and identifier in this order."""
    packed = json.dumps([order.name, str(key), identifier], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def decode_cursor(order: SortOrder, cursor: str, *, field: str) -> tuple[Any, int]:
    """Return the key and identifier of the row that a cursor names.

    Raises:
        InvalidCursor: it is not a cursor, or one of another order.
    """
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        name, key, identifier = json.loads(packed)
        if not (isinstance(key, str) and type(identifier) is int and 0 <= identifier <= MAX_ID):
            raise ValueError
        if name == order.name:
            return order.parse(key), identifier
    except (ValueError, TypeError, ArithmeticError, binascii.Error, RecursionError):
        raise InvalidCursor("This is not a cursor of a list of this shop.", field=field) from None
    raise InvalidCursor(f"This cursor is of the order {name!r}, the list is in {order.name!r}.", field=field)


def read_page(rows: "QuerySet[ModelRow]", order: SortOrder, window: Window) -> Page[ModelRow]:
    """Read one page of rows in one query.

    Args:
        rows: unordered, carrying `order.key` and `order.tie`.

    Raises:
        InvalidCursor: the window's cursor does not fit the order.
    """
    descending = order.descending != window.backward
    if window.cursor is not None:
        position = decode_cursor(order, window.cursor, field=window.cursor_field)
        comparison = TupleLessThan if descending else TupleGreaterThan
        rows = rows.filter(comparison(Tuple(F(order.key), F(order.tie)), position))
    sign = "-" if descending else ""
    found = list(rows.order_by(sign + order.key, sign + order.tie)[: window.size + 1])
    more = len(found) > window.size
    items = found[: window.size]
    if window.backward:
        items.reverse()
    return Page(
        items=items,
        cursors=[encode_cursor(order, getattr(row, order.key), getattr(row, order.tie)) for row in items],
        has_next=window.cursor is not None if window.backward else more,
        has_previous=more if window.backward else window.cursor is not None,
    )
