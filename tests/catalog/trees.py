"""Create and read category trees in tests."""

from typing import Any

from backend.catalog.models import Category
from backend.catalog.services import create_category


def make_tree(shape: dict[str, Any], parent: Category | None = None) -> dict[str, Category]:
    """Create categories from nested names and return them by name, in their final state."""
    made: dict[str, Category] = {}
    for name, below in shape.items():
        category = create_category(name=name, parent_id=parent.pk if parent else None)
        made |= {name: category} | make_tree(below, category)
    for category in made.values():
        category.refresh_from_db()
    return made


def outline(parent: Category | None = None) -> dict[str, Any]:
    """Return the names of the tree, nested, in tree order."""
    return {
        child.name: outline(child)
        for child in Category.objects.filter(parent=parent).order_by("tree_id", "lft")
    }
