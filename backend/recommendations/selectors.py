"""Lists of products to offer: published, in stock, never short as long as there is something to offer.

A list begins with what the model says and goes on with the next best: similar products, then what
sells in the same category, then what sells in the shop, the newest first where nothing has been sold.
What is kept in the cache are identifiers alone, under the model's version, so that prices and stock
are those of now, and a new model is seen at once.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from django.db.models import F, Q, QuerySet, Subquery, Sum, Window, prefetch_related_objects
from django.db.models.functions import RowNumber

from backend.carts.models import CartLine
from backend.catalog.models import WHOLE_SHOP, ListingEntry, Product
from backend.core.cache import raise_cached, read_cached, write_cached
from backend.core.errors import OutOfRange
from backend.core.viewer import Viewer
from backend.orders.models import Order, OrderLine
from backend.recommendations.models import ModelVersion, Recommendation

Kind = Recommendation.Kind

MAX_FIRST = 50
# How much of what somebody has bought lately is looked at.
HISTORY_LINES = 50
# In how many categories at once one looks for what sells, where lists are short.
MAX_CATEGORIES = 100
# How many more of a list are kept than are asked for.
SPARE = 5
CACHE_SECONDS = 600
VERSION_KEY = "recommendations:version"
_LISTS = "recommendations:lists:"
_VERSION = Subquery(ModelVersion.objects.values("version")[:1])

# What a list goes on with when it is short.
_NEXT_BEST = {Kind.SIMILAR: (Kind.SIMILAR,), Kind.BOUGHT_TOGETHER: (Kind.BOUGHT_TOGETHER, Kind.SIMILAR)}

Lists = dict[tuple[Kind, int], list[Product]]


def read_related(kinds: Sequence[Kind], products: Sequence[Product], first: int) -> Lists:
    """Return what to offer with each of some products.

    One query for all lists of all products, one more if some are short, and one for the pictures.

    Args:
        kinds: SIMILAR, BOUGHT_TOGETHER or both.
        products: whose lists to read.
        first: how many products each list has, 1 to `MAX_FIRST`; less only if the shop has no more.

    Returns:
        The lists by kind and primary key.

    Raises:
        OutOfRange: for another `first`.
    """
    _check_first(first)
    sources = sorted({source for kind in kinds for source in _NEXT_BEST[kind]})
    # So many of each source are enough, whatever stands in two of them; the spare ones replace what is
    # sold out while the list is in the cache.
    known = _read_table(sources, [product.pk for product in products], first + min(first, SPARE))
    lists = {
        (kind, product.pk): _distinct(
            (other for source in _NEXT_BEST[kind] for other in known[source, product.pk]), {product.pk}, first
        )
        for kind in kinds
        for product in products
    }
    short = {pk for (_, pk), others in lists.items() if len(others) < first}
    if short:
        categories = {product.pk: product.category_id for product in products}
        popular = _read_popular({categories[pk] for pk in short}, 2 * first + 1)
        for (kind, pk), others in lists.items():
            near = (other for other in popular if other.category_id == categories[pk])
            lists[kind, pk] = _distinct(chain(others, near, popular), {pk}, first)
    _load_pictures(chain.from_iterable(lists.values()))
    return lists


def suggest_for_cart(lines: Sequence[CartLine], first: int) -> list[Product]:
    """Return products that complement the published products in a cart, without those that are in it.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    # What complements an unpublished product would reveal how staff have edited it.
    present = sorted(line.product_id for line in lines if line.product.is_published)
    if not present:
        return _filled([], first)
    digest = hashlib.sha256(repr(present).encode()).hexdigest()
    version = _known_version()
    key = f"{version}:cart:{digest}:{first}"
    cached = _read_lists([key]) if version is not None else {}
    if key in cached:
        suggested = _in_order(cached[key])
    else:
        suggested = list(_matching(present).annotate(version=_VERSION)[:first])
        if suggested:
            version = suggested[0].version  # type: ignore[attr-defined]
        _keep_lists({f"cart:{digest}:{first}": suggested}, version)
    return _filled(suggested, first, without=Product.objects.filter(pk__in=present))


def recommend(viewer: Viewer, first: int) -> list[Product]:
    """Return what the viewer may want next: by what they have bought, else what sells, else what is new.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    if viewer.user_id is None:
        return _filled([], first)
    lines = OrderLine.objects.filter(order__user_id=viewer.user_id, product__isnull=False).exclude(
        order__status=Order.Status.CANCELLED
    )
    # Part of the queries, not one of its own; and materialised by its LIMIT, so read once in each.
    bought = lines.order_by("-id").values("product_id")[:HISTORY_LINES]
    return _filled(list(_matching(bought)[:first]), first, without=bought)


def _on_offer() -> "QuerySet[Product]":
    products = Product.objects.filter(is_published=True, stock__gt=0)
    return products.select_related("category").defer("search_vector")


def _read_table(kinds: Sequence[Kind], subjects: Sequence[int], count: int) -> Lists:
    """Return the first `count` of every list of the table, from the cache or in one query."""
    version = _known_version()
    names = {
        (kind, subject): f"{kind}:{subject}:{count}" for kind in kinds for subject in dict.fromkeys(subjects)
    }
    if version is not None:
        keys = {place: f"{version}:{name}" for place, name in names.items()}
        cached = _read_lists(keys.values())
        if len(cached) == len(keys):
            products = {product.pk: product for product in _in_order(chain.from_iterable(cached.values()))}
            return {
                place: [products[pk] for pk in cached[key] if pk in products] for place, key in keys.items()
            }
    lists: Lists = {place: [] for place in names}
    best = Window(
        RowNumber(), partition_by=[F("kind"), F("subject_id")], order_by=[F("score").desc(), F("other_id")]
    )
    rows = (
        Recommendation.objects.filter(
            kind__in=kinds, subject_id__in=subjects, other__is_published=True, other__stock__gt=0
        )
        .annotate(place=best, version=_VERSION)
        .filter(place__lte=count)
        .order_by("place")
        .select_related("other__category")
        .defer("other__search_vector")
    )
    for row in rows:
        # They were read together, so it is theirs, whatever the cache says.
        version = row.version
        lists[Kind(row.kind), row.subject_id].append(row.other)
    _keep_lists({name: lists[place] for place, name in names.items()}, version)
    return lists


def _matching(subjects: "Sequence[int] | QuerySet[Any, Any]") -> "QuerySet[Product]":
    """Return what goes with some products together, then what is like them, without these themselves."""

    def total(kind: Kind) -> Sum:
        return Sum("recommended__score", filter=Q(recommended__kind=kind))

    return (
        _on_offer()
        .filter(recommended__kind__in=[Kind.COMPLEMENT, Kind.SIMILAR], recommended__subject_id__in=subjects)
        .exclude(pk__in=subjects)
        .annotate(fit=total(Kind.COMPLEMENT), likeness=total(Kind.SIMILAR))
        .order_by(F("fit").desc(nulls_last=True), F("likeness").desc(nulls_last=True), "pk")
    )


def _known_version() -> int | None:
    """Return the number of the model in the table if the cache knows it."""
    return read_cached([VERSION_KEY]).get(VERSION_KEY)


def _read_lists(keys: Iterable[str]) -> dict[str, list[int]]:
    """Return those lists of identifiers that are in the cache."""
    names = {f"{_LISTS}{key}": key for key in keys}
    return {names[name]: ids for name, ids in read_cached(names).items()}


def _keep_lists(lists: Mapping[str, Sequence[Product]], version: int | None) -> None:
    """Keep the identifiers of some lists under the version of the model that they were read from."""
    if version is None:
        return
    raise_cached(VERSION_KEY, version, seconds=CACHE_SECONDS)
    ids = {f"{_LISTS}{version}:{name}": [product.pk for product in found] for name, found in lists.items()}
    write_cached(ids, seconds=CACHE_SECONDS)


def _read_popular(
    category_ids: Iterable[int | None], count: int, without: "QuerySet[Any, Any] | None" = None
) -> list[Product]:
    """Return what sells best in each of some categories and in the shop, else what is newest."""
    in_stock = ListingEntry.objects.filter(in_stock=True).order_by("-popularity", "-product_id")
    if without is not None:
        in_stock = in_stock.exclude(product_id__in=without)
    places = [WHOLE_SHOP, *sorted({pk for pk in category_ids if pk is not None})[:MAX_CATEGORIES]]
    first, *others = [in_stock.filter(ancestor_id=place).values("product_id")[:count] for place in places]
    listed = first.union(*others, all=True) if others else first
    return list(_on_offer().filter(pk__in=listed).order_by("-popularity", "-pk"))


def _filled(
    products: Sequence[Product], first: int, without: "QuerySet[Any, Any] | None" = None
) -> list[Product]:
    """Return the list with pictures, filled up with what sells, but nothing of `without`."""
    chosen = list(products)
    if len(chosen) < first:
        chosen = _distinct(chain(chosen, _read_popular([], first + len(chosen), without)), set(), first)
    _load_pictures(chosen)
    return chosen


def _in_order(ids: Iterable[int]) -> list[Product]:
    """Return those of some products that are on offer, in this order."""
    wanted = list(dict.fromkeys(ids))
    products = {product.pk: product for product in _on_offer().filter(pk__in=wanted)}
    return [products[pk] for pk in wanted if pk in products]


def _distinct(products: Iterable[Product], without: set[int], first: int) -> list[Product]:
    """Return the first different ones of some products."""
    chosen: dict[int, Product] = {}
    for product in products:
        if product.pk not in without:
            chosen.setdefault(product.pk, product)
    return list(chosen.values())[:first]


def _load_pictures(products: Iterable[Product]) -> None:
    prefetch_related_objects(list(products), "images")


def _check_first(first: int) -> None:
    if not 1 <= first <= MAX_FIRST:
        raise OutOfRange(f"A list has 1 to {MAX_FIRST} products, not {first}.", field="first")
