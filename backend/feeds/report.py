"""The report of an import."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext, ngettext

# Counts are exact. The lists are cut, so that a feed of bad rows does not fill the memory.
MAX_LISTED = 1000
# Rows that are listed of each kind of problem. The others are counted.
MAX_LISTED_PER_KIND = 3

# Values in a reason, which differ between problems of the same kind.
_VALUE = re.compile(r"""(?<!\w)'(?:[^'\\\n]|\\.)*+'(?!\w)|(?<!\w)"(?:[^"\\\n]|\\.)*+"(?!\w)|[0-9][0-9,.]*+""")


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

    @property
    def kind(self) -> tuple[str, str, bool]:
        """The key that problems share if only their values differ."""
        first_line = self.reason.partition("\n")[0]
        return self.field, _VALUE.sub("…", first_line), self.refused


@dataclass(slots=True)
class ProblemKind:
    """The problems of one kind.

    Attributes:
        problems: those in the first rows, which are listed.
        rows: the number of rows with such a problem.
    """

    problems: list[Problem] = field(default_factory=list)
    rows: int = 0
    last_line: int = 0

    @property
    def omission(self) -> str:
        """A line of text with the number of rows that are not listed; empty if all are listed."""
        count = self.rows - MAX_LISTED_PER_KIND
        if count <= 0:
            return ""
        text = ngettext("… and %(count)s more row", "… and %(count)s more rows", count)
        return text % {"count": f"{count:,}"}

    def add(self, problem: Problem) -> bool:
        """Count a problem, and return whether it is listed."""
        # A row can have several problems of one kind.
        self.rows += problem.line != self.last_line
        self.last_line = problem.line
        if self.rows > MAX_LISTED_PER_KIND:
            return False
        self.problems.append(problem)
        return True


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
    problem_kinds: dict[tuple[str, str, bool], ProblemKind] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)
    stopped: str = ""

    @property
    def problems(self) -> list[Problem]:
        """The listed problems, the first ones of each kind."""
        return [problem for kind in self.problem_kinds.values() for problem in kind.problems]

    def add_problem(self, problem: Problem) -> bool:
        """Count a problem, and return whether it is listed."""
        self.problem_count += 1
        self.refused += problem.refused
        kind = self.problem_kinds.get(problem.kind)
        if kind is None:
            if len(self.problem_kinds) >= MAX_LISTED // MAX_LISTED_PER_KIND:
                return False
            kind = self.problem_kinds.setdefault(problem.kind, ProblemKind())
        return kind.add(problem)

    def list_repeated_problems(self) -> Iterator[str]:
        """Yield a line of text for each kind of problem with rows that are not listed."""
        for kind in self.problem_kinds.values():
            if kind.omission:
                yield f"{kind.omission} like {kind.problems[0]}"

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
        counts = gettext(
            "%(created)s created, %(updated)s updated, %(unchanged)s unchanged, %(refused)s refused"
        ) % {
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "refused": self.refused,
        }
        created, added, removed = self.categories_created, self.pictures_added, self.pictures_removed
        others = self.problem_count - self.refused
        extra = [
            (created, ngettext("%(count)s category created", "%(count)s categories created", created)),
            (added, ngettext("%(count)s picture added", "%(count)s pictures added", added)),
            (removed, ngettext("%(count)s picture removed", "%(count)s pictures removed", removed)),
            (others, ngettext("%(count)s other problem", "%(count)s other problems", others)),
        ]
        return "; ".join([counts, *(text % {"count": count} for count, text in extra if count)])
