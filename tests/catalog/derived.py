"""Expected values of the data that triggers derive, computed in Python, except for the sort keys of names."""

from math import ceil
from typing import Any

from django.db.models import Func

from backend.catalog.models import Category, CharacteristicValue, ListingEntry, Product


def expected_listing() -> set[tuple[Any, ...]]:
    """Return the expected rows of the listing index."""
    parents = dict(Category.objects.order_by().values_list("pk", "parent_id"))
    rows = set()
    keyed = Product.objects.annotate(name_key=Func("name", function="catalog_name_key"))
    for product in keyed.filter(is_published=True):
        above, category = [0], product.category_id
        while category is not None:
            above.append(category)
            category = parents[category]
        rows |= {
            (
                ancestor,
                product.pk,
                product.price,
                product.name_key,
                product.created_at,
                product.popularity,
                product.stock > 0,
                discount_rate(product),
            )
            for ancestor in above
        }
    return rows


def discount_rate(product: Product) -> int:
    """Return the discount of a product in hundredths of a percent, rounded up."""
    if product.compare_at_price is None:
        return 0
    return ceil(10_000 * (product.compare_at_price - product.price) / product.compare_at_price)


def actual_listing() -> set[tuple[Any, ...]]:
    """Return the actual rows of the listing index."""
    return set(
        ListingEntry.objects.values_list(
            "ancestor_id",
            "product_id",
            "price",
            "name_key",
            "created_at",
            "popularity",
            "in_stock",
            "discount_rate",
        )
    )


def assert_listing_is_right() -> None:
    """Assert that the listing index matches the products and the tree."""
    assert actual_listing() == expected_listing()


def assert_tree_is_valid() -> None:
    """Check by the definition of nested sets, not by numbering again.

    Every node's numbers lie within its parent's, no number of a tree is used twice or left out, and
    levels count the parents.
    """
    categories = {category.pk: category for category in Category.objects.all()}
    numbers: dict[int, list[int]] = {}
    for category in categories.values():
        numbers.setdefault(category.tree_id, []).extend([category.lft, category.rght])
        assert category.lft < category.rght
        if category.parent_id is None:
            assert (category.level, category.lft) == (0, 1)
            continue
        parent = categories[category.parent_id]
        assert category.tree_id == parent.tree_id
        assert category.level == parent.level + 1
        assert parent.lft < category.lft
        assert category.rght < parent.rght
    for used in numbers.values():
        assert sorted(used) == list(range(1, len(used) + 1))


def assert_characteristics_are_right() -> None:
    """Assert that the characteristics of every product match its values."""
    for product in Product.objects.all():
        values = CharacteristicValue.objects.filter(product=product).select_related("characteristic")
        shown = sorted(values, key=lambda value: (value.position, value.characteristic.position, value.pk))
        assert product.characteristics == [
            [value.characteristic.name, value.value, value.characteristic.unit] for value in shown
        ]
