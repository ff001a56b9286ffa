"""REST endpoints of the catalogue, on the same selectors as GraphQL."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from django.http import HttpRequest
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from ninja import Body, Query, Router, Schema
from ninja.decorators import decorate_view
from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema, field_validator

from backend.catalog import models, selectors
from backend.catalog.renditions import WIDTHS
from backend.core.errors import Invalid, NotFound, TooLong, map_error_fields
from backend.core.identifiers import MAX_ID, parse_id
from backend.core.pagination import Window
from backend.core.response_cache import cache_responses
from backend.core.rest import (
    Cursor,
    PageSize,
    ResponseModel,
    StrictDecimal,
    declare_problems,
    make_money_schema,
    parse_query_text,
)
from backend.recommendations.models import Recommendation
from backend.recommendations.selectors import read_related

# The catalogue is public: an expired access token does not prevent its reading.
router = Router(tags=["catalogue"], auth=None)

Kind = Recommendation.Kind
# The length of both recommendation lists of a product card.
RECOMMENDATIONS = 10

# The number of `characteristics` parameters. Request lines have a limit too.
MAX_QUERY_PAIRS = 100
# A label and a value. A backslash escapes colons in the label.
_PAIR = re.compile(r"((?:[^:\\]|\\.)*):(.*)", re.DOTALL)

# Names of the REST parameters, by parameter of `Window.from_arguments`.
_PAGE_ARGUMENTS = {"first": ["limit"], "after": ["cursor"]}
# Names of the REST parameters, by parameter of `list_products`.
_LIST_ARGUMENTS = {"brands": ["brand"]}


class Sort(StrEnum):
    """Sort orders. Without one, a search is sorted by relevance and other lists newest first."""

    PRICE = "price"
    PRICE_DESCENDING = "-price"
    NAME = "name"
    NEWEST = "newest"
    POPULAR = "popular"
    DISCOUNT = "discount"
    RELEVANCE = "relevance"


_SORTS = {
    Sort.PRICE: selectors.ProductSort.PRICE_ASC,
    Sort.PRICE_DESCENDING: selectors.ProductSort.PRICE_DESC,
    Sort.NAME: selectors.ProductSort.NAME,
    Sort.NEWEST: selectors.ProductSort.NEWEST,
    Sort.POPULAR: selectors.ProductSort.POPULAR,
    Sort.DISCOUNT: selectors.ProductSort.DISCOUNT,
    Sort.RELEVANCE: selectors.ProductSort.RELEVANCE,
}


class Rendition(ResponseModel):
    """A resized copy of a picture."""

    width: int = Field(description="Width in pixels.")
    height: int = Field(description="Height in pixels.")
    webp: str = Field(description="URL of the WebP file.")
    jpeg: str = Field(description="URL of the JPEG file.")


class Image(ResponseModel):
    """A picture. URLs are immutable and can be cached indefinitely."""

    url: str = Field(description="URL of the original.")
    alt: str = Field(description="Alternative text. Falls back to the name of the product or category.")
    width: int = Field(description="Width of the original, in pixels.")
    height: int = Field(description="Height of the original, in pixels.")
    renditions: list[Rendition] = Field(
        description=f"Resized copies, smallest first: {', '.join(map(str, WIDTHS[:-1]))} and {WIDTHS[-1]} "
        "pixels wide, never wider than the original. Empty for a few seconds after an upload."
    )
    srcset: Annotated[str, BeforeValidator(lambda srcset: srcset())] = Field(
        description="WebP copies for the `srcset` attribute of `<img>`. Only the original until they exist."
    )


class Characteristic(ResponseModel):
    """A characteristic of a product, such as Volume: 350 ml."""

    name: str = Field(description="Name of the characteristic.")
    value: str = Field(description="Value, without the unit.")
    unit: str = Field(description="Unit of the value; empty if it has none.")


def _convert_characteristics(characteristics: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value, "unit": unit} for name, value, unit in characteristics]


class CategoryName(ResponseModel):
    """A reference to a category."""

    id: int = Field(description="Id of the category.")
    name: str = Field(description="Name of the category.")
    slug: str = Field(description="Unique name for URLs.")


class BrandName(ResponseModel):
    """A reference to a brand."""

    id: int = Field(description="Id of the brand.")
    name: str = Field(description="Unique name.")
    slug: str = Field(description="Unique name for URLs.")


class Product(ResponseModel):
    """A product in a list."""

    id: int = Field(description="Id of the product.")
    sku: str = Field(description="Unique stock keeping unit.")
    slug: str = Field(description="Unique name for URLs.")
    name: str = Field(description="Name of the product.")
    description: str = Field(description="Description as plain text; may be empty.")
    price: Decimal = Field(
        description="Current price of one unit, with two decimals, in `currency`.", examples=["28.99"]
    )
    compare_at_price: Decimal | None = Field(
        description="Former price in `currency`, shown crossed out; null if the product is not on sale.",
        examples=["34.99"],
    )
    is_on_sale: bool = Field(
        description="True if the product has a `compare_at_price`, so that its price is reduced."
    )
    is_new: bool = Field(
        description="True if the product was created within the last `NEW_PRODUCT_DAYS` days, 30 by default."
    )
    currency: str = Field(description="ISO 4217 code of the currency of the shop.", examples=["RUB"])
    brand: BrandName | None = Field(description="Brand of the product; null if it has none.")
    category: CategoryName | None = Field(description="Category of the product; null if it has none.")
    image: Image | None = Field(description="Main picture; null if there is none.")
    characteristics: Annotated[list[Characteristic], BeforeValidator(_convert_characteristics)] = Field(
        description="Characteristics in display order."
    )
    in_stock: bool = Field(description="True if at least one unit is in stock.")
    available_quantity: int = Field(
        description=f"Number of units in stock, reported as {models.MAX_SHOWN_STOCK} if there are more."
    )


class ProductCard(Product):
    """A product with all its details."""

    images: list[Image] = Field(
        validation_alias="pictures", description="All pictures in order; `image` is the first."
    )
    similar: list[Product] = Field(
        description="Related products that staff have chosen, then products with similar content, most "
        "similar first."
    )
    bought_together: list[Product] = Field(
        description="Products that customers often buy together with this one."
    )
    category_path: list[CategoryName] = Field(
        description="Path from the root category to the category of the product, for breadcrumbs."
    )
    seo_title: str = Field(
        description="Title of the page for search engines; empty if staff have not written one."
    )
    seo_description: str = Field(
        description="Description of the page for search engines; empty if staff have not written one."
    )
    created_at: datetime = Field(description="Creation time of the product.")
    updated_at: datetime = Field(description="Time of the last change.")


@dataclass(frozen=True, slots=True)
class _Card:
    """A product with the lists of its card, whose other attributes are those of the product."""

    product: selectors.ProductRow
    category_path: Sequence[selectors.CategoryRow]
    similar: Sequence[selectors.ProductRow]
    bought_together: Sequence[selectors.ProductRow]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.product, name)


class ProductPage(ResponseModel):
    """A page of products."""

    items: list[Product] = Field(description="Products of the page.")
    total: int = Field(
        description="Number of matching products on all pages. Exact up to "
        f"{selectors.EXACT_COUNT_LIMIT}; a larger number may be up to twice `CATALOG_CACHE_SECONDS` old, 60 "
        "seconds by default."
    )
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last page.")


class CategoryNode(CategoryName):
    """A category with its subtree."""

    image: Image | None = Field(
        validation_alias="picture", description="Picture of the category; null if it has none."
    )
    product_count: int = Field(
        description="Number of published products in the category and all its subcategories. Exact if all "
        f"numbers add up to at most {selectors.EXACT_COUNT_LIMIT}; otherwise they may be up to "
        "twice `CATALOG_CACHE_SECONDS` old, 60 seconds by default."
    )
    children: list["CategoryNode"] = Field(description="Direct subcategories, in the order chosen by staff.")


def _wrap_single_values(value: Any) -> Any:
    """Accept a single value as a list of one, and refuse long lists before Pydantic reads their items."""
    if not isinstance(value, dict):
        return value
    if len(value) > selectors.MAX_CHARACTERISTICS:
        raise TooLong(
            f"characteristics must have at most {selectors.MAX_CHARACTERISTICS} names, not {len(value)}.",
            field="characteristics",
        )
    for values in value.values():
        if isinstance(values, list) and len(values) > selectors.MAX_CHARACTERISTIC_VALUES:
            raise TooLong(
                f"A characteristic must have at most {selectors.MAX_CHARACTERISTIC_VALUES} values, "
                f"not {len(values)}.",
                field="characteristics",
            )
    return {name: [values] if isinstance(values, str) else values for name, values in value.items()}


def _check_id_or_slug(value: Any, name: str) -> int | str:
    # JSON has one type of numbers, so 5.0 is an integer.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{name} must be an id or a slug")
    return value


def _list_ids_or_slugs(value: Any) -> Any:
    """Accept a single id or slug as a list of one, and null as an empty list."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if len(values) > selectors.MAX_BRANDS:
        raise TooLong(
            f"A list can be filtered by at most {selectors.MAX_BRANDS} brands, not {len(values)}.",
            field="brand",
        )
    return [_check_id_or_slug(item, "brand") for item in values]


_TEXT = {"type": "string", "pattern": r"^[^\x00]*$"}
_ID_OR_SLUG = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_ID}, {"type": "string"}]}

_IdOrSlug = Annotated[
    str,
    BeforeValidator(lambda value: str(_check_id_or_slug(value, "category"))),
    WithJsonSchema({**_ID_OR_SLUG, "examples": ["electronics"]}),
]
_Brands = Annotated[
    list[int | str],
    BeforeValidator(_list_ids_or_slugs),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": _ID_OR_SLUG, "maxItems": selectors.MAX_BRANDS},
                {"type": "null"},
            ],
            "examples": [["minnowby"]],
        }
    ),
]
_ProductId = Annotated[
    str, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_ID, "examples": [1]})
]
_Price = Annotated[StrictDecimal, make_money_schema(models.MAX_PRICE)]
_SearchText = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": selectors.MAX_SEARCH_LENGTH,
            "examples": ["bluetooth headphones"],
        }
    ),
]
_Characteristics = Annotated[
    dict[str, list[str]],
    BeforeValidator(_wrap_single_values),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": selectors.MAX_CHARACTERISTICS,
            "propertyNames": _TEXT,
            "additionalProperties": {
                "anyOf": [
                    _TEXT,
                    {
                        "type": "array",
                        "items": _TEXT,
                        "minItems": 1,
                        "maxItems": selectors.MAX_CHARACTERISTIC_VALUES,
                    },
                ]
            },
            "examples": [{"Color": ["black", "white"], "Connection": "Bluetooth"}],
        }
    ),
]
_Pairs = Annotated[
    list[str],
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": r"^(?:[^\x00:\\]|\\[^\x00])*:[^\x00]*$",
                "examples": ["Color:black", "Color:white"],
            },
            "maxItems": MAX_QUERY_PAIRS,
        }
    ),
]


class _Filters(Schema):
    category: _IdOrSlug | None = Field(
        None, description="Id or slug of a category. Without it, the whole shop is listed."
    )
    include_subcategories: StrictBool = Field(True, description="True to list products of subcategories too.")
    price_min: _Price | None = Field(None, description="Lowest price, inclusive.", examples=["1000"])
    price_max: _Price | None = Field(None, description="Highest price, inclusive.", examples=["19999.99"])
    sort: Sort | None = Field(
        None, description="Sort order. Defaults to `relevance` with a search, else to `newest`."
    )
    search: _SearchText | None = Field(
        None,
        description="Words to search for in names, SKUs, characteristics and descriptions, at most "
        f"{selectors.MAX_SEARCH_LENGTH} characters. The first {selectors.MAX_SEARCH_WORDS} words count. If "
        "no product contains all of them, misspelt words match similar words in names.",
    )
    in_stock: StrictBool | None = Field(
        None,
        description="True lists products in stock, false those out of stock. Without it, both are listed.",
    )
    on_sale: StrictBool | None = Field(
        None,
        description="True lists products on sale, with a `compare_at_price`; false those without. Without "
        "it, both are listed.",
    )
    is_new: StrictBool | None = Field(
        None,
        description="True lists new products, with `is_new`; false older ones. Without it, both are listed.",
    )
    brand: _Brands = Field(
        [],
        description="Ids or slugs of brands. Lists the products of any of them; without it, those of all "
        "brands.",
    )
    limit: PageSize = Field(20, description="Page size, 1 to 100.")
    cursor: Cursor | None = Field(None, description="`next_cursor` of the previous page.")


class ProductsBody(_Filters):
    """The products to list."""

    model_config = ConfigDict(
        extra="forbid",
        # Swagger UI prefills the example. Without it, it would prefill placeholders that are refused.
        json_schema_extra={"examples": [{"category": "electronics", "price_max": "10000", "sort": "price"}]},
    )

    characteristics: _Characteristics = Field(
        {},
        description="Accepted values, by `Name` or `Name (unit)` of the characteristic. `Name` stands for "
        "the characteristic without a unit or, if there is none, for those with any unit. To filter by a "
        "name that ends with parentheses, add an empty unit: `Size (EU) ()`. In a unit, write parentheses as "
        "`\\(` and `\\)`.",
    )


EMPTY_PRODUCTS_BODY = ProductsBody.model_validate({})


class ProductsQuery(_Filters):
    characteristics: _Pairs = Field(
        [],
        description="`Name:value` or `Name (unit):value`; see `POST /products`. Write a colon in a name as "
        "`\\:`. Repeat the parameter for more values.",
    )

    @field_validator("include_subcategories", "in_stock", "on_sale", "is_new", "limit", mode="before")
    @classmethod
    def _parse_text(cls, value: Any) -> Any:
        return parse_query_text(value)


def _parse_category(value: str | None) -> int | str | None:
    """Parse an id or slug. Digits are an id, unless a category has them as its slug."""
    if value is not None and parse_id(value) and not selectors.is_category_slug(value):
        return parse_id(value)
    return value


def _read_products(filters: _Filters, characteristics: dict[str, list[str]]) -> dict[str, Any]:
    with map_error_fields(_PAGE_ARGUMENTS | _LIST_ARGUMENTS):
        products = selectors.list_products(
            category=_parse_category(filters.category),
            include_subcategories=filters.include_subcategories,
            search=filters.search,
            price_min=filters.price_min,
            price_max=filters.price_max,
            in_stock=filters.in_stock,
            on_sale=filters.on_sale,
            is_new=filters.is_new,
            brands=filters.brand,
            characteristics=characteristics,
        )
        window = Window.from_arguments(first=filters.limit, after=filters.cursor)
        page = products.read_page(_SORTS[filters.sort] if filters.sort else None, window)
    return {
        "items": page.items,
        "total": products.count_total(),
        "next_cursor": page.end_cursor if page.has_next else None,
    }


def _require_revalidation(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let clients and proxies cache the response, but revalidate it by its ETag each time."""
    return cache_control(public=True, max_age=0, must_revalidate=True)(conditional_page(view))


_PROBLEMS = declare_problems(400, 404, 415, 422, 503)


@router.post(
    "/products",
    response={200: ProductPage, **_PROBLEMS},
    operation_id="productsSearch",
    summary="List products",
)
@decorate_view(cache_responses)
def search_products(request: HttpRequest, payload: Body[ProductsBody] = EMPTY_PRODUCTS_BODY) -> Any:
    """Filter, sort and page through the published products of a category or of the whole shop."""
    return _read_products(payload, payload.characteristics)


@router.get(
    "/products",
    response={200: ProductPage, **_PROBLEMS},
    operation_id="productsList",
    summary="List products, cacheable",
)
@decorate_view(cache_responses, _require_revalidation)
def list_products(request: HttpRequest, payload: Query[ProductsQuery]) -> Any:
    """Same as `POST /products`, with query parameters. The response has an `ETag` for revalidation."""
    for name in request.GET:
        if name not in ProductsQuery.model_fields:
            # Ignoring a misspelt filter would list everything.
            raise Invalid(f"Unknown parameter {name[:100]!r}.", field=name[:100])
    if len(payload.characteristics) > MAX_QUERY_PAIRS:
        raise TooLong(
            f"characteristics must be repeated at most {MAX_QUERY_PAIRS} times, "
            f"not {len(payload.characteristics)}.",
            field="characteristics",
        )
    characteristics: dict[str, list[str]] = {}
    for pair in payload.characteristics:
        match = _PAIR.fullmatch(pair)
        if not match:
            raise Invalid("characteristics must have the form Name:value.", field="characteristics")
        characteristics.setdefault(match[1].replace("\\:", ":"), []).append(match[2])
    return _read_products(payload, characteristics)


@router.get(
    "/product",
    response={200: ProductCard, **_PROBLEMS},
    operation_id="productGet",
    summary="Get a product",
)
@decorate_view(cache_responses, _require_revalidation)
def show_product(
    request: HttpRequest,
    id: _ProductId | None = Query(None, description="Id of the product."),
    slug: str | None = Query(None, description="Slug of the product."),
    sku: str | None = Query(None, description="Stock keeping unit of the product."),
) -> Any:
    """Get the published product with this `id`, `slug` or `sku`. Pass exactly one of them."""
    product = selectors.get_product(id=None if id is None else parse_id(id), slug=slug, sku=sku)
    if product is None:
        raise NotFound(
            "The product does not exist.",
            field=next(name for name in ("id", "slug", "sku") if name in request.GET),
        )
    lists = read_related([Kind.SIMILAR, Kind.BOUGHT_TOGETHER], [product], RECOMMENDATIONS)
    return _Card(
        product=product,
        category_path=selectors.read_category_path(product.category_id),
        similar=lists[Kind.SIMILAR, product.pk],
        bought_together=lists[Kind.BOUGHT_TOGETHER, product.pk],
    )


@router.get(
    "/categories",
    response={200: list[CategoryNode], **_PROBLEMS},
    operation_id="categoriesList",
    summary="Get the category tree",
)
@decorate_view(cache_responses, _require_revalidation)
def show_categories(request: HttpRequest) -> Any:
    """Get the whole category tree, nested, with product counts."""
    return selectors.read_category_tree(with_counts=True)
