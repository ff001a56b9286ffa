"""Find inconsistencies in the category tree, the listing index and the characteristics of products.

They arise only when rows are written without the services and triggers, for example by hand in SQL.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import connection

from backend.catalog.models import Category

# One row per wrong entry. Names are compared bytewise, as they are sorted.
WRONG_ENTRIES = """
SELECT ancestor_id, product_id,
       CASE WHEN l.price IS NULL THEN 'missing' WHEN e.price IS NULL THEN 'surplus' ELSE 'outdated' END
       AS problem
FROM catalog_expected_listing() e FULL JOIN catalog_listingentry l USING (ancestor_id, product_id)
WHERE (e.price, e.name_key COLLATE "C", e.created_at, e.popularity, e.in_stock, e.discount_rate)
      IS DISTINCT FROM (l.price, l.name_key, l.created_at, l.popularity, l.in_stock, l.discount_rate)
ORDER BY product_id, ancestor_id
"""

# One row per product whose characteristics column differs from its characteristic values.
WRONG_CHARACTERISTICS = """
SELECT p.id, p.characteristics, e.pairs
FROM catalog_product p
JOIN catalog_expected_characteristics(ARRAY(SELECT id FROM catalog_product)) e ON e.product_id = p.id
WHERE p.characteristics <> e.pairs
ORDER BY p.id
"""


def find_tree_problems() -> list[str]:
    """Compare the tree columns of categories with their parents. Return one message per wrong category."""
    categories = list(Category.objects.order_by("tree_id", "lft", "pk"))
    children: Mapping[int | None, list[Category]] = defaultdict(list)
    for category in categories:
        children[category.parent_id].append(category)
    problems: list[str] = []
    seen: set[int] = set()
    tree_ids: set[int] = set()
    for root in children[None]:
        if root.tree_id in tree_ids:
            problems.append(f"category {root.pk} ({root}): shares tree_id {root.tree_id} with another root")
        tree_ids.add(root.tree_id)
        problems += _check_subtree(root, children, seen)
    problems += [
        f"category {category.pk} ({category}): is part of a cycle or below one; change its parent"
        for category in categories
        if category.pk not in seen
    ]
    return problems


def _check_subtree(
    root: Category, children: Mapping[int | None, Sequence[Category]], seen: set[int]
) -> list[str]:
    """Walk a tree iteratively, because it may be deeper than Python's recursion limit."""
    problems = []
    number = 0
    lefts: dict[int, int] = {}
    stack: list[tuple[Category, int, bool]] = [(root, 0, False)]
    while stack:
        category, level, done = stack.pop()
        number += 1
        if not done:
            seen.add(category.pk)
            lefts[category.pk] = number
            stack.append((category, level, True))
            stack += [(child, level + 1, False) for child in reversed(children[category.pk])]
            continue
        actual = (category.tree_id, category.level, category.lft, category.rght)
        expected = (root.tree_id, level, lefts[category.pk], number)
        if actual != expected:
            problems.append(
                f"category {category.pk} ({category}): tree_id, level, lft, rght"
                f" are {actual}, expected {expected}"
            )
    return problems


def find_listing_problems() -> list[str]:
    """Compare the listing index with products and the tree. Return one message per wrong entry."""
    with connection.cursor() as cursor:
        cursor.execute(WRONG_ENTRIES)
        return [
            f"{problem} entry: product {product_id} under "
            + (f"category {ancestor_id}" if ancestor_id else "the whole shop")
            for ancestor_id, product_id, problem in cursor.fetchall()
        ]


def find_characteristics_problems() -> list[str]:
    """Compare the characteristics of products with their values. Return one message per wrong product."""
    with connection.cursor() as cursor:
        cursor.execute(WRONG_CHARACTERISTICS)
        return [
            f"product {product_id}: characteristics are {actual}, expected {expected}"
            for product_id, actual, expected in cursor.fetchall()
        ]
