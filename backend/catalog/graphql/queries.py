"""GraphQL queries of the catalogue."""

from typing import Annotated

import strawberry
from django.utils.translation import gettext_lazy as _

from backend.catalog import selectors
from backend.catalog.graphql.brands import Brand, BrandConnection
from backend.catalog.graphql.product_lists import (
    CharacteristicFilter,
    PriceRange,
    ProductConnection,
    ProductFilter,
)
from backend.catalog.graphql.types import Category, Product
from backend.core.errors import Invalid, NotFound, OutOfRange, TooComplex, map_error_fields
from backend.core.graphql import After, Before, Cost, First, Info, Last, parse_object_id
from backend.core.pagination import Window

# Costs of a product list that no field declares: a search, the brands and each characteristic that filter
# the list.
_SEARCH_COST = 7_500
_BRANDS_COST = 1_250
_CHARACTERISTIC_COST = 1_250

# Paths of the GraphQL arguments, by parameter of `selectors.list_products` and `ProductList.read_page`.
_PRODUCTS_ARGUMENTS = {
    "category": ["category"],
    "search": ["filter", "search"],
    "price_min": ["filter", "price", "min"],
    "price_max": ["filter", "price", "max"],
    "brands": ["filter", "brands"],
    "characteristics": ["filter", "characteristics"],
    "sort": ["sortBy"],
}


@strawberry.type
class CatalogQuery:
    """Queries of the catalogue."""

    @strawberry.field(
        description="Published products of a category and its subcategories, or of the whole shop.",
        directives=[Cost(field=1700)],
    )
    def products(
        self,
        info: Info,
        category: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="`id` or `databaseId` of the category to list."),
        ] = None,
        category_slug: Annotated[
            str | None, strawberry.argument(description="Slug of the category to list, instead of its id.")
        ] = None,
        filter: Annotated[
            ProductFilter | None, strawberry.argument(description="Filters; all of them must match.")
        ] = None,
        sort_by: Annotated[
            selectors.ProductSort | None,
            strawberry.argument(
                description="Sort order. Defaults to RELEVANCE with a search, else to NEWEST."
            ),
        ] = None,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> ProductConnection:
        if category is not None and category_slug is not None:
            raise Invalid(_("Pass at most one of category and categorySlug."), field="category")
        filter = filter or ProductFilter()
        price = filter.price or PriceRange()
        cost = (
            _SEARCH_COST * bool(filter.search)
            + _BRANDS_COST * bool(filter.brands)
            + _CHARACTERISTIC_COST * len(filter.characteristics or ())
        )
        if not info.context.charge(cost):
            raise TooComplex(_("The filters of the products cost more than is accepted."))
        with map_error_fields(
            _PRODUCTS_ARGUMENTS | ({"category": ["categorySlug"]} if category_slug is not None else {})
        ):
            products = selectors.list_products(
                category=category_slug if category is None else _parse_category_id(category),
                search=filter.search,
                price_min=price.min,
                price_max=price.max,
                in_stock=filter.in_stock,
                on_sale=filter.on_sale,
                is_new=filter.is_new,
                brands=[_parse_brand_id(brand) for brand in filter.brands or ()],
                characteristics=_parse_characteristics(filter.characteristics or []),
            )
            window = Window.from_arguments(
                first=first if last is None else None, after=after, last=last, before=before
            )
            return ProductConnection(page=products.read_page(sort_by, window), products=products)

    @strawberry.field(
        description="The published product with this id, slug or SKU, or null. Pass exactly one of them.",
        directives=[Cost(field=200)],
    )
    def product(
        self,
        id: Annotated[
            strawberry.ID | None, strawberry.argument(description="`id` or `databaseId` of the product.")
        ] = None,
        slug: Annotated[str | None, strawberry.argument(description="Slug of the product.")] = None,
        sku: Annotated[str | None, strawberry.argument(description="SKU of the product.")] = None,
    ) -> Product | None:
        product_id = None if id is None else parse_object_id(id, "Product", field="id")
        return selectors.get_product(id=product_id, slug=slug, sku=sku)

    @strawberry.field(description="Root categories, in the order chosen by staff.")
    def categories(
        self,
        info: Info,
        depth: Annotated[
            int | None,
            strawberry.argument(description="Number of levels of the tree, at least 1; defaults to all."),
        ] = None,
    ) -> list[Category]:
        if depth is not None and depth < 1:
            raise OutOfRange(
                _("depth must be at least 1, not %(depth)s."), field="depth", params={"depth": depth}
            )
        selected = info.context.selected_fields
        if "children" not in selected:
            depth = 1
        roots = info.context.call_once(
            _read_tree, depth, "productCount" in selected, not selected.isdisjoint({"parent", "ancestors"})
        )
        return info.context.register_batch(roots)

    @strawberry.field(
        description="The category with this id or slug, or null. Pass exactly one of them.",
        directives=[Cost(field=200)],
    )
    def category(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID | None, strawberry.argument(description="`id` or `databaseId` of the category.")
        ] = None,
        slug: Annotated[str | None, strawberry.argument(description="Slug of the category.")] = None,
    ) -> Category | None:
        if (id is None) == (slug is None):
            raise Invalid(_("Pass exactly one of id and slug."), field="id")
        category_id = None if id is None else parse_object_id(id, "Category", field="id")
        return selectors.get_category(id=category_id, slug=slug)

    @strawberry.field(description="All brands, ordered by name.", directives=[Cost(field=500)])
    def brands(
        self, first: First = 20, after: After = None, last: Last = None, before: Before = None
    ) -> BrandConnection:
        window = Window.from_arguments(
            first=first if last is None else None, after=after, last=last, before=before
        )
        return BrandConnection(page=selectors.list_brands(window))

    @strawberry.field(
        description="The brand with this id or slug, or null. Pass exactly one of them.",
        directives=[Cost(field=200)],
    )
    def brand(
        self,
        id: Annotated[
            strawberry.ID | None, strawberry.argument(description="`id` or `databaseId` of the brand.")
        ] = None,
        slug: Annotated[str | None, strawberry.argument(description="Slug of the brand.")] = None,
    ) -> Brand | None:
        brand_id = None if id is None else parse_object_id(id, "Brand", field="id")
        return selectors.get_brand(id=brand_id, slug=slug)


def _read_tree(depth: int | None, with_counts: bool, with_parents: bool) -> list[selectors.CategoryRow]:
    return selectors.read_category_tree(depth, with_counts=with_counts, with_parents=with_parents)


def _parse_category_id(text: str) -> int:
    number = parse_object_id(text, "Category", field="category")
    if not number:
        raise NotFound(_("Category %(key)r does not exist."), field="category", params={"key": text[:100]})
    return number


def _parse_brand_id(text: str) -> int:
    number = parse_object_id(text, "Brand", field="brands")
    if not number:
        raise NotFound(_("Brand %(key)r does not exist."), field="brands", params={"key": text[:100]})
    return number


def _parse_characteristics(
    filters: list[CharacteristicFilter],
) -> dict[tuple[str, str | None], list[str]]:
    """Return accepted values by name and unit."""
    values: dict[tuple[str, str | None], list[str]] = {}
    for filter in filters:
        if (filter.name, filter.unit) in values:
            raise Invalid(
                _("Characteristic %(name)r must be filtered only once."),
                field="characteristics",
                params={"name": filter.name[:100]},
            )
        values[filter.name, filter.unit] = filter.values
    return values
