"""Basket scores, worked out by hand and compared with the dense formulas."""

from unittest import mock

import numpy as np
from django.test import SimpleTestCase
from scipy import sparse

from backend.recommendations import basket_model
from backend.recommendations.basket_model import (
    compute_basket_scores,
    diversify_scores,
    sample_large_baskets,
    weigh_baskets,
)
from tests.recommendations.purchase_logs import make_baskets


class WeighBasketsTest(SimpleTestCase):
    def test_weight_depends_on_age_and_size(self) -> None:
        matrix = make_baskets("abcd", "a", "abcd", "a").matrix
        weights = weigh_baskets(matrix, np.array([0, 150, 300, 0]), 150)
        np.testing.assert_allclose(weights, [0.5, 0.5, 0.125, 1])


class SampleLargeBasketsTest(SimpleTestCase):
    def test_only_larger_baskets_are_sampled_evenly(self) -> None:
        matrix = sparse.csr_array(np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 0], [1, 1, 0, 1, 1], [0] * 5]))
        assert sample_large_baskets(matrix, 2).toarray().tolist() == [
            [1, 0, 0, 1, 0],
            [0, 1, 0, 1, 0],
            [1, 0, 0, 1, 0],
            [0, 0, 0, 0, 0],
        ]
        assert sample_large_baskets(matrix, 5) is matrix


class BoughtTogetherTest(SimpleTestCase):
    def test_scores_match_the_formula(self) -> None:
        # All on one day: weights 1/sqrt(2), 1/sqrt(2), 1/sqrt(3).
        table = compute_basket_scores(make_baskets("ab", "ac", "abd"), today=1).bought_together
        two, three = 1 / np.sqrt(2), 1 / np.sqrt(3)
        sold = np.array([2 * two + three, two + three, two, three])
        trend = sold / sold.sum()
        # b is chosen first and takes 0.3 of the weight of its baskets, one of which contains d.
        of_a = np.array([two + three, two, 0.7 * three]) / (2 * two + 2 * three)
        np.testing.assert_allclose(table.toarray()[0], [0, *(of_a + 0.2 * trend[1:])], rtol=1e-6)
        # d was bought with a and b in one basket. a is more popular than b.
        assert table.indices[table.indptr[3] : table.indptr[4]].tolist() == [0, 1]
        assert table.toarray()[2].nonzero()[0].tolist() == [0]

    def test_recent_baskets_have_more_weight(self) -> None:
        table = compute_basket_scores(make_baskets("ab", "ac", days=[1, 1000]), today=1001).bought_together
        assert table.indices[table.indptr[0] : table.indptr[1]].tolist() == [2, 1]

    def test_sampled_baskets_represent_all(self) -> None:
        baskets = make_baskets(*["abc", "abc", "ad", "ad"] * 3)
        whole = compute_basket_scores(baskets, today=1).bought_together
        for most, alike in [(12, True), (11, True), (6, True), (3, False)]:
            with mock.patch.object(basket_model, "MAX_BASKETS_PER_PRODUCT", most):
                part = compute_basket_scores(baskets, today=1).bought_together
            assert np.allclose(part.toarray(), whole.toarray(), atol=1e-6) == alike

    def test_rows_have_at_most_width_scores(self) -> None:
        table = compute_basket_scores(make_baskets("abcd", "ab"), today=1, width=2).bought_together
        assert np.diff(table.indptr).tolist() == [2, 2, 2, 2]


class DiversifyScoresTest(SimpleTestCase):
    # Candidates 0 and 1 are in the same three baskets of four, 2 is in the other one.
    contains = np.array([[1.0, 1, 0]] * 3 + [[0, 0, 1]])

    def test_chosen_candidates_reduce_the_weight_of_their_baskets(self) -> None:
        scores = diversify_scores(self.contains, np.array([1.0, 1, 1, 2.5]), np.zeros(3))
        np.testing.assert_allclose(scores, [3, 0.7 * 3, 2.5])

    def test_bonus_is_not_reduced(self) -> None:
        scores = diversify_scores(self.contains, np.ones(4), np.array([0, 1.0, 0]))
        np.testing.assert_allclose(scores, [0.7 * 3, 4, 1])

    def test_candidates_after_the_diversified_ranks_get_the_remaining_weights(self) -> None:
        with mock.patch.object(basket_model, "DIVERSIFIED_RANKS", 1):
            scores = diversify_scores(np.ones((1, 4)), np.ones(1), np.array([0, 0, 0.1, 0]))
        np.testing.assert_allclose(scores, [0.7, 0.7, 1.1, 0.7])
        assert diversify_scores(np.ones((2, 0)), np.ones(2), np.zeros(0)).tolist() == []


class ComplementsTest(SimpleTestCase):
    def test_scores_match_the_formula(self) -> None:
        # G = [[2, 1], [1, 1]] / sqrt(2) from "ab" and, of one line, "a": the second has weight 1.
        baskets = make_baskets("ab", "a")
        weight = 1 / np.sqrt(2)
        popularity = np.array([weight + 1, weight])
        flat = (popularity / popularity.mean()) ** 0.25
        diagonal = popularity / flat**2
        ridge = diagonal.mean()
        scaled = weight / flat.prod()
        # One neighbour: the regression is a division.
        a_for_b = scaled / (diagonal[0] + ridge) / flat[0] * np.sqrt(flat[1])
        b_for_a = scaled / (diagonal[1] + ridge) / flat[1] * np.sqrt(flat[0])
        table = compute_basket_scores(baskets, today=1).complements
        np.testing.assert_allclose(table.toarray(), [[0, a_for_b], [b_for_a, 0]], rtol=1e-6)

    def test_with_all_neighbours_scores_equal_the_dense_regression(self) -> None:
        random = np.random.default_rng(0)
        letters = "abcdefghijkl"
        chosen = ["".join(random.choice(list(letters), size=4, replace=False)) for _ in range(60)]
        baskets = make_baskets(*chosen, days=list(range(1, 61)))
        matrix = baskets.matrix.toarray().astype(float)
        weights = np.exp2(-(61 - baskets.days) / 150) / np.sqrt(4)
        gram = matrix.T @ (weights[:, None] * matrix)
        popularity = np.diag(gram)
        flat = (popularity / popularity.mean()) ** 0.25
        scaled = gram / np.outer(flat, flat)
        ridge = np.diag(scaled).mean()
        # EASE: B = I - P diag(1/P), P the inverse of the ridged matrix.
        inverse = np.linalg.inv(scaled + ridge * np.eye(len(letters)))
        expected = -inverse / np.diag(inverse)
        np.fill_diagonal(expected, 0)
        expected = np.maximum(expected / flat[:, None] * np.sqrt(flat), 0)
        for block_size in (1, 30, 1000):
            with self.subTest(block_size):
                table = compute_basket_scores(baskets, today=61, block_size=block_size).complements
                np.testing.assert_allclose(table.toarray(), expected, rtol=1e-4, atol=1e-6)

    def test_only_the_nearest_neighbours_have_weights(self) -> None:
        random = np.random.default_rng(0)
        chosen = ["".join(random.choice(list("abcdefghij"), size=4, replace=False)) for _ in range(60)]
        with mock.patch.multiple(basket_model, PAIRS_PER_PRODUCT=4, NEIGHBOURS=2):
            table = compute_basket_scores(make_baskets(*chosen), today=1).complements
        assert (table.toarray() > 0).sum(axis=0).max() == 2


class BasketScoresTest(SimpleTestCase):
    def test_products_without_baskets_have_empty_rows(self) -> None:
        for rows in (0, 1, 3):
            baskets = make_baskets("ab", "ab", "ab").select_rows(np.arange(3) < rows)
            baskets.matrix.resize((rows, 3))
            tables = compute_basket_scores(baskets, today=1)
            for table in (tables.bought_together, tables.complements):
                assert table.shape == (3, 3)
                assert table.nnz == (2 if rows else 0)

    def test_scores_are_positive_and_the_diagonal_is_zero(self) -> None:
        tables = compute_basket_scores(make_baskets("abc", "abd", "bcd", "a", "e"), today=1)
        for table in (tables.bought_together, tables.complements):
            assert not table.diagonal().any()
            assert (table.data > 0).all() and np.isfinite(table.data).all()
            assert not table.toarray()[4].any()

    def test_same_baskets_give_the_same_scores(self) -> None:
        first, again = (compute_basket_scores(make_baskets("abc", "abd", "bcd"), today=1) for _ in range(2))
        for name in ("bought_together", "complements"):
            one, other = getattr(first, name), getattr(again, name)
            assert one.indices.tolist() == other.indices.tolist() and one.data.tolist() == other.data.tolist()
