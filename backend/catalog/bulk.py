"""Bulk writes of products with their characteristics and pictures.

The number of statements does not grow with the number of products. The triggers that maintain the
listing index and the characteristics run once per statement, so a batch costs little more than one product.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.core.files.storage import Storage
from django.db import connection
from django.utils.translation import gettext_lazy as _

from backend.catalog.locks import lock_imports, lock_products
from backend.catalog.models import (
    Brand,
    Characteristic,
    CharacteristicValue,
    Product,
    ProductImage,
    make_folded_text,
)
from backend.catalog.pictures.deletion import discard_files_on_commit
from backend.catalog.pictures.rendition_queue import queue_renditions
from backend.catalog.pictures.validation import PictureFile
from backend.catalog.services import find_free_brand_slugs
from backend.core.errors import Conflict
from backend.core.response_cache import mark_catalogue_changed
from backend.core.text import clean_line

# How often missing brands are created before an import gives up.
_BRAND_ROUNDS = 3

_UPDATED_FIELDS = [
    "name",
    "description",
    "category",
    "brand",
    "price",
    "compare_at_price",
    "stock",
    "is_published",
    "updated_at",
]


@dataclass(slots=True)
class ProductUpsert:
    """A product to insert or update, with its characteristics and pictures.

    Attributes:
        product: unsaved if it is new.
        brand: name of the brand, which is created if it is missing; empty for no brand. None leaves the brand
            unchanged.
        characteristics: all [name, value, unit] entries in display order; None leaves them unchanged.
        images: all pictures in display order, new ones unsaved; None leaves them unchanged.
        removed_images: existing pictures to delete.
    """

    product: Product
    is_new: bool
    brand: str | None = None
    characteristics: list[list[str]] | None = None
    images: list[ProductImage] | None = None
    removed_images: list[ProductImage] = field(default_factory=list)


def _update_products(products: Sequence[Product], fields: Sequence[str]) -> None:
    # An upsert sends one row per product; bulk_update would send one CASE per field and product.
    if products:
        Product.objects.bulk_create(
            products, update_conflicts=True, unique_fields=["id"], update_fields=fields
        )


def lock_products_for_import(skus: Sequence[str]) -> None:
    """Lock out other imports, and other writers of the products with these SKUs, until commit."""
    lock_imports()
    lock_products(Product.objects.filter(sku__in=skus).values_list("pk", flat=True))


def upsert_products(upserts: Sequence[ProductUpsert], *, names_without_facet: Collection[str] = ()) -> None:
    """Write products, brands, characteristics and pictures in the caller's transaction.

    Call `lock_products_for_import` first, then read the products, then call this function.

    Args:
        upserts: products with different SKUs and slugs.
        names_without_facet: names of characteristics that are not offered as a filter when this call
            creates them.

    Raises:
        IntegrityError, DataError: the database refuses a value.
    """
    _set_brands([upsert for upsert in upserts if upsert.brand is not None])
    new = [upsert.product for upsert in upserts if upsert.is_new]
    existing = [upsert.product for upsert in upserts if not upsert.is_new]
    if new:
        Product.objects.bulk_create(new)
    if existing:
        slugs = dict(
            Product.objects.filter(pk__in=[product.pk for product in existing]).values_list("pk", "slug")
        )
        renamed = [product for product in existing if slugs.get(product.pk) != product.slug]
        others = [product for product in existing if slugs.get(product.pk) == product.slug]
        # An update of a unique column also blocks foreign key checks, so that carts and orders, whose commits
        # check several products, could deadlock with the import.
        _update_products(others, _UPDATED_FIELDS)
        _update_products(renamed, ["slug", *_UPDATED_FIELDS])
    _write_characteristic_values(
        [upsert for upsert in upserts if upsert.characteristics is not None], names_without_facet
    )
    _write_images([upsert for upsert in upserts if upsert.images is not None])
    mark_catalogue_changed()


def store_product_picture(file: PictureFile) -> str:
    """Store the file of a product picture and return its storage name.

    If no `ProductImage` row is written for it, the caller deletes it with `discard_files`.

    Raises:
        StorageUnavailable: the storage does not accept it.
    """
    file_field = ProductImage._meta.get_field("file")
    storage: Storage = file_field.storage
    return storage.save(file_field.generate_filename(ProductImage(), file.name or ""), file)


def _set_brands(upserts: list[ProductUpsert]) -> None:
    ids = get_or_create_brands({upsert.brand for upsert in upserts if upsert.brand})
    for upsert in upserts:
        upsert.product.brand_id = ids[upsert.brand] if upsert.brand else None


def get_or_create_brands(names: Collection[str]) -> dict[str, int]:
    """Return the ids of brands by the given name, with missing ones created.

    Args:
        names: with a letter or digit each. Of names that are equal after folding, the first in alphabetical
            order names a new brand.

    Raises:
        Conflict: other requests delete the new brands again and again.
    """
    if not names:
        return {}
    keys = _fold_in_database(sorted(names))
    wanted: dict[str, str] = {}
    for name, key in keys.items():
        wanted.setdefault(key, name)
    for attempt in range(_BRAND_ROUNDS + 1):
        rows = Brand.objects.annotate(folded=make_folded_text("name")).filter(folded__in=wanted).order_by()
        ids = dict(rows.values_list("folded", "id"))
        missing = [name for key, name in wanted.items() if key not in ids]
        if not missing:
            return {name: ids[key] for name, key in keys.items()}
        if attempt == _BRAND_ROUNDS:
            break
        slugs = find_free_brand_slugs(missing)
        created = [Brand(name=name, slug=slug) for name, slug in zip(missing, slugs, strict=True)]
        # Staff can create the same brands at the same time, or delete them again: read once more.
        Brand.objects.bulk_create(created, ignore_conflicts=True)
    raise Conflict(_("Other requests are changing the brands. Try again."))


def _fold_in_database(names: Sequence[str]) -> dict[str, str]:
    """Return the folded names by name, in the given order.

    Python and PostgreSQL know different versions of Unicode, so `fold_text` can differ from the unique index.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, catalog_fold_text(name) FROM unnest(%s::text[]) AS names(name)", [list(names)]
        )
        folded = dict(cursor.fetchall())
    return {name: folded[name] for name in names}


def _write_characteristic_values(upserts: list[ProductUpsert], names_without_facet: Collection[str]) -> None:
    if not upserts:
        return
    entries = [entry for upsert in upserts for entry in upsert.characteristics or ()]
    ids = _get_or_create_characteristics({(name, unit) for name, _, unit in entries}, names_without_facet)
    wanted = {
        (upsert.product.pk, ids[name, unit]): (value, position)
        for upsert in upserts
        for position, (name, value, unit) in enumerate(upsert.characteristics or ())
    }
    existing = CharacteristicValue.objects.filter(
        product__in=[upsert.product.pk for upsert in upserts if not upsert.is_new]
    )
    removed = []
    for pk, product_id, characteristic_id, value, position in existing.values_list(
        "pk", "product_id", "characteristic_id", "value", "position"
    ):
        key = (product_id, characteristic_id)
        if key not in wanted:
            removed.append(pk)
        elif wanted[key] == (value, position):
            del wanted[key]
    if wanted:
        CharacteristicValue.objects.bulk_create(
            [
                CharacteristicValue(
                    product_id=product, characteristic_id=characteristic, value=value, position=position
                )
                for (product, characteristic), (value, position) in wanted.items()
            ],
            update_conflicts=True,
            unique_fields=["product", "characteristic"],
            update_fields=["value", "position"],
        )
    if removed:
        CharacteristicValue.objects.filter(pk__in=removed).delete()


def _get_or_create_characteristics(
    keys: set[tuple[str, str]], names_without_facet: Collection[str]
) -> dict[tuple[str, str], int]:
    """Return ids by (name, unit), with the given keys created if they are missing.

    Call it after `lock_products_for_import`: the lock keeps staff from renaming characteristics.
    """
    while True:
        rows = Characteristic.objects.order_by("-id").values_list("id", "name", "unit")
        ids = {(clean_line(name), clean_line(unit)): pk for pk, name, unit in rows}
        missing = sorted(keys - ids.keys())
        if not missing:
            return ids
        # Staff can create the same characteristics at the same time, or delete them again: read once more.
        Characteristic.objects.bulk_create(
            [
                Characteristic(name=name, unit=unit, is_facet=name not in names_without_facet)
                for name, unit in missing
            ],
            ignore_conflicts=True,
        )


def _write_images(upserts: list[ProductUpsert]) -> None:
    new, kept, removed = [], [], []
    for upsert in upserts:
        removed += upsert.removed_images
        for position, image in enumerate(upsert.images or ()):
            image.position = position
            if image.pk:
                kept.append(image)
            else:
                image.product = upsert.product
                new.append(image)
    if removed:
        ProductImage.objects.filter(pk__in=[image.pk for image in removed]).delete()
        discard_files_on_commit(image.file.name or "" for image in removed)
    if kept:
        ProductImage.objects.bulk_update(kept, ["alt", "position"])
    if new:
        ProductImage.objects.bulk_create(new)
        queue_renditions("product", [image.pk for image in new])
