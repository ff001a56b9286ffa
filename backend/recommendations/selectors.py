"""Read lists of recommended products that are published and in stock.

A list of similar products starts with the related products that staff have chosen, the others with the
recommendations of the table. Short lists are filled up with the next best products:
similar ones, then best sellers of the same category, then best sellers of the shop, or the newest products
where nothing has been sold. The cache holds only product ids, keyed by the version of the recommendations, so
that prices and stock are always current and a new version is visible at once. Related products are not
cached: the statement that reads the products finds them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BigIntegerField,
    ExpressionWrapper,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Window,
)
from django.db.models.functions import JSONObject, RowNumber
from django.utils.translation import gettext_lazy as _

from backend.carts.selectors import CartLineRow
from backend.catalog.models import WHOLE_SHOP, ListingEntry, Product
from backend.catalog.selectors import (
    ProductRow,
    make_product,
    read_available_products,
    select_products,
)
from backend.core.cache import cache_maximum, read_cached, write_cached
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param
from backend.core.errors import OutOfRange
from backend.core.viewer import Viewer
from backend.orders.models import Order, OrderLine
from backend.recommendations.models import ModelVersion, Recommendation, RelatedProduct

Kind = Recommendation.Kind

MAX_FIRST = 50
# The number of the viewer's latest order lines that recommendations are based on.
MAX_HISTORY_LINES = 50
# The maximum number of categories whose best sellers fill up short lists.
MAX_CATEGORIES = 100
# Statements that find best sellers and are kept, for different numbers of categories and products.
MAX_POPULAR_STATEMENTS = 32
# The number of additional products that are cached for each list. They replace products that have sold out.
SPARE_PRODUCTS = 5
CACHE_SECONDS = 600
VERSION_KEY = "recommendations:version"
_LIST_KEY_PREFIX = "recommendations:lists:"
_VERSION = Subquery(ModelVersion.objects.values("version")[:1])

# The kinds that make up a list, in this order.
_SOURCES = {Kind.SIMILAR: (Kind.SIMILAR,), Kind.BOUGHT_TOGETHER: (Kind.BOUGHT_TOGETHER, Kind.SIMILAR)}

# Lists of recommended products by kind and product id.
Lists = dict[tuple[Kind, int], list[ProductRow]]


def read_related(kinds: Sequence[Kind], products: Sequence[Product | ProductRow], first: int) -> Lists:
    """Return the recommendations for some products.

    Takes one query for all lists, unless they are cached, one for their products, and one more if some lists
    are short.

    Args:
        kinds: SIMILAR, BOUGHT_TOGETHER or both.
        first: the length of each list, 1 to `MAX_FIRST`. Lists are shorter only if the shop has fewer
            products.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    sources = sorted({source for kind in kinds for source in _SOURCES[kind]})
    ids = _read_ids(sources, [product.pk for product in products], first + min(first, SPARE_PRODUCTS))
    available, chosen = _read_available(
        chain.from_iterable(ids.values()),
        [product.pk for product in products] if Kind.SIMILAR in kinds else [],
        first,
    )
    lists: Lists = {}
    for kind in kinds:
        for product in products:
            listed = chain(
                chosen.get(product.pk, ()) if kind == Kind.SIMILAR else (),
                *(ids[source, product.pk] for source in _SOURCES[kind]),
            )
            found = (available[pk] for pk in listed if pk in available)
            lists[kind, product.pk] = _take_distinct(found, {product.pk}, first)
    short = {pk for (_, pk), others in lists.items() if len(others) < first}
    if short:
        categories = {product.pk: product.category_id for product in products}
        popular = _read_popular({categories[pk] for pk in short}, 2 * first + 1)
        for (kind, pk), others in lists.items():
            same_category = (other for other in popular if other.category_id == categories[pk])
            lists[kind, pk] = _take_distinct(chain(others, same_category, popular), {pk}, first)
    return lists


def suggest_for_cart(lines: Sequence[CartLineRow], first: int) -> list[ProductRow]:
    """Return products that complement the published products in a cart, without those that are in it.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    # What complements an unpublished product would reveal how staff have edited it.
    present = sorted(line.product_id for line in lines if line.product.is_published)
    if not present:
        return _fill_with_popular([], first)
    digest = hashlib.sha256(repr(present).encode()).hexdigest()
    version = _read_cached_version()
    key = f"{version}:cart:{digest}:{first}"
    cached = _read_cached_ids([key]) if version is not None else {}
    if key in cached:
        ids = cached[key]
    else:
        found = list(
            _query_complements(present).annotate(version=_VERSION).values_list("pk", "version")[:first]
        )
        ids = [pk for pk, _ in found]
        _write_cached_ids({f"cart:{digest}:{first}": ids}, found[0][1] if found else version)
    return _fill_with_popular(ids, first, exclude=_select_present, present=present)


def _select_present() -> "QuerySet[Any, Any]":
    return Product.objects.filter(EqualsAny(F("pk"), Param("present")))


def recommend(viewer: Viewer, first: int) -> list[ProductRow]:
    """Return products that complement the viewer's latest orders, or best sellers, or the newest products.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    if viewer.user_id is None:
        return _fill_with_popular([], first)
    ids = list(_query_complements(_query_bought(viewer.user_id)).values_list("pk", flat=True)[:first])
    return _fill_with_popular(ids, first, exclude=_select_bought, user_id=viewer.user_id)


def _query_bought(user_id: "int | Param") -> "QuerySet[Any, Any]":
    """Return the products of a viewer's latest order lines that are not cancelled."""
    lines = OrderLine.objects.filter(
        order__user_id=user_id, product__isnull=False, cancelled_quantity__lt=F("quantity")
    ).exclude(order__status=Order.Status.CANCELLED)
    # A subquery of two other queries instead of a query of its own. Its LIMIT makes PostgreSQL evaluate it
    # only once in each of them.
    return lines.order_by("-id").values("product_id")[:MAX_HISTORY_LINES]


def _select_bought() -> "QuerySet[Any, Any]":
    return _query_bought(Param("user_id"))


def _query_available() -> "QuerySet[Product]":
    """Return the products that are published and in stock."""
    return Product.objects.filter(is_published=True, stock__gt=0)


def _read_ids(
    kinds: Sequence[Kind], subjects: Sequence[int], count: int
) -> dict[tuple[Kind, int], Sequence[int]]:
    """Return the first `count` recommendations of every list, from the cache or in one query.

    Cached lists may contain products that have been sold out or unpublished since.
    """
    version = _read_cached_version()
    names = {
        (kind, subject): f"{kind}:{subject}:{count}" for kind in kinds for subject in dict.fromkeys(subjects)
    }
    if version is not None:
        keys = {place: f"{version}:{name}" for place, name in names.items()}
        cached = _read_cached_ids(keys.values())
        if len(cached) == len(keys):
            return {place: cached[key] for place, key in keys.items()}
    lists: dict[tuple[Kind, int], list[int]] = {place: [] for place in names}
    rank = Window(
        RowNumber(), partition_by=[F("kind"), F("subject_id")], order_by=[F("score").desc(), F("other_id")]
    )
    rows = (
        Recommendation.objects.filter(
            kind__in=kinds, subject_id__in=subjects, other__is_published=True, other__stock__gt=0
        )
        .annotate(rank=rank, version=_VERSION)
        .filter(rank__lte=count)
        .order_by("rank")
        .values_list("kind", "subject_id", "other_id", "version")
    )
    # The version is read in the same statement as the rows, unlike the version from the cache.
    for kind, subject_id, other_id, version in rows:  # noqa: B007  The last version is stored.
        lists[Kind(kind), subject_id].append(other_id)
    _write_cached_ids({name: lists[place] for place, name in names.items()}, version)
    return dict(lists)


def _query_chosen() -> "QuerySet[RelatedProduct]":
    """Return the first available related products of some products."""
    rank = Window(RowNumber(), partition_by=F("product_id"), order_by=["position", "id"])
    return (
        RelatedProduct.objects.filter(
            EqualsAny(F("product_id"), Param("subjects")), related__is_published=True, related__stock__gt=0
        )
        .order_by()
        .annotate(rank=rank)
        .filter(rank__lte=ExpressionWrapper(Param("first"), IntegerField()))
    )


def _query_available_and_chosen() -> "QuerySet[Any, Any]":
    """Return the available products with some ids and the chosen ones.

    The first column has a place in the list of each subject for which the product has been chosen.
    """
    # An array, so that PostgreSQL looks all ids up in the primary key.
    ids = Func(
        Param("ids"),
        ArraySubquery(_query_chosen().values("related_id")),
        function="array_cat",
        output_field=ArrayField(BigIntegerField()),
    )
    places = RelatedProduct.objects.filter(
        EqualsAny(F("product_id"), Param("subjects")), related_id=OuterRef("pk")
    ).order_by()
    place = JSONObject(subject="product_id", position="position", id="pk")
    products = _query_available().filter(EqualsAny(F("pk"), ids)).order_by()
    return select_products(products.annotate(places=ArraySubquery(places.values(place=place))), "places")


_AVAILABLE_AND_CHOSEN = CompiledQuery(_query_available_and_chosen)


def _read_available(
    ids: Iterable[int], subjects: Sequence[int], first: int
) -> tuple[dict[int, ProductRow], dict[int, list[int]]]:
    """Return the available products by id, and the ids of the chosen ones by subject, in one query.

    Args:
        ids: recommended products.
        subjects: the products whose first chosen products are read too.
        first: the number of chosen products of each subject.
    """
    if not subjects:
        return {product.pk: product for product in read_available_products(ids)}, {}
    available: dict[int, ProductRow] = {}
    places: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for row in _AVAILABLE_AND_CHOSEN.run(ids=list(set(ids)), subjects=list(subjects), first=first):
        product = available[row[1]] = make_product(row[1:])
        for place in row[0]:
            places[place["subject"]].append((place["position"], place["id"], product.pk))
    return available, {subject: [pk for *_, pk in sorted(found)] for subject, found in places.items()}


def _query_complements(subjects: "Sequence[int] | QuerySet[Any, Any]") -> "QuerySet[Product]":
    """Return the complements of some products, then similar products, without these products."""

    def total(kind: Kind) -> Sum:
        return Sum("recommended__score", filter=Q(recommended__kind=kind))

    return (
        _query_available()
        .filter(recommended__kind__in=[Kind.COMPLEMENT, Kind.SIMILAR], recommended__subject_id__in=subjects)
        .exclude(pk__in=subjects)
        .annotate(complement=total(Kind.COMPLEMENT), similarity=total(Kind.SIMILAR))
        .order_by(F("complement").desc(nulls_last=True), F("similarity").desc(nulls_last=True), "pk")
    )


def _read_cached_version() -> int | None:
    return read_cached([VERSION_KEY]).get(VERSION_KEY)


def _read_cached_ids(keys: Iterable[str]) -> dict[str, list[int]]:
    """Return the cached lists of product ids. Keys that are not cached are missing."""
    names = {f"{_LIST_KEY_PREFIX}{key}": key for key in keys}
    return {names[name]: ids for name, ids in read_cached(names).items()}


def _write_cached_ids(lists: Mapping[str, Sequence[int]], version: int | None) -> None:
    """Cache some lists of product ids under the version that they were read from."""
    if version is None:
        return
    cache_maximum(VERSION_KEY, version, seconds=CACHE_SECONDS)
    write_cached(
        {f"{_LIST_KEY_PREFIX}{version}:{name}": ids for name, ids in lists.items()}, seconds=CACHE_SECONDS
    )


def _read_popular(
    category_ids: Iterable[int | None],
    count: int,
    exclude: "Callable[[], QuerySet[Any, Any]] | None" = None,
    **params: Any,
) -> list[ProductRow]:
    """Return the `count` best-selling or newest products of each category and of the whole shop.

    Args:
        exclude: a function of this module that returns the query of products to leave out. A statement is
            compiled for each function.
        params: the parameters of this query.
    """
    ancestors = [WHOLE_SHOP, *sorted({pk for pk in category_ids if pk is not None})[:MAX_CATEGORIES]]
    params |= {f"ancestor{number}": pk for number, pk in enumerate(ancestors)}
    return [make_product(row) for row in _compile_popular(len(ancestors), count, exclude).run(**params)]


@lru_cache(MAX_POPULAR_STATEMENTS)
def _compile_popular(
    ancestors: int, count: int, exclude: "Callable[[], QuerySet[Any, Any]] | None"
) -> CompiledQuery[tuple[Any, ...]]:
    """Return the query of `_read_popular` for a number of ancestors."""

    def build() -> "QuerySet[Any, Any]":
        entries = ListingEntry.objects.filter(in_stock=True).order_by("-popularity", "-product_id")
        if exclude is not None:
            entries = entries.exclude(product_id__in=exclude())
        first, *others = (
            entries.filter(ancestor_id=Param(f"ancestor{number}")).values("product_id")[:count]
            for number in range(ancestors)
        )
        product_ids = first.union(*others, all=True) if others else first
        return select_products(_query_available().filter(pk__in=product_ids).order_by("-popularity", "-pk"))

    return CompiledQuery(build)


def _fill_with_popular(
    ids: Sequence[int],
    first: int,
    exclude: "Callable[[], QuerySet[Any, Any]] | None" = None,
    **params: Any,
) -> list[ProductRow]:
    """Return the available products among `ids`, filled up with best sellers; see `_read_popular`."""
    filled = read_available_products(ids)
    if len(filled) < first:
        popular = _read_popular([], first + len(filled), exclude, **params)
        filled = _take_distinct(chain(filled, popular), set(), first)
    return filled


def _take_distinct(products: Iterable[ProductRow], exclude_ids: set[int], first: int) -> list[ProductRow]:
    distinct: dict[int, ProductRow] = {}
    for product in products:
        if product.pk not in exclude_ids:
            distinct.setdefault(product.pk, product)
    return list(distinct.values())[:first]


def _check_first(first: int) -> None:
    if not 1 <= first <= MAX_FIRST:
        raise OutOfRange(
            _("The number of products must be between 1 and %(maximum)s, not %(first)s."),
            field="first",
            params={"maximum": MAX_FIRST, "first": first},
        )
