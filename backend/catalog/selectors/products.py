"""Read products by their keys."""

from collections.abc import Collection
from typing import Any

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from backend.catalog.models import Product
from backend.catalog.selectors.rows import ProductRow, make_product, select_products
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param
from backend.core.errors import Invalid
from backend.core.text import clean_line


def _compile_by(key: str) -> CompiledQuery[tuple[Any, ...]]:
    return CompiledQuery(
        lambda: select_products(Product.objects.filter(is_published=True, **{key: Param(key)}).order_by())
    )


_BY_IDS = CompiledQuery(
    lambda: select_products(
        Product.objects.filter(EqualsAny(F("pk"), Param("ids")), is_published=True).order_by()
    )
)
_BY_KEY = {key: _compile_by(key) for key in ("id", "slug", "sku")}


def get_product(
    *, id: int | None = None, slug: str | None = None, sku: str | None = None
) -> ProductRow | None:
    """Return the published product with this id, slug or SKU, or None.

    Raises:
        Invalid: none or more than one of the three is given.
    """
    keys = {name: value for name, value in [("id", id), ("slug", slug), ("sku", sku)] if value is not None}
    if len(keys) != 1:
        raise Invalid(_("Pass exactly one of id, slug and sku."), field="id")
    if "\0" in (slug or sku or ""):
        return None
    if sku is not None:
        keys["sku"] = clean_line(sku)
    (name,) = keys
    row = _BY_KEY[name].first(**keys)
    return make_product(row) if row else None


def get_products(ids: Collection[int]) -> list[ProductRow]:
    """Return the published products among these ids, in one query."""
    return [make_product(row) for row in _BY_IDS.run(ids=list(ids))] if ids else []
