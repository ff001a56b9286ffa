"""Full-text search that forgives typing errors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramSimilarity, TrigramWordSimilarity
from django.db.models import DecimalField, F, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

from backend.catalog.models import SEARCH_CONFIG, ListingEntry, Product, folded
from backend.core.errors import Invalid, TooLong

MAX_SEARCH_LENGTH = 200
MAX_SEARCH_WORDS = 12


@dataclass(frozen=True, slots=True)
class Search:
    """Words to look for, and whether some product of the shop has them all.

    Words match in all their grammatical forms and as beginnings. Where no product has them all, names
    with similar words match instead.
    """

    words: Sequence[str]
    exact: bool

    def among(self, entries: "QuerySet[ListingEntry]") -> tuple["QuerySet[ListingEntry]", Combinable]:
        """Return the entries that match, and the expression of how well (higher is better)."""
        if self.exact:
            query = _query(self.words)
            rank = SearchRank(F("product__search_vector"), query, normalization=Value(1))
            # Whose name is what was typed, and little else, comes first.
            likeness = TrigramSimilarity(folded("product__name"), " ".join(self.words))
            return entries.filter(product__search_vector=query), _comparable(rank + likeness)
        entries = entries.alias(folded_name=folded("product__name"))
        similarity: Combinable = Value(0.0)
        for word in self.words:
            entries = entries.filter(folded_name__trigram_word_similar=word)
            similarity = similarity + TrigramWordSimilarity(word, folded("product__name"))
        return entries, _comparable(similarity)


def read_search(text: str) -> Search:
    """Return the search that a text stands for, in one query.

    Raises:
        TooLong: more than `MAX_SEARCH_LENGTH` characters or `MAX_SEARCH_WORDS` words.
        Invalid: no letter or digit in it.
    """
    words = parse_words(text)
    exact = Product.objects.filter(search_vector=_query(words), is_published=True).exists()
    return Search(words, exact)


def parse_words(text: str) -> list[str]:
    """Return the words of a text, with ё folded into е; raises as `read_search` does."""
    if len(text) > MAX_SEARCH_LENGTH:
        raise TooLong(
            f"A search has at most {MAX_SEARCH_LENGTH} characters, not {len(text)}.", field="search"
        )
    words = re.findall(r"\d+\.\d+|[^\W_]+", text.lower().replace("ё", "е"))
    if not words:
        raise Invalid("A search needs a letter or a digit.", field="search")
    if len(words) > MAX_SEARCH_WORDS:
        raise TooLong(f"A search has at most {MAX_SEARCH_WORDS} words, not {len(words)}.", field="search")
    return words


def _query(words: Sequence[str]) -> SearchQuery:
    return SearchQuery(" & ".join(f"{word}:*" for word in words), search_type="raw", config=SEARCH_CONFIG)


def _comparable(relevance: Combinable) -> Combinable:
    """Round, so that the number in a cursor equals the number in the next query."""
    return Cast(relevance, DecimalField(max_digits=12, decimal_places=6))
