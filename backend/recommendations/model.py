"""The model: what is bought together, and what completes a cart.

Both come from G = X'WX, where X says which basket holds which product and W weighs the baskets: a
recent one counts more, and one of n products counts 1/sqrt(n), so that a wholesale order says little
about each of its many pairs. G is made in blocks of rows and only the pairs with the highest cosine
are kept, so memory is linear in the number of products.

- Bought together: P(other | product), the share of the product's baskets that hold the other, mixed
  with how popular the other was in the last weeks (Jelinek-Mercer smoothing).
- Complements: which weights on the products of a cart best predict another one that is in it. This is
  EASE (Steck, 2019, "Embarrassingly Shallow Autoencoders for Sparse Data") restricted, like FSLIM
  (Ning and Karypis, 2011, "SLIM"), to the nearest products of every product, so that instead of one
  inverse of products x products there is a small ridge regression for each. Before, G is scaled by a
  power of popularity, without which the best sellers take all the weight.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from backend.recommendations.log import Baskets
from backend.recommendations.tables import BLOCK_SIZE, RowBuilder, best_of, cut_rows, product_blocks

# How many others each product has in a table.
TABLE_WIDTH = 50
# Days after which a basket counts half.
HALF_LIFE = 150
# The same for what is popular now, and how much of the mix that is.
TREND_HALF_LIFE = 30
TREND_SHARE = 0.2
# How many lines of a basket are looked at.
MAX_LINES = 300
# How many pairs of G are kept of each product, and with how many of them its regression is made.
KEPT_PAIRS = 400
NEIGHBOURS = 100
# The ridge, in units of the mean of G's diagonal.
RIDGE = 1.0
# G is divided by popularity to this power, on both sides.
FLATTENING = 0.25


@dataclass(frozen=True, slots=True)
class Tables:
    """What is served. Both are products x products, without a diagonal, above 0, best first in each row.

    Attributes:
        bought_together: row i holds what to offer with product i.
        complements: the sum of the rows of a cart's products holds what to offer with that cart.
    """

    bought_together: sparse.csr_array
    complements: sparse.csr_array


def build_tables(
    baskets: Baskets, today: int, *, width: int = TABLE_WIDTH, block_size: int = BLOCK_SIZE
) -> Tables:
    """Build both tables from baskets.

    Args:
        baskets: of at least the products to recommend; those in no basket get empty rows.
        today: the day from which age is counted, as `date.toordinal` counts it.
        width: how many others each product has at most.
        block_size: how many scores are held at once, beside the result.
    """
    matrix = cap_lines(baskets.matrix)
    age = np.maximum(today - baskets.days, 0)
    weighted = _scale_rows(matrix, np.sqrt(basket_weights(matrix, age, HALF_LIFE)))
    popularity = weighted.multiply(weighted).sum(axis=0)
    trend = _trend(matrix, age)

    together, kept = RowBuilder(_square(matrix)), RowBuilder(_square(matrix))
    for first, block in product_blocks(weighted.T.tocsr(), weighted, block_size):
        for row in range(block.shape[0]):
            product = first + row
            piece = slice(block.indptr[row], block.indptr[row + 1])
            columns, weights = block.indices[piece], block.data[piece].astype(np.float64)
            others = columns != product
            columns, weights = columns[others], weights[others]

            scores = _together_scores(columns, weights, trend)
            best = best_of(columns, scores, width)
            together.append(columns[best], scores[best])

            best = best_of(columns, weights / np.sqrt(popularity[columns]), KEPT_PAIRS)
            kept.append(columns[best], weights[best])
    # Threads cost more than they save on systems of a hundred equations.
    with threadpool_limits(1):
        regression = neighbour_regression(kept.build(), popularity)
    return Tables(bought_together=together.build(), complements=cut_rows(regression, width))


def bought_together_rows(
    baskets: Baskets, today: int, products: npt.NDArray[np.intp], *, width: int = TABLE_WIDTH
) -> Iterator[tuple[npt.NDArray, npt.NDArray]]:
    """Yield the rows of `Tables.bought_together` for some products alone: columns and scores, best first.

    Args:
        baskets: at least those that hold the products, and enough others to tell what is popular now.
        today: the day from which age is counted, as `date.toordinal` counts it.
        products: columns of the baskets.
        width: how many others each product has at most.
    """
    matrix = cap_lines(baskets.matrix)
    age = np.maximum(today - baskets.days, 0)
    weighted = _scale_rows(matrix, np.sqrt(basket_weights(matrix, age, HALF_LIFE)))
    trend = _trend(matrix, age)
    pairs = weighted[:, products].T.tocsr() @ weighted
    for row, product in enumerate(products):
        piece = slice(pairs.indptr[row], pairs.indptr[row + 1])
        columns, weights = pairs.indices[piece], pairs.data[piece].astype(np.float64)
        others = columns != product
        columns, weights = columns[others], weights[others]
        scores = _together_scores(columns, weights, trend)
        best = best_of(columns, scores, width)
        yield columns[best], scores[best]


def _trend(matrix: sparse.csr_array, age: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Return the share of each product in what sold in the last weeks."""
    trend = basket_weights(matrix, age, TREND_HALF_LIFE) @ matrix
    share: npt.NDArray[np.float64] = trend / max(trend.sum(), np.finfo(np.float64).tiny)
    return share


def _together_scores(
    columns: npt.NDArray, weights: npt.NDArray[np.float64], trend: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the scores of others by what their common baskets with a product weigh."""
    share = weights / max(weights.sum(), np.finfo(np.float64).tiny)
    scores: npt.NDArray[np.float64] = share + TREND_SHARE * trend[columns]
    return scores


def basket_weights(
    matrix: sparse.csr_array, age: npt.NDArray[np.integer], half_life: float
) -> npt.NDArray[np.float64]:
    """Return how much each basket counts: half after every half-life, and 1/sqrt(its products).

    Args:
        matrix: baskets x products.
        age: days, of each basket.
        half_life: days.
    """
    lines = np.maximum(np.diff(matrix.indptr), 1)
    weights: npt.NDArray[np.float64] = np.exp2(-age / half_life) / np.sqrt(lines)
    return weights


def cap_lines(matrix: sparse.csr_array, lines: int = MAX_LINES) -> sparse.csr_array:
    """Return the baskets with at most so many lines each, evenly chosen; the work is quadratic in them."""
    lengths = np.diff(matrix.indptr)
    if lengths.max(initial=0) <= lines:
        return matrix
    length = np.repeat(lengths, lengths)
    position = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
    # Of 5 positions and 2 lines, 0 and 3 are where position * 2 // 5 takes a new value.
    chosen = (length <= lines) | (position * lines % length < lines)
    starts = np.concatenate(([0], np.cumsum(chosen)))[matrix.indptr]
    return sparse.csr_array((matrix.data[chosen], matrix.indices[chosen], starts), shape=matrix.shape)


def neighbour_regression(pairs: sparse.csr_array, popularity: npt.NDArray) -> sparse.csr_array:
    """Return the weight that each product in a cart has for another one.

    For each product j, with its nearest products N: w = (S_NN + ridge)^-1 S_Nj, where S is G scaled by
    popularity to the power of -FLATTENING on both sides. Then w_i is divided by i's popularity to that
    power once more, so that a best seller in the cart says less, and multiplied by the root of j's, which
    gives back half of the scaling.

    Args:
        pairs: G without its diagonal, products x products, in each row the nearest first. What is in
            one triangle alone counts for both.
        popularity: the diagonal of G.

    Returns:
        products x products: row i, column j.
    """
    known = popularity[popularity > 0]
    mean = known.mean() if len(known) else 1.0
    flat = np.where(popularity > 0, popularity / mean, 1.0) ** FLATTENING
    diagonal = popularity / flat**2
    ridge = RIDGE * (diagonal[popularity > 0].mean() if len(known) else 1.0)

    columns = RowBuilder(pairs.shape)
    place = np.full(pairs.shape[0], -1, dtype=np.int32)
    for product in range(pairs.shape[0]):
        nearest = pairs.indices[pairs.indptr[product] : pairs.indptr[product + 1]][:NEIGHBOURS]
        if not len(nearest):
            columns.append(nearest, np.empty(0))
            continue
        right = pairs.data[pairs.indptr[product] : pairs.indptr[product + 1]][:NEIGHBOURS]
        right = right / (flat[nearest] * flat[product])
        left = _square_among(pairs, nearest, place) / np.outer(flat[nearest], flat[nearest])
        left[np.diag_indices_from(left)] = diagonal[nearest] + ridge
        weights = np.linalg.solve(left, right) / flat[nearest] * np.sqrt(flat[product])
        columns.append(nearest, weights)
    return columns.build().T.tocsr()


def _square_among(table: sparse.csr_array, chosen: npt.NDArray, place: npt.NDArray) -> npt.NDArray:
    """Return the dense part of a table between chosen products, made symmetric.

    Args:
        place: of every product, -1; used, and left as it was.
    """
    starts, ends = table.indptr[chosen], table.indptr[chosen + 1]
    lengths = ends - starts
    rows = np.repeat(np.arange(len(chosen)), lengths)
    entries = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    place[chosen] = np.arange(len(chosen))
    columns = place[table.indices[entries]]
    place[chosen] = -1
    inside = columns >= 0
    square = np.zeros((len(chosen), len(chosen)))
    square[rows[inside], columns[inside]] = table.data[entries[inside]]
    return np.maximum(square, square.T)


def _scale_rows(matrix: sparse.csr_array, factors: npt.NDArray) -> sparse.csr_array:
    data = matrix.data * np.repeat(factors, np.diff(matrix.indptr)).astype(np.float32)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _square(matrix: sparse.csr_array) -> tuple[int, int]:
    return matrix.shape[1], matrix.shape[1]
