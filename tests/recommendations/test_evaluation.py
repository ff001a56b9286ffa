"""The evaluation protocol and the baselines."""

from datetime import date

import numpy as np
import pytest
from django.test import SimpleTestCase
from scipy import sparse

from backend.recommendations.evaluation import baselines
from backend.recommendations.evaluation.protocol import (
    InsufficientDataError,
    Questions,
    draw_questions,
    estimate_hit_rate,
    estimate_lead,
    find_hits,
    split_baskets,
)
from tests.recommendations.purchase_logs import make_baskets


class SplitBasketsTest(SimpleTestCase):
    baskets = make_baskets(*["ab"] * 4, "abc", "abc", "ac", "a", "ab", days=[1, 1, 1, 1, 2, 3, 3, 3, 4])

    def split(self, first: int, end: int | None = None):
        return split_baskets(
            self.baskets, date.fromordinal(first), None if end is None else date.fromordinal(end)
        )

    def test_catalogue_has_the_items_of_five_training_baskets(self) -> None:
        split = self.split(3)
        # c is too rare for the catalogue, so the baskets "ac" and "a" have only one item left.
        assert split.train.items == split.test.items == ["a", "b"]
        assert split.train.matrix.toarray().tolist() == [[1, 1]] * 5
        assert split.test.days.tolist() == [3, 4]
        assert split.today == 3

    def test_until_ends_the_test_period(self) -> None:
        assert self.split(3, 4).test.days.tolist() == [3]

    def test_split_without_catalogue_or_test_baskets_is_an_error(self) -> None:
        with pytest.raises(InsufficientDataError, match="No item is in 5 baskets before 0001-01-02"):
            self.split(2)
        with pytest.raises(InsufficientDataError, match="since 0001-01-05 has two items"):
            self.split(5)


class DrawQuestionsTest(SimpleTestCase):
    test = (np.random.default_rng(3).random((500, 40)) < 0.2).astype(np.float32)

    def setUp(self) -> None:
        self.matrix = sparse.csr_array(self.test[self.test.sum(axis=1) >= 2])
        self.tasks = draw_questions(self.matrix)

    def test_query_and_relevant_items_make_up_the_basket(self) -> None:
        for task, questions in self.tasks.items():
            with self.subTest(task):
                queries, relevant = questions.queries.toarray(), questions.relevant.toarray()
                assert not (queries * relevant).any()
                assert (queries + relevant == self.matrix.toarray()).all()
        assert (self.tasks["A"].relevant.sum(axis=1) == 1).all()
        assert (self.tasks["B"].queries.sum(axis=1) == 1).all()

    def test_items_are_drawn_uniformly_and_reproducibly(self) -> None:
        again, other = draw_questions(self.matrix), draw_questions(self.matrix, seed=1)
        for task in ("A", "B"):
            assert (again[task].queries != self.tasks[task].queries).nnz == 0
            assert (other[task].queries != self.tasks[task].queries).nnz > 0
        # The position of the hidden item in its basket is uniformly distributed.
        hidden, shape = self.tasks["A"].relevant, self.matrix
        positions = [
            np.searchsorted(shape.indices[slice(*shape.indptr[row : row + 2])], hidden.indices[row])
            / (shape.indptr[row + 1] - shape.indptr[row] - 1)
            for row in range(shape.shape[0])
        ]
        assert 0.45 < np.mean(positions) < 0.55


class FindHitsTest(SimpleTestCase):
    def questions(self, count: int = 300, items: int = 200) -> dict[str, Questions]:
        random = np.random.default_rng(5)
        rows = np.repeat(np.arange(count), 12)
        columns = np.concatenate([random.choice(items, size=12, replace=False) for _ in range(count)])
        return draw_questions(sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, items)))

    def test_oracle_hits_all_and_its_opposite_none(self) -> None:
        for questions in self.questions().values():
            for sign, hits in [(1, True), (-1, False)]:
                responses = iter(sign * questions.relevant.toarray())
                found = find_hits(
                    questions,
                    lambda queries, responses=responses: np.array(
                        [next(responses) for _ in range(queries.shape[0])]
                    ),
                )
                assert (found == hits).all()

    def test_items_of_the_query_are_not_ranked(self) -> None:
        questions = self.questions()["A"]
        expected = find_hits(questions, lambda queries: np.tile(np.arange(200.0), (queries.shape[0], 1)))
        favoured = find_hits(
            questions,
            lambda queries: np.tile(np.arange(200.0), (queries.shape[0], 1)) + 1000 * queries.toarray(),
        )
        assert (expected == favoured).all() and expected.any() and not expected.all()

    def test_rank_10_is_a_hit_and_rank_11_is_not(self) -> None:
        query = sparse.csr_array(np.eye(1, 30))
        for rank, hit in [(10, True), (11, False)]:
            relevant = sparse.csr_array(np.eye(1, 30, rank))
            questions = Questions(queries=query, relevant=relevant)
            assert find_hits(questions, lambda queries: -np.arange(30.0)[None, :]).tolist() == [hit]

    def test_equal_scores_hit_as_often_as_chance(self) -> None:
        questions = self.questions(count=3000)["A"]
        share = find_hits(questions, lambda queries: np.zeros(queries.shape)).mean()
        # 10 of the 200 items minus the 11 of the query.
        assert abs(share - 10 / 189) < 0.015

    def test_scores_of_the_scorer_are_not_modified(self) -> None:
        questions, scores = self.questions()["B"], np.ones((300, 200))
        find_hits(questions, lambda queries: scores)
        assert (scores == 1).all()


class EstimatesTest(SimpleTestCase):
    def test_hit_rate_has_the_wilson_interval(self) -> None:
        # 81 of 263: the worked example of Newcombe (1998), table I.
        rate = estimate_hit_rate(np.arange(263) < 81)
        assert [round(value, 4) for value in (rate.value, rate.low, rate.high)] == [0.308, 0.2553, 0.3662]
        assert estimate_hit_rate(np.zeros(10, bool)).low == 0

    def test_lead_has_the_paired_bootstrap_interval(self) -> None:
        theirs = np.arange(1000) < 300
        ahead = estimate_lead(np.arange(1000) < 350, theirs)
        # 50 gains and no losses: 0.05 ± 1.96 sqrt(.05 * .95 / 1000).
        assert ahead.value == pytest.approx(0.05)
        assert (ahead.low, ahead.high) == pytest.approx((0.0365, 0.0635), abs=0.0015)
        same = estimate_lead(theirs, theirs)
        assert (same.value, same.low, same.high) == (0, 0, 0)


class BaselinesTest(SimpleTestCase):
    train = make_baskets("ab", "abc", "ac", "a", "d")
    query = sparse.csr_array(np.array([[1.0, 1, 0, 0]]))  # a and b

    def scores(self, name: str) -> list[float]:
        return baselines.BASELINES[name](self.train)(self.query)[0].tolist()

    def test_scores_match_the_formulas(self) -> None:
        # c is with a in 2 baskets and with b in 1. a is in 4 baskets, b in 2, c in 2.
        for name, score_of_c in [
            ("popularity", 2),
            ("co-purchase counts", 2 + 1),
            ("cosine", 2 / np.sqrt(4 * 2) + 1 / 2),
            ("jaccard", 2 / (4 + 2 - 2) + 1 / (2 + 2 - 1)),
        ]:
            with self.subTest(name):
                assert self.scores(name)[2] == pytest.approx(score_of_c)
        assert self.scores("popularity")[3] == 1
        assert self.scores("jaccard")[3] == 0

    def test_words_are_weighted_by_rarity(self) -> None:
        train = make_baskets("abcd")
        train.descriptions[:] = ["Red lamp", "LAMP", "Blue vase", "Red, vase!"]
        # "lamp" is the whole description of b, and one of two equally rare words of "Red lamp".
        scores = baselines.rank_by_words(train)(sparse.csr_array(np.array([[0.0, 1, 0, 0]])))[0]
        assert scores.tolist() == pytest.approx([1 / np.sqrt(2), 1, 0, 0])
