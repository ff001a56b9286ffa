"""Plain rows of products and categories, for reads that nearly every request makes.

Django takes ten times as long to create a model instance as a row. Pictures are read in the same query.
Rows have those attributes of the models that the APIs return.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import F, JSONField, OuterRef, QuerySet
from django.db.models.functions import JSONObject

from backend.catalog.models import MAX_SHOWN_STOCK, Product, ProductImage, get_new_since
from backend.catalog.renditions import Picture
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param
from backend.core.identifiers import encode_global_id

_PRODUCT_COLUMNS = (
    "pk",
    "sku",
    "slug",
    "name",
    "description",
    "price",
    "compare_at_price",
    "stock",
    "is_published",
    "popularity",
    "created_at",
    "updated_at",
    "seo_title",
    "seo_description",
    "characteristics",
)
BRAND_COLUMNS = ("pk", "name", "slug")
CATEGORY_COLUMNS = (
    "pk",
    "name",
    "slug",
    "parent_id",
    "image",
    "image_alt",
    "image_width",
    "image_height",
    "renditions",
)

# The columns of the brand in a row of `select_products`.
_BRAND = slice(len(_PRODUCT_COLUMNS), len(_PRODUCT_COLUMNS) + len(BRAND_COLUMNS))


@dataclass(slots=True, eq=False)
class CategoryRow:
    """A category.

    Attributes:
        parent: None for a root category, and if it has not been read.
        children: in tree order; None if they have not been read.
        product_count: published products, subcategories included; None if they have not been counted.
    """

    id: int
    name: str
    slug: str
    parent_id: int | None
    image: str
    image_alt: str
    image_width: int
    image_height: int
    renditions: Sequence[int]
    parent: "CategoryRow | None" = None
    children: "list[CategoryRow] | None" = None
    product_count: int | None = None

    @property
    def pk(self) -> int:
        """The primary key."""
        return self.id

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("Category", self.id)

    @property
    def picture(self) -> Picture | None:
        """The image; None without an image or if its size is unknown."""
        if not (self.image and self.image_width):
            return None
        return Picture(
            name=self.image,
            alt=self.image_alt or self.name,
            width=self.image_width,
            height=self.image_height,
            widths=self.renditions,
        )

    @property
    def has_path(self) -> bool:
        """True if the parent, and with it the whole path, has been read."""
        return self.parent is not None or self.parent_id is None

    @property
    def ancestors(self) -> "list[CategoryRow]":
        """The path from the root to the parent. Requires `has_path`."""
        path = []
        parent = self.parent
        while parent is not None:
            path.append(parent)
            parent = parent.parent
        return path[::-1]


@dataclass(slots=True, eq=False)
class BrandRow:
    """A brand."""

    id: int
    name: str
    slug: str

    @property
    def pk(self) -> int:
        """The primary key."""
        return self.id

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("Brand", self.id)


@dataclass(slots=True, eq=False)
class ProductRow:
    """A product with its brand, its category and its pictures."""

    id: int
    sku: str
    slug: str
    name: str
    description: str
    price: Decimal
    compare_at_price: Decimal | None
    stock: int
    is_published: bool
    popularity: int
    created_at: datetime
    updated_at: datetime
    seo_title: str
    seo_description: str
    characteristics: list[tuple[str, str, str]]
    brand: BrandRow | None
    category: CategoryRow | None
    pictures: list[Picture]

    @property
    def pk(self) -> int:
        """The primary key."""
        return self.id

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("Product", self.id)

    @property
    def category_id(self) -> int | None:
        """The primary key of the category."""
        return self.category.id if self.category else None

    @property
    def brand_id(self) -> int | None:
        """The primary key of the brand."""
        return self.brand.id if self.brand else None

    @property
    def in_stock(self) -> bool:
        """True if the stock is above 0."""
        return self.stock > 0

    @property
    def available_quantity(self) -> int:
        """The stock, capped so that competitors cannot read it."""
        return min(self.stock, MAX_SHOWN_STOCK)

    @property
    def is_on_sale(self) -> bool:
        """True if the price is reduced: the product has a compare-at price."""
        return self.compare_at_price is not None

    @property
    def is_new(self) -> bool:
        """True if the product was created in the last `NEW_PRODUCT_DAYS` days."""
        return self.created_at >= get_new_since()

    @property
    def currency(self) -> str:
        """The ISO 4217 code of the shop's currency."""
        return settings.SHOP_CURRENCY

    @property
    def image(self) -> Picture | None:
        """The first picture, or None."""
        return self.pictures[0] if self.pictures else None


# One for all queries. By default each query gets its own, and since an array field of JSON refers to itself,
# only the garbage collector would free it.
_IMAGES_FIELD = ArrayField(JSONField())


def select_products(queryset: "QuerySet[Any, Any]", *columns: str, path: str = "") -> "QuerySet[Any, Any]":
    """Select the columns of `make_product`, after some others.

    Args:
        queryset: products, or rows that refer to one.
        columns: other columns to select first.
        path: prefix of the product's columns in the queryset, such as "product__".
    """
    images = ProductImage.objects.filter(product_id=OuterRef(f"{path}pk")).values(
        image=JSONObject(name="file", alt="alt", width="width", height="height", widths=F("renditions"))
    )
    return queryset.values_list(
        *columns,
        *(f"{path}{name}" for name in _PRODUCT_COLUMNS),
        *(f"{path}brand__{name}" for name in BRAND_COLUMNS),
        *(f"{path}category__{name}" for name in CATEGORY_COLUMNS),
        ArraySubquery(images, output_field=_IMAGES_FIELD),
    )


def make_product(row: Sequence[Any]) -> ProductRow:
    """Return the product in a row of `select_products`, without the other columns."""
    *columns, images = row
    brand = columns[_BRAND]
    category = columns[_BRAND.stop :]
    columns[_BRAND.start :] = [
        BrandRow(*brand) if brand[0] is not None else None,
        CategoryRow(*category) if category[0] is not None else None,
        [],
    ]
    product = ProductRow(*columns)
    for image in images:
        product.pictures.append(Picture(**image | {"alt": image["alt"] or product.name}))
    return product


_AVAILABLE = CompiledQuery(
    lambda: select_products(
        Product.objects.filter(EqualsAny(F("pk"), Param("ids")), is_published=True, stock__gt=0).order_by()
    )
)


def read_available_products(ids: Iterable[int]) -> list[ProductRow]:
    """Return the products among `ids` that are published and in stock, in the same order."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return []
    products = {row[0]: make_product(row) for row in _AVAILABLE.run(ids=wanted)}
    return [products[pk] for pk in wanted if pk in products]
