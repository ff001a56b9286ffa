"""GraphQL types of product lists: filters, pages and facets."""

from decimal import Decimal

import strawberry

from backend.catalog import selectors
from backend.catalog.graphql.brands import Brand
from backend.catalog.graphql.types import Category, Product, register_products
from backend.core.graphql import Constraint, Cost, Edge, Info, PageInfo, describe_enum, make_edges
from backend.core.pagination import Page

describe_enum(
    selectors.ProductSort,
    "Sort orders of a product list.",
    {
        "PRICE_ASC": "By price, lowest first.",
        "PRICE_DESC": "By price, highest first.",
        "NAME": "By name.",
        "NEWEST": "By creation date, newest first.",
        "POPULAR": "By units sold in the last 30 days, most first.",
        "DISCOUNT": "By discount in percent, highest first; products that are not on sale come last.",
        "RELEVANCE": "By relevance to the search, best match first. Requires a search.",
    },
)


@strawberry.type
class FacetValue:
    """A value of a characteristic facet."""

    value: str = strawberry.field(description="Value to pass to `CharacteristicFilter.values`.")
    count: int = strawberry.field(description="Number of products that filtering by this value alone lists.")


@strawberry.type
class CharacteristicFacet:
    """A characteristic by which the list can be filtered."""

    name: str = strawberry.field(description="Name of the characteristic.")
    unit: str = strawberry.field(description="Unit of the values; empty if there is none.")
    values: list[FacetValue] = strawberry.field(description="Most frequent values first, at most 50.")


@strawberry.type
class CategoryFacet:
    """A direct subcategory of the listed category that contains listed products."""

    category: Category = strawberry.field(description="The subcategory.")
    count: int = strawberry.field(description="Number of listed products in it and its subcategories.")


@strawberry.type
class BrandFacet:
    """A brand of listed products."""

    brand: Brand = strawberry.field(description="The brand.")
    count: int = strawberry.field(
        description="Number of products in the list if it is filtered by this brand alone."
    )


@strawberry.type
class Facets:
    """Facets of a product list. Each facet applies all filters except its own."""

    characteristics: list[CharacteristicFacet] = strawberry.field(
        description="Characteristics by which the list can be filtered."
    )
    price_min: Decimal | None = strawberry.field(description="Lowest price; null if the list is empty.")
    price_max: Decimal | None = strawberry.field(description="Highest price; null if the list is empty.")
    on_sale_count: int = strawberry.field(
        description="Number of products on sale; filtering by `onSale` lists them."
    )
    categories: list[CategoryFacet] = strawberry.field(
        description="Direct subcategories that contain listed products."
    )
    brands: list[BrandFacet] = strawberry.field(description="Most frequent brands first, at most 50.")


@strawberry.input
class PriceRange:
    """A price range in the currency of the shop. Both bounds are inclusive and optional."""

    min: Decimal | None = strawberry.field(default=None, description="Lowest price.")
    max: Decimal | None = strawberry.field(default=None, description="Highest price.")


@strawberry.input
class CharacteristicFilter:
    """A filter for products that have one of the values of a characteristic."""

    name: str = strawberry.field(description="Name of the characteristic.")
    values: list[str] = strawberry.field(
        description=f"Accepted values, 1 to {selectors.MAX_CHARACTERISTIC_VALUES}, as returned by facets.",
        directives=[Constraint(max_items=selectors.MAX_CHARACTERISTIC_VALUES)],
    )
    unit: str | None = strawberry.field(
        default=None,
        description="Unit, as returned by facets; empty for the characteristic without a unit. If null, the "
        "characteristic without a unit is meant or, if there is none, those with this name and any unit.",
    )


@strawberry.input
class ProductFilter:
    """Filters of a product list. All of them must match."""

    search: str | None = strawberry.field(
        default=None,
        description="Words to search for in names, SKUs, brands, characteristics and descriptions, at most "
        f"{selectors.MAX_SEARCH_LENGTH} characters. The first {selectors.MAX_SEARCH_WORDS} words count. If "
        "no product contains all of them, misspelt words match similar words in names.",
    )
    price: PriceRange | None = strawberry.field(default=None, description="Price range.")
    in_stock: bool | None = strawberry.field(
        default=None, description="True lists products in stock, false those out of stock, null both."
    )
    on_sale: bool | None = strawberry.field(
        default=None,
        description="True lists products on sale, with a `compareAtPrice`; false those without, null both.",
    )
    is_new: bool | None = strawberry.field(
        default=None,
        description="True lists new products, with `isNew`; false older ones, null both.",
    )
    brands: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="`id` or `databaseId` of brands, at most "
        f"{selectors.MAX_BRANDS}. Lists the products of any of them; all products if the list is empty.",
        directives=[Constraint(max_items=selectors.MAX_BRANDS)],
    )
    characteristics: list[CharacteristicFilter] | None = strawberry.field(
        default=None,
        description=f"Characteristics, at most {selectors.MAX_CHARACTERISTICS}. A product must match each of "
        "them.",
        directives=[Constraint(max_items=selectors.MAX_CHARACTERISTICS)],
    )


@strawberry.type
class ProductConnection:
    """A page of products. `totalCount` and `facets` are computed only if selected."""

    page: strawberry.Private[Page[selectors.ProductRow]]
    products: strawberry.Private[selectors.ProductList]

    @strawberry.field(description="Products of the page with their cursors.", directives=[Cost(item=5)])
    def edges(self, info: Info) -> list[Edge[Product]]:
        register_products(info.context, self.page.items)
        return make_edges(self.page)

    @strawberry.field(description="Products of the page, without cursors.", directives=[Cost(item=5)])
    def nodes(self, info: Info) -> list[Product]:
        return register_products(info.context, self.page.items)

    @strawberry.field(description="Position of the page in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo.from_page(self.page)

    @strawberry.field(
        description=f"Number of products on all pages. Exact up to {selectors.EXACT_COUNT_LIMIT}; a larger "
        "number may be up to twice `CATALOG_CACHE_SECONDS` old, 60 seconds by default.",
        directives=[Cost(field=500)],
    )
    def total_count(self) -> int:
        return self.products.count_total()

    @strawberry.field(
        description="Values by which the list can be filtered further, with product counts.",
        directives=[Cost(field=10_000)],
    )
    def facets(self, info: Info) -> Facets:
        facets = selectors.read_facets(self.products)
        info.context.register_batch([facet.category for facet in facets.categories])
        info.context.register_batch([facet.brand for facet in facets.brands])
        return facets
