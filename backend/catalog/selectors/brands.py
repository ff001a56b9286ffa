"""Read brands, and find those by which a product list is filtered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from backend.catalog.models import Brand
from backend.catalog.selectors.counts import count_brand_products
from backend.catalog.selectors.rows import BRAND_COLUMNS, BrandRow
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param
from backend.core.errors import Invalid, NotFound, TooLong
from backend.core.identifiers import parse_id
from backend.core.pagination import Page, SortOrder, Window, make_page, parse_text, read_position, select_page

# The number of brands by which a list can be filtered.
MAX_BRANDS = 50

_BY_NAME = SortOrder("BRAND_NAME", "name", "id", False, parse_text)


@dataclass(slots=True, eq=False)
class BrandDetails(BrandRow):
    """A brand with the texts of its page and the number of its published products."""

    description: str
    seo_title: str
    seo_description: str
    product_count: int


def _select(brands: "QuerySet[Brand]") -> "QuerySet[Brand, tuple[Any, ...]]":
    return brands.values_list(*BRAND_COLUMNS)


_BY_ID = CompiledQuery(lambda: _select(Brand.objects.filter(id=Param("id")).order_by()))
_BY_SLUG = CompiledQuery(lambda: _select(Brand.objects.filter(slug=Param("slug")).order_by()))
_BY_IDS = CompiledQuery(lambda: _select(Brand.objects.filter(EqualsAny(F("id"), Param("ids"))).order_by()))
_TEXTS = CompiledQuery(
    lambda: (
        Brand.objects.filter(EqualsAny(F("id"), Param("ids")))
        .order_by()
        .values_list("id", "description", "seo_title", "seo_description")
    )
)


def get_brand(*, id: int | None = None, slug: str | None = None) -> BrandRow | None:
    """Return the brand with this id or slug, or None.

    Raises:
        Invalid: both or neither are given.
    """
    if (id is None) == (slug is None):
        raise Invalid(_("Pass exactly one of id and slug."), field="id")
    if id is not None:
        row = _BY_ID.first(id=id)
    else:
        slug = slug or ""
        row = None if "\0" in slug else _BY_SLUG.first(slug=slug)
    return BrandRow(*row) if row else None


def get_brands(ids: Collection[int]) -> list[BrandRow]:
    """Return the brands among these ids, in one query."""
    return [BrandRow(*row) for row in _BY_IDS.run(ids=list(ids))] if ids else []


def list_brands(window: Window) -> Page[BrandRow]:
    """Read a page of all brands, ordered by name, in one query.

    Raises:
        InvalidCursor: the cursor of the window is invalid or belongs to another list.
    """
    selected = select_page(Brand.objects.all(), _BY_NAME, window, read_position(_BY_NAME, window))
    brands = [BrandRow(*row) for row in _select(selected)]
    return make_page(brands, [(brand.name, brand.id) for brand in brands], _BY_NAME, window)


def read_brand_texts(ids: Collection[int]) -> Mapping[int, tuple[str, str, str]]:
    """Return the description, SEO title and SEO description of brands by id, in one query."""
    rows = _TEXTS.run(ids=list(ids)) if ids else []
    return {pk: (description, title, seo) for pk, description, title, seo in rows}


def read_brand_details(*, id: int | None = None, slug: str | None = None) -> BrandDetails | None:
    """Return the brand with this id or slug with its texts and the number of its products, or None.

    Raises:
        Invalid: both or neither are given.
    """
    brand = get_brand(id=id, slug=slug)
    if brand is None:
        return None
    texts = read_brand_texts([brand.pk]).get(brand.pk, ("", "", ""))
    count = count_brand_products([brand.pk]).get(brand.pk, 0)
    return BrandDetails(brand.id, brand.name, brand.slug, *texts, product_count=count)


def find_brand_ids(keys: Sequence[int | str]) -> tuple[int, ...]:
    """Return the ids of brands, in one query.

    Args:
        keys: ids (numbers) or slugs (texts). The digits of an id are also accepted as a text, unless a brand
            has them as its slug.

    Raises:
        TooLong: there are more than `MAX_BRANDS`.
        NotFound: a brand does not exist.
    """
    if len(keys) > MAX_BRANDS:
        raise TooLong(
            _("A list can be filtered by at most %(maximum)s brands, not %(length)s."),
            field="brands",
            params={"maximum": MAX_BRANDS, "length": len(keys)},
        )
    if not keys:
        return ()
    slugs = {key for key in keys if isinstance(key, str) and "\0" not in key}
    ids = {parse_id(key) for key in keys}
    rows = Brand.objects.filter(Q(id__in=ids) | Q(slug__in=slugs)).order_by().values_list("id", "slug")
    by_slug = {slug: pk for pk, slug in rows}
    known = set(by_slug.values())
    found: dict[int, None] = {}
    for key in keys:
        brand_id = by_slug.get(key) if isinstance(key, str) else None
        if brand_id is None:
            brand_id = parse_id(key)
        if brand_id not in known:
            raise NotFound(_("Brand %(key)r does not exist."), field="brands", params={"key": str(key)[:100]})
        found[brand_id] = None
    return tuple(found)
