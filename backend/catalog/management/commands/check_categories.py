"""Check the category tree and the listing index, and mend them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backend.catalog import services
from backend.catalog.selectors.integrity import find_listing_problems, find_tree_problems

MAX_LINES = 50


class Command(BaseCommand):
    help = "Check the category tree and the listing index; exits with 1 when something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="rebuild what is wrong, then check again")

    def handle(self, *args: Any, fix: bool, **options: Any) -> None:
        tree, listing = self._report()
        if fix and (tree or listing):
            if tree:
                services.rebuild_category_tree()
            if listing:
                services.rebuild_listing()
            self.stdout.write("Rebuilt; checking again.")
            tree, listing = self._report()
        if tree or listing:
            raise CommandError(
                f"{len(tree)} problems in the category tree, {len(listing)} in the listing index."
                + ("" if fix else " --fix rebuilds them.")
            )
        self.stdout.write("The category tree and the listing index are right.")

    def _report(self) -> tuple[list[str], list[str]]:
        tree, listing = find_tree_problems(), find_listing_problems()
        for problems in (tree, listing):
            for problem in problems[:MAX_LINES]:
                self.stdout.write(problem)
            if len(problems) > MAX_LINES:
                self.stdout.write(f"… and {len(problems) - MAX_LINES} more like these")
        return tree, listing
