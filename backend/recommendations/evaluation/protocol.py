"""Evaluation protocol: two tasks on baskets that were not used for training.

- Task A, "complete the cart": one random item of a basket is hidden. The other items are the query, and the
  hidden item is relevant.
- Task B, "bought together": one random item of a basket is the query, and the other items are relevant.

The catalogue consists of the items in at least MIN_BASKETS training baskets. Test baskets are reduced to the
catalogue and need at least two items. Every method ranks the whole catalogue without the query; no items are
sampled. A method sees the query and nothing else of the basket. Items with equal scores, such as items that a
method knows nothing about, are ranked by a random permutation that is the same for all methods.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
from scipy import sparse

from backend.recommendations.baskets import Baskets

MIN_BASKETS = 5
# A hit is a relevant item among the first HIT_RANK items.
HIT_RANK = 10
SEED = 0
BOOTSTRAP_RESAMPLES = 10_000
# The maximum number of scores in memory at once.
BLOCK_SIZE = 4_000_000

# Maps queries × items, 1 where the query contains the item, to the score of each item for each query.
Scorer = Callable[[sparse.csr_array], npt.NDArray[np.floating]]


class InsufficientDataError(Exception):
    """There are not enough baskets for training or for testing."""


@dataclass(frozen=True, slots=True)
class Split:
    """Training and test baskets with the same columns. `today` is the first test day."""

    train: Baskets
    test: Baskets
    today: int


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of a task: two questions × items matrices with disjoint entries."""

    queries: sparse.csr_array
    relevant: sparse.csr_array


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def split_baskets(baskets: Baskets, train_before: date, until: date | None = None) -> Split:
    """Split baskets by date and reduce them to the catalogue.

    Args:
        train_before: the first day of the test period.
        until: the day after the test period.

    Raises:
        InsufficientDataError: the catalogue is empty, or no test basket has two items of it.
    """
    train, test = baskets.select_days(None, train_before), baskets.select_days(train_before, until)
    catalogue = np.flatnonzero(train.matrix.sum(axis=0) >= MIN_BASKETS)
    if not len(catalogue):
        raise InsufficientDataError(f"No item is in {MIN_BASKETS} baskets before {train_before}.")
    train, test = train.select_items(catalogue), test.select_items(catalogue)
    test = test.select_rows(np.diff(test.matrix.indptr) >= 2)
    if not len(test.days):
        period = f"since {train_before}" if until is None else f"from {train_before} until {until}"
        raise InsufficientDataError(
            f"No basket {period} has two items that are in {MIN_BASKETS} earlier ones."
        )
    return Split(train=train, test=test, today=train_before.toordinal())


def draw_questions(test: sparse.csr_array, seed: int = SEED) -> dict[str, Questions]:
    """Return one question of each task for every basket.

    Args:
        test: baskets × items, at least two items in each basket.
        seed: for the random item, which is drawn independently for each task.
    """
    random = np.random.default_rng(seed)
    sizes = np.diff(test.indptr)
    drawn = {}
    for task in ("A", "B"):
        is_drawn = np.zeros(test.nnz, dtype=bool)
        is_drawn[test.indptr[:-1] + random.integers(sizes)] = True
        drawn[task] = is_drawn
    hidden, queried = drawn["A"], drawn["B"]
    return {
        "A": Questions(queries=_select_entries(test, ~hidden), relevant=_select_entries(test, hidden)),
        "B": Questions(queries=_select_entries(test, queried), relevant=_select_entries(test, ~queried)),
    }


def find_hits(questions: Questions, scorer: Scorer, seed: int = SEED) -> npt.NDArray[np.bool_]:
    """Return for each question whether a relevant item is among the first HIT_RANK items.

    Args:
        seed: for the permutation that ranks equal scores.
    """
    count, items = questions.queries.shape
    order = np.random.default_rng(seed).permutation(items)
    hits = np.zeros(count, dtype=bool)
    block_rows = max(BLOCK_SIZE // items, 1)
    for first in range(0, count, block_rows):
        rows = np.arange(first, min(first + block_rows, count))
        queries, relevant = questions.queries[rows], questions.relevant[rows].toarray() > 0
        scores = np.array(scorer(queries), dtype=np.float64)
        assert scores.shape == queries.shape and not np.isnan(scores).any()
        scores[queries.nonzero()] = -np.inf
        hits[rows] = _rank_of_first_relevant(scores, relevant, order) < HIT_RANK
    return hits


def _rank_of_first_relevant(
    scores: npt.NDArray[np.float64], relevant: npt.NDArray[np.bool_], order: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return the number of items that are ranked before the first relevant item of each row."""
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    is_equal = scores == best
    position = np.where(relevant & is_equal, order, scores.shape[1]).min(axis=1, keepdims=True)
    rank: npt.NDArray[np.intp] = ((scores > best) | (is_equal & (order < position))).sum(axis=1)
    return rank


def _select_entries(matrix: sparse.csr_array, mask: npt.NDArray[np.bool_]) -> sparse.csr_array:
    """Return the matrix with only the stored entries where `mask` is true."""
    starts = np.concatenate(([0], np.cumsum(mask)))[matrix.indptr]
    return sparse.csr_array((matrix.data[mask], matrix.indices[mask], starts), shape=matrix.shape)


def estimate_hit_rate(hits: npt.NDArray[np.bool_]) -> Estimate:
    """Return the hit rate with its Wilson score interval (Wilson, 1927)."""
    count, rate = len(hits), float(hits.mean())
    z = 1.959964
    center = (rate + z**2 / (2 * count)) / (1 + z**2 / count)
    half_width = z / (1 + z**2 / count) * np.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2))
    return Estimate(rate, float(center - half_width), float(center + half_width))


def estimate_lead(ours: npt.NDArray[np.bool_], theirs: npt.NDArray[np.bool_], seed: int = SEED) -> Estimate:
    """Return the difference of two hit rates with its paired percentile bootstrap interval.

    Args:
        ours, theirs: the hits of two methods on the same questions.
        seed: for the resampling.
    """
    count = len(ours)
    difference = ours.astype(np.int8) - theirs.astype(np.int8)
    shares = [float((difference == value).mean()) for value in (1, -1, 0)]
    resamples = np.random.default_rng(seed).multinomial(count, shares, size=BOOTSTRAP_RESAMPLES)
    low, high = np.percentile((resamples[:, 0] - resamples[:, 1]) / count, [2.5, 97.5])
    return Estimate(float(difference.mean()), float(low), float(high))
