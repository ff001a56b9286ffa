"""What changes the catalogue. Products are plain rows; the category tree needs its lock."""

from django.db import transaction
from slugify import slugify

from backend.catalog.models import Category, lock_tree


@transaction.atomic
def create_category(*, name: str, parent_id: int | None = None, slug: str = "") -> Category:
    """Add a category as the last one below its parent and return it.

    Args:
        name: unique among its siblings.
        parent_id: the category to put it in; None makes a root.
        slug: unique; made from the name, with a number where that is taken, when empty.
    """
    lock_tree()
    parent = Category.objects.get(pk=parent_id) if parent_id is not None else None
    category = Category(name=name, slug=slug or _free_category_slug(name))
    category.insert_at(parent, position="last-child", save=True)
    return category


def _free_category_slug(name: str) -> str:
    base = slugify(name, max_length=190) or "category"
    taken = set(Category.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug
