"""Single products."""

from collections.abc import Iterable

from django.db.models import F

from backend.catalog.models import Product, ProductImage
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param, set_prefetched
from backend.core.errors import Invalid

_IMAGES = CompiledQuery(lambda: ProductImage.objects.filter(EqualsAny(F("product_id"), Param("product_ids"))))


def get_product(*, id: int | None = None, slug: str | None = None, sku: str | None = None) -> Product | None:
    """Return the published product that exactly one of the three names, or None.

    Raises:
        Invalid: none or several of them are given.
    """
    given = {name: value for name, value in [("id", id), ("slug", slug), ("sku", sku)] if value is not None}
    if len(given) != 1:
        raise Invalid("Name the product by exactly one of id, slug and sku.", field="id")
    if "\0" in (slug or sku or ""):
        return None
    published = Product.objects.filter(is_published=True, **given)
    return published.select_related("category").prefetch_related("images").defer("search_vector").first()


def load_pictures(products: Iterable[Product]) -> None:
    """Load the pictures of products that are at hand, all in one query, as `prefetch_related` does."""
    shown = list(products)
    images: dict[int, list[ProductImage]] = {product.pk: [] for product in shown}
    for image in _IMAGES.run(product_ids=list(images)) if images else ():
        images[image.product_id].append(image)
    for product in shown:
        for image in images[product.pk]:
            image.product = product
        set_prefetched(product, "images", images[product.pk])
