"""Read the category tree. It is small, so it is always read as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from backend.catalog.models import Category, ListingEntry
from backend.catalog.selectors.rows import CategoryRow


@dataclass(frozen=True)
class CategoryTree:
    """All categories in tree order.

    Attributes:
        product_counts: published products by category id, subcategories included; empty if not requested.
    """

    categories: Sequence[Category]
    product_counts: Mapping[int, int]

    @cached_property
    def by_id(self) -> Mapping[int, Category]:
        return {category.pk: category for category in self.categories}

    @cached_property
    def by_slug(self) -> Mapping[str, Category]:
        return {category.slug: category for category in self.categories}

    @cached_property
    def _children(self) -> Mapping[int | None, list[Category]]:
        children: dict[int | None, list[Category]] = {}
        for category in self.categories:
            children.setdefault(category.parent_id, []).append(category)
        return children

    def children(self, category_id: int | None) -> list[Category]:
        """Return the direct children of a category, or the roots for None."""
        return self._children.get(category_id, [])

    def ancestors(self, category_id: int) -> list[Category]:
        """Return the path from the root to the parent of a category."""
        path: list[Category] = []
        parent_id = self.by_id[category_id].parent_id
        while parent_id is not None:
            parent = self.by_id[parent_id]
            path.append(parent)
            parent_id = parent.parent_id
        return path[::-1]


def read_category_tree() -> CategoryTree:
    """Read the tree in one query, without product counts, whose cost grows with the number of products."""
    return CategoryTree(list(Category.objects.order_by("tree_id", "lft")), {})


def read_counted_category_tree() -> CategoryTree:
    """Read the tree with product counts in one query."""
    counted = (
        ListingEntry.objects.filter(ancestor_id=OuterRef("pk"))
        .values("ancestor_id")
        .annotate(products=Count("*"))
        .values("products")
    )
    categories = list(
        Category.objects.order_by("tree_id", "lft").annotate(
            product_count=Coalesce(Subquery(counted, output_field=IntegerField()), 0)
        )
    )
    return CategoryTree(categories, {category.pk: category.product_count for category in categories})


def category_path(category: CategoryRow | None) -> list[Category]:
    """Return the path from the root to a category in one query; an empty list for None."""
    if category is None:
        return []
    above = Category.objects.filter(tree_id=category.tree_id, lft__lte=category.lft, rght__gte=category.rght)
    return list(above.order_by("lft"))


def is_category_slug(text: str) -> bool:
    """Return whether a category has this slug."""
    return bool(Category.objects.filter(slug=text).exists())
