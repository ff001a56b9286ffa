"""Category paths of a feed and the categories they stand for."""

from collections.abc import Iterable

from django.db import IntegrityError

from backend.catalog.feed.cells import clean
from backend.catalog.models import Category
from backend.catalog.services import create_category

CategoryPath = tuple[str, ...]


class CategoryPaths:
    """The category tree by path, read once and kept up with what the import itself adds."""

    def __init__(self) -> None:
        self._ids: dict[CategoryPath, int] = {}
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

    def find(self, path: CategoryPath) -> int | None:
        """Return the id of the category at a path, None when there is none or the path is empty."""
        return self._ids.get(path)

    def missing(self, paths: Iterable[CategoryPath]) -> list[CategoryPath]:
        """Return the paths, and those above them, that have no category yet; parents first."""
        steps = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
        # Within a level in the order of the names: the feed's own order is that of its products.
        return sorted((step for step in steps if step not in self._ids), key=lambda step: (len(step), step))

    def create(self, path: CategoryPath) -> bool:
        """Create the category of a path whose parent exists; False when somebody else just has.

        To be called outside any transaction that has written products: see `create_category`.
        """
        try:
            category = create_category(name=path[-1], parent_id=self._ids[path[:-1]] if path[1:] else None)
        except (IntegrityError, Category.DoesNotExist, KeyError):
            self.reload()
            if path not in self._ids:
                raise
            return False
        self._ids[path] = category.pk
        return True
