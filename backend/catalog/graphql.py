"""The catalogue in GraphQL."""

from collections.abc import Sequence
from copy import copy
from decimal import Decimal
from itertools import chain
from typing import Annotated, cast

import strawberry
import strawberry_django
from strawberry import auto

from backend.catalog import models, selectors
from backend.catalog.renditions import WIDTHS, ImageFormat, Picture
from backend.core.errors import Invalid, NotFound, OutOfRange, fields_named
from backend.core.graphql import Batch, Column, Context, Edge, Info, PageInfo, cost, edges_of
from backend.core.identifiers import parse_id
from backend.core.pagination import Page, Window
from backend.recommendations.models import Recommendation
from backend.recommendations.selectors import MAX_FIRST, Lists, read_related

Kind = Recommendation.Kind
_KINDS = (Kind.SIMILAR, Kind.BOUGHT_TOGETHER)
# How many of each list are read at least for a product that is shown alone.
_READ_OF_ONE = 10
# The cost of reading recommendations, beside the products in them.
_LIST_COST = 500

# What the parameters of `selectors.list_products` and of a page are called here.
_PRODUCTS_ARGUMENTS = {
    "category": ["category"],
    "search": ["filter", "search"],
    "price_min": ["filter", "price", "min"],
    "price_max": ["filter", "price", "max"],
    "characteristics": ["filter", "characteristics"],
    "sort": ["sortBy"],
}

strawberry.enum(selectors.ProductSort, description="The orders that a list of products can have.")


strawberry.enum(ImageFormat, description="The formats in which renditions of a picture exist.")

_Format = Annotated[ImageFormat, strawberry.argument(description="WEBP suits every browser since 2020.")]


@strawberry.type
class Image:
    """A picture. Whatever address it tells can be kept for ever: what is behind it never changes."""

    url: str = strawberry.field(description="The original.")
    alt: str = strawberry.field(
        description="What is seen in it; the product's or category's name where staff wrote nothing."
    )
    width: int = strawberry.field(description="Of the original, in pixels.")
    height: int = strawberry.field(description="Of the original, in pixels.")

    @strawberry.field(
        description="The smallest rendition that is at least so many pixels wide (or as wide as the "
        f"original); they are {', '.join(map(str, WIDTHS[:-1]))} and {WIDTHS[-1]} wide, never wider than "
        "the original. The original itself where there is none, as in the seconds after an upload.",
        metadata=cost(3),
    )
    def thumbnail(self, size: int, format: _Format = ImageFormat.WEBP) -> str:
        if size < 1:
            raise OutOfRange("A picture is at least one pixel wide.", field="size")
        return cast(Picture, self).thumbnail(size, format)

    @strawberry.field(
        description="All renditions for the `srcset` of an `<img>` or `<source>`; the original alone until "
        "there are any.",
        metadata=cost(4),
    )
    def srcset(self, format: _Format = ImageFormat.WEBP) -> str:
        return cast(Picture, self).srcset(format)


@strawberry.type
class Characteristic:
    """A property of a product as it is shown: a name, a value and perhaps a unit."""

    name: str
    value: str
    unit: str


@strawberry_django.type(models.Category, field_cls=Column)
class Category:
    """A node of the category tree."""

    id: strawberry.ID
    name: auto
    slug: auto

    @strawberry_django.field(description="The category's own picture.")
    def image(self) -> Image | None:
        return cast("Image | None", cast(models.Category, self).picture)

    @strawberry_django.field(description="The category above; null for a root.")
    def parent(self, info: Info) -> "Category | None":
        category = cast(models.Category, self)
        return cast("Category | None", _tree(info).by_id.get(category.parent_id or 0))

    @strawberry_django.field(description="The categories right below.")
    def children(self, info: Info) -> "list[Category]":
        category = cast(models.Category, self)
        children = _tree(info).children(category.pk)
        return _pruned(children, getattr(category, "_levels_below", None))

    @strawberry_django.field(description="The path from the root to the parent: breadcrumbs.")
    def ancestors(self, info: Info) -> "list[Category]":
        return cast("list[Category]", _tree(info).ancestors(cast(models.Category, self).pk))

    @strawberry_django.field(description="How many products are in it and below.")
    def product_count(self, info: Info) -> int:
        return info.context.once(selectors.read_counted_category_tree).product_counts[
            cast(models.Category, self).pk
        ]


def _tree(info: Info) -> selectors.CategoryTree:
    """Return the tree that this request has read, or read it without counts."""
    counted = selectors.read_counted_category_tree
    if info.context.has_read(counted):
        return info.context.once(counted)
    return info.context.once(selectors.read_category_tree)


def _tree_as_selected(info: Info) -> selectors.CategoryTree:
    """Read the tree with its counts if the query speaks of them: one query either way.

    The text is asked, not `info.selected_fields`, which follows every path through nested fragments.
    """
    location = info._raw_info.operation.loc
    if location is not None and "productCount" in location.source.body:
        return info.context.once(selectors.read_counted_category_tree)
    return _tree(info)


def _pruned(categories: Sequence[models.Category], levels: int | None) -> list[Category]:
    """Return the categories, marked so that no more than so many levels of the tree are shown."""
    if levels is not None:
        categories = [copy(category) for category in categories] if levels > 0 else []
        for category in categories:
            category._levels_below = levels - 1
    return cast("list[Category]", categories)


@strawberry_django.type(models.Product, field_cls=Column)
class Product:
    """Something the shop sells."""

    id: strawberry.ID
    sku: auto
    slug: auto
    name: auto
    description: auto
    price: auto
    currency: str
    category: Category | None
    image: Image | None
    in_stock: bool
    available_quantity: int
    created_at: auto
    updated_at: auto

    @strawberry_django.field(description="Every picture, in order; `image` is the first.", metadata=cost(20))
    def images(self) -> list[Image]:
        return cast("list[Image]", cast(models.Product, self).pictures)

    @strawberry_django.field(
        description="Like it, whether anybody has bought it or not.", metadata=cost(item=8)
    )
    def similar(self, info: Info, first: int = 10) -> "list[Product]":
        return _related(info, Kind.SIMILAR, cast(models.Product, self), first)

    @strawberry_django.field(description="What those who bought it bought with it.", metadata=cost(item=8))
    def bought_together(self, info: Info, first: int = 10) -> "list[Product]":
        return _related(info, Kind.BOUGHT_TOGETHER, cast(models.Product, self), first)

    @strawberry_django.field(description="In the order that they are shown.")
    def characteristics(self) -> list[Characteristic]:
        pairs = cast(models.Product, self).characteristics
        return [Characteristic(name=name, value=value, unit=unit) for name, value, unit in pairs]


def _related(info: Info, kind: Kind, product: models.Product, first: int) -> list[Product]:
    """Read the lists of all products that are shown with this one, and return this one's."""
    if not product.is_published:
        # A product that is no longer sold is shown in carts only, with nothing that staff may have edited.
        return []
    shown = info.context.batch_of(product)
    read = first
    if len(shown.items) == 1 and 1 <= first <= MAX_FIRST:
        # Of a single product a little more is read, so that lists of different lengths are read together.
        read = max(first, min(_READ_OF_ONE, MAX_FIRST))
    lists = info.context.once(_read_lists, info.context, _kinds_read(info, kind), shown, read)
    return cast("list[Product]", lists.get((kind, product.pk), [])[:first])


def _kinds_read(info: Info, kind: Kind) -> tuple[Kind, ...]:
    """Return both kinds if the query speaks of both: they are read in one go."""
    location = info._raw_info.operation.loc
    text = location.source.body if location is not None else ""
    return _KINDS if "similar" in text and "boughtTogether" in text else (kind,)


def _read_lists(context: Context, kinds: tuple[Kind, ...], shown: Batch, first: int) -> Lists:
    # The cost by items does not tell how many queries they take: fields that fan out can be thousands.
    if not context.charge(_LIST_COST):
        return {}
    lists = read_related(kinds, shown.items, first)
    # Theirs too are read for all of these lists at once.
    context.register_batch(list(chain.from_iterable(lists.values())))
    return lists


@strawberry.type
class FacetValue:
    """A value to choose, and how many products would be listed with it."""

    value: str
    count: int


@strawberry.type
class CharacteristicFacet:
    """The values of a characteristic, the most frequent first."""

    name: str
    unit: str
    values: list[FacetValue]


@strawberry.type
class CategoryFacet:
    """A category right below the listed one, and how many of the products are in it."""

    category: Category
    count: int


@strawberry.type
class Facets:
    """What the list could be narrowed by; each facet honours every filter but its own."""

    characteristics: list[CharacteristicFacet]
    price_min: Decimal | None
    price_max: Decimal | None
    categories: list[CategoryFacet]


@strawberry.input
class PriceRange:
    """Both bounds are inclusive, in the shop's currency."""

    min: Decimal | None = None
    max: Decimal | None = None


@strawberry.input
class CharacteristicFilter:
    """Products that have one of these values of the characteristic."""

    name: str
    values: list[str]
    unit: str | None = strawberry.field(
        default=None, description="Tells characteristics of one name apart, as facets show them."
    )


@strawberry.input
class ProductFilter:
    """Every condition must hold."""

    search: str | None = None
    price: PriceRange | None = None
    in_stock: bool | None = None
    characteristics: list[CharacteristicFilter] | None = None


def _category_id(text: str) -> int:
    number = parse_id(text)
    if not number:
        raise NotFound(f"There is no category {text[:100]!r}.", field="category")
    return number


def _wanted_values(filters: list[CharacteristicFilter]) -> dict[str, list[str]]:
    """Return the accepted values by "Name" or "Name (unit)"."""
    wanted: dict[str, list[str]] = {}
    for chosen in filters:
        label = f"{chosen.name} ({chosen.unit})" if chosen.unit else chosen.name
        if label in wanted:
            raise Invalid(f"{label!r} is filtered twice.", field="characteristics")
        wanted[label] = chosen.values
    return wanted


@strawberry.type
class ProductConnection:
    """A page of products; the count and the facets are read only when selected."""

    page: strawberry.Private[Page[models.Product]]
    products: strawberry.Private[selectors.ProductList]

    @strawberry.field(metadata=cost(item=5))
    def edges(self, info: Info) -> list[Edge[Product]]:
        info.context.register_batch(self.page.items)
        return cast("list[Edge[Product]]", edges_of(self.page))

    @strawberry.field(metadata=cost(item=5))
    def nodes(self, info: Info) -> list[Product]:
        return cast("list[Product]", info.context.register_batch(self.page.items))

    @strawberry.field
    def page_info(self) -> PageInfo:
        return PageInfo.of(self.page)

    @strawberry.field(description="How many products there are on all pages.", metadata=cost(50))
    def total_count(self) -> int:
        return self.products.total()

    @strawberry.field(metadata=cost(200))
    def facets(self) -> Facets:
        return cast(Facets, selectors.read_facets(self.products))


@strawberry.type
class CatalogQuery:
    """What a shopper can look at."""

    @strawberry.field(
        description="Products of a category and below, or of the whole shop.", metadata=cost(100)
    )
    def products(
        self,
        category: strawberry.ID | None = None,
        category_slug: str | None = None,
        filter: ProductFilter | None = None,
        sort_by: Annotated[
            selectors.ProductSort | None,
            strawberry.argument(description="RELEVANCE when searching, else NEWEST, when not given."),
        ] = None,
        first: int | None = 20,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> ProductConnection:
        if category is not None and category_slug is not None:
            raise Invalid("Name the category by its id or its slug, not by both.", field="category")
        filter = filter or ProductFilter()
        price = filter.price or PriceRange()
        with fields_named(
            _PRODUCTS_ARGUMENTS | ({"category": ["categorySlug"]} if category_slug is not None else {})
        ):
            products = selectors.list_products(
                category=category_slug if category is None else _category_id(category),
                search=filter.search,
                price_min=price.min,
                price_max=price.max,
                in_stock=filter.in_stock,
                characteristics=_wanted_values(filter.characteristics or []),
            )
            window = Window.of(first=first if last is None else None, after=after, last=last, before=before)
            return ProductConnection(page=products.page(sort_by, window), products=products)

    @strawberry.field(
        description="The published product that exactly one of the arguments names.", metadata=cost(75)
    )
    def product(
        self, id: strawberry.ID | None = None, slug: str | None = None, sku: str | None = None
    ) -> Product | None:
        return cast(
            "Product | None",
            selectors.get_product(id=None if id is None else parse_id(id), slug=slug, sku=sku),
        )

    @strawberry.field(description="The roots of the category tree.")
    def categories(
        self,
        info: Info,
        depth: Annotated[
            int | None,
            strawberry.argument(description="How many levels to show; all of them when not given."),
        ] = None,
    ) -> list[Category]:
        if depth is not None and depth < 1:
            raise OutOfRange("The tree is shown at least one level deep.", field="depth")
        return _pruned(_tree_as_selected(info).children(None), depth)

    @strawberry.field(description="The category that one of the arguments names.", metadata=cost(75))
    def category(
        self, info: Info, id: strawberry.ID | None = None, slug: str | None = None
    ) -> Category | None:
        if (id is None) == (slug is None):
            raise Invalid("Name the category by its id or its slug.", field="id")
        tree = _tree_as_selected(info)
        return cast(
            "Category | None", tree.by_slug.get(slug or "") if id is None else tree.by_id.get(parse_id(id))
        )
