"""Category paths of a feed and the categories they stand for."""

from collections.abc import Iterable

from django.db import IntegrityError

from backend.catalog.feed.cells import clean, path_text
from backend.catalog.feed.report import RowRefused
from backend.catalog.models import Category
from backend.catalog.services import create_category
from backend.core.errors import ShopError

CategoryPath = tuple[str, ...]

# Stands for a category that a dry run would create.
NEW_CATEGORY = -1


class CategoryPaths:
    """The category tree by path, read once and kept up with what the import itself adds."""

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._ids: dict[CategoryPath, int] = {}
        self._refusals: dict[CategoryPath, str] = {}
        self.reload()

    def reload(self) -> None:
        """Read the tree anew: somebody else has changed it."""
        self._ids.clear()
        paths: dict[int | None, CategoryPath] = {None: ()}
        rows = Category.objects.order_by("tree_id", "lft").values_list("id", "parent_id", "name")
        for category_id, parent_id, name in rows:
            path = (*paths.get(parent_id, ()), clean(name))
            paths[category_id] = path
            self._ids.setdefault(path, category_id)

    def id_of(self, path: CategoryPath) -> int | None:
        """Return the id of the category at a path, None for the empty path.

        Raises:
            RowRefused: there is none, and this is no dry run, in which it would have been created.
        """
        if not path:
            return None
        if path not in self._ids and not self._dry_run:
            raise RowRefused(
                "product_type",
                f"the category {path_text(list(path))!r} could not be created{self._reason(path)}",
            )
        return self._ids.get(path, NEW_CATEGORY)

    def _reason(self, path: CategoryPath) -> str:
        """Why the category, or the first of those above it that is missing, was refused."""
        steps = (path[:depth] for depth in range(1, len(path) + 1))
        return next((f": {self._refusals[step]}" for step in steps if step in self._refusals), "")

    def missing(self, paths: Iterable[CategoryPath]) -> list[CategoryPath]:
        """Return the paths, and those above them, that have no category yet; parents first."""
        steps = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
        # Within a level in the order of the names: the feed's own order is that of its products.
        return sorted((step for step in steps if step not in self._ids), key=lambda step: (len(step), step))

    def create(self, path: CategoryPath) -> bool:
        """Create the category of a path; return whether it was this import that did.

        It may be refused, or somebody else may have created it or deleted its parent just now: which of
        these, `id_of` tells. To be called outside any transaction that has written products.
        """
        parent_id = self._ids.get(path[:-1])
        if path[1:] and parent_id is None:
            return False
        try:
            category = create_category(name=path[-1], parent_id=parent_id)
        except ShopError as error:
            self._refusals[path] = error.message
            self.reload()
            return False
        except IntegrityError:
            self.reload()
            return False
        self._refusals.pop(path, None)
        self._ids[path] = category.pk
        return True
