"""Raw rows as all feed readers yield them, and the errors of reading."""

from dataclasses import dataclass


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
    """

    line: int
    cells: dict[str, str]
    refusal: RowRefused | None = None


Row = tuple[int, dict[str, str], RowRefused | None]
