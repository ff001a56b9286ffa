"""Check and repair the category tree, the listing index and the characteristics of products."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backend.catalog import services
from backend.catalog.selectors import integrity

MAX_LINES = 50

# The subject, the check and the repair. The listing index depends on the tree, so the tree comes first.
CHECKS = [
    ("the category tree", integrity.find_tree_problems, services.rebuild_category_tree),
    ("the listing index", integrity.find_listing_problems, services.rebuild_listing),
    (
        "the characteristics of products",
        integrity.find_characteristics_problems,
        services.rebuild_characteristics,
    ),
]


class Command(BaseCommand):
    help = (
        "Check the category tree, the listing index and the characteristics of products. Exits with 1 if "
        "there are problems."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="rebuild wrong data, then check again")

    def handle(self, *args: Any, fix: bool, **options: Any) -> None:
        counts = self._report()
        if fix and any(counts):
            for count, (_, _, rebuild) in zip(counts, CHECKS, strict=True):
                if count:
                    rebuild()
            self.stdout.write("Rebuilt. Checking again.")
            counts = self._report()
        if any(counts):
            found = [f"{count} in {subject}" for count, (subject, _, _) in zip(counts, CHECKS, strict=True)]
            raise CommandError(
                f"Problems: {', '.join(found)}." + ("" if fix else " --fix rebuilds wrong data.")
            )
        self.stdout.write("The category tree, the listing index and the characteristics are correct.")

    def _report(self) -> list[int]:
        """Write the problems and return how many each check has found."""
        counts = []
        for _, find, _ in CHECKS:
            problems = find()
            for problem in problems[:MAX_LINES]:
                self.stdout.write(problem)
            if len(problems) > MAX_LINES:
                self.stdout.write(f"… and {len(problems) - MAX_LINES} more")
            counts.append(len(problems))
        return counts
