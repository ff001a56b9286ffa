"""Read single products and the pictures of loaded products."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import F

from backend.catalog.models import Product, ProductImage
from backend.catalog.selectors.rows import ProductRow, make_product, read_products, select_products
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param, set_prefetched
from backend.core.errors import Invalid
from backend.core.text import clean_line

_IMAGES = CompiledQuery(lambda: ProductImage.objects.filter(EqualsAny(F("product_id"), Param("product_ids"))))


def _compile_by(key: str) -> CompiledQuery[tuple[Any, ...]]:
    return CompiledQuery(
        lambda: select_products(Product.objects.filter(is_published=True, **{key: Param(key)}).order_by())
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
        raise Invalid("Pass exactly one of id, slug and sku.", field="id")
    if "\0" in (slug or sku or ""):
        return None
    if sku is not None:
        keys["sku"] = clean_line(sku)
    (name,) = keys
    row = _BY_KEY[name].first(**keys)
    return make_product(row) if row else None


def get_products(ids: Collection[int]) -> list[ProductRow]:
    """Return the published products among these ids, in one query."""
    return read_products(Product.objects.filter(is_published=True, pk__in=ids).order_by())


def load_pictures(products: Iterable[Product]) -> None:
    """Load the pictures of products in one query, as `prefetch_related` does."""
    loaded = list(products)
    images: dict[int, list[ProductImage]] = {product.pk: [] for product in loaded}
    for image in _IMAGES.run(product_ids=list(images)) if images else ():
        images[image.product_id].append(image)
    for product in loaded:
        for image in images[product.pk]:
            image.product = product
        set_prefetched(product, "images", images[product.pk])
