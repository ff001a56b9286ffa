"""Textbook recommendation methods to compare with."""

import re
from collections import Counter

import numpy as np
import numpy.typing as npt
from scipy import sparse

from backend.recommendations.baskets import Baskets
from backend.recommendations.evaluation.protocol import Scorer

WORD = re.compile(r"[^\W_]+")


def rank_by_popularity(train: Baskets) -> Scorer:
    """Score an item by the number of baskets that contain it."""
    counts = train.matrix.sum(axis=0)
    return lambda queries: np.broadcast_to(counts, queries.shape)


def rank_by_words(train: Baskets) -> Scorer:
    """Score an item by the cosine of the TF-IDF vectors of its description and the query's descriptions."""
    texts = [set(WORD.findall(description.lower())) for description in train.descriptions]
    frequency = Counter(word for text in texts for word in text)
    word_columns = {word: column for column, word in enumerate(frequency)}
    idf = np.log(len(texts) / np.array([frequency[word] for word in word_columns]))
    columns = np.array([word_columns[word] for text in texts for word in sorted(text)], dtype=np.int32)
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts])))
    vectors = sparse.csr_array((idf[columns], columns, starts), shape=(len(texts), len(word_columns)))
    norms = np.sqrt(vectors.multiply(vectors).sum(axis=1))
    vectors = sparse.diags_array(1 / np.where(norms > 0, norms, 1)).tocsr() @ vectors
    return lambda queries: _to_dense((queries @ vectors) @ vectors.T)


def rank_by_co_purchases(train: Baskets) -> Scorer:
    """Score an item by the number of baskets shared with each item of the query, summed over the query."""
    counts = _count_co_purchases(train)
    return lambda queries: _to_dense(queries @ counts)


def rank_by_cosine(train: Baskets) -> Scorer:
    """Score an item by n(i, j) / sqrt(n(i) n(j)), summed over the query."""
    counts, sizes = _count_co_purchases(train), train.matrix.sum(axis=0)
    counts.data /= np.sqrt(_repeat_by_row(counts, sizes) * sizes[counts.indices])
    return lambda queries: _to_dense(queries @ counts)


def rank_by_jaccard(train: Baskets) -> Scorer:
    """Score an item by n(i, j) / (n(i) + n(j) - n(i, j)), summed over the query."""
    counts, sizes = _count_co_purchases(train), train.matrix.sum(axis=0)
    counts.data /= _repeat_by_row(counts, sizes) + sizes[counts.indices] - counts.data
    return lambda queries: _to_dense(queries @ counts)


BASELINES = {
    "popularity": rank_by_popularity,
    "words": rank_by_words,
    "co-purchase counts": rank_by_co_purchases,
    "cosine": rank_by_cosine,
    "jaccard": rank_by_jaccard,
}


def _count_co_purchases(train: Baskets) -> sparse.csr_array:
    """Return n(i, j), the number of baskets with both items. The diagonal is n(i)."""
    matrix = train.matrix.astype(np.float64)
    return (matrix.T @ matrix).tocsr()


def _repeat_by_row(matrix: sparse.csr_array, values: npt.NDArray) -> npt.NDArray:
    """Return the value of the row of each stored entry."""
    repeated: npt.NDArray = np.repeat(values, np.diff(matrix.indptr))
    return repeated


def _to_dense(scores: sparse.csr_array) -> npt.NDArray:
    dense: npt.NDArray = scores.toarray()
    return dense
