"""Rows to test with."""

from decimal import Decimal
from itertools import count
from typing import Any

from backend.catalog.models import Category, Product
from backend.catalog.services import create_category

_numbers = count(1)


def make_product(category: Category | None = None, **fields: Any) -> Product:
    """Save a published product with a sku and slug of its own."""
    number = next(_numbers)
    defaults = {
        "sku": f"sku-{number}",
        "slug": f"product-{number}",
        "name": f"Product {number}",
        "price": Decimal("10.00"),
        "stock": 5,
        "category": category,
    }
    return Product.objects.create(**defaults | fields)


def make_tree(shape: dict[str, Any], parent: Category | None = None) -> dict[str, Category]:
    """Create categories from nested names and return them by name, as they are at the end."""
    made: dict[str, Category] = {}
    for name, below in shape.items():
        category = create_category(name=name, parent_id=parent.pk if parent else None)
        made |= {name: category} | make_tree(below, category)
    for category in made.values():
        category.refresh_from_db()
    return made


def outline(parent: Category | None = None) -> dict[str, Any]:
    """Return the names of the tree, nested, in the staff's order."""
    return {
        child.name: outline(child)
        for child in Category.objects.filter(parent=parent).order_by("tree_id", "lft")
    }
