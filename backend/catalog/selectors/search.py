"""Full-text search with a fallback to similar words for misspelt queries."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramSimilarity, TrigramWordSimilarity
from django.db.models import DecimalField, F, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

from backend.catalog.models import SEARCH_CONFIG, ListingEntry, Product, fold_text
from backend.core.errors import Invalid, TooLong

MAX_SEARCH_LENGTH = 200
MAX_SEARCH_WORDS = 12


@dataclass(frozen=True, slots=True)
class Search:
    """A parsed search query.

    Words match all their grammatical forms, and also as prefixes. If no product contains all words, names
    with similar words match instead.

    Attributes:
        words: lower-case words, with ё replaced by е.
        is_exact: whether a published product contains all words.
    """

    words: Sequence[str]
    is_exact: bool

    def filter_entries(
        self, entries: "QuerySet[ListingEntry]"
    ) -> tuple["QuerySet[ListingEntry]", Combinable]:
        """Return the matching entries, and an expression for their relevance (higher is better)."""
        if self.is_exact:
            query = _query(self.words)
            rank = SearchRank(F("product__search_vector"), query, normalization=Value(1))
            # Rank a name that is close to the whole query first.
            similarity = TrigramSimilarity(fold_text("product__name"), " ".join(self.words))
            return entries.filter(product__search_vector=query), _round_relevance(rank + similarity)
        entries = entries.alias(folded_name=fold_text("product__name"))
        word_similarity: Combinable = Value(0.0)
        for word in self.words:
            entries = entries.filter(folded_name__trigram_word_similar=word)
            word_similarity = word_similarity + TrigramWordSimilarity(word, fold_text("product__name"))
        return entries, _round_relevance(word_similarity)


def read_search(text: str) -> Search:
    """Parse a search query and check, in one database query, whether a product contains all its words.

    Raises:
        TooLong: it has more than `MAX_SEARCH_LENGTH` characters or `MAX_SEARCH_WORDS` words.
        Invalid: it has no letter or digit.
    """
    words = parse_words(text)
    is_exact = Product.objects.filter(search_vector=_query(words), is_published=True).exists()
    return Search(words, is_exact)


def parse_words(text: str) -> list[str]:
    """Return the lower-case words of a text, with ё replaced by е. Raises the errors of `read_search`."""
    if len(text) > MAX_SEARCH_LENGTH:
        raise TooLong(
            f"search must have at most {MAX_SEARCH_LENGTH} characters, not {len(text)}.", field="search"
        )
    words = re.findall(r"\d+\.\d+|[^\W_]+", text.lower().replace("ё", "е"))
    if not words:
        raise Invalid("search must contain a letter or a digit.", field="search")
    if len(words) > MAX_SEARCH_WORDS:
        raise TooLong(f"search must have at most {MAX_SEARCH_WORDS} words, not {len(words)}.", field="search")
    return words


def _query(words: Sequence[str]) -> SearchQuery:
    return SearchQuery(" & ".join(f"{word}:*" for word in words), search_type="raw", config=SEARCH_CONFIG)


def _round_relevance(relevance: Combinable) -> Combinable:
    """Round the relevance, so that the value in a cursor equals the value in the next query."""
    return Cast(relevance, DecimalField(max_digits=12, decimal_places=6))
