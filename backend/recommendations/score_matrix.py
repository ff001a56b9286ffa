"""Build and read sparse product × product score matrices that keep the best scores of each row."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

# The maximum number of scores in a block. With 4 bytes for a score and 4 for its column, about 64 MB.
BLOCK_SIZE = 8_000_000


def find_top_positions(columns: npt.NDArray, scores: npt.NDArray, count: int) -> npt.NDArray[np.intp]:
    """Return the positions of the highest scores, best first. Equal scores are ordered by column.

    Args:
        columns: the column of each score, without duplicates.
        scores: shape (n,).
        count: the maximum number of positions, at least 1.
    """
    candidates = np.arange(len(scores))
    if len(scores) > count:
        threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
        candidates = np.flatnonzero(scores >= threshold)
    order = np.lexsort((columns[candidates], -scores[candidates]))
    return candidates[order[:count]]


def keep_top_scores(matrix: sparse.csr_array, count: int) -> sparse.csr_array:
    """Return the matrix with only the `count` highest positive scores of each row, best first."""
    builder = MatrixBuilder(matrix.shape)
    for row in range(matrix.shape[0]):
        entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
        columns, scores = matrix.indices[entries], matrix.data[entries]
        is_positive = scores > 0
        columns, scores = columns[is_positive], scores[is_positive]
        top = find_top_positions(columns, scores, count)
        builder.append_row(columns[top], scores[top])
    return builder.build()


class MatrixBuilder:
    """Build a sparse matrix row by row. The entries of a row keep their order."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._columns: list[npt.NDArray] = []
        self._scores: list[npt.NDArray] = []

    def append_row(self, columns: npt.NDArray, scores: npt.NDArray) -> None:
        """Append the next row. The arrays are not copied and must not be changed afterwards."""
        self._columns.append(columns.astype(np.int32, copy=False))
        self._scores.append(scores.astype(np.float32, copy=False))

    def build(self) -> sparse.csr_array:
        """Return the matrix and release the rows, so that they are not in memory twice."""
        lengths = [len(columns) for columns in self._columns]
        starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        columns = np.concatenate([*self._columns, np.empty(0, np.int32)])
        self._columns = []
        scores = np.concatenate([*self._scores, np.empty(0, np.float32)])
        self._scores = []
        return sparse.csr_array((scores, columns, starts), shape=self._shape)


def iterate_scores(matrix: sparse.csr_array, ids: Sequence[int]) -> Iterator[tuple[int, int, float]]:
    """Yield (product, other product, score) for every entry, row by row.

    Args:
        matrix: products × products.
        ids: the product id of each row and column.
    """
    for row, product in enumerate(ids):
        for entry in range(matrix.indptr[row], matrix.indptr[row + 1]):
            yield product, ids[matrix.indices[entry]], float(matrix.data[entry])


def multiply_in_blocks(
    left: sparse.csr_array, right: sparse.csr_array, block_size: int = BLOCK_SIZE
) -> Iterator[tuple[int, sparse.csr_array]]:
    """Yield `left @ right` in blocks of rows with at most `block_size` entries each.

    A single row that can exceed `block_size` is a block of its own.

    Yields:
        the index of the first row of the block, and the block.
    """
    max_entries = np.minimum(
        (left != 0).astype(np.float64) @ np.diff(right.indptr).astype(np.float64), right.shape[1]
    )
    cumulative = np.concatenate(([0], np.cumsum(max_entries)))
    first = 0
    while first < left.shape[0]:
        last = int(np.searchsorted(cumulative, cumulative[first] + block_size, side="right")) - 1
        last = max(last, first + 1)
        yield first, left[first:last] @ right
        first = last
