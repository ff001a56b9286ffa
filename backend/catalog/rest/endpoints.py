"""REST endpoints of the catalogue, on the same selectors as GraphQL."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from ninja import Body, Query, Router
from ninja.decorators import decorate_view

from backend.catalog import selectors
from backend.catalog.rest.parameters import (
    EMPTY_PRODUCTS_BODY,
    MAX_QUERY_PAIRS,
    PAIR,
    SORTS,
    BrandId,
    Filters,
    ProductId,
    ProductsBody,
    ProductsQuery,
    parse_category,
)
from backend.catalog.rest.responses import Brand, Card, CategoryNode, ProductCard, ProductPage
from backend.core.errors import Invalid, NotFound, TooLong, map_error_fields
from backend.core.identifiers import parse_id
from backend.core.pagination import Window
from backend.core.response_cache import cache_responses
from backend.core.rest import declare_problems
from backend.recommendations.models import Recommendation
from backend.recommendations.selectors import read_related

# The catalogue is public: an expired access token does not prevent its reading.
router = Router(tags=["catalogue"], auth=None)

Kind = Recommendation.Kind
# The length of both recommendation lists of a product card.
RECOMMENDATIONS = 10

# Names of the REST parameters, by parameter of `Window.from_arguments`.
_PAGE_ARGUMENTS = {"first": ["limit"], "after": ["cursor"]}
# Names of the REST parameters, by parameter of `list_products`.
_LIST_ARGUMENTS = {"brands": ["brand"]}


def _read_products(filters: Filters, characteristics: dict[str, list[str]]) -> dict[str, Any]:
    with map_error_fields(_PAGE_ARGUMENTS | _LIST_ARGUMENTS):
        products = selectors.list_products(
            category=parse_category(filters.category),
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
        page = products.read_page(SORTS[filters.sort] if filters.sort else None, window)
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
            raise Invalid(_("Unknown parameter %(name)r."), field=name[:100], params={"name": name[:100]})
    if len(payload.characteristics) > MAX_QUERY_PAIRS:
        raise TooLong(
            _("characteristics must be repeated at most %(maximum)s times, not %(length)s."),
            field="characteristics",
            params={"maximum": MAX_QUERY_PAIRS, "length": len(payload.characteristics)},
        )
    characteristics: dict[str, list[str]] = {}
    for pair in payload.characteristics:
        match = PAIR.fullmatch(pair)
        if not match:
            raise Invalid(_("characteristics must have the form Name:value."), field="characteristics")
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
    id: ProductId | None = Query(None, description="Id of the product."),
    slug: str | None = Query(None, description="Slug of the product."),
    sku: str | None = Query(None, description="Stock keeping unit of the product."),
) -> Any:
    """Get the published product with this `id`, `slug` or `sku`. Pass exactly one of them."""
    product = selectors.get_product(id=None if id is None else parse_id(id), slug=slug, sku=sku)
    if product is None:
        raise NotFound(
            _("The product does not exist."),
            field=next(name for name in ("id", "slug", "sku") if name in request.GET),
        )
    lists = read_related([Kind.SIMILAR, Kind.BOUGHT_TOGETHER], [product], RECOMMENDATIONS)
    return Card(
        product=product,
        category_path=selectors.read_category_path(product.category_id),
        similar=lists[Kind.SIMILAR, product.pk],
        bought_together=lists[Kind.BOUGHT_TOGETHER, product.pk],
    )


@router.get(
    "/brand",
    response={200: Brand, **_PROBLEMS},
    operation_id="brandGet",
    summary="Get a brand",
)
@decorate_view(cache_responses, _require_revalidation)
def show_brand(
    request: HttpRequest,
    id: BrandId | None = Query(None, description="Id of the brand."),
    slug: str | None = Query(None, description="Slug of the brand."),
) -> Any:
    """Get the brand with this `id` or `slug`. Pass exactly one of them.

    `GET /products?brand=` lists its products.
    """
    brand = selectors.read_brand_details(id=None if id is None else parse_id(id), slug=slug)
    if brand is None:
        raise NotFound(_("The brand does not exist."), field="slug" if id is None else "id")
    return brand


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
