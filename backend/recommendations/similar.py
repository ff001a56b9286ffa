"""Similar products by what they are: category, characteristics, words and price. Needs no purchases.

Each product becomes one sparse vector of TF-IDF weights in which name, description, characteristics and
category path have fixed shares. The score of two products is the cosine of their vectors times how near
their prices are. A product is compared with those of the smallest category around it that holds enough of
them; there the candidates are found over features that are not too common, so that the work grows with the
number of products and not with its square.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from backend.recommendations.tables import BLOCK_SIZE, RowBuilder, best_of, product_blocks, table_rows

WORD = re.compile(r"[^\W_]{2,}")
# The shares of the parts in a full match.
SHARES = {"name": 0.35, "description": 0.15, "characteristics": 0.25, "category": 0.25}
# How many others a category must hold to be enough, for each of those that are wanted.
ROOM = 4
# A feature that more products of a category share finds no candidates.
MAX_SHARED_BY = 1000
# How many candidates are scored in full, for each one that is wanted.
POOL = 4


@dataclass(frozen=True, slots=True)
class Content:
    """What a product is.

    Attributes:
        category: the ids of its category and those above, root first; empty without one.
        characteristics: names and values.
        price: in the shop's currency, at least 0.
    """

    id: int
    name: str
    description: str
    category: tuple[int, ...]
    characteristics: tuple[tuple[str, str], ...]
    price: float


def find_similar(
    products: Sequence[Content], *, width: int, block_size: int = BLOCK_SIZE
) -> Iterator[tuple[int, int, float]]:
    """Return (product, other, score) for the most similar others of every product, best first.

    Args:
        products: in an order that stays the same, which decides between equal scores.
        width: how many others each product has at most.
        block_size: how many scores are held at once.
    """
    table = similarity_table(products, width=width, block_size=block_size)
    return table_rows(table, [product.id for product in products])


def similarity_table(
    products: Sequence[Content], *, width: int, block_size: int = BLOCK_SIZE
) -> sparse.csr_array:
    """Return products x products, the scores between 0 and 1, best first in each row."""
    vectors = content_vectors(products)
    log_prices = np.log1p([product.price for product in products])
    nobody = (np.empty(0, np.int32), np.empty(0, np.float32))
    found = [nobody] * len(products)
    for rows, others in comparable(products, enough=width * ROOM):
        for product, candidates in _candidates(vectors, rows, others, width * POOL, block_size):
            nearness = np.exp(-np.abs(log_prices[candidates] - log_prices[product]))
            scores = (vectors[candidates] @ vectors[[product]].T).toarray()[:, 0] * nearness
            best = best_of(candidates, scores, width)
            found[product] = (candidates[best].astype(np.int32), scores[best].astype(np.float32))
    table = RowBuilder((len(products), len(products)))
    for columns, scores in found:
        table.append(columns, scores)
    return table.build()


def _candidates(
    vectors: sparse.csr_array,
    rows: npt.NDArray[np.intp],
    others: npt.NDArray[np.intp],
    count: int,
    block_size: int,
) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Yield for each product of `rows` those of `others` that share the most with it of what few share."""
    there = vectors[others]
    telling = np.flatnonzero(np.diff(there.tocsc().indptr) <= MAX_SHARED_BY)
    here, there = vectors[rows][:, telling], there[:, telling].T.tocsr()
    for first, block in product_blocks(here, there, block_size):
        for row in range(block.shape[0]):
            piece = slice(block.indptr[row], block.indptr[row + 1])
            columns, scores = others[block.indices[piece]], block.data[piece]
            not_itself = columns != rows[first + row]
            columns, scores = columns[not_itself], scores[not_itself]
            yield rows[first + row], columns[best_of(columns, scores, count)]


def content_vectors(products: Sequence[Content]) -> sparse.csr_array:
    """Return products x features, float32: TF-IDF weights of unit length, part by part.

    A part that a product lacks leaves its vector shorter: it is like nothing in that respect.
    """
    parts: dict[str, list[set[str]]] = {
        "name": [set(WORD.findall(product.name.lower())) for product in products],
        "description": [set(WORD.findall(product.description.lower())) for product in products],
        "characteristics": [
            {f"{name}={value}".lower() for name, value in product.characteristics} for product in products
        ],
        "category": [{str(category) for category in product.category} for product in products],
    }
    weighted = [_tf_idf(parts[part]) * np.float32(np.sqrt(share)) for part, share in SHARES.items()]
    return sparse.hstack(weighted, format="csr", dtype=np.float32)


def _tf_idf(texts: Sequence[set[str]]) -> sparse.csr_array:
    """Return texts x terms, each row of unit length; a term in every text still counts a little."""
    numbers: dict[str, int] = {}
    columns = [numbers.setdefault(term, len(numbers)) for text in texts for term in sorted(text)]
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts], dtype=np.int64)))
    frequency = np.bincount(columns, minlength=len(numbers)) if columns else np.zeros(0)
    weights = np.log((len(texts) + 1) / np.maximum(frequency, 1))[np.asarray(columns, dtype=np.int64)]
    lengths = np.sqrt(np.bincount(np.repeat(np.arange(len(texts)), np.diff(starts)), weights**2, len(texts)))
    weights = weights / np.repeat(lengths, np.diff(starts))
    return sparse.csr_array(
        (weights.astype(np.float32), np.asarray(columns, dtype=np.int32), starts),
        shape=(len(texts), len(numbers)),
    )


def comparable(
    products: Sequence[Content], *, enough: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield which products are compared with which others, as positions; each product comes once.

    Its others are those of the smallest category around it that has more than `enough` products below
    it, or else the whole catalogue.
    """
    within: dict[int, list[int]] = {}
    for position, product in enumerate(products):
        for category in product.category:
            within.setdefault(category, []).append(position)
    chosen: dict[int | None, list[int]] = {}
    for position, product in enumerate(products):
        scope = next((c for c in reversed(product.category) if len(within[c]) > enough), None)
        chosen.setdefault(scope, []).append(position)
    for scope, rows in chosen.items():
        candidates = np.arange(len(products)) if scope is None else np.asarray(within[scope])
        yield np.asarray(rows), candidates
