"""Full-text search that forgives typing errors."""

import re

from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramWordSimilarity
from django.db.models import DecimalField, F, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

from backend.catalog.models import SEARCH_CONFIG, ListingEntry, Product
from backend.core.errors import Invalid, TooLong

MAX_SEARCH_LENGTH = 200
MAX_SEARCH_WORDS = 12


def parse_search(text: str) -> list[str]:
    """Return the words to look for, with ё folded into е.

    Raises:
        TooLong: more than `MAX_SEARCH_LENGTH` characters or `MAX_SEARCH_WORDS` words.
        Invalid: no letter or digit in it.
    """
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


def search_entries(
    entries: "QuerySet[ListingEntry]", words: list[str]
) -> tuple["QuerySet[ListingEntry]", Combinable]:
    """Keep the entries whose product has all the words, and say how well each fits.

    Words match in all their grammatical forms and as beginnings. Where no product of the shop has
    them all, names with similar words match instead. Costs one query of its own.

    Returns:
        The entries, and the expression of their relevance (higher is better, six decimals).
    """
    query = SearchQuery(" & ".join(f"{word}:*" for word in words), search_type="raw", config=SEARCH_CONFIG)
    if Product.objects.filter(search_vector=query, is_published=True).exists():
        rank = SearchRank(F("product__search_vector"), query, normalization=Value(1))
        return entries.filter(product__search_vector=query), _comparable(rank)
    similarity: Combinable = Value(0.0)
    for word in words:
        similarity = similarity + TrigramWordSimilarity(word, "product__name")
        entries = entries.filter(product__name__trigram_word_similar=word)
    return entries, _comparable(similarity)


def _comparable(relevance: Combinable) -> Combinable:
    """Round, so that the number in a cursor equals the number in the next query."""
    return Cast(relevance, DecimalField(max_digits=12, decimal_places=6))
