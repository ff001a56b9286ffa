"""Cutting and multiplying sparse matrices by rows."""

import numpy as np
from django.test import SimpleTestCase
from scipy import sparse

from backend.recommendations.tables import RowBuilder, best_of, cut_rows, product_blocks, table_rows


class BestOfTest(SimpleTestCase):
    def test_the_highest_come_first_and_of_equals_the_lower_column(self) -> None:
        columns, scores = np.array([9, 3, 7, 1, 5]), np.array([1.0, 2.0, 1.0, 0.5, 1.0])
        for count, expected in [
            (1, [3]),
            (2, [3, 5]),
            (3, [3, 5, 7]),
            (5, [3, 5, 7, 9, 1]),
            (9, [3, 5, 7, 9, 1]),
        ]:
            assert columns[best_of(columns, scores, count)].tolist() == expected

    def test_nothing(self) -> None:
        assert best_of(np.array([], int), np.array([]), 3).tolist() == []


class CutRowsTest(SimpleTestCase):
    def test_only_scores_above_zero(self) -> None:
        table = sparse.csr_array(np.array([[0.5, -1, 2, 1], [0, 0, 0, 0], [-1, 0, 3, 0]]))
        cut = cut_rows(table, 2)
        assert cut.toarray().tolist() == [[0, 0, 2, 1], [0, 0, 0, 0], [0, 0, 3, 0]]
        assert cut.indices.tolist() == [2, 3, 2]


class TableRowsTest(SimpleTestCase):
    def test_ids_stand_for_rows_and_columns(self) -> None:
        table = RowBuilder((3, 3))
        for columns, scores in [([2, 1], [0.75, 0.5]), ([], []), ([0], [1])]:
            table.append(np.array(columns), np.array(scores))
        assert list(table_rows(table.build(), [7, 8, 9])) == [(7, 9, 0.75), (7, 8, 0.5), (9, 7, 1.0)]


class RowBuilderTest(SimpleTestCase):
    def test_no_rows(self) -> None:
        assert RowBuilder((0, 0)).build().shape == (0, 0)


class ProductBlocksTest(SimpleTestCase):
    def test_blocks_are_the_product_and_no_larger_than_allowed(self) -> None:
        random = np.random.default_rng(0)
        left = sparse.random_array((40, 30), density=0.1, rng=random, format="csr")
        right = sparse.random_array((30, 50), density=0.1, rng=random, format="csr")
        for size in (1, 20, 100, 10_000):
            with self.subTest(size):
                blocks = list(product_blocks(left, right, size))
                joined = sparse.vstack([block for _, block in blocks]).toarray()
                np.testing.assert_allclose(joined, left.toarray() @ right.toarray())
                assert [first for first, _ in blocks] == np.cumsum(
                    [0, *(block.shape[0] for _, block in blocks[:-1])]
                ).tolist()
                assert all(block.nnz <= size or block.shape[0] == 1 for _, block in blocks)
        assert len(list(product_blocks(left, right, 100))) > 3
        assert len(list(product_blocks(left, right, 10_000))) == 1
