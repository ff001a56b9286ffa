"""Lists of products to offer: published, in stock, never short as long as there is something to offer.

A list begins with what the model says and goes on with the next best: similar products, then what
sells in the same category, then what sells in the shop, the newest first where nothing has been sold.
What is kept in the cache are identifiers alone, under the model's version, so that prices and stock
are those of now, and a new model is seen at once.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain

from django.db.models import F, QuerySet, Sum, Window, prefetch_related_objects
from django.db.models.functions import RowNumber

from backend.carts.models import CartLine
from backend.catalog.models import WHOLE_SHOP, ListingEntry, Product
from backend.core.cache import read_cached, write_cached
from backend.core.errors import OutOfRange
from backend.core.viewer import Viewer
from backend.orders.models import OrderLine
from backend.recommendations.models import ModelVersion, Recommendation

Kind = Recommendation.Kind

MAX_FIRST = 50
# How much of what somebody has bought lately is looked at.
HISTORY_LINES = 50
CACHE_SECONDS = 600
VERSION_KEY = "recommendations:version"

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
    # Of twice as many, enough are left when a product stands in two sources.
    known = _read_table(sources, [product.pk for product in products], 2 * first)
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
    """Return what completes a cart with these lines, never what is in it.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    present = sorted(line.product_id for line in lines)
    digest = hashlib.sha256(repr(present).encode()).hexdigest()
    key = f"recommendations:{current_version()}:cart:{digest}:{first}"
    cached = read_cached([key])
    if key in cached:
        suggested = _in_order(cached[key])
    else:
        suggested = list(_complements(present)[:first]) if present else []
        write_cached({key: [product.pk for product in suggested]}, seconds=CACHE_SECONDS)
    return _filled(suggested, set(present), first)


def recommend(viewer: Viewer, first: int) -> list[Product]:
    """Return what the viewer may want next: by what they have bought, else what sells, else what is new.

    Raises:
        OutOfRange: `first` is not 1 to `MAX_FIRST`.
    """
    _check_first(first)
    bought: set[int] = set()
    if viewer.user_id is not None:
        lines = OrderLine.objects.filter(order__user_id=viewer.user_id, product__isnull=False)
        bought = set(lines.order_by("-id").values_list("product_id", flat=True)[:HISTORY_LINES])
    return _filled(list(_complements(bought)[:first]) if bought else [], bought, first)


def current_version() -> int:
    """Return the number of the model in the table, as the cache knows it if it does."""
    cached = read_cached([VERSION_KEY])
    if VERSION_KEY not in cached:
        version = ModelVersion.objects.values_list("version", flat=True).first() or 0
        cached = {VERSION_KEY: version}
        write_cached(cached, seconds=CACHE_SECONDS)
    return int(cached[VERSION_KEY])


def _on_offer() -> "QuerySet[Product]":
    products = Product.objects.filter(is_published=True, stock__gt=0)
    return products.select_related("category").defer("search_vector")


def _read_table(kinds: Sequence[Kind], subjects: Sequence[int], count: int) -> Lists:
    """Return the first `count` of every list of the table, from the cache or in one query."""
    version = current_version()
    keys = {
        (kind, subject): f"recommendations:{version}:{kind}:{subject}:{count}"
        for kind in kinds
        for subject in subjects
    }
    cached = read_cached(keys.values())
    if len(cached) == len(keys):
        products = {product.pk: product for product in _in_order(chain.from_iterable(cached.values()))}
        return {place: [products[pk] for pk in cached[key] if pk in products] for place, key in keys.items()}
    lists: Lists = {place: [] for place in keys}
    best = Window(
        RowNumber(), partition_by=[F("kind"), F("subject_id")], order_by=[F("score").desc(), F("other_id")]
    )
    rows = (
        Recommendation.objects.filter(
            kind__in=kinds, subject_id__in=subjects, other__is_published=True, other__stock__gt=0
        )
        .annotate(place=best)
        .filter(place__lte=count)
        .order_by("place")
        .select_related("other__category")
        .defer("other__search_vector")
    )
    for row in rows:
        lists[Kind(row.kind), row.subject_id].append(row.other)
    write_cached(
        {key: [product.pk for product in lists[place]] for place, key in keys.items()}, seconds=CACHE_SECONDS
    )
    return lists


def _complements(subjects: Iterable[int]) -> "QuerySet[Product]":
    """Return what goes with some products together, the best first, without these themselves."""
    known = list(subjects)
    return (
        _on_offer()
        .filter(recommended__kind=Kind.COMPLEMENT, recommended__subject_id__in=known)
        .exclude(pk__in=known)
        .annotate(score=Sum("recommended__score"))
        .order_by("-score", "pk")
    )


def _read_popular(category_ids: Iterable[int | None], count: int) -> list[Product]:
    """Return what sells best in each of some categories and in the shop, else what is newest."""
    in_stock = ListingEntry.objects.filter(in_stock=True).order_by("-popularity", "-product_id")
    places = [WHOLE_SHOP, *(category_id for category_id in category_ids if category_id is not None)]
    first, *others = [in_stock.filter(ancestor_id=place).values("product_id")[:count] for place in places]
    listed = first.union(*others, all=True) if others else first
    return list(_on_offer().filter(pk__in=listed).order_by("-popularity", "-pk"))


def _filled(products: Sequence[Product], without: set[int], first: int) -> list[Product]:
    """Return the list with pictures, filled up with what sells."""
    chosen = _distinct(products, without, first)
    if len(chosen) < first:
        chosen = _distinct(
            chain(chosen, _read_popular([], first + len(chosen) + len(without))), without, first
        )
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
