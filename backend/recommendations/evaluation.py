"""How good recommendations are: two tasks on baskets that no method has seen.

- A, "complete the cart": one random item of a basket is hidden, the rest is the query, the hidden item
  is relevant.
- B, "bought together": one random item of a basket is the query, the rest of the basket is relevant.

The catalogue is the items in at least MIN_BASKETS training baskets; a basket to test is what it holds
of the catalogue, at least two items. Every method ranks the whole catalogue without the query, nothing
is sampled. A method knows the query and nothing else of the basket. Equal scores, those of items that a
method knows nothing about too, are ranked by one random order of the items, the same for every method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
from scipy import sparse

from backend.recommendations.log import Baskets

MIN_BASKETS = 5
CUT = 10
SEED = 0
RESAMPLES = 10_000
# How many scores are held at once.
BLOCK_SIZE = 4_000_000

# Takes queries x items, 1 where the query holds the item; returns how well each item fits each query.
Scorer = Callable[[sparse.csr_array], npt.NDArray[np.floating]]


class NothingToTest(Exception):
    """One side of the split has no baskets to work with; the message says which."""


@dataclass(frozen=True, slots=True)
class Split:
    """Baskets to learn from and baskets to test on, over the same catalogue; `today` parts them."""

    train: Baskets
    test: Baskets
    today: int


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked in one task; both are questions x items, 1 where it is so, and share no entry."""

    queries: sparse.csr_array
    relevant: sparse.csr_array


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share or a difference of shares, and the interval that holds it with 95 % confidence."""

    value: float
    low: float
    high: float


def split_baskets(baskets: Baskets, train_before: date, until: date | None = None) -> Split:
    """Part baskets at a day, and keep the catalogue that the earlier ones make.

    Args:
        baskets: of all days and items.
        train_before: the first day to test on.
        until: the first day not to test on.

    Raises:
        NothingToTest: no item is in enough earlier baskets, or no later one holds two of the catalogue.
    """
    train, test = baskets.between(None, train_before), baskets.between(train_before, until)
    catalogue = np.flatnonzero(train.matrix.sum(axis=0) >= MIN_BASKETS)
    if not len(catalogue):
        raise NothingToTest(f"No item is in {MIN_BASKETS} baskets before {train_before}.")
    train, test = train.of_items(catalogue), test.of_items(catalogue)
    test = test.of_rows(np.diff(test.matrix.indptr) >= 2)
    if not len(test.days):
        period = f"from {train_before} on" if until is None else f"from {train_before} until {until}"
        raise NothingToTest(f"No basket {period} holds two items of the catalogue.")
    return Split(train=train, test=test, today=train_before.toordinal())


def ask(test: sparse.csr_array, seed: int = SEED) -> dict[str, Questions]:
    """Return one question of each task for every basket.

    Args:
        test: baskets x items, at least two items in each.
        seed: of the choice of items, which is drawn for each task by itself.
    """
    random = np.random.default_rng(seed)
    lengths = np.diff(test.indptr)
    chosen = {}
    for task in ("A", "B"):
        one = np.zeros(test.nnz, dtype=bool)
        one[test.indptr[:-1] + random.integers(lengths)] = True
        chosen[task] = one
    hidden, asked = chosen["A"], chosen["B"]
    return {
        "A": Questions(queries=_entries(test, ~hidden), relevant=_entries(test, hidden)),
        "B": Questions(queries=_entries(test, asked), relevant=_entries(test, ~asked)),
    }


def find_hits(questions: Questions, scorer: Scorer, seed: int = SEED) -> npt.NDArray[np.bool_]:
    """Return for each question whether a relevant item is among the CUT best.

    Args:
        seed: of the order in which equal scores are ranked.
    """
    count, items = questions.queries.shape
    order = np.random.default_rng(seed).permutation(items)
    hits = np.zeros(count, dtype=bool)
    size = max(BLOCK_SIZE // items, 1)
    for first in range(0, count, size):
        rows = np.arange(first, min(first + size, count))
        queries, relevant = questions.queries[rows], questions.relevant[rows].toarray() > 0
        scores = np.array(scorer(queries), dtype=np.float64)
        assert scores.shape == queries.shape and not np.isnan(scores).any()
        scores[queries.nonzero()] = -np.inf
        hits[rows] = _best_rank(scores, relevant, order) < CUT
    return hits


def _best_rank(
    scores: npt.NDArray[np.float64], relevant: npt.NDArray[np.bool_], order: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return how many items come before the first relevant one, in every row."""
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    equal = scores == best
    place = np.where(relevant & equal, order, scores.shape[1]).min(axis=1, keepdims=True)
    rank: npt.NDArray[np.intp] = ((scores > best) | (equal & (order < place))).sum(axis=1)
    return rank


def _entries(matrix: sparse.csr_array, chosen: npt.NDArray[np.bool_]) -> sparse.csr_array:
    """Return the matrix with only the chosen ones of its stored entries."""
    starts = np.concatenate(([0], np.cumsum(chosen)))[matrix.indptr]
    return sparse.csr_array((matrix.data[chosen], matrix.indices[chosen], starts), shape=matrix.shape)


def hit_rate(hits: npt.NDArray[np.bool_]) -> Estimate:
    """Return the share of hits with its Wilson score interval (Wilson, 1927)."""
    count, share = len(hits), float(hits.mean())
    z = 1.959964
    center = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Estimate(share, float(center - half), float(center + half))


def lead(ours: npt.NDArray[np.bool_], theirs: npt.NDArray[np.bool_], seed: int = SEED) -> Estimate:
    """Return by how much the share of hits is higher, with its paired percentile bootstrap interval.

    Args:
        ours, theirs: hits of two methods on the same questions.
        seed: of the resampling.
    """
    count = len(ours)
    difference = ours.astype(np.int8) - theirs.astype(np.int8)
    parts = [float((difference == value).mean()) for value in (1, -1, 0)]
    drawn = np.random.default_rng(seed).multinomial(count, parts, size=RESAMPLES)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / count, [2.5, 97.5])
    return Estimate(float(difference.mean()), float(low), float(high))
