"""GraphQL types of products and categories, with the batches in which their related rows are read."""

from collections.abc import Mapping, Sequence, Set
from itertools import chain
from typing import Annotated, Any

import strawberry
import strawberry_django
from django.utils.translation import gettext_lazy as _
from strawberry import auto

from backend.catalog import models, selectors
from backend.catalog.graphql.brands import Brand
from backend.catalog.renditions import WIDTHS, ImageFormat, Picture
from backend.core.errors import OutOfRange
from backend.core.graphql import Batch, Context, Cost, Info, Node, describe_enum
from backend.core.identifiers import parse_id
from backend.recommendations.models import Recommendation
from backend.recommendations.selectors import MAX_FIRST, Lists, read_related

Kind = Recommendation.Kind
_KINDS = (Kind.SIMILAR, Kind.BOUGHT_TOGETHER)
# The minimum number of recommendations that are read for a single product.
_MIN_READ = 10
# Costs that no field declares: each query for recommendations, and each list that it reads, in addition to
# the products in them.
_READING_COST = 750
_READ_LIST_COST = 25

describe_enum(
    ImageFormat,
    "File formats of resized pictures.",
    {"WEBP": "WebP, for browsers.", "JPEG": "JPEG, for mail clients and browsers before 2020."},
)

_Count = Annotated[int, strawberry.argument(description=f"Number of products, 1 to {MAX_FIRST}.")]
_Format = Annotated[ImageFormat, strawberry.argument(description="File format of the copies.")]


@strawberry.type
class Image:
    """A picture. URLs are immutable and can be cached indefinitely."""

    url: str = strawberry.field(description="URL of the original.")
    alt: str = strawberry.field(
        description="Alternative text. Falls back to the name of the product or category."
    )
    width: int = strawberry.field(description="Width of the original, in pixels.")
    height: int = strawberry.field(description="Height of the original, in pixels.")

    @strawberry.field(
        description="URL of the smallest copy that is at least `size` pixels wide. Copies are "
        f"{', '.join(map(str, WIDTHS[:-1]))} and {WIDTHS[-1]} pixels wide, never wider than the original. "
        "Returns the URL of the original while no copies exist, for a few seconds after an upload.",
        directives=[Cost(field=3)],
    )
    def thumbnail(
        self: Picture,
        size: Annotated[int, strawberry.argument(description="Minimum width in pixels, at least 1.")],
        format: _Format = ImageFormat.WEBP,
    ) -> str:
        if size < 1:
            raise OutOfRange(_("size must be at least 1, not %(size)s."), field="size", params={"size": size})
        return self.thumbnail(size, format)

    @strawberry.field(
        description="All resized copies, for the `srcset` attribute of `<img>` or `<source>`. Only the "
        "original while no copies exist.",
        directives=[Cost(field=4)],
    )
    def srcset(self: Picture, format: _Format = ImageFormat.WEBP) -> str:
        return self.srcset(format)


@strawberry.type
class Characteristic:
    """A characteristic of a product, such as Volume: 350 ml."""

    name: str = strawberry.field(description="Name of the characteristic.")
    value: str = strawberry.field(description="Value, without the unit.")
    unit: str = strawberry.field(description="Unit of the value; empty if it has none.")


# Products of orders are model instances, except in the order that was just created.
_Category = models.Category | selectors.CategoryRow
_Product = models.Product | selectors.ProductRow


@strawberry_django.type(models.Category)
class Category(Node):
    """A node of the category tree."""

    id: strawberry.ID = strawberry_django.field(
        field_name="global_id", description="Opaque id, unique among all types."
    )
    database_id: int = strawberry_django.field(
        field_name="id", description="Id of the category in the REST API."
    )
    name: auto = strawberry_django.field(description="Name, unique among the children of its parent.")
    slug: auto = strawberry_django.field(description="Unique name for URLs.")

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return isinstance(value, cls | models.Category | selectors.CategoryRow)

    @strawberry_django.field(description="Picture of the category; null if it has none.")
    def image(self: _Category) -> Image | None:
        return self.picture

    @strawberry_django.field(description="Parent category; null for a root category.")
    def parent(self: _Category, info: Info) -> "Category | None":
        category = _get_with_path(info, self)
        return category.parent if category else None

    @strawberry_django.field(description="Direct subcategories, in the order chosen by staff.")
    def children(self: _Category, info: Info) -> "list[Category]":
        if isinstance(self, selectors.CategoryRow) and self.children is not None:
            return self.children
        batch = info.context.get_batch(self)
        return info.context.call_once(_read_children, info.context, batch)[self.pk]

    @strawberry_django.field(
        description="Path from the root category to the parent, for breadcrumbs. Empty for a root category."
    )
    def ancestors(self: _Category, info: Info) -> "list[Category]":
        category = _get_with_path(info, self)
        return category.ancestors if category else []

    @strawberry_django.field(
        description="Number of published products in the category and all its subcategories. Exact if the "
        f"numbers of a list or tree add up to at most {selectors.EXACT_COUNT_LIMIT}; otherwise they may be "
        "up to twice `CATALOG_CACHE_SECONDS` old, 60 seconds by default."
    )
    def product_count(self: _Category, info: Info) -> int:
        if isinstance(self, selectors.CategoryRow) and self.product_count is not None:
            return self.product_count
        counts = info.context.call_once(_count_products, info.context.get_batch(self))
        return counts.get(self.pk, 0)

    @strawberry_django.field(
        description="Title of the page for search engines; empty if staff have not written one."
    )
    def seo_title(self: _Category, info: Info) -> str:
        return _get_search_engine_texts(info, self)[0]

    @strawberry_django.field(
        description="Description of the page for search engines; empty if staff have not written one."
    )
    def seo_description(self: _Category, info: Info) -> str:
        return _get_search_engine_texts(info, self)[1]

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, selectors.CategoryRow]:
        categories = selectors.read_category_paths([parse_id(key) for key in keys])
        info.context.register_batch(list(categories.values()))
        return {key: categories[parse_id(key)] for key in keys if parse_id(key) in categories}


def _get_with_path(info: Info, category: _Category) -> selectors.CategoryRow | None:
    """Return the category as a row with its path, or None if it has just been deleted.

    The paths of all categories of the same list are read together.
    """
    if isinstance(category, selectors.CategoryRow) and category.has_path:
        return category
    batch = info.context.get_batch(category)
    return info.context.call_once(_read_paths, info.context, batch).get(category.pk)


def _read_paths(context: Context, batch: Batch) -> Mapping[int, selectors.CategoryRow]:
    paths = selectors.read_category_paths(_list_category_ids(batch))
    context.register_batch(list(paths.values()))
    return paths


def _read_children(context: Context, batch: Batch) -> Mapping[int, list[selectors.CategoryRow]]:
    children = selectors.read_category_children(_list_category_ids(batch))
    context.register_batch(list(chain.from_iterable(children.values())))
    return children


def _count_products(batch: Batch) -> Mapping[int, int]:
    return selectors.count_products(_list_category_ids(batch))


def _get_search_engine_texts(info: Info, category: _Category) -> tuple[str, str]:
    texts = info.context.call_once(_read_search_engine_texts, info.context.get_batch(category))
    return texts.get(category.pk, ("", ""))


def _read_search_engine_texts(batch: Batch) -> Mapping[int, tuple[str, str]]:
    return selectors.read_search_engine_texts(_list_category_ids(batch))


def _list_category_ids(batch: Batch) -> Set[int]:
    return {category.pk for category in batch.items}


def register_products(context: Context, products: Sequence[_Product]) -> Sequence[_Product]:
    """Register the products of a list, their brands and their categories as batches. Return the products."""
    context.register_batch([product.brand for product in products if product.brand_id])
    context.register_batch([product.category for product in products if product.category_id])
    return context.register_batch(products)


@strawberry_django.type(models.Product)
class Product(Node):
    """A product of the shop."""

    id: strawberry.ID = strawberry_django.field(
        field_name="global_id", description="Opaque id, unique among all types."
    )
    database_id: int = strawberry_django.field(
        field_name="id", description="Id of the product in the REST API."
    )
    sku: auto = strawberry_django.field(description="Unique stock keeping unit.")
    slug: auto = strawberry_django.field(description="Unique name for URLs.")
    name: auto = strawberry_django.field(description="Name of the product.")
    description: auto = strawberry_django.field(description="Description as plain text; may be empty.")
    price: auto = strawberry_django.field(
        description="Current price of one unit, with two decimals, in `currency`."
    )
    compare_at_price: auto = strawberry_django.field(
        description="Former price in `currency`, shown crossed out; null if the product is not on sale."
    )
    is_on_sale: bool = strawberry_django.field(
        description="True if the product has a `compareAtPrice`, so that its price is reduced."
    )
    is_new: bool = strawberry_django.field(
        description="True if the product was created within the last `NEW_PRODUCT_DAYS` days, 30 by default."
    )
    currency: str = strawberry_django.field(description="ISO 4217 code of the currency of the shop.")
    brand: Brand | None = strawberry_django.field(description="Brand of the product; null if it has none.")
    category: Category | None = strawberry_django.field(
        description="Category of the product; null if it has none."
    )
    image: Image | None = strawberry_django.field(
        description="Main picture, the first of `images`; null if there is none."
    )
    in_stock: bool = strawberry_django.field(description="True if at least one unit is in stock.")
    available_quantity: int = strawberry_django.field(
        description=f"Number of units in stock, reported as {models.MAX_SHOWN_STOCK} if there are more."
    )
    seo_title: auto = strawberry_django.field(
        description="Title of the page for search engines; empty if staff have not written one."
    )
    seo_description: auto = strawberry_django.field(
        description="Description of the page for search engines; empty if staff have not written one."
    )
    created_at: auto = strawberry_django.field(description="Creation time of the product.")
    updated_at: auto = strawberry_django.field(description="Time of the last change.")

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return isinstance(value, cls | models.Product | selectors.ProductRow)

    @strawberry_django.field(
        description="All pictures in order; `image` is the first.", directives=[Cost(field=20)]
    )
    def images(self: models.Product) -> list[Image]:
        return self.pictures

    @strawberry_django.field(
        description="Related products that staff have chosen, then products with similar content, most "
        "similar first.",
        directives=[Cost(item=25)],
    )
    def similar(self: models.Product, info: Info, first: _Count = 10) -> "list[Product]":
        return _list_related(info, Kind.SIMILAR, self, first)

    @strawberry_django.field(
        description="Products that customers often buy together with this one.", directives=[Cost(item=25)]
    )
    def bought_together(self: models.Product, info: Info, first: _Count = 10) -> "list[Product]":
        return _list_related(info, Kind.BOUGHT_TOGETHER, self, first)

    @strawberry_django.field(description="Characteristics in display order.")
    def characteristics(self: models.Product) -> list[Characteristic]:
        pairs = self.characteristics
        return [Characteristic(name=name, value=value, unit=unit) for name, value, unit in pairs]

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, selectors.ProductRow]:
        products = selectors.get_products([parse_id(key) for key in keys])
        register_products(info.context, products)
        return {str(product.pk): product for product in products}


def _list_related(info: Info, kind: Kind, product: models.Product, first: int) -> list[Product]:
    """Return a recommendation list; read those of all products of the same list together."""
    if not product.is_published:
        # Only carts contain unpublished products, and they must not reveal edits made since.
        return []
    batch = info.context.get_batch(product)
    read = first
    if len(batch.items) == 1 and 1 <= first <= MAX_FIRST:
        # For a single product, read more than requested, so that lists of different lengths share a read.
        read = max(first, min(_MIN_READ, MAX_FIRST))
    lists = info.context.call_once(_read_lists, info.context, _choose_kinds(info, kind), batch, read)
    return lists.get((kind, product.pk), [])[:first]


def _choose_kinds(info: Info, kind: Kind) -> tuple[Kind, ...]:
    """Return both kinds if both fields are selected, so that they are read in one query."""
    return _KINDS if {"similar", "boughtTogether"} <= info.context.selected_fields else (kind,)


def _read_lists(context: Context, kinds: tuple[Kind, ...], batch: Batch, first: int) -> Lists:
    # The cost of items does not reflect the number of queries, which nested lists can multiply.
    if not context.charge(_READING_COST + _READ_LIST_COST * len(kinds) * len(batch.items)):
        return {}
    lists = read_related(kinds, batch.items, first)
    # The recommendations of these products are also read together.
    register_products(context, list(chain.from_iterable(lists.values())))
    return lists
