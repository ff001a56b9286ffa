"""Products with the computed values that all export formats use."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet

from backend.catalog.models import Category, Product, ProductImage
from backend.feeds.cells import BRAND
from backend.feeds.planning import get_current_characteristics, has_separate_brand

BATCH_SIZE = 500


@dataclass(slots=True)
class ExportedProduct:
    """A product with the values that an export computes.

    Attributes:
        path: category names from the root.
        pictures: links in display order.
        alts: alternative texts of the pictures; empty if none has one.
        entries: all [name, value, unit] characteristics in display order.
    """

    product: Product
    path: list[str]
    pictures: list[str]
    alts: list[str]
    entries: list[list[str]]

    @property
    def has_separate_brand(self) -> bool:
        """True if the column of the brand has the brand, and the characteristic is among the details."""
        return has_separate_brand(self.product, self.entries)

    @property
    def attributes(self) -> dict[str, str]:
        """The values of the brand and of the characteristics without a unit, by name."""
        values = {name: value for name, value, unit in self.entries if not unit}
        if self.has_separate_brand and self.product.brand:
            values[BRAND] = self.product.brand.name
        return values

    def select_details(self, columns: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return the (name, unit, value) entries for a format with columns of their own for some names.

        These are the entries without a column. If the product's display order differs from the order in
        which an import would restore them, all entries are returned, because details preserve the order.

        Args:
            columns: names of characteristics in the order of `ATTRIBUTES`.
        """
        if self.has_separate_brand:
            columns = [column for column in columns if column != BRAND]
        in_columns = [entry for entry in self.entries if not entry[2] and entry[0] in columns]
        others = [entry for entry in self.entries if entry not in in_columns]
        ordered = sorted(in_columns, key=lambda entry: columns.index(entry[0])) + others
        chosen = others if ordered == self.entries else self.entries
        return [(name, unit, value) for name, value, unit in chosen]


def read_exported_products(
    products: QuerySet[Product], image_link: Callable[[ProductImage], str]
) -> Iterator[ExportedProduct]:
    """Yield products in the order of their ids.

    Args:
        products: a queryset without an order or a slice.
    """
    paths = _read_category_paths()
    images = Prefetch("images", ProductImage.objects.order_by("position", "id"))
    # Batches by id keep no transaction open while a slow client downloads.
    query = products.order_by("pk").select_related("brand").defer("search_vector").prefetch_related(images)
    last = 0
    while batch := list(query.filter(pk__gt=last)[:BATCH_SIZE]):
        if any(product.category_id not in paths for product in batch):
            # Staff have edited the tree since it was read. The products can have moved too: read them again.
            paths = _read_category_paths()
            continue
        for product in batch:
            pictures = list(product.images.all())
            yield ExportedProduct(
                product=product,
                path=paths[product.category_id],
                pictures=[image_link(image) for image in pictures],
                alts=[image.alt for image in pictures] if any(image.alt for image in pictures) else [],
                entries=get_current_characteristics(product),
            )
        last = batch[-1].pk


def _read_category_paths() -> dict[int | None, list[str]]:
    paths: dict[int | None, list[str]] = {None: []}
    rows = Category.objects.order_by("tree_id", "lft").values_list("id", "parent_id", "name")
    for category_id, parent_id, name in rows:
        paths[category_id] = [*paths.get(parent_id, []), name]
    return paths
