"""The catalogue in REST: the same selectors as GraphQL, under the names that legacy clients use."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from django.http import HttpRequest
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from ninja import Body, Query, Router, Schema
from ninja.decorators import decorate_view
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from backend.catalog import models, selectors
from backend.catalog.renditions import WIDTHS, Picture
from backend.core.errors import Invalid, NotFound, fields_named
from backend.core.identifiers import parse_id
from backend.core.pagination import Window
from backend.core.rest import Problem, Shown
from backend.recommendations.models import Recommendation
from backend.recommendations.selectors import read_related

router = Router(tags=["catalogue"])

Kind = Recommendation.Kind
# How many similar products, and products bought together, a card shows.
RECOMMENDED = 10

# What the parameters of a page are called here.
_PAGE_ARGUMENTS = {"first": ["limit"], "after": ["cursor"]}


class Sort(StrEnum):
    """The orders of a list; without one it is by relevance when searching, else newest first."""

    PRICE = "price"
    PRICE_DESCENDING = "-price"
    NAME = "name"
    NEWEST = "newest"
    POPULAR = "popular"
    RELEVANCE = "relevance"


_SORTS = {
    Sort.PRICE: selectors.ProductSort.PRICE_ASC,
    Sort.PRICE_DESCENDING: selectors.ProductSort.PRICE_DESC,
    Sort.NAME: selectors.ProductSort.NAME,
    Sort.NEWEST: selectors.ProductSort.NEWEST,
    Sort.POPULAR: selectors.ProductSort.POPULAR,
    Sort.RELEVANCE: selectors.ProductSort.RELEVANCE,
}


class Rendition(Shown):
    """A picture in one width, as a WebP and as a JPEG."""

    width: int
    height: int
    webp: str
    jpeg: str


class Image(Shown):
    """A picture. Whatever address it tells can be kept for ever: what is behind it never changes."""

    url: str = Field(description="The original, which is `width` × `height` pixels.")
    alt: str = Field(
        description="What is seen in it; the product's or category's name where staff wrote nothing."
    )
    width: int
    height: int
    renditions: list[Rendition] = Field(
        description=f"The smallest first, {', '.join(map(str, WIDTHS[:-1]))} and {WIDTHS[-1]} pixels wide, "
        "never wider than the original; none in the seconds after an upload."
    )
    srcset: Annotated[str, BeforeValidator(lambda srcset: srcset())] = Field(
        description="The WebP renditions for an `<img>`; the original until there are any."
    )


class Characteristic(Shown):
    name: str
    value: str
    unit: str


def _named(characteristics: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value, "unit": unit} for name, value, unit in characteristics]


class CategoryName(Shown):
    id: int
    name: str
    slug: str


class Product(Shown):
    """A product as lists show it."""

    id: int
    sku: str
    slug: str
    name: str
    description: str
    price: Decimal = Field(examples=["28.99"])
    currency: str = Field(examples=["RUB"])
    category: CategoryName | None
    image: Image | None
    characteristics: Annotated[list[Characteristic], BeforeValidator(_named)]
    in_stock: bool
    available_quantity: int = Field(description=f"At most {models.MAX_SHOWN_STOCK} are told.")


def _pictures(images: Any) -> list[Picture]:
    return [image.picture for image in images.all()]


class ProductCard(Product):
    """Everything about one product."""

    images: Annotated[list[Image], BeforeValidator(_pictures)]
    similar: list[Product] = Field(description="Like it, whether anybody has bought it or not.")
    bought_together: list[Product] = Field(description="What those who bought it bought with it.")
    category_path: list[CategoryName] = Field(description="From the root to the product's own category.")
    created_at: datetime
    updated_at: datetime


class ProductPage(Shown):
    items: list[Product]
    total: int = Field(description="How many products match, on all pages.")
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


class CategoryNode(CategoryName):
    """A category with everything below it."""

    image: Image | None
    product_count: int = Field(description="How many products are in it and below.")
    children: list["CategoryNode"]


def _one_or_more(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: [values] if isinstance(values, str) else values for name, values in value.items()}
    return value


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("This is not a number.")
    return value


def _id_or_slug(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("This is neither an identifier nor a slug.")
    return str(value)


_IdOrSlug = Annotated[
    str,
    BeforeValidator(_id_or_slug),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
]


class _Filters(Schema):
    category: _IdOrSlug | None = Field(None, description="Identifier or slug.")
    include_subcategories: bool = True
    price_min: Decimal | None = Field(None, description="Inclusive.")
    price_max: Decimal | None = Field(None, description="Inclusive.")
    sort: Sort | None = None
    search: str | None = None
    in_stock: bool | None = None
    limit: Annotated[int, BeforeValidator(_no_boolean)] = Field(20, description="1 to 100.")
    cursor: str | None = Field(None, description="`next_cursor` of the page before.")


class ProductsBody(_Filters):
    model_config = ConfigDict(
        extra="forbid",
        # What Swagger UI fills in: without it, placeholders that are refused.
        json_schema_extra={"examples": [{"category": "electronics", "price_max": "10000", "sort": "price"}]},
    )

    characteristics: Annotated[dict[str, list[str]], BeforeValidator(_one_or_more)] = Field(
        {},
        description="Accepted values by `Name` or `Name (unit)`.",
        examples=[{"Color": ["red", "blue"], "Material": "wool"}],
    )


_EVERYTHING = ProductsBody.model_validate({})


class ProductsQuery(_Filters):
    characteristics: list[str] = Field(
        [],
        description="`Name:value` or `Name (unit):value`, repeated for more.",
        examples=[["Color:red", "Color:blue"]],
    )


def _category_of(given: str | None) -> int | str | None:
    """A text of digits is an identifier, unless some category has it for its slug."""
    if given is not None and parse_id(given) and not selectors.is_category_slug(given):
        return parse_id(given)
    return given


def _page(filters: _Filters, characteristics: dict[str, list[str]]) -> dict[str, Any]:
    with fields_named(_PAGE_ARGUMENTS):
        products = selectors.list_products(
            category=_category_of(filters.category),
            include_subcategories=filters.include_subcategories,
            search=filters.search,
            price_min=filters.price_min,
            price_max=filters.price_max,
            in_stock=filters.in_stock,
            characteristics=characteristics,
        )
        window = Window.of(first=filters.limit, after=filters.cursor)
        page = products.page(_SORTS[filters.sort] if filters.sort else None, window)
    return {
        "items": page.items,
        "total": products.total(),
        "next_cursor": page.cursors[-1] if page.has_next else None,
    }


def _revalidated(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let clients and proxies keep the answer, and ask each time whether it is still current."""
    return cache_control(public=True, max_age=0, must_revalidate=True)(conditional_page(view))


_REFUSALS = {400: Problem, 404: Problem, 415: Problem, 422: Problem, 503: Problem}


@router.post("/products", response={200: ProductPage, **_REFUSALS}, summary="List products")
def search_products(request: HttpRequest, payload: Body[ProductsBody] = _EVERYTHING) -> Any:
    """Filter, sort and page through the products of a category or of the whole shop."""
    return _page(payload, payload.characteristics)


@router.get("/products", response={200: ProductPage, **_REFUSALS}, summary="List products, cacheable")
@decorate_view(_revalidated)
def list_products(request: HttpRequest, payload: Query[ProductsQuery]) -> Any:
    """The same as `POST /products` with query parameters, and an `ETag` to revalidate by."""
    for name in request.GET:
        if name not in ProductsQuery.model_fields:
            # A misspelt filter would list everything.
            raise Invalid(f"There is no parameter {name[:100]!r}.", field=name[:100])
    characteristics: dict[str, list[str]] = {}
    for pair in payload.characteristics:
        name, colon, value = pair.partition(":")
        if not colon:
            raise Invalid("A characteristic is written Name:value.", field="characteristics")
        characteristics.setdefault(name, []).append(value)
    return _page(payload, characteristics)


@router.get("/product", response={200: ProductCard, **_REFUSALS}, summary="Show a product")
@decorate_view(_revalidated)
def show_product(
    request: HttpRequest, id: str | None = None, slug: str | None = None, sku: str | None = None
) -> Any:
    """The product card, by exactly one of `id`, `slug` and `sku`."""
    product = selectors.get_product(id=None if id is None else parse_id(id), slug=slug, sku=sku)
    if product is None:
        raise NotFound(
            "There is no such product.",
            field=next(name for name in ("id", "slug", "sku") if name in request.GET),
        )
    lists = read_related([Kind.SIMILAR, Kind.BOUGHT_TOGETHER], [product], RECOMMENDED)
    product.category_path = selectors.category_path(product.category)  # type: ignore[attr-defined]
    product.similar = lists[Kind.SIMILAR, product.pk]  # type: ignore[attr-defined]
    product.bought_together = lists[Kind.BOUGHT_TOGETHER, product.pk]  # type: ignore[attr-defined]
    return product


@router.get("/categories", response={200: list[CategoryNode], **_REFUSALS}, summary="The category tree")
@decorate_view(_revalidated)
def show_categories(request: HttpRequest) -> Any:
    """The whole tree, nested, with product counts."""
    tree = selectors.read_counted_category_tree()

    def nodes(parent_id: int | None) -> list[dict[str, Any]]:
        return [
            {
                "id": category.pk,
                "name": category.name,
                "slug": category.slug,
                "image": category.picture,
                "product_count": tree.product_counts[category.pk],
                "children": nodes(category.pk),
            }
            for category in tree.children(parent_id)
        ]

    return nodes(None)
