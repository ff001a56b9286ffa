"""GraphQL types of brands, with the batches in which their texts and counts are read."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import strawberry
import strawberry_django
from strawberry import auto

from backend.catalog import models, selectors
from backend.core.graphql import Batch, Cost, Edge, Info, Node, PageInfo, make_edges
from backend.core.identifiers import parse_id
from backend.core.pagination import Page

_Brand = models.Brand | selectors.BrandRow


@strawberry_django.type(models.Brand)
class Brand(Node):
    """A brand of products."""

    id: strawberry.ID = strawberry_django.field(
        field_name="global_id", description="Opaque id, unique among all types."
    )
    database_id: int = strawberry_django.field(
        field_name="id", description="Id of the brand in the REST API."
    )
    name: auto = strawberry_django.field(description="Unique name.")
    slug: auto = strawberry_django.field(description="Unique name for URLs.")

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return isinstance(value, cls | models.Brand | selectors.BrandRow)

    @strawberry_django.field(description="Description as plain text; may be empty.")
    def description(self: _Brand, info: Info) -> str:
        return _get_texts(info, self)[0]

    @strawberry_django.field(
        description="Title of the page for search engines; empty if staff have not written one."
    )
    def seo_title(self: _Brand, info: Info) -> str:
        return _get_texts(info, self)[1]

    @strawberry_django.field(
        description="Description of the page for search engines; empty if staff have not written one."
    )
    def seo_description(self: _Brand, info: Info) -> str:
        return _get_texts(info, self)[2]

    @strawberry_django.field(
        description="Number of published products of the brand. Exact if the numbers of a list add up to at "
        f"most {selectors.EXACT_COUNT_LIMIT}; otherwise they may be up to twice `CATALOG_CACHE_SECONDS` old, "
        "60 seconds by default.",
        directives=[Cost(field=25)],
    )
    def product_count(self: _Brand, info: Info) -> int:
        return info.context.call_once(_count_products, info.context.get_batch(self)).get(self.pk, 0)

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, selectors.BrandRow]:
        brands = info.context.register_batch(selectors.get_brands([parse_id(key) for key in keys]))
        return {str(brand.pk): brand for brand in brands}


def _get_texts(info: Info, brand: _Brand) -> tuple[str, str, str]:
    texts = info.context.call_once(_read_texts, info.context.get_batch(brand))
    return texts.get(brand.pk, ("", "", ""))


def _read_texts(batch: Batch) -> Mapping[int, tuple[str, str, str]]:
    return selectors.read_brand_texts(_list_ids(batch))


def _count_products(batch: Batch) -> Mapping[int, int]:
    return selectors.count_brand_products(_list_ids(batch))


def _list_ids(batch: Batch) -> Set[int]:
    return {brand.pk for brand in batch.items}


@strawberry.type
class BrandConnection:
    """A page of brands."""

    page: strawberry.Private[Page[selectors.BrandRow]]

    @strawberry.field(description="Brands of the page with their cursors.", directives=[Cost(item=2)])
    def edges(self, info: Info) -> list[Edge[Brand]]:
        info.context.register_batch(self.page.items)
        return make_edges(self.page)

    @strawberry.field(description="Brands of the page, without cursors.", directives=[Cost(item=2)])
    def nodes(self, info: Info) -> list[Brand]:
        return info.context.register_batch(self.page.items)

    @strawberry.field(description="Position of the page in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo.from_page(self.page)
