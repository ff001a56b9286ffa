"""Lookup and creation of categories by the paths in a feed."""

from collections.abc import Iterable

from django.db import IntegrityError
from django.utils.translation import gettext as _

from backend.catalog.models import Category
from backend.catalog.services import create_category
from backend.core.errors import NotFound, ShopError
from backend.core.text import clean_line
from backend.feeds.cells import join_path
from backend.feeds.raw_rows import RowRefused

CategoryPath = tuple[str, ...]

# The id of a category that a dry run would create.
NEW_CATEGORY = -1


def refuse_deleted_category(path: CategoryPath) -> RowRefused:
    """Return the refusal of a row whose category was deleted as often as the import created it."""
    return RowRefused(
        "product_type",
        _("the category %(path)r was deleted during the import; import the feed again")
        % {"path": join_path(list(path))},
    )


class CategoryPaths:
    """Category ids by path, read once and updated with the categories that the import creates."""

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._ids: dict[CategoryPath, int] = {}
        self._refusals: dict[CategoryPath, str] = {}
        self.reload()

    def reload(self) -> None:
        """Read the tree again, after a conflict with another writer."""
        self._ids.clear()
        paths: dict[int | None, CategoryPath] = {None: ()}
        rows = Category.objects.order_by("tree_id", "lft").values_list("id", "parent_id", "name")
        for category_id, parent_id, name in rows:
            path = (*paths.get(parent_id, ()), clean_line(name))
            paths[category_id] = path
            self._ids.setdefault(path, category_id)

    def get_id(self, path: CategoryPath) -> int | None:
        """Return the id of the category at a path, or None for the empty path.

        A dry run returns `NEW_CATEGORY` for a missing category.

        Raises:
            RowRefused: the category does not exist and could not be created, or has been deleted since.
        """
        if not path:
            return None
        if path in self._ids or self._dry_run:
            return self._ids.get(path, NEW_CATEGORY)
        missing = (path[:depth] for depth in range(1, len(path) + 1) if path[:depth] not in self._ids)
        reason = next((self._refusals[step] for step in missing if step in self._refusals), "")
        if not reason:
            # Nothing refused the category or its ancestors.
            raise refuse_deleted_category(path)
        raise RowRefused(
            "product_type",
            _("the category %(path)r could not be created: %(reason)s")
            % {"path": join_path(list(path)), "reason": reason},
        )

    def find_missing(self, paths: Iterable[CategoryPath]) -> list[CategoryPath]:
        """Return the paths without a category, including those of ancestors, parents first."""
        steps = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
        # Siblings are sorted by name, because the order of a feed is the order of its products.
        return sorted((step for step in steps if step not in self._ids), key=lambda step: (len(step), step))

    def create(self, path: CategoryPath) -> bool:
        """Create the category of a path, and return whether this call created it.

        It returns False if the shop refuses the category, or if another writer created it or deleted its
        parent at the same time; `get_id` then returns its id or raises the reason. Do not call it in a
        transaction that has written products.
        """
        parent_id = self._ids.get(path[:-1])
        if path[1:] and parent_id is None:
            return False
        try:
            category = create_category(name=path[-1], parent_id=parent_id)
        except (NotFound, IntegrityError):
            # The parent has been deleted, which the next attempt notices.
            self.reload()
            return False
        except ShopError as error:
            self._refusals[path] = error.message
            self.reload()
            return False
        self._refusals.pop(path, None)
        self._ids[path] = category.pk
        return True
