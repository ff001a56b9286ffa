"""Compute bought-together products and cart complements from baskets.

Both are computed from G = X'WX, where X is the baskets × products matrix and W is the diagonal matrix of the
basket weights. The weight of a basket decreases with its age, and a basket of n products has the weight
1/sqrt(n), so that wholesale orders do not dominate. G is computed in blocks of rows, of which only the pairs
with the highest cosine are kept, so that memory grows linearly with the number of products.

- Bought together: P(other | product), the share of the baskets of the product that contain the other, plus
  the popularity of the other in the last weeks (Jelinek-Mercer smoothing). Baskets that already contain a
  chosen product count less, so that a list suits different kinds of baskets: a soft version of the greedy
  algorithm for weighted maximum coverage (Nemhauser, Wolsey and Fisher, 1978).
- Complements: the weights of the products in a cart that best predict another product in it. This is EASE
  (Steck, 2019, "Embarrassingly Shallow Autoencoders for Sparse Data") restricted, as in FSLIM (Ning and
  Karypis, 2011, "SLIM"), to the nearest neighbours of each product. One small ridge regression for each
  product replaces the inversion of a products × products matrix. G is first scaled by a power of popularity.
  Without the scaling, best sellers would get all the weight.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from backend.recommendations.baskets import Baskets
from backend.recommendations.score_matrix import (
    BLOCK_SIZE,
    MatrixBuilder,
    find_top_positions,
    keep_top_scores,
    multiply_in_blocks,
)

# The maximum number of recommendations of each product.
MATRIX_WIDTH = 50
# The age in days at which the weight of a basket has halved.
HALF_LIFE = 150
# The half-life for the popularity of the last weeks, and the weight of this popularity in the score.
TREND_HALF_LIFE = 30
TREND_SHARE = 0.2
# The share of its weight that a basket loses when a product that it contains is chosen, and the number of
# products that are chosen one by one.
COVERED_SHARE = 0.3
DIVERSIFIED_RANKS = 10
# Products with more baskets than this are scored on a sample of every second, third, … basket.
MAX_BASKETS_PER_PRODUCT = 20_000
# Baskets with more products than this are sampled as well.
MAX_BASKET_SIZE = 300
# The number of pairs of G that are kept for each product, and the number of neighbours in its regression.
PAIRS_PER_PRODUCT = 400
NEIGHBOURS = 100
# The ridge penalty, relative to the mean of the diagonal of G.
RIDGE = 1.0
# The power of popularity by which G is divided on both sides.
POPULARITY_POWER = 0.25


@dataclass(frozen=True, slots=True)
class BasketScores:
    """Products × products matrices with a zero diagonal and positive scores, best first in each row.

    Attributes:
        bought_together: row i has the products that are bought together with product i.
        complements: the sum of the rows of the products in a cart scores the products that complement it.
    """

    bought_together: sparse.csr_array
    complements: sparse.csr_array


def compute_basket_scores(
    baskets: Baskets, today: int, *, width: int = MATRIX_WIDTH, block_size: int = BLOCK_SIZE
) -> BasketScores:
    """Compute both matrices.

    Args:
        baskets: a product without baskets gets an empty row.
        today: the day that ages are relative to, as `date.toordinal` counts it.
        width: the maximum number of scores in each row.
        block_size: the maximum number of scores in memory at once, in addition to the result.
    """
    scorer = _BoughtTogetherScorer(baskets, today)
    popularity = scorer.weighted.multiply(scorer.weighted).sum(axis=0)
    shape = (scorer.matrix.shape[1], scorer.matrix.shape[1])

    bought_together, pairs = MatrixBuilder(shape), MatrixBuilder(shape)
    for first, block in multiply_in_blocks(scorer.weighted.T.tocsr(), scorer.weighted, block_size):
        for row in range(block.shape[0]):
            product = first + row
            columns, weights = _read_row_without_diagonal(block, row, product)
            bought_together.append_row(*scorer.score(product, columns, weights, width))

            nearest = find_top_positions(columns, weights / np.sqrt(popularity[columns]), PAIRS_PER_PRODUCT)
            pairs.append_row(columns[nearest], weights[nearest])
    # For systems of a hundred equations, threads cost more than they save.
    with threadpool_limits(1):
        complements = fit_neighbour_regressions(pairs.build(), popularity)
    return BasketScores(bought_together.build(), keep_top_scores(complements, width))


def score_bought_together(
    baskets: Baskets, today: int, products: npt.NDArray[np.intp], *, width: int = MATRIX_WIDTH
) -> Iterator[tuple[npt.NDArray, npt.NDArray]]:
    """Yield the columns and scores of `BasketScores.bought_together` for some products, best first.

    Args:
        baskets: all baskets of these products, and enough others to estimate the popularity of all products.
        today: the day that ages are relative to, as `date.toordinal` counts it.
        products: columns of the baskets.
        width: the maximum number of scores for each product.
    """
    scorer = _BoughtTogetherScorer(baskets, today)
    pairs = scorer.weighted[:, products].T.tocsr() @ scorer.weighted
    for row, product in enumerate(products):
        columns, weights = _read_row_without_diagonal(pairs, row, product)
        yield scorer.score(int(product), columns, weights, width)


class _BoughtTogetherScorer:
    """Turn rows of G into rows of `BasketScores.bought_together`.

    Attributes:
        matrix: baskets × products, with at most MAX_BASKET_SIZE products in each basket.
        weighted: the same, with each row multiplied by the root of its weight.
    """

    def __init__(self, baskets: Baskets, today: int) -> None:
        self.matrix = sample_large_baskets(baskets.matrix)
        age = np.maximum(today - baskets.days, 0)
        self._weights = weigh_baskets(self.matrix, age, HALF_LIFE)
        self.weighted = _scale_rows(self.matrix, np.sqrt(self._weights))
        self._baskets_by_product = self.matrix.T.tocsr()
        self._positions = np.full(self.matrix.shape[1], -1, dtype=np.int32)
        trend = weigh_baskets(self.matrix, age, TREND_HALF_LIFE) @ self.matrix
        self._trend = trend / max(trend.sum(), np.finfo(np.float64).tiny)

    def score(
        self, product: int, columns: npt.NDArray, weights: npt.NDArray[np.float64], width: int
    ) -> tuple[npt.NDArray, npt.NDArray]:
        """Return the columns and scores for a product, best first.

        Args:
            columns, weights: the row of G without its diagonal.
        """
        total = max(weights.sum(), np.finfo(np.float64).tiny)
        top = find_top_positions(columns, weights / total + TREND_SHARE * self._trend[columns], width)
        candidates = columns[top]
        baskets = self._baskets_by_product.indices[
            slice(*self._baskets_by_product.indptr[product : product + 2])
        ]
        step = max(-(-len(baskets) // MAX_BASKETS_PER_PRODUCT), 1)
        contains = _extract_dense(self.matrix, baskets[::step], candidates, self._positions)
        shares = self._weights[baskets[::step]] * step / total
        scores = diversify_scores(contains, shares, TREND_SHARE * self._trend[candidates])
        top = find_top_positions(candidates, scores, width)
        return candidates[top], scores[top]


def diversify_scores(
    contains: npt.NDArray[np.floating], weights: npt.NDArray, bonus: npt.NDArray
) -> npt.NDArray[np.float64]:
    """Return the scores of candidates that are chosen greedily, one after another.

    The score of a candidate is the total weight of the baskets that contain it at the time it is chosen, plus
    its bonus. These baskets then lose COVERED_SHARE of their weight. After DIVERSIFIED_RANKS candidates, the
    others are scored with the remaining weights.

    Args:
        contains: baskets × candidates, 1 where the basket contains the candidate.
        weights: the weight of each basket.
        bonus: the bonus of each candidate.
    """
    weights, scores = weights.astype(np.float64), np.zeros(contains.shape[1])
    remaining = np.ones(contains.shape[1], dtype=bool)
    for _ in range(min(DIVERSIFIED_RANKS, contains.shape[1])):
        gains = np.where(remaining, weights @ contains + bonus, -np.inf)
        best = int(gains.argmax())
        scores[best], remaining[best] = gains[best], False
        weights = weights * (1 - COVERED_SHARE * contains[:, best])
    scores[remaining] = (weights @ contains + bonus)[remaining]
    return scores


def weigh_baskets(
    matrix: sparse.csr_array, age: npt.NDArray[np.integer], half_life: float
) -> npt.NDArray[np.float64]:
    """Return the weight of each basket: 1/sqrt(its number of products), halved after every half-life.

    Args:
        matrix: baskets × products.
        age: the age of each basket in days.
        half_life: in days.
    """
    sizes = np.maximum(np.diff(matrix.indptr), 1)
    weights: npt.NDArray[np.float64] = np.exp2(-age / half_life) / np.sqrt(sizes)
    return weights


def sample_large_baskets(matrix: sparse.csr_array, max_size: int = MAX_BASKET_SIZE) -> sparse.csr_array:
    """Return the baskets with at most `max_size` evenly chosen products each.

    The work for a basket is quadratic in its size.
    """
    sizes = np.diff(matrix.indptr)
    if sizes.max(initial=0) <= max_size:
        return matrix
    size = np.repeat(sizes, sizes)
    position = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], sizes)
    # An entry is chosen where `position * max_size // size` takes a new value: for a size of 5 and a
    # `max_size` of 2, at the positions 0 and 3.
    is_chosen = (size <= max_size) | (position * max_size % size < max_size)
    starts = np.concatenate(([0], np.cumsum(is_chosen)))[matrix.indptr]
    return sparse.csr_array((matrix.data[is_chosen], matrix.indices[is_chosen], starts), shape=matrix.shape)


def fit_neighbour_regressions(pairs: sparse.csr_array, popularity: npt.NDArray) -> sparse.csr_array:
    """Return the weight with which each product of a cart predicts another product.

    For each product j with its nearest neighbours N: w = (S_NN + ridge)^-1 S_Nj, where S is G scaled by
    popularity to the power of -POPULARITY_POWER on both sides. w_i is then divided by the scale of i once
    more, so that a best seller in the cart predicts less, and multiplied by the root of the scale of j, which
    reverts half of its scaling.

    Args:
        pairs: G without its diagonal, products × products, nearest first in each row. A pair that is in one
            triangle only is used for both.
        popularity: the diagonal of G.

    Returns:
        products × products: the weight of product i (row) for product j (column).
    """
    known = popularity[popularity > 0]
    mean = known.mean() if len(known) else 1.0
    scale = np.where(popularity > 0, popularity / mean, 1.0) ** POPULARITY_POWER
    diagonal = popularity / scale**2
    ridge = RIDGE * (diagonal[popularity > 0].mean() if len(known) else 1.0)

    transposed = MatrixBuilder(pairs.shape)
    positions = np.full(pairs.shape[0], -1, dtype=np.int32)
    for product in range(pairs.shape[0]):
        entries = slice(pairs.indptr[product], pairs.indptr[product + 1])
        neighbours = pairs.indices[entries][:NEIGHBOURS]
        if not len(neighbours):
            transposed.append_row(neighbours, np.empty(0))
            continue
        target = pairs.data[entries][:NEIGHBOURS] / (scale[neighbours] * scale[product])
        among = _extract_dense(pairs, neighbours, neighbours, positions)
        among = np.maximum(among, among.T) / np.outer(scale[neighbours], scale[neighbours])
        among[np.diag_indices_from(among)] = diagonal[neighbours] + ridge
        weights = np.linalg.solve(among, target) / scale[neighbours] * np.sqrt(scale[product])
        transposed.append_row(neighbours, weights)
    return transposed.build().T.tocsr()


def _read_row_without_diagonal(
    matrix: sparse.csr_array, row: int, product: int
) -> tuple[npt.NDArray, npt.NDArray[np.float64]]:
    """Return the columns and values of a row, without the column of the product itself."""
    entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
    columns, values = matrix.indices[entries], matrix.data[entries].astype(np.float64)
    is_other = columns != product
    return columns[is_other], values[is_other]


def _extract_dense(
    matrix: sparse.csr_array, rows: npt.NDArray, columns: npt.NDArray, positions: npt.NDArray
) -> npt.NDArray[np.float64]:
    """Return the dense submatrix of the given rows and columns.

    Args:
        positions: a scratch array with -1 for every column of the matrix. It is restored before returning.
    """
    starts, ends = matrix.indptr[rows], matrix.indptr[rows + 1]
    lengths = ends - starts
    entries = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    positions[columns] = np.arange(len(columns))
    found = positions[matrix.indices[entries]]
    positions[columns] = -1
    is_selected = found >= 0
    dense = np.zeros((len(rows), len(columns)))
    dense[np.repeat(np.arange(len(rows)), lengths)[is_selected], found[is_selected]] = matrix.data[
        entries[is_selected]
    ]
    return dense


def _scale_rows(matrix: sparse.csr_array, factors: npt.NDArray) -> sparse.csr_array:
    data = matrix.data * np.repeat(factors, np.diff(matrix.indptr)).astype(np.float32)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
