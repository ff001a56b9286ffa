"""The textbook methods that the shop's own is measured against, in their plain form."""

import re
from collections import Counter

import numpy as np
import numpy.typing as npt
from scipy import sparse

from backend.recommendations.evaluation import Scorer
from backend.recommendations.log import Baskets

WORD = re.compile(r"[^\W_]+")


def popularity(train: Baskets) -> Scorer:
    """Rank by how many baskets hold an item."""
    counts = train.matrix.sum(axis=0)
    return lambda queries: np.broadcast_to(counts, queries.shape)


def words(train: Baskets) -> Scorer:
    """Rank by the cosine between TF-IDF vectors of the item's description and of the query's."""
    texts = [set(WORD.findall(description.lower())) for description in train.descriptions]
    frequency = Counter(word for text in texts for word in text)
    numbers = {word: number for number, word in enumerate(frequency)}
    idf = np.log(len(texts) / np.array([frequency[word] for word in numbers]))
    columns = np.array([numbers[word] for text in texts for word in sorted(text)], dtype=np.int32)
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts])))
    vectors = sparse.csr_array((idf[columns], columns, starts), shape=(len(texts), len(numbers)))
    norms = np.sqrt(vectors.multiply(vectors).sum(axis=1))
    vectors = sparse.diags_array(1 / np.where(norms > 0, norms, 1)).tocsr() @ vectors
    return lambda queries: _dense((queries @ vectors) @ vectors.T)


def counts(train: Baskets) -> Scorer:
    """Rank by how many baskets hold an item and one of the query, summed over the query."""
    together = _together(train)
    return lambda queries: _dense(queries @ together)


def cosine(train: Baskets) -> Scorer:
    """Rank by n(i, j) / sqrt(n(i) n(j)), summed over the query."""
    together, sizes = _together(train), train.matrix.sum(axis=0)
    together.data /= np.sqrt(_of_rows(together, sizes) * sizes[together.indices])
    return lambda queries: _dense(queries @ together)


def jaccard(train: Baskets) -> Scorer:
    """Rank by n(i, j) / (n(i) + n(j) - n(i, j)), summed over the query."""
    together, sizes = _together(train), train.matrix.sum(axis=0)
    together.data /= _of_rows(together, sizes) + sizes[together.indices] - together.data
    return lambda queries: _dense(queries @ together)


METHODS = {
    "popularity": popularity,
    "words": words,
    "co-purchase counts": counts,
    "cosine": cosine,
    "jaccard": jaccard,
}


def _together(train: Baskets) -> sparse.csr_array:
    """Return in how many baskets each pair of items is; the diagonal is what they have alone."""
    matrix = train.matrix.astype(np.float64)
    return (matrix.T @ matrix).tocsr()


def _of_rows(matrix: sparse.csr_array, values: npt.NDArray) -> npt.NDArray:
    """Return the value of its row for each stored entry."""
    repeated: npt.NDArray = np.repeat(values, np.diff(matrix.indptr))
    return repeated


def _dense(scores: sparse.csr_array) -> npt.NDArray:
    dense: npt.NDArray = scores.toarray()
    return dense
