"""Writes planned products with a fixed number of statements a batch, for triggers run by the statement."""

from collections.abc import Iterable, Sequence

from django.db import connection, transaction

from backend.catalog.feed.cells import ATTRIBUTES, clean
from backend.catalog.feed.pictures import discard
from backend.catalog.feed.planning import Plan
from backend.catalog.models import Characteristic, CharacteristicValue, Product, ProductImage, lock_products

# Imports take turns at writing, so that two of them with the same new products do not collide.
IMPORT_LOCK_KEY = 7_203_010

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
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [IMPORT_LOCK_KEY])
    lock_products(Product.objects.filter(sku__in=skus).values_list("pk", flat=True))


class Characteristics:
    """The characteristics by name and unit, read once and kept up with what the import adds."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], int] = {}
        self.reload()

    def reload(self) -> None:
        """Read them anew: somebody else has changed them."""
        rows = Characteristic.objects.order_by("-id").values_list("id", "name", "unit")
        self._ids = {(clean(name), clean(unit)): pk for pk, name, unit in rows}

    def ensure(self, keys: Iterable[tuple[str, str]]) -> None:
        """Create what is missing of some (name, unit) pairs; several imports may do so at once."""
        missing = sorted(set(keys) - self._ids.keys())
        if missing:
            Characteristic.objects.bulk_create(
                [
                    Characteristic(name=name, unit=unit, is_facet=name not in _NO_FACETS)
                    for name, unit in missing
                ],
                ignore_conflicts=True,
            )
            self.reload()

    def id_of(self, name: str, unit: str) -> int:
        """Return the id of one that `ensure` has seen."""
        return self._ids[name, unit]


def write_plans(plans: Sequence[Plan], characteristics: Characteristics) -> None:
    """Write the products, characteristics and pictures of some plans, to be called in a transaction
    after `lock_for_import`."""
    new = [plan.product for plan in plans if plan.created]
    changed = [plan.product for plan in plans if not plan.created]
    if new:
        Product.objects.bulk_create(new)
    if changed:
        # One statement with a row a product, where bulk_update makes one CASE a field and product.
        Product.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["id"], update_fields=_UPDATED
        )
    _write_values([plan for plan in plans if plan.characteristics is not None], characteristics)
    _write_pictures([plan for plan in plans if "pictures" in plan.fields])


def _write_values(plans: list[Plan], characteristics: Characteristics) -> None:
    wanted = {
        (plan.product.pk, characteristics.id_of(name, unit)): (value, position)
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
        names = [image.file.name for image in removed if image.file.name]
        transaction.on_commit(lambda: discard(names), robust=True)
    if kept:
        ProductImage.objects.bulk_update(kept, ["alt", "position"])
    if new:
        ProductImage.objects.bulk_create(new)
