"""Writes planned products with a fixed number of statements a batch, for triggers run by the statement."""

from collections.abc import Sequence

from backend.catalog.feed.cells import ATTRIBUTES, clean
from backend.catalog.feed.planning import Plan
from backend.catalog.models import (
    Characteristic,
    CharacteristicValue,
    Product,
    ProductImage,
    lock_imports,
    lock_products,
)
from backend.catalog.pictures.discarding import discard_files_on_commit
from backend.catalog.pictures.making import queue_renditions

# Numbers that name one product each are of no use as filters.
_NO_FACETS = {ATTRIBUTES["gtin"], ATTRIBUTES["mpn"]}
_UPDATED = [
    "name",
    "slug",
    "description",
    "category",
    "price",
    "stock",
    "is_published",
    "updated_at",
]


def lock_for_import(skus: Sequence[str]) -> None:
    """Keep other imports from writing, and everybody from these products, until commit."""
    lock_imports()
    lock_products(Product.objects.filter(sku__in=skus).values_list("pk", flat=True))


def write_plans(plans: Sequence[Plan]) -> None:
    """Write the products, characteristics and pictures of some plans, to be called in the transaction
    in which they were made, after `lock_for_import`."""
    new = [plan.product for plan in plans if plan.created]
    changed = [plan.product for plan in plans if not plan.created]
    if new:
        Product.objects.bulk_create(new)
    if changed:
        # One statement with a row a product, where bulk_update makes one CASE a field and product.
        Product.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["id"], update_fields=_UPDATED
        )
    _write_values([plan for plan in plans if plan.characteristics is not None])
    _write_pictures([plan for plan in plans if "pictures" in plan.fields])


def _write_values(plans: list[Plan]) -> None:
    if not plans:
        return
    entries = [entry for plan in plans for entry in plan.characteristics or ()]
    characteristics = _characteristic_ids({(name, unit) for name, _, unit in entries})
    wanted = {
        (plan.product.pk, characteristics[name, unit]): (value, position)
        for plan in plans
        for position, (name, value, unit) in enumerate(plan.characteristics or ())
    }
    existing = CharacteristicValue.objects.filter(
        product__in=[plan.product.pk for plan in plans if not plan.created]
    )
    extra = []
    for pk, product_id, characteristic_id, value, position in existing.values_list(
        "pk", "product_id", "characteristic_id", "value", "position"
    ):
        key = (product_id, characteristic_id)
        if key not in wanted:
            extra.append(pk)
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
    if extra:
        CharacteristicValue.objects.filter(pk__in=extra).delete()


def _characteristic_ids(keys: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the characteristics by name and unit, with some keys that are created where they are missing.

    Read under the lock, which keeps staff from renaming them, and not a moment before.
    """
    while True:
        rows = Characteristic.objects.order_by("-id").values_list("id", "name", "unit")
        ids = {(clean(name), clean(unit)): pk for pk, name, unit in rows}
        missing = sorted(keys - ids.keys())
        if not missing:
            return ids
        # Staff may add the same ones meanwhile, or delete them again.
        Characteristic.objects.bulk_create(
            [Characteristic(name=name, unit=unit, is_facet=name not in _NO_FACETS) for name, unit in missing],
            ignore_conflicts=True,
        )


def _write_pictures(plans: list[Plan]) -> None:
    new, kept, removed = [], [], []
    for plan in plans:
        removed += plan.pictures.removed
        for position, image in enumerate(plan.pictures.images):
            image.position = position
            if image.pk:
                kept.append(image)
            else:
                image.product = plan.product
                new.append(image)
    if removed:
        ProductImage.objects.filter(pk__in=[image.pk for image in removed]).delete()
        discard_files_on_commit(image.file.name or "" for image in removed)
    if kept:
        ProductImage.objects.bulk_update(kept, ["alt", "position"])
    if new:
        ProductImage.objects.bulk_create(new)
        queue_renditions("product", [image.pk for image in new])
