"""The model: what is bought together, and what completes a cart.

Both come from G = X'WX, where X says which basket holds which product and W weighs the baskets: a
recent one counts more, and one of n products counts 1/sqrt(n), so that a wholesale order says little
about each of its many pairs. G is made in blocks of rows and only the pairs with the highest cosine
are kept, so memory is linear in the number of products.

- Bought together: P(other | product), the share of the product's baskets that hold the other, mixed
  with how popular the other was in the last weeks (Jelinek-Mercer smoothing). Baskets that an offer
  before it fits count less, so that a list serves several sorts of baskets and not ten times the same:
  the greedy choice of weighted maximum coverage (Nemhauser, Wolsey and Fisher, 1978), softened.
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
# What part of a basket's weight an offer takes that is in it, and how many offers are chosen so.
COVERED = 0.3
CHOSEN = 10
# How many baskets of one product are looked at for that; of more, every second or third stands for all.
MAX_HOLDING = 20_000
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
    together_of = _Together(baskets, today)
    matrix, weighted = together_of.matrix, together_of.weighted
    popularity = weighted.multiply(weighted).sum(axis=0)

    together, kept = RowBuilder(_square(matrix)), RowBuilder(_square(matrix))
    for first, block in product_blocks(weighted.T.tocsr(), weighted, block_size):
        for row in range(block.shape[0]):
            product = first + row
            piece = slice(block.indptr[row], block.indptr[row + 1])
            columns, weights = block.indices[piece], block.data[piece].astype(np.float64)
            others = columns != product
            columns, weights = columns[others], weights[others]
            together.append(*together_of.row(product, columns, weights, width))

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
    together_of = _Together(baskets, today)
    pairs = together_of.weighted[:, products].T.tocsr() @ together_of.weighted
    for row, product in enumerate(products):
        piece = slice(pairs.indptr[row], pairs.indptr[row + 1])
        columns, weights = pairs.indices[piece], pairs.data[piece].astype(np.float64)
        others = columns != product
        yield together_of.row(int(product), columns[others], weights[others], width)


class _Together:
    """What it takes to make a row of `Tables.bought_together` out of one of G."""

    def __init__(self, baskets: Baskets, today: int) -> None:
        self.matrix = cap_lines(baskets.matrix)
        age = np.maximum(today - baskets.days, 0)
        self._weights = basket_weights(self.matrix, age, HALF_LIFE)
        self.weighted = _scale_rows(self.matrix, np.sqrt(self._weights))
        self._holders = self.matrix.T.tocsr()
        self._place = np.full(self.matrix.shape[1], -1, dtype=np.int32)
        trend = basket_weights(self.matrix, age, TREND_HALF_LIFE) @ self.matrix
        self._trend = trend / max(trend.sum(), np.finfo(np.float64).tiny)

    def row(
        self, product: int, columns: npt.NDArray, weights: npt.NDArray[np.float64], width: int
    ) -> tuple[npt.NDArray, npt.NDArray]:
        """Return the columns and scores of a row, best first, out of the row of G without its diagonal."""
        total = max(weights.sum(), np.finfo(np.float64).tiny)
        best = best_of(columns, weights / total + TREND_SHARE * self._trend[columns], width)
        offers = columns[best]
        holding = self._holders.indices[slice(*self._holders.indptr[product : product + 2])]
        step = max(-(-len(holding) // MAX_HOLDING), 1)
        inside = _dense_among(self.matrix, holding[::step], offers, self._place)
        shares = self._weights[holding[::step]] * step / total
        scores = spread_scores(inside, shares, TREND_SHARE * self._trend[offers])
        best = best_of(offers, scores, width)
        return offers[best], scores[best]


def spread_scores(
    inside: npt.NDArray[np.floating], weights: npt.NDArray, bonus: npt.NDArray
) -> npt.NDArray[np.float64]:
    """Return the score of each offer when the best are chosen one after another.

    An offer's score is the weight of the baskets that hold it, plus its bonus, at the time it is chosen;
    then these baskets lose COVERED of their weight. After CHOSEN offers the rest have what is left.

    Args:
        inside: baskets x offers, 1 where the basket holds the offer.
        weights: of the baskets.
        bonus: of the offers.
    """
    weights, scores = weights.astype(np.float64), np.zeros(inside.shape[1])
    left = np.ones(inside.shape[1], dtype=bool)
    for _ in range(min(CHOSEN, inside.shape[1])):
        gains = np.where(left, weights @ inside + bonus, -np.inf)
        offer = int(gains.argmax())
        scores[offer], left[offer] = gains[offer], False
        weights = weights * (1 - COVERED * inside[:, offer])
    scores[left] = (weights @ inside + bonus)[left]
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
        # What is in one triangle alone counts for both.
        left = _dense_among(pairs, nearest, nearest, place)
        left = np.maximum(left, left.T) / np.outer(flat[nearest], flat[nearest])
        left[np.diag_indices_from(left)] = diagonal[nearest] + ridge
        weights = np.linalg.solve(left, right) / flat[nearest] * np.sqrt(flat[product])
        columns.append(nearest, weights)
    return columns.build().T.tocsr()


def _dense_among(
    table: sparse.csr_array, rows: npt.NDArray, columns: npt.NDArray, place: npt.NDArray
) -> npt.NDArray[np.float64]:
    """Return the dense part of a table between chosen rows and columns.

    Args:
        place: -1 for every column; used, and left as it was.
    """
    starts, ends = table.indptr[rows], table.indptr[rows + 1]
    lengths = ends - starts
    entries = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    place[columns] = np.arange(len(columns))
    found = place[table.indices[entries]]
    place[columns] = -1
    inside = found >= 0
    dense = np.zeros((len(rows), len(columns)))
    dense[np.repeat(np.arange(len(rows)), lengths)[inside], found[inside]] = table.data[entries[inside]]
    return dense


def _scale_rows(matrix: sparse.csr_array, factors: npt.NDArray) -> sparse.csr_array:
    data = matrix.data * np.repeat(factors, np.diff(matrix.indptr)).astype(np.float32)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _square(matrix: sparse.csr_array) -> tuple[int, int]:
    return matrix.shape[1], matrix.shape[1]
