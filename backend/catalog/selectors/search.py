"""Full-text search with a fallback to similar words for misspelt queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramSimilarity, TrigramWordSimilarity
from django.db.models import Case, DecimalField, F, FloatField, IntegerField, QuerySet, TextField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from backend.catalog.empty_searches import may_be_personal
from backend.catalog.models import ListingEntry, Product, make_similarity_name, make_typo_keys
from backend.core.errors import Invalid, TooLong
from backend.core.text import clean_line, split_words

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
class Search:
    """A parsed search query.

    Words match all their grammatical forms, and also as prefixes. If no product contains all words, a word
    that no product contains matches names with a similar word.

    Attributes:
        words: the first `MAX_SEARCH_WORDS` words of the query; see `split_words`.
        code: the letters and digits of the whole query, to compare with SKUs.
        is_exact: whether a published product contains all words.
        misspelt: the words to compare with similar words; empty if the search is exact.
        may_be_personal: whether the query may contain an e-mail address, a phone number or the like.
    """

    words: Sequence[str]
    code: str
    is_exact: bool
    misspelt: Collection[str]
    may_be_personal: bool

    def filter_entries(
        self, entries: "QuerySet[ListingEntry]"
    ) -> tuple["QuerySet[ListingEntry]", Combinable]:
        """Return the matching entries, and an expression for their relevance (higher is better)."""
        if self.is_exact:
            query = _WordsQuery(self.words)
            return entries.filter(product__search_vector=query), _round_relevance(self._rank(query))
        word_similarity: Combinable = Value(0.0)
        for word in self.words:
            if word in self.misspelt:
                entries = entries.filter(product_id__in=_select_similar(word))
            else:
                entries = entries.filter(product__search_vector=_WordsQuery([word]))
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
    """Parse a search query, and check in at most two database queries which of its words products contain.

    Raises:
        TooLong: it has more than `MAX_SEARCH_LENGTH` characters.
        Invalid: it has no letter or digit.
    """
    every_word = parse_words(text)
    words = every_word[:MAX_SEARCH_WORDS]
    is_exact = bool(_find_matches([words]))
    known = _find_matches([[word] for word in words]) if not is_exact and len(words) > 1 else ()
    misspelt = {word for place, word in enumerate(words) if place not in known and _may_be_misspelt(word)}
    return Search(
        words=words,
        code="".join(every_word).replace(".", ""),
        is_exact=is_exact,
        misspelt=frozenset() if is_exact else misspelt,
        may_be_personal=may_be_personal(text),
    )


def _find_matches(searches: Sequence[Sequence[str]]) -> set[int]:
    """Return the indexes of the lists of words of which a published product contains all words."""
    published = Product.objects.filter(is_published=True).order_by()
    matches = [
        published.filter(search_vector=_WordsQuery(words)).values_list(Value(index, IntegerField()))[
            :_MATCHES_READ
        ]
        for index, words in enumerate(searches)
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
