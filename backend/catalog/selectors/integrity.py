"""What is wrong with the category tree and the listing index: nothing, unless written to past the rules."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import connection

from backend.catalog.models import Category

# What the index must hold, by the parents of the categories alone.
EXPECTED_ENTRIES = """
WITH RECURSIVE path(category_id, ancestor_id) AS (
    SELECT id, id FROM catalog_category
    UNION
    SELECT path.category_id, c.parent_id
    FROM path JOIN catalog_category c ON c.id = path.ancestor_id
    WHERE c.parent_id IS NOT NULL
), listed(ancestor_id, product_id) AS (
    SELECT 0, id FROM catalog_product WHERE is_published
    UNION ALL
    SELECT path.ancestor_id, p.id
    FROM catalog_product p JOIN path ON path.category_id = p.category_id
    WHERE p.is_published
)
SELECT listed.ancestor_id, p.id AS product_id, p.price,
       translate(lower(p.name), 'ё', 'е')::varchar(255) COLLATE "C" AS name_key,
       p.created_at, p.popularity, p.stock > 0 AS in_stock
FROM listed JOIN catalog_product p ON p.id = listed.product_id
"""

WRONG_ENTRIES = f"""
SELECT ancestor_id, product_id,
       CASE WHEN l.price IS NULL THEN 'missing' WHEN e.price IS NULL THEN 'surplus' ELSE 'outdated' END
       AS problem
FROM ({EXPECTED_ENTRIES}) AS e FULL JOIN catalog_listingentry l USING (ancestor_id, product_id)
WHERE (e.price, e.name_key, e.created_at, e.popularity, e.in_stock)
      IS DISTINCT FROM (l.price, l.name_key, l.created_at, l.popularity, l.in_stock)
"""


def find_tree_problems() -> list[str]:
    """Compare the numbers of the category tree with its parents; one line for each wrong category."""
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
        f"category {category.pk} ({category}): stands below itself, or below one that does; give it a parent"
        for category in categories
        if category.pk not in seen
    ]
    return problems


def _check_subtree(
    root: Category, children: Mapping[int | None, Sequence[Category]], seen: set[int]
) -> list[str]:
    """Walk with a stack of its own: a tree may be deeper than Python's."""
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
                f" are {actual}, should be {expected}"
            )
    return problems


def find_listing_problems() -> list[str]:
    """Compare the listing index with products and tree; one line for each wrong entry."""
    with connection.cursor() as cursor:
        cursor.execute(f"{WRONG_ENTRIES} ORDER BY product_id, ancestor_id")
        return [
            f"{problem} entry: product {product_id} under "
            + (f"category {ancestor_id}" if ancestor_id else "the whole shop")
            for ancestor_id, product_id, problem in cursor.fetchall()
        ]
