"""Comparison of rows with the products in the shop, before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.utils.translation import gettext as _

from backend.catalog.bulk import ProductUpsert
from backend.catalog.models import Product, ProductImage
from backend.catalog.services import find_free_product_slug, suggest_product_slugs
from backend.core.text import clean_line, clean_text, fold_text
from backend.feeds.category_paths import CategoryPaths
from backend.feeds.cells import ATTRIBUTES, BRAND
from backend.feeds.parsed_rows import ParsedRow
from backend.feeds.pictures import PicturePlan, RowPictures, plan_pictures
from backend.feeds.raw_rows import RowRefused
from backend.feeds.report import Change

_NULLABLE = {"compare_at_price", "category_id"}
_ATTRIBUTE_NAMES = set(ATTRIBUTES.values())


@dataclass(slots=True)
class BatchState:
    """Existing objects for the products in a batch of rows.

    Attributes:
        products: existing products by SKU.
        slug_owners: SKU by slug; "" for a free slug.
        images: pictures by product id, in display order.
    """

    products: dict[str, Product]
    slug_owners: dict[str, str]
    images: dict[int, list[ProductImage]]

    def get_images(self, product: Product) -> list[ProductImage]:
        return self.images.get(product.pk, [])

    def find_slug_owner(self, slug: str) -> str:
        """Return the SKU of the product with a slug, or "" if the slug is free.

        It queries the database for slugs that `load_batch` has not read.
        """
        if slug not in self.slug_owners:
            self.slug_owners |= _load_slug_owners({slug})
        return self.slug_owners[slug]


@dataclass(slots=True)
class ProductPlan:
    """A product as a row describes it, and the changes that this makes.

    Attributes:
        fields: names of the changed fields.
        brand: name of the new brand, empty for none; None if it does not change.
        characteristics: all [name, value, unit] entries in display order; None if they do not change.
        problems: (column, reason) of the values that are ignored.
    """

    row: ParsedRow
    product: Product
    created: bool
    fields: list[str]
    brand: str | None
    characteristics: list[list[str]] | None
    pictures: PicturePlan
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def has_changes(self) -> bool:
        return self.created or bool(self.fields)

    def to_change(self) -> Change:
        """Return the entry of the report."""
        fields = () if self.created else tuple(self.fields)
        return Change(self.row.line, self.row.sku, self.product.name, self.created, fields)

    def to_upsert(self) -> ProductUpsert:
        """Return what the catalogue writes."""
        upsert = ProductUpsert(self.product, self.created, self.brand, self.characteristics)
        if "pictures" in self.fields:
            upsert.images, upsert.removed_images = self.pictures.images, self.pictures.removed
        return upsert


def load_batch(rows: Sequence[ParsedRow]) -> BatchState:
    """Read the products, slugs and pictures that belong to rows with different SKUs."""
    # The search vector is large and derived from the other columns.
    query = (
        Product.objects.filter(sku__in=[row.sku for row in rows])
        .select_related("brand")
        .defer("search_vector")
    )
    products = {product.sku: product for product in query}
    slug_owners = _load_slug_owners({row.slug for row in rows if row.slug})
    # Transliteration is slow, so slugs are suggested only for new products without a free slug in the link.
    suggested = [
        suggest_product_slugs(row.name, row.sku)
        for row in rows
        if row.name and row.sku not in products and (not row.slug or slug_owners[row.slug])
    ]
    slug_owners |= _load_slug_owners({slug for pair in suggested for slug in pair})
    images: dict[int, list[ProductImage]] = {}
    with_pictures = [products[row.sku] for row in rows if row.sku in products and _has_picture_columns(row)]
    for image in ProductImage.objects.filter(product__in=with_pictures).order_by("position", "id"):
        images.setdefault(image.product_id, []).append(image)
    return BatchState(products, slug_owners, images)


def _has_picture_columns(row: ParsedRow) -> bool:
    return row.pictures is not None or row.alts is not None


def _load_slug_owners(slugs: set[str]) -> dict[str, str]:
    if not slugs:
        return {}
    owners = Product.objects.filter(slug__in=slugs).values_list("slug", "sku")
    return dict.fromkeys(slugs, "") | dict(owners)


def plan_row(
    row: ParsedRow,
    state: BatchState,
    categories: CategoryPaths,
    prepared: RowPictures | None,
    *,
    default_stock: int,
) -> ProductPlan:
    """Compare a row with its product, and set the new values on the product without saving it.

    Args:
        state: the batch as `load_batch` returned it; a new slug is entered there.
        prepared: the pictures of the row; None if the feed has no picture columns.
        default_stock: the stock of a new product that is in stock without a quantity.

    Raises:
        RowRefused: a new product lacks a title or a price, or its category could not be created.
    """
    product = state.products.get(row.sku)
    created = product is None
    if product is None:
        product = Product(sku=row.sku)
        for column, value in (("title", row.name), ("price", row.price)):
            if value is None:
                raise RowRefused(column, _("is missing; a new product needs it"))
    problems = list(row.problems) + (prepared.problems if prepared else [])
    fields = _plan_texts(row, product)
    if _plan_slug(row, product, state, problems):
        fields.append("slug")
    price, compare_at_price = _plan_prices(row, product)
    wanted = {
        "price": price,
        "compare_at_price": compare_at_price,
        "stock": _plan_stock(row, default_stock if created else None),
        "category_id": product.category_id if row.category is None else categories.get_id(row.category),
        "is_published": row.is_published,
    }
    for name, new in wanted.items():
        if (new is not None or name in _NULLABLE) and getattr(product, name) != new:
            setattr(product, name, new)
            fields.append(name)
    current = get_current_characteristics(product)
    brand = _plan_brand(row, product)
    if brand is not None:
        fields.append("brand")
    characteristics = merge_characteristics(
        _without_brand(row) if has_separate_brand(product, current) else row, current
    )
    if characteristics is not None:
        fields.append("characteristics")
    pictures = plan_pictures(row, prepared, [] if created else state.get_images(product))
    if pictures.changed:
        fields.append("pictures")
    return ProductPlan(row, product, created, fields, brand, characteristics, pictures, problems)


def _plan_texts(row: ParsedRow, product: Product) -> list[str]:
    changed = []
    for name, value in (("name", row.name), ("description", row.description)):
        if value is not None and clean_text(getattr(product, name)) != value:
            setattr(product, name, value)
            changed.append(name)
    return changed


def _plan_slug(row: ParsedRow, product: Product, state: BatchState, problems: list[tuple[str, str]]) -> bool:
    """Set the slug of the link, or a free slug on a new product, and return whether the slug changed."""
    if row.slug and row.slug != product.slug:
        owner = state.find_slug_owner(row.slug)
        if not owner:
            product.slug = row.slug
            state.slug_owners[row.slug] = row.sku
            return True
        if owner != row.sku:
            problems.append(
                (
                    "link",
                    _("%(slug)r is already the slug of product %(owner)r")
                    % {"slug": row.slug[:80], "owner": owner},
                )
            )
    if product.slug:
        return False
    product.slug = find_free_product_slug(
        product.name, row.sku, lambda slug: bool(state.find_slug_owner(slug))
    )
    state.slug_owners[product.slug] = row.sku
    return True


def _plan_prices(row: ParsedRow, product: Product) -> tuple[Decimal | None, Decimal | None]:
    """Return the price, or None if it does not change, and the compare-at price.

    A feed without sale columns keeps the compare-at price as long as it is above the price.
    """
    compare_at_price = product.compare_at_price
    if row.is_on_sale is None:
        if row.price is not None and compare_at_price is not None and compare_at_price <= row.price:
            compare_at_price = None
        return row.price, compare_at_price
    regular = row.price if row.price is not None else compare_at_price or product.price
    if row.sale_price is None or row.sale_price >= regular:
        return regular, None
    return row.sale_price, regular


def _plan_stock(row: ParsedRow, default: int | None) -> int | None:
    """Return the stock that a row sets, or None.

    "In stock" without a quantity leaves the stock of an existing product unchanged: a feed that is
    imported every night would otherwise refill sold-out products.
    """
    return 0 if row.in_stock is False else default if row.quantity is None else row.quantity


def _plan_brand(row: ParsedRow, product: Product) -> str | None:
    """Return the name of the brand that a row sets, "" to remove it, or None if it does not change."""
    name = dict(row.attributes).get(BRAND)
    if name is None:
        return None
    folded = fold_text(name)
    current = fold_text(product.brand.name) if product.brand else ""
    return None if folded == current else name if folded else ""


def has_separate_brand(product: Product, characteristics: Sequence[Sequence[str]]) -> bool:
    """Return whether staff have chosen a brand that differs from the characteristic of this name.

    Otherwise the column of the brand is the value of both.
    """
    if product.brand is None:
        return False
    value = next((value for name, value, unit in characteristics if name == BRAND and not unit), "")
    return fold_text(value) != fold_text(product.brand.name)


def _without_brand(row: ParsedRow) -> ParsedRow:
    return replace(row, attributes=tuple(entry for entry in row.attributes if entry[0] != BRAND))


def get_current_characteristics(product: Product) -> list[list[str]]:
    """Return the product's [name, value, unit] entries as an import of its export would read them."""
    entries = [[clean_line(text) for text in entry] for entry in product.characteristics]
    return [entry for entry in entries if entry[1]]


def merge_characteristics(row: ParsedRow, current: list[list[str]]) -> list[list[str]] | None:
    """Return the entries that a product has after the import of a row, or None if they do not change.

    A row with `product_detail` replaces all entries, except those with a column of their own that the
    feed lacks. A row without it replaces or removes single entries and keeps their order.
    """
    columns = dict(row.attributes)
    if row.details is None:
        wanted = [
            [name, columns.get(name, value) if not unit else value, unit] for name, value, unit in current
        ]
        existing = {name for name, _, unit in current if not unit}
        wanted += [[name, value, ""] for name, value in row.attributes if name not in existing]
    else:
        in_details = {(name, unit) for name, unit, _ in row.details}
        kept = {
            name: value
            for name, value, unit in current
            if not unit and name in _ATTRIBUTE_NAMES and name not in columns
        }
        values = kept | {name: value for name, value in row.attributes if value}
        wanted = [[name, values[name], ""] for name in ATTRIBUTES.values() if name in values]
        wanted = [entry for entry in wanted if (entry[0], "") not in in_details]
        wanted += [
            [name, columns.get(name) or value if not unit else value, unit]
            for name, unit, value in row.details
        ]
    wanted = [entry for entry in wanted if entry[1]]
    return None if wanted == current else wanted
