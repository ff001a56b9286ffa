"""The report of an import."""

from dataclasses import dataclass, field

# Counts are exact. The lists are cut, so that a feed of bad rows does not fill the memory.
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in one row.

    Attributes:
        field: the column; empty if the error concerns the whole row.
        refused: whether the row was skipped. Otherwise the product was imported without this value.
    """

    line: int
    sku: str
    field: str
    reason: str
    refused: bool

    def __str__(self) -> str:
        product = f" [{self.sku}]" if self.sku else ""
        column = f" {self.field}:" if self.field else ""
        return f"line {self.line}{product}{column} {self.reason}{' (row refused)' if self.refused else ''}"


@dataclass(frozen=True, slots=True)
class Change:
    """A created or updated product; in a dry run, one that would be.

    Attributes:
        fields: names of the changed fields; empty for a new product.
    """

    line: int
    sku: str
    name: str
    created: bool
    fields: tuple[str, ...]


@dataclass(slots=True)
class ImportReport:
    """The result of an import. The first four counts add up to the number of rows.

    Attributes:
        stopped: why the import ended before the end of the feed; empty if it did not. Earlier rows are
            imported and counted.
    """

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
    stopped: str = ""

    def add_problem(self, problem: Problem) -> None:
        """Count and list a problem."""
        self.problem_count += 1
        self.refused += problem.refused
        if len(self.problems) < MAX_LISTED:
            self.problems.append(problem)

    def add_change(self, change: Change) -> None:
        """Count and list a created or updated product."""
        if change.created:
            self.created += 1
        else:
            self.updated += 1
        if len(self.changes) < MAX_LISTED:
            self.changes.append(change)

    def summary(self) -> str:
        """Return the counts as one line of text."""
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
        return text + "".join(f"; {count} {label}" for count, label in extra if count)
