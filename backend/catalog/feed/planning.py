"""What a row changes about the product that the shop has, worked out before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.catalog.feed.categories import CategoryPaths
from backend.catalog.feed.cells import ATTRIBUTES, clean
from backend.catalog.feed.parsing import ProductRow
from backend.catalog.feed.pictures import Arranged, RowPictures, arrange
from backend.catalog.feed.report import Change, RowRefused
from backend.catalog.models import Product, ProductImage
from backend.catalog.services import free_product_slug, suggest_product_slugs

_OWN_COLUMNS = set(ATTRIBUTES.values())


@dataclass(slots=True)
class Known:
    """What the shop has of a batch of rows: products by SKU, and the SKUs of those that have the slugs
    which the rows may want, "" for slugs that are free."""

    products: dict[str, Product]
    slugs: dict[str, str]
    images: dict[int, list[ProductImage]]

    def images_of(self, product: Product) -> list[ProductImage]:
        return self.images.get(product.pk, [])

    def owner_of(self, slug: str) -> str:
        """Return the SKU of the product that has a slug, or "" if none has; asks the database about
        slugs that were not foreseen."""
        if slug not in self.slugs:
            self.slugs |= _owners({slug})
        return self.slugs[slug]


@dataclass(slots=True)
class Plan:
    """A product as it is to be, which of its fields that changes, and what was wrong with the row.

    `characteristics` has the [name, value, unit] entries that it is to have, in order, if they change.
    """

    row: ProductRow
    product: Product
    created: bool
    fields: list[str]
    characteristics: list[list[str]] | None
    pictures: Arranged
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def changes_anything(self) -> bool:
        return self.created or bool(self.fields)

    def change(self) -> Change:
        fields = () if self.created else tuple(self.fields)
        return Change(self.row.line, self.row.sku, self.product.name, self.created, fields)


def look_up(rows: Sequence[ProductRow]) -> Known:
    """Read what the shop has of some rows with different SKUs."""
    # The search vector is what PostgreSQL makes of the rest: large, and of no use here.
    query = Product.objects.filter(sku__in=[row.sku for row in rows]).defer("search_vector")
    products = {product.sku: product for product in query}
    slugs = _owners({row.slug for row in rows if row.slug})
    # Slugs are made, which takes its time, only for new products that do not get the one of their link.
    made = [
        suggest_product_slugs(row.name, row.sku)
        for row in rows
        if row.name and row.sku not in products and (not row.slug or slugs[row.slug])
    ]
    slugs |= _owners({slug for pair in made for slug in pair})
    images: dict[int, list[ProductImage]] = {}
    with_pictures = [products[row.sku] for row in rows if row.sku in products and _about_pictures(row)]
    for image in ProductImage.objects.filter(product__in=with_pictures).order_by("position", "id"):
        images.setdefault(image.product_id, []).append(image)
    return Known(products, slugs, images)


def _about_pictures(row: ProductRow) -> bool:
    return row.pictures is not None or row.alts is not None


def _owners(slugs: set[str]) -> dict[str, str]:
    if not slugs:
        return {}
    owned = Product.objects.filter(slug__in=slugs).values_list("slug", "sku")
    return dict.fromkeys(slugs, "") | dict(owned)


def plan_row(
    row: ProductRow,
    known: Known,
    categories: CategoryPaths,
    prepared: RowPictures | None,
    *,
    default_stock: int,
) -> Plan:
    """Work out what a row changes; the products of `known` are changed on the way.

    Args:
        row: the row.
        known: as `look_up` found it; a new slug is entered there.
        categories: where the row's category is found.
        prepared: the row's pictures; None when it does not say anything about them.
        default_stock: what a new product gets that is in stock, nobody says how many.

    Raises:
        RowRefused: the product is new and the row lacks a title or a price, or there is no category.
    """
    product = known.products.get(row.sku)
    created = product is None
    if product is None:
        product = Product(sku=row.sku)
        for column, value in (("title", row.name), ("price", row.price)):
            if value is None:
                raise RowRefused(column, "is missing, and there is no product of this id yet")
    problems = list(prepared.problems) if prepared else []
    problems += [("product_detail", f"{name} comes twice; the first counts") for name in row.repeated]
    fields = _plan_texts(row, product)
    if _plan_slug(row, product, known, problems):
        fields.append("slug")
    wanted = {
        "price": row.price,
        "stock": _stock(row, default_stock if created else None),
        "category_id": product.category_id if row.category is None else categories.id_of(row.category),
        "is_published": row.is_published,
    }
    for name, new in wanted.items():
        if (new is not None or name == "category_id") and getattr(product, name) != new:
            setattr(product, name, new)
            fields.append(name)
    characteristics = wanted_characteristics(row, shown_characteristics(product))
    if characteristics is not None:
        fields.append("characteristics")
    pictures = arrange(row, prepared, [] if created else known.images_of(product))
    if pictures.changed:
        fields.append("pictures")
    return Plan(row, product, created, fields, characteristics, pictures, problems)


def _plan_texts(row: ProductRow, product: Product) -> list[str]:
    changed = []
    for name, value in (("name", row.name), ("description", row.description)):
        if value is not None and clean(getattr(product, name)) != value:
            setattr(product, name, value)
            changed.append(name)
    return changed


def _plan_slug(row: ProductRow, product: Product, known: Known, problems: list[tuple[str, str]]) -> bool:
    """Set the slug that the link asks for, or make one for a new product; return whether it changed."""
    if row.slug and row.slug != product.slug:
        owner = known.owner_of(row.slug)
        if not owner:
            product.slug = row.slug
            known.slugs[row.slug] = row.sku
            return True
        if owner != row.sku:
            problems.append(("link", f"{row.slug[:80]} is the link of {owner} already"))
    if product.slug:
        return False
    product.slug = free_product_slug(product.name, row.sku, lambda slug: bool(known.owner_of(slug)))
    known.slugs[product.slug] = row.sku
    return True


def _stock(row: ProductRow, default: int | None) -> int | None:
    """The stock that a row sets. That a product is in stock sets none: the shop, which sells it, knows
    how many are left, and a feed that comes every night would refill what was sold out."""
    return 0 if row.in_stock is False else default if row.quantity is None else row.quantity


def shown_characteristics(product: Product) -> list[list[str]]:
    """Return the product's [name, value, unit] entries as a feed would bring them back."""
    entries = [[clean(text) for text in entry] for entry in product.characteristics]
    return [entry for entry in entries if entry[1]]


def wanted_characteristics(row: ProductRow, current: list[list[str]]) -> list[list[str]] | None:
    """Return the entries that a row asks for, None when the product has just these.

    With details, the row has them all but for those whose column the feed lacks; without, its columns
    replace or remove single entries where they stand.
    """
    columns = dict(row.attributes)
    if row.details is None:
        wanted = [
            [name, columns.get(name, value) if not unit else value, unit] for name, value, unit in current
        ]
        have = {name for name, _, unit in current if not unit}
        wanted += [[name, value, ""] for name, value in row.attributes if name not in have]
    else:
        named = {(name, unit) for name, unit, _ in row.details}
        kept = {
            name: value
            for name, value, unit in current
            if not unit and name in _OWN_COLUMNS and name not in columns
        }
        values = kept | {name: value for name, value in row.attributes if value}
        wanted = [[name, values[name], ""] for name in ATTRIBUTES.values() if name in values]
        wanted = [entry for entry in wanted if (entry[0], "") not in named]
        wanted += [
            [name, columns.get(name) or value if not unit else value, unit]
            for name, unit, value in row.details
        ]
    wanted = [entry for entry in wanted if entry[1]]
    return None if wanted == current else wanted
