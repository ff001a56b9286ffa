"""Full-text search with a fallback to similar words for misspelt queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramSimilarity, TrigramWordSimilarity
from django.db.models import (
    Case,
    DecimalField,
    Exists,
    F,
    FloatField,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from backend.catalog.empty_searches import may_be_personal
from backend.catalog.models import (
    Brand,
    ListingEntry,
    Product,
    make_folded_text,
    make_similarity_name,
    make_typo_keys,
)
from backend.core.errors import Invalid, TooLong
from backend.core.text import clean_line, fold_text, split_words

MAX_SEARCH_LENGTH = 1000
# Of a longer query, such as a pasted title, the first words count.
MAX_SEARCH_WORDS = 12
# PostgreSQL estimates that an unknown word occurs. With LIMIT 1, it would look for a match row by row.
_MATCHES_READ = 500
# The letters of a word in which a typo is forgiven; see `catalog_typo_keys` in migration 0006.
_MIN_TYPO_LETTERS, _MAX_TYPO_LETTERS = 4, 40


class _WordsQuery(SearchQuery):
    """The query for words that the database function `catalog_search_query` returns."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(Value(list(words), ArrayField(TextField())))
        self.function = "catalog_search_query"


class _SkuQuery(SearchQuery):
    """The query for a SKU by its letters and digits. The text search parser would split some of them."""

    template = "(%(expressions)s)::tsquery"

    def __init__(self, code: str) -> None:
        super().__init__(Value(f"'{code}':D"))


@dataclass(frozen=True)
class _BrandInQuery:
    """A brand whose whole name is among the words of a query, as `words`."""

    pk: int
    words: Sequence[str]

    def select_others(self, words: Sequence[str]) -> list[str]:
        """Return the words that are not of the name."""
        return [word for word in words if word not in self.words]


@dataclass(frozen=True)
class Search:
    """A parsed search query.

    Words match all their grammatical forms, and also as prefixes. The name of a brand also matches the
    products of this brand. If no product contains all words, a word that no product contains matches names
    with a similar word.

    Attributes:
        words: the first `MAX_SEARCH_WORDS` words of the query; see `split_words`.
        brand: the brand whose name is among the words.
        code: the letters and digits of the whole query, to compare with SKUs.
        is_exact: whether a published product contains all words.
        misspelt: the words to compare with similar words; empty if the search is exact.
        may_be_personal: whether the query may contain an e-mail address, a phone number or the like.
    """

    words: Sequence[str]
    brand: "_BrandInQuery | None"
    code: str
    is_exact: bool
    misspelt: Collection[str]
    may_be_personal: bool

    def filter_entries(
        self, entries: "QuerySet[ListingEntry]"
    ) -> tuple["QuerySet[ListingEntry]", Combinable]:
        """Return the matching entries, and an expression for their relevance (higher is better)."""
        if self.is_exact:
            matches = _match_words(self.words, self.brand, prefix="product__")
            return entries.filter(matches), _round_relevance(self._rank(_WordsQuery(self.words)))
        word_similarity: Combinable = Value(0.0)
        if self.brand:
            entries = entries.filter(_match_words(self.brand.words, self.brand, prefix="product__"))
        for word in self.words:
            if word in self.misspelt:
                entries = entries.filter(product_id__in=_select_similar(word))
            elif not self.brand or word not in self.brand.words:
                entries = entries.filter(_match_words([word], prefix="product__"))
            word_similarity = word_similarity + TrigramWordSimilarity(
                word, make_similarity_name("product__name")
            )
        return entries, _round_relevance(word_similarity)

    def _rank(self, query: SearchQuery) -> Combinable:
        """Rank the product with this SKU first, then a name that is close to the whole query."""
        return (
            SearchRank(F("product__search_vector"), query, normalization=Value(1))
            + TrigramSimilarity(make_similarity_name("product__name"), " ".join(self.words))
            + Case(
                When(product__search_vector=_SkuQuery(self.code), then=3.0),
                default=0.0,
                output_field=FloatField(),
            )
        )


def _select_similar(word: str) -> "QuerySet[Any, tuple[int]]":
    """Return the ids of the products whose name has a word that is similar to a misspelt one."""
    keys = {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}
    products = Product.objects.order_by().alias(
        typo_keys=make_typo_keys("name"), similar=make_similarity_name("name")
    )
    # A union, so that each index answers alone. PostgreSQL would compute the keys of each row for an OR.
    return (
        products.filter(typo_keys__overlap=sorted(keys))
        .values_list("pk")
        .union(
            products.filter(similar__trigram_word_similar=word).values_list("pk"),
        )
    )


def read_search(text: str) -> Search:
    """Parse a search query, and check in at most three database queries which of its words products contain.

    Raises:
        TooLong: it has more than `MAX_SEARCH_LENGTH` characters.
        Invalid: it has no letter or digit.
    """
    every_word = parse_words(text)
    words = every_word[:MAX_SEARCH_WORDS]
    brand = _find_brand(words)
    is_exact = bool(_find_matches([_match_words(words, brand)]))
    others = brand.select_others(words) if brand else words
    known = (
        _find_matches([_match_words([word]) for word in others]) if not is_exact and len(words) > 1 else ()
    )
    misspelt = {word for place, word in enumerate(others) if place not in known and _may_be_misspelt(word)}
    return Search(
        words=words,
        brand=brand,
        code="".join(every_word).replace(".", ""),
        is_exact=is_exact,
        misspelt=frozenset() if is_exact else misspelt,
        may_be_personal=may_be_personal(text),
    )


def _find_brand(words: Sequence[str]) -> _BrandInQuery | None:
    """Return the brand with the longest name that is among the words and has published products."""
    # Adjacent words, longer names first.
    runs = {
        fold_text(" ".join(words[start : start + length])): words[start : start + length]
        for length in range(len(words), 0, -1)
        for start in range(len(words) - length + 1)
    }
    has_products = Exists(Product.objects.filter(brand=OuterRef("pk"), is_published=True))
    brands = Brand.objects.order_by().annotate(folded=make_folded_text("name"))
    ids = dict(brands.filter(has_products, folded__in=list(runs)).values_list("folded", "pk"))
    return next((_BrandInQuery(ids[name], run) for name, run in runs.items() if name in ids), None)


def _match_words(words: Sequence[str], brand: _BrandInQuery | None = None, prefix: str = "") -> Q:
    """Return the condition that a product contains all words, of which its brand may stand for some.

    Args:
        prefix: of the fields of the product.
    """
    matches = Q((f"{prefix}search_vector", _WordsQuery(words)))
    if brand is None:
        return matches
    of_brand = Q((f"{prefix}brand", brand.pk))
    others = brand.select_others(words)
    return matches | (of_brand & Q((f"{prefix}search_vector", _WordsQuery(others))) if others else of_brand)


def _find_matches(conditions: Sequence[Q]) -> set[int]:
    """Return the indexes of the conditions that published products meet."""
    if not conditions:
        return set()
    published = Product.objects.filter(is_published=True).order_by()
    matches = [
        published.filter(condition).values_list(Value(index, IntegerField()))[:_MATCHES_READ]
        for index, condition in enumerate(conditions)
    ]
    return {index for (index,) in matches[0].union(*matches[1:])}


def _may_be_misspelt(word: str) -> bool:
    return _MIN_TYPO_LETTERS <= len(word) <= _MAX_TYPO_LETTERS and not any(map(str.isdigit, word))


def parse_words(text: str) -> list[str]:
    """Return the words of a text, folded as by `split_words`. Raises the errors of `read_search`."""
    if len(text) > MAX_SEARCH_LENGTH:
        raise TooLong(
            _("search must have at most %(maximum)s characters, not %(length)s."),
            field="search",
            params={"maximum": MAX_SEARCH_LENGTH, "length": len(text)},
        )
    words = split_words(clean_line(text))
    if not words:
        raise Invalid(_("search must contain a letter or a digit."), field="search")
    return words


def _round_relevance(relevance: Combinable) -> Combinable:
    """Round the relevance, so that the value in a cursor equals the value in the next query."""
    return Cast(relevance, DecimalField(max_digits=12, decimal_places=6))
