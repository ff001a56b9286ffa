"""Read categories: one of them, their paths, their children, and the whole tree.

Only `read_category_tree` without a depth reads all categories. The other functions use indexes, so their cost
does not grow with the tree. A comparison of mptt's intervals would: it scans the part of the tree before a
category.
"""

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BigIntegerField, F, Func, QuerySet

from backend.catalog.models import Category
from backend.catalog.selectors.counts import count_products
from backend.catalog.selectors.rows import CATEGORY_COLUMNS, CategoryRow
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param


def _select(categories: "QuerySet[Category]") -> "QuerySet[Category, tuple[Any, ...]]":
    return categories.values_list(*CATEGORY_COLUMNS)


def _query_paths() -> "QuerySet[Category, tuple[Any, ...]]":
    # The database function follows the parents, one primary key lookup for each level.
    followed = Func(F("id"), function="catalog_ancestors", output_field=BigIntegerField(), set_returning=True)
    starts = Category.objects.filter(EqualsAny(F("id"), Param("ids"))).order_by()
    ids = ArraySubquery(starts.values(ancestor=followed))
    return _select(Category.objects.filter(EqualsAny(F("id"), ids)).order_by())


_IN_TREE_ORDER = ("tree_id", "lft")
_BY_ID = CompiledQuery(lambda: _select(Category.objects.filter(id=Param("id"))))
_BY_SLUG = CompiledQuery(lambda: _select(Category.objects.filter(slug=Param("slug"))))
_PATHS = CompiledQuery(_query_paths)
_CHILDREN = CompiledQuery(
    lambda: _select(
        Category.objects.filter(EqualsAny(F("parent_id"), Param("ids"))).order_by(*_IN_TREE_ORDER)
    )
)
_SEARCH_ENGINE_TEXTS = CompiledQuery(
    lambda: (
        Category.objects.filter(EqualsAny(F("id"), Param("ids")))
        .order_by()
        .values_list("id", "seo_title", "seo_description")
    )
)
_TREE = CompiledQuery(lambda: _select(Category.objects.order_by(*_IN_TREE_ORDER)))
_LEVELS = CompiledQuery(
    lambda: _select(Category.objects.filter(level__lt=Param("depth")).order_by(*_IN_TREE_ORDER))
)


def get_category(*, id: int | None = None, slug: str | None = None) -> CategoryRow | None:
    """Return the category with this id or slug, or None."""
    if id is not None:
        row = _BY_ID.first(id=id)
    else:
        slug = slug or ""
        row = None if "\0" in slug else _BY_SLUG.first(slug=slug)
    return CategoryRow(*row) if row else None


def read_category_paths(ids: Collection[int]) -> Mapping[int, CategoryRow]:
    """Return categories and all their ancestors by id, linked to their parents, in one query."""
    if not ids:
        return {}
    rows = {row[0]: CategoryRow(*row) for row in _PATHS.run(ids=list(ids))}
    for category in rows.values():
        category.parent = rows.get(category.parent_id or 0)
    return rows


def read_category_path(category_id: int | None) -> list[CategoryRow]:
    """Return the path from the root to a category, in one query; an empty list for None."""
    if category_id is None:
        return []
    category = read_category_paths([category_id]).get(category_id)
    return [*category.ancestors, category] if category else []


def read_category_children(ids: Collection[int]) -> Mapping[int, list[CategoryRow]]:
    """Return the direct children of categories by the parent's id, in tree order, in one query."""
    children: dict[int, list[CategoryRow]] = {pk: [] for pk in ids}
    for row in _CHILDREN.run(ids=list(children)) if children else ():
        category = CategoryRow(*row)
        children[category.parent_id or 0].append(category)
    return children


def read_category_tree(
    depth: int | None = None, *, with_counts: bool = False, with_parents: bool = False
) -> list[CategoryRow]:
    """Return the root categories with their subtrees, in one query.

    Args:
        depth: number of levels to read; None reads all.
        with_counts: whether to set `product_count`, which takes one or two more queries.
        with_parents: whether to set `parent`. Only the garbage collector frees a tree with parents, because
            they and their children refer to each other.
    """
    rows = _TREE.run() if depth is None else _LEVELS.run(depth=depth)
    counts = count_products(None if depth is None else [row[0] for row in rows]) if with_counts else None
    categories = {row[0]: CategoryRow(*row, children=[]) for row in rows}  # type: ignore[misc]
    roots: list[CategoryRow] = []
    for category in categories.values():
        if counts is not None:
            category.product_count = counts.get(category.id, 0)
        if category.parent_id is None:
            roots.append(category)
        elif parent := categories.get(category.parent_id):
            parent.children.append(category)  # type: ignore[union-attr]
            if with_parents:
                category.parent = parent
    return roots


def read_search_engine_texts(ids: Collection[int]) -> Mapping[int, tuple[str, str]]:
    """Return the SEO title and SEO description of categories by id, in one query."""
    rows = _SEARCH_ENGINE_TEXTS.run(ids=list(ids)) if ids else []
    return {pk: (title, description) for pk, title, description in rows}


def is_category_slug(text: str) -> bool:
    """Return whether a category has this slug."""
    return bool(Category.objects.filter(slug=text).exists())
