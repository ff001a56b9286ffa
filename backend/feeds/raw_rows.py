"""Raw rows of a feed, errors of reading, and the size limits of all formats.

A few megabytes of gzip can unpack to gigabytes. Readers hold one row at a time, within these limits.
"""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _

# Bytes of one row: a line of a table with all lines that its quoted cells span; an XML tag or comment.
# Also the characters of an XML item.
MAX_ROW = 500_000
# Characters of one cell, or of the text of one XML field.
MAX_CELL = 100_000
# Columns of a table; different element, attribute and prefix names of an XML feed.
MAX_COLUMNS = 1000
# Characters of a column name, or of an element name with its namespace.
MAX_COLUMN_NAME = 500
# Products of a feed. Their SKUs are remembered to find duplicates.
MAX_PRODUCTS = 1_000_000


class FeedUnreadable(Exception):
    """The file is not a product feed, or breaks off. The message says where and why."""


class RowRefused(Exception):
    """A row cannot be imported.

    Args:
        field: the column; empty if the error concerns the whole row.
        reason: what is wrong and what is accepted, as the predicate of a sentence about the column.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RawRow:
    """The texts of one table row or XML item.

    Attributes:
        line: the line at which it begins.
        cells: text by column name, in lower case and without the prefix "g:".
        refusal: why the row could not be read; `cells` is empty then.
        unreadable: why a cell could not be read, by column name.
    """

    line: int
    cells: dict[str, str]
    refusal: RowRefused | None = None
    unreadable: dict[str, str] = field(default_factory=dict)

    @classmethod
    def refuse(cls, line: int, reason: str) -> "RawRow":
        """Return a row that could not be read."""
        return cls(line, {}, RowRefused("", reason))

    @classmethod
    def from_cells(cls, line: int, cells: dict[str, str]) -> "RawRow":
        """Return a row with these cells. A cell longer than `MAX_CELL` is unreadable."""
        unreadable = {
            name: _("is %(length)s characters long; the limit is %(maximum)s")
            % {"length": f"{len(text):,}", "maximum": f"{MAX_CELL:,}"}
            for name, text in cells.items()
            if len(text) > MAX_CELL
        }
        return cls(
            line, {name: text for name, text in cells.items() if name not in unreadable}, None, unreadable
        )
