"""What an import tells about itself."""

from dataclasses import dataclass, field

# Counts are exact; the lists are cut here, so that a feed of nothing but bad rows stays small in memory.
MAX_LISTED = 1000


class FeedUnreadable(Exception):
    """The file is no product feed at all, or stops being one in the middle; the message says where."""


class RowRefused(Exception):
    """A row cannot become a product.

    Args:
        field: the column it is about; empty for the row as a whole.
        reason: what is wrong and what the rule is.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


# What the readers yield: line, text by column, and why the row could not be read.
Row = tuple[int, dict[str, str], RowRefused | None]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one row.

    `refused` tells whether the row was left out; otherwise the product was imported without the part
    that the reason names.
    """

    line: int
    sku: str
    field: str
    reason: str
    refused: bool

    def __str__(self) -> str:
        product = f" [{self.sku}]" if self.sku else ""
        about = f" {self.field}:" if self.field else ""
        return f"line {self.line}{product}{about} {self.reason}{' (row refused)' if self.refused else ''}"


@dataclass(frozen=True, slots=True)
class Change:
    """What a row did to a product, or would do in a dry run; `fields` is empty for a new product."""

    line: int
    sku: str
    name: str
    created: bool
    fields: tuple[str, ...]


@dataclass(slots=True)
class ImportReport:
    """The result of an import; every row of the feed is in exactly one of the first four counts."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    categories_created: int = 0
    pictures_added: int = 0
    pictures_removed: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)
    # Why the import ended before the feed did; what the counts say was imported all the same.
    stopped: str = ""

    def add_problem(self, problem: Problem) -> None:
        """Count a problem and list it."""
        self.problem_count += 1
        self.refused += problem.refused
        if len(self.problems) < MAX_LISTED:
            self.problems.append(problem)

    def add_change(self, change: Change) -> None:
        """Count a created or updated product and list it."""
        if change.created:
            self.created += 1
        else:
            self.updated += 1
        if len(self.changes) < MAX_LISTED:
            self.changes.append(change)

    def summary(self) -> str:
        """Return the counts in one line."""
        text = (
            f"{self.created} created, {self.updated} updated, {self.unchanged} unchanged, "
            f"{self.refused} refused"
        )
        extra = [
            (self.categories_created, "categories created"),
            (self.pictures_added, "pictures added"),
            (self.pictures_removed, "pictures removed"),
            (self.problem_count - self.refused, "other problems"),
        ]
        return text + "".join(f"; {count} {what}" for count, what in extra if count)
