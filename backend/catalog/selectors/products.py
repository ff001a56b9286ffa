"""Single products."""

from backend.catalog.models import Product
from backend.core.errors import Invalid


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
