"""Keyset pagination. The cost of a page does not depend on its position in the list."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.translation import gettext_lazy as _

from backend.core.errors import Invalid, InvalidCursor, OutOfRange
from backend.core.identifiers import MAX_ID

MAX_PAGE_SIZE = 100

Row = TypeVar("Row")
ModelRow = TypeVar("ModelRow", bound=Model)


@dataclass(frozen=True, slots=True)
class SortOrder:
    """A sort order for keyset pagination: one key, with ties broken by an id.

    Attributes:
        name: name of the order, which its cursors contain.
        key: column or annotation to sort by.
        tie_break: unique column that breaks ties, in the same direction.
        descending: direction of both columns.
        parse: converts the text of a key in a cursor to its value; raises ValueError if it is invalid.
    """

    name: str
    key: str
    tie_break: str
    descending: bool
    parse: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Window:
    """The requested part of a list: the first rows after a cursor, or the last rows before it."""

    size: int
    cursor: str | None = None
    backward: bool = False

    @property
    def cursor_field(self) -> str:
        """The name of the argument that holds the cursor."""
        return "before" if self.backward else "after"

    @classmethod
    def from_arguments(
        cls,
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        default: int = 20,
    ) -> "Window":
        """Create a window from Relay's four arguments.

        Raises:
            Invalid: the arguments are for both directions, or `before` is passed without `last`.
            OutOfRange: the size is not between 1 and `MAX_PAGE_SIZE`.
        """
        backward = last is not None
        if backward and (first is not None or after is not None):
            raise Invalid(_("Use either first and after, or last and before."), field="last")
        if before is not None and not backward:
            raise Invalid(_("before requires last, the size of the page."), field="before")
        size = last if backward else first
        size = default if size is None else size
        if not 1 <= size <= MAX_PAGE_SIZE:
            name = "last" if backward else "first"
            raise OutOfRange(
                _("The page size must be between 1 and %(maximum)s, not %(size)s."),
                field=name,
                params={"maximum": MAX_PAGE_SIZE, "size": size},
            )
        return cls(size, before if backward else after, backward)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Consecutive rows of a list, in its order.

    Attributes:
        order: sort order of the list.
        positions: sort key and id of each row.
    """

    items: Sequence[Row]
    order: SortOrder
    positions: Sequence[tuple[Any, int]]
    has_next: bool
    has_previous: bool

    @property
    def cursors(self) -> list[str]:
        """The cursors of all rows."""
        return [encode_cursor(self.order, key, row_id) for key, row_id in self.positions]

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first row; None if the page is empty."""
        return encode_cursor(self.order, *self.positions[0]) if self.positions else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the last row; None if the page is empty."""
        return encode_cursor(self.order, *self.positions[-1]) if self.positions else None


def parse_timestamp(text: str) -> datetime:
    """Parse the timestamp of a cursor.

    Raises:
        ValueError: the text is not an ISO 8601 timestamp with an offset.
    """
    timestamp = datetime.fromisoformat(text)
    if timestamp.tzinfo is None:
        raise ValueError(text)
    # PostgreSQL accepts fewer offsets than Python.
    return timestamp.astimezone(UTC)


def parse_text(text: str) -> str:
    """Return the text of a cursor.

    Raises:
        ValueError: PostgreSQL cannot store the text.
    """
    text.encode()
    if "\0" in text:
        raise ValueError(text)
    return text


def encode_cursor(order: SortOrder, key: Any, row_id: int) -> str:
    """Return the cursor of the row with this key and id."""
    packed = json.dumps([order.name, str(key), row_id], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def decode_cursor(order: SortOrder, cursor: str, *, field: str) -> tuple[Any, int]:
    """Return the key and id of the row at a cursor.

    Raises:
        InvalidCursor: the text is not a cursor, or belongs to another sort order.
    """
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        name, key, row_id = json.loads(packed)
        if not (isinstance(key, str) and type(row_id) is int and 0 <= row_id <= MAX_ID):
            raise ValueError
        if name == order.name:
            return order.parse(key), row_id
    except (ValueError, TypeError, ArithmeticError, binascii.Error, RecursionError):
        raise InvalidCursor(
            _("The cursor is invalid. Use a cursor from an earlier response."), field=field
        ) from None
    raise InvalidCursor(
        _("The cursor belongs to the sort order %(order)r, but the list is sorted by %(wanted)r."),
        field=field,
        params={"order": name, "wanted": order.name},
    )


def read_page(rows: "QuerySet[ModelRow]", order: SortOrder, window: Window) -> Page[ModelRow]:
    """Read a page in one query.

    Args:
        rows: an unordered queryset with the columns `order.key` and `order.tie_break`.

    Raises:
        InvalidCursor: the cursor of the window is invalid or belongs to another sort order.
    """
    found = list(select_page(rows, order, window, read_position(order, window)))
    positions = [(getattr(row, order.key), getattr(row, order.tie_break)) for row in found]
    return make_page(found, positions, order, window)


def read_position(order: SortOrder, window: Window) -> tuple[Any, int] | None:
    """Return the key and id at the cursor of a window, or None without a cursor.

    Raises:
        InvalidCursor: the cursor is invalid or belongs to another sort order.
    """
    return None if window.cursor is None else decode_cursor(order, window.cursor, field=window.cursor_field)


def select_page(
    rows: "QuerySet[Any, Any]", order: SortOrder, window: Window, position: tuple[Any, Any] | None
) -> "QuerySet[Any, Any]":
    """Select the rows of a page and one more, which shows that there is another page.

    Args:
        position: key and id at the cursor, or placeholders for them.
    """
    descending = order.descending != window.backward
    if position is not None:
        comparison = TupleLessThan if descending else TupleGreaterThan
        rows = rows.filter(comparison(Tuple(F(order.key), F(order.tie_break)), position))
    sign = "-" if descending else ""
    return rows.order_by(sign + order.key, sign + order.tie_break)[: window.size + 1]


def make_page(
    found: Sequence[Row], positions: Sequence[tuple[Any, int]], order: SortOrder, window: Window
) -> Page[Row]:
    """Return the page of the rows that `select_page` has selected."""
    has_more = len(found) > window.size
    step = -1 if window.backward else 1
    return Page(
        items=found[: window.size][::step],
        order=order,
        positions=positions[: window.size][::step],
        has_next=window.cursor is not None if window.backward else has_more,
        has_previous=has_more if window.backward else window.cursor is not None,
    )
