"""Check the category tree and what is derived from it and from products, and mend it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backend.catalog import services
from backend.catalog.selectors import integrity

MAX_LINES = 50

# What is checked, what finds its problems, and what mends them. The listing index follows the tree.
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
        "Check the category tree, the listing index and the characteristics that products show; exits "
        "with 1 when something is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="rebuild what is wrong, then check again")

    def handle(self, *args: Any, fix: bool, **options: Any) -> None:
        counts = self._report()
        if fix and any(counts):
            for count, (_, _, rebuild) in zip(counts, CHECKS, strict=True):
                if count:
                    rebuild()
            self.stdout.write("Rebuilt; checking again.")
            counts = self._report()
        if any(counts):
            found = [f"{count} in {what}" for count, (what, _, _) in zip(counts, CHECKS, strict=True)]
            raise CommandError(
                f"Problems: {', '.join(found)}." + ("" if fix else " --fix rebuilds what is wrong.")
            )
        self.stdout.write("The category tree, the listing index and the characteristics are right.")

    def _report(self) -> list[int]:
        """Write what is wrong, and return how much of it each check has found."""
        counts = []
        for _, find, _ in CHECKS:
            problems = find()
            for problem in problems[:MAX_LINES]:
                self.stdout.write(problem)
            if len(problems) > MAX_LINES:
                self.stdout.write(f"… and {len(problems) - MAX_LINES} more like these")
            counts.append(len(problems))
        return counts
