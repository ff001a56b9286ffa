"""Compute similar products from category, characteristics, text and price. No purchases are needed.

Each product becomes a sparse vector of TF-IDF weights, in which the name, the description, the
characteristics and the category path have fixed shares. The score of two products is the cosine of their
vectors multiplied by the proximity of their prices. A product is compared with the products of its smallest
enclosing category that has enough of them. Candidates are found by features that few products share, so that
the work grows linearly with the number of products.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from backend.recommendations.score_matrix import (
    BLOCK_SIZE,
    MatrixBuilder,
    find_top_positions,
    iterate_scores,
    multiply_in_blocks,
)

WORD = re.compile(r"[^\W_]{2,}")
# The contribution of each part to the score of two identical products.
PART_SHARES = {"name": 0.35, "description": 0.15, "characteristics": 0.25, "category": 0.25}
# A category is large enough if it has this many products for each requested similar product.
CATEGORY_PRODUCTS_PER_RESULT = 4
# Features that more products of a category share are not used to find candidates.
MAX_PRODUCTS_PER_FEATURE = 1000
# The number of candidates that are scored for each requested similar product.
CANDIDATES_PER_RESULT = 4


@dataclass(frozen=True, slots=True)
class ProductContent:
    """The properties of a product that its similarity depends on.

    Attributes:
        category_path: the ids of the ancestors and the category, root first; empty without a category.
        characteristics: pairs of a name and a value.
        price: in the shop's currency, at least 0.
    """

    id: int
    name: str
    description: str
    category_path: tuple[int, ...]
    characteristics: tuple[tuple[str, str], ...]
    price: float


def find_similar_products(
    products: Sequence[ProductContent], *, width: int, block_size: int = BLOCK_SIZE
) -> Iterator[tuple[int, int, float]]:
    """Return (product, similar product, score) for all products, best first.

    Args:
        products: in a stable order, which decides between equal scores.
        width: the maximum number of similar products of each product.
        block_size: the maximum number of scores in memory at once.
    """
    matrix = compute_similarity(products, width=width, block_size=block_size)
    return iterate_scores(matrix, [product.id for product in products])


def compute_similarity(
    products: Sequence[ProductContent], *, width: int, block_size: int = BLOCK_SIZE
) -> sparse.csr_array:
    """Return a products × products matrix of scores between 0 and 1, best first in each row."""
    vectors = build_content_vectors(products)
    log_prices = np.log1p([product.price for product in products])
    no_results = (np.empty(0, np.int32), np.empty(0, np.float32))
    results = [no_results] * len(products)
    for rows, others in group_by_category(products, min_size=width * CATEGORY_PRODUCTS_PER_RESULT):
        for product, candidates in _find_candidates(
            vectors, rows, others, width * CANDIDATES_PER_RESULT, block_size
        ):
            price_proximity = np.exp(-np.abs(log_prices[candidates] - log_prices[product]))
            scores = (vectors[candidates] @ vectors[[product]].T).toarray()[:, 0] * price_proximity
            top = find_top_positions(candidates, scores, width)
            results[product] = (candidates[top].astype(np.int32), scores[top].astype(np.float32))
    builder = MatrixBuilder((len(products), len(products)))
    for columns, scores in results:
        builder.append_row(columns, scores)
    return builder.build()


def _find_candidates(
    vectors: sparse.csr_array,
    rows: npt.NDArray[np.intp],
    others: npt.NDArray[np.intp],
    count: int,
    block_size: int,
) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Yield each product of `rows` with the `others` that are nearest to it by their rare features."""
    other_vectors = vectors[others]
    rare = np.flatnonzero(np.diff(other_vectors.tocsc().indptr) <= MAX_PRODUCTS_PER_FEATURE)
    row_vectors, other_vectors = vectors[rows][:, rare], other_vectors[:, rare].T.tocsr()
    for first, block in multiply_in_blocks(row_vectors, other_vectors, block_size):
        for row in range(block.shape[0]):
            entries = slice(block.indptr[row], block.indptr[row + 1])
            columns, scores = others[block.indices[entries]], block.data[entries]
            is_other = columns != rows[first + row]
            columns, scores = columns[is_other], scores[is_other]
            yield rows[first + row], columns[find_top_positions(columns, scores, count)]


def build_content_vectors(products: Sequence[ProductContent]) -> sparse.csr_array:
    """Return products × features, float32: the TF-IDF weights of all parts, scaled by their shares.

    A vector has unit length, or less if the product lacks a part. A missing part matches nothing.
    """
    parts: dict[str, list[set[str]]] = {
        "name": [set(WORD.findall(product.name.lower())) for product in products],
        "description": [set(WORD.findall(product.description.lower())) for product in products],
        "characteristics": [
            {f"{name}={value}".lower() for name, value in product.characteristics} for product in products
        ],
        "category": [{str(category) for category in product.category_path} for product in products],
    }
    weighted = [
        _compute_tf_idf(parts[part]) * np.float32(np.sqrt(share)) for part, share in PART_SHARES.items()
    ]
    return sparse.hstack(weighted, format="csr", dtype=np.float32)


def _compute_tf_idf(texts: Sequence[set[str]]) -> sparse.csr_array:
    """Return texts × terms with rows of unit length. A term of every text keeps a small weight."""
    term_columns: dict[str, int] = {}
    columns = [term_columns.setdefault(term, len(term_columns)) for text in texts for term in sorted(text)]
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts], dtype=np.int64)))
    frequency = np.bincount(columns, minlength=len(term_columns)) if columns else np.zeros(0)
    weights = np.log((len(texts) + 1) / np.maximum(frequency, 1))[np.asarray(columns, dtype=np.int64)]
    norms = np.sqrt(np.bincount(np.repeat(np.arange(len(texts)), np.diff(starts)), weights**2, len(texts)))
    weights = weights / np.repeat(norms, np.diff(starts))
    return sparse.csr_array(
        (weights.astype(np.float32), np.asarray(columns, dtype=np.int32), starts),
        shape=(len(texts), len(term_columns)),
    )


def group_by_category(
    products: Sequence[ProductContent], *, min_size: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield groups of products with the products to compare them with, both as positions.

    Each product is in one group. It is compared with the products of its smallest enclosing category that
    has more than `min_size` products in its subtree, or with the whole catalogue.
    """
    members: dict[int, list[int]] = {}
    for position, product in enumerate(products):
        for category in product.category_path:
            members.setdefault(category, []).append(position)
    groups: dict[int | None, list[int]] = {}
    for position, product in enumerate(products):
        large_enough = (c for c in reversed(product.category_path) if len(members[c]) > min_size)
        groups.setdefault(next(large_enough, None), []).append(position)
    for scope, rows in groups.items():
        others = np.arange(len(products)) if scope is None else np.asarray(members[scope])
        yield np.asarray(rows), others
