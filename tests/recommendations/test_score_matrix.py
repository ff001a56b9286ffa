"""Selecting, building and multiplying sparse matrices by rows."""

import numpy as np
from django.test import SimpleTestCase
from scipy import sparse

from backend.recommendations.score_matrix import (
    MatrixBuilder,
    find_top_positions,
    iterate_scores,
    keep_top_scores,
    multiply_in_blocks,
)


class TopPositionsTest(SimpleTestCase):
    def test_highest_scores_come_first_and_equal_ones_by_column(self) -> None:
        columns, scores = np.array([9, 3, 7, 1, 5]), np.array([1.0, 2.0, 1.0, 0.5, 1.0])
        for count, expected in [
            (1, [3]),
            (2, [3, 5]),
            (3, [3, 5, 7]),
            (5, [3, 5, 7, 9, 1]),
            (9, [3, 5, 7, 9, 1]),
        ]:
            assert columns[find_top_positions(columns, scores, count)].tolist() == expected

    def test_no_scores_give_no_positions(self) -> None:
        assert find_top_positions(np.array([], int), np.array([]), 3).tolist() == []


class KeepTopScoresTest(SimpleTestCase):
    def test_scores_that_are_not_positive_are_dropped(self) -> None:
        matrix = sparse.csr_array(np.array([[0.5, -1, 2, 1], [0, 0, 0, 0], [-1, 0, 3, 0]]))
        kept = keep_top_scores(matrix, 2)
        assert kept.toarray().tolist() == [[0, 0, 2, 1], [0, 0, 0, 0], [0, 0, 3, 0]]
        assert kept.indices.tolist() == [2, 3, 2]


class IterateScoresTest(SimpleTestCase):
    def test_rows_and_columns_become_ids(self) -> None:
        builder = MatrixBuilder((3, 3))
        for columns, scores in [([2, 1], [0.75, 0.5]), ([], []), ([0], [1])]:
            builder.append_row(np.array(columns), np.array(scores))
        assert list(iterate_scores(builder.build(), [7, 8, 9])) == [(7, 9, 0.75), (7, 8, 0.5), (9, 7, 1.0)]


class MatrixBuilderTest(SimpleTestCase):
    def test_matrix_without_rows_is_empty(self) -> None:
        assert MatrixBuilder((0, 0)).build().shape == (0, 0)


class MultiplyInBlocksTest(SimpleTestCase):
    def test_blocks_make_up_the_product_and_respect_the_limit(self) -> None:
        random = np.random.default_rng(0)
        left = sparse.random_array((40, 30), density=0.1, rng=random, format="csr")
        right = sparse.random_array((30, 50), density=0.1, rng=random, format="csr")
        for size in (1, 20, 100, 10_000):
            with self.subTest(size):
                blocks = list(multiply_in_blocks(left, right, size))
                joined = sparse.vstack([block for _, block in blocks]).toarray()
                np.testing.assert_allclose(joined, left.toarray() @ right.toarray())
                assert [first for first, _ in blocks] == np.cumsum(
                    [0, *(block.shape[0] for _, block in blocks[:-1])]
                ).tolist()
                assert all(block.nnz <= size or block.shape[0] == 1 for _, block in blocks)
        assert len(list(multiply_in_blocks(left, right, 100))) > 3
        assert len(list(multiply_in_blocks(left, right, 10_000))) == 1
