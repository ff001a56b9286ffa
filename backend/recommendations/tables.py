"""Tables of scores between products: sparse matrices cut to the best of every row."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

# How many scores a block may hold, at 4 bytes and as many again for its column: some 64 MB.
BLOCK_SIZE = 8_000_000


def best_of(columns: npt.NDArray, scores: npt.NDArray, count: int) -> npt.NDArray[np.intp]:
    """Return where the highest scores are, best first; of equals the one in the lower column first.

    Args:
        columns: the column of each score, each at most once.
        scores: shape (n,).
        count: how many to return at most, at least 1.
    """
    chosen = np.arange(len(scores))
    if len(scores) > count:
        threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
        chosen = np.flatnonzero(scores >= threshold)
    order = np.lexsort((columns[chosen], -scores[chosen]))
    return chosen[order[:count]]


def cut_rows(table: sparse.csr_array, count: int) -> sparse.csr_array:
    """Return the table with only the `count` highest scores above 0 of every row, best first."""
    kept = RowBuilder(table.shape)
    for row in range(table.shape[0]):
        piece = slice(table.indptr[row], table.indptr[row + 1])
        columns, scores = table.indices[piece], table.data[piece]
        positive = scores > 0
        columns, scores = columns[positive], scores[positive]
        best = best_of(columns, scores, count)
        kept.append(columns[best], scores[best])
    return kept.build()


class RowBuilder:
    """Puts a sparse matrix together, row by row."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._columns: list[npt.NDArray] = []
        self._scores: list[npt.NDArray] = []

    def append(self, columns: npt.NDArray, scores: npt.NDArray) -> None:
        """Add the next row: its columns, which must be new arrays, and the score of each."""
        self._columns.append(columns.astype(np.int32, copy=False))
        self._scores.append(scores.astype(np.float32, copy=False))

    def build(self) -> sparse.csr_array:
        """Return the matrix, whose rows keep the order in which they were given, and let go of them."""
        lengths = [len(columns) for columns in self._columns]
        starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        columns = np.concatenate([*self._columns, np.empty(0, np.int32)])
        self._columns = []
        scores = np.concatenate([*self._scores, np.empty(0, np.float32)])
        self._scores = []
        return sparse.csr_array((scores, columns, starts), shape=self._shape)


def table_rows(table: sparse.csr_array, ids: Sequence[int]) -> Iterator[tuple[int, int, float]]:
    """Yield (product, other, score) for every score of a table, in its order.

    Args:
        table: products x products.
        ids: of the products, in the order of the rows and columns.
    """
    for row, product in enumerate(ids):
        for entry in range(table.indptr[row], table.indptr[row + 1]):
            yield product, ids[table.indices[entry]], float(table.data[entry])


def product_blocks(
    left: sparse.csr_array, right: sparse.csr_array, block_size: int = BLOCK_SIZE
) -> Iterator[tuple[int, sparse.csr_array]]:
    """Yield `left @ right` in blocks of rows, none of which can hold more than `block_size` scores.

    A row that alone can hold more is a block of its own.

    Yields:
        the first row of the block, and the block.
    """
    work = np.minimum(
        (left != 0).astype(np.float64) @ np.diff(right.indptr).astype(np.float64), right.shape[1]
    )
    filled = np.concatenate(([0], np.cumsum(work)))
    first = 0
    while first < left.shape[0]:
        last = int(np.searchsorted(filled, filled[first] + block_size, side="right")) - 1
        last = max(last, first + 1)
        yield first, left[first:last] @ right
        first = last
