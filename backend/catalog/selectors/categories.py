"""The category tree, read whole: it is small, and every question about it needs its neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from backend.catalog.models import Category, ListingEntry


@dataclass(frozen=True)
class CategoryTree:
    """Every category, in the staff's order.

    Attributes:
        product_counts: the number of published products in each and below; empty if not asked for.
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
        """Return the categories right below one, or the roots for None."""
        return self._children.get(category_id, [])

    def ancestors(self, category_id: int) -> list[Category]:
        """Return the path from the root to the category's parent."""
        path: list[Category] = []
        parent_id = self.by_id[category_id].parent_id
        while parent_id is not None:
            parent = self.by_id[parent_id]
            path.append(parent)
            parent_id = parent.parent_id
        return path[::-1]


def read_category_tree() -> CategoryTree:
    """Read the whole tree in one query, without counts, which cost as much as the shop is large."""
    return CategoryTree(list(Category.objects.order_by("tree_id", "lft")), {})


def read_counted_category_tree() -> CategoryTree:
    """Read the whole tree with its product counts in one query."""
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


def category_path(category: Category | None) -> list[Category]:
    """Return the categories from the root down to this one, in one query; nothing for None."""
    return list(category.get_ancestors(include_self=True)) if category else []


def is_category_slug(text: str) -> bool:
    """Say whether a category has this slug."""
    return bool(Category.objects.filter(slug=text).exists())
