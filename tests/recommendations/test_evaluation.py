"""The protocol of the evaluation, and the textbook methods."""

from datetime import date

import numpy as np
import pytest
from django.test import SimpleTestCase
from scipy import sparse

from backend.recommendations import baselines
from backend.recommendations.evaluation import (
    NothingToTest,
    Questions,
    ask,
    find_hits,
    hit_rate,
    lead,
    split_baskets,
)
from tests.recommendations.logs import baskets_of


class SplitBasketsTest(SimpleTestCase):
    baskets = baskets_of(*["ab"] * 4, "abc", "abc", "ac", "a", "ab", days=[1, 1, 1, 1, 2, 3, 3, 3, 4])

    def split(self, first: int, end: int | None = None):
        return split_baskets(
            self.baskets, date.fromordinal(first), None if end is None else date.fromordinal(end)
        )

    def test_the_catalogue_is_what_five_training_baskets_hold(self) -> None:
        split = self.split(3)
        # c is known but rare, so "ac" has one item left and is not tested; nor is "a".
        assert split.train.items == split.test.items == ["a", "b"]
        assert split.train.matrix.toarray().tolist() == [[1, 1]] * 5
        assert split.test.days.tolist() == [3, 4]
        assert split.today == 3

    def test_until(self) -> None:
        assert self.split(3, 4).test.days.tolist() == [3]

    def test_nothing_to_test(self) -> None:
        with pytest.raises(NothingToTest, match="No item is in 5 baskets before 0001-01-02"):
            self.split(2)
        with pytest.raises(NothingToTest, match="from 0001-01-05 on holds two"):
            self.split(5)


class AskTest(SimpleTestCase):
    test = (np.random.default_rng(3).random((500, 40)) < 0.2).astype(np.float32)

    def setUp(self) -> None:
        self.matrix = sparse.csr_array(self.test[self.test.sum(axis=1) >= 2])
        self.tasks = ask(self.matrix)

    def test_every_basket_is_asked_once_in_full(self) -> None:
        for task, questions in self.tasks.items():
            with self.subTest(task):
                queries, relevant = questions.queries.toarray(), questions.relevant.toarray()
                assert not (queries * relevant).any()
                assert (queries + relevant == self.matrix.toarray()).all()
        assert (self.tasks["A"].relevant.sum(axis=1) == 1).all()
        assert (self.tasks["B"].queries.sum(axis=1) == 1).all()

    def test_the_choice_is_random_but_the_same_every_time(self) -> None:
        again, other = ask(self.matrix), ask(self.matrix, seed=1)
        for task in ("A", "B"):
            assert (again[task].queries != self.tasks[task].queries).nnz == 0
            assert (other[task].queries != self.tasks[task].queries).nnz > 0
        # Items of a basket are as likely to be hidden wherever they stand.
        hidden, shape = self.tasks["A"].relevant, self.matrix
        places = [
            np.searchsorted(shape.indices[slice(*shape.indptr[row : row + 2])], hidden.indices[row])
            / (shape.indptr[row + 1] - shape.indptr[row] - 1)
            for row in range(shape.shape[0])
        ]
        assert 0.45 < np.mean(places) < 0.55


class FindHitsTest(SimpleTestCase):
    def questions(self, count: int = 300, items: int = 200) -> dict[str, Questions]:
        random = np.random.default_rng(5)
        rows = np.repeat(np.arange(count), 12)
        columns = np.concatenate([random.choice(items, size=12, replace=False) for _ in range(count)])
        return ask(sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, items)))

    def test_an_oracle_finds_all_and_its_opposite_nothing(self) -> None:
        for questions in self.questions().values():
            for sign, hits in [(1, True), (-1, False)]:
                answers = iter(sign * questions.relevant.toarray())
                found = find_hits(
                    questions,
                    lambda queries, answers=answers: np.array(
                        [next(answers) for _ in range(queries.shape[0])]
                    ),
                )
                assert (found == hits).all()

    def test_what_is_in_the_query_takes_no_place(self) -> None:
        questions = self.questions()["A"]
        expected = find_hits(questions, lambda queries: np.tile(np.arange(200.0), (queries.shape[0], 1)))
        favoured = find_hits(
            questions,
            lambda queries: np.tile(np.arange(200.0), (queries.shape[0], 1)) + 1000 * queries.toarray(),
        )
        assert (expected == favoured).all() and expected.any() and not expected.all()

    def test_the_tenth_is_a_hit_and_the_eleventh_is_not(self) -> None:
        query = sparse.csr_array(np.eye(1, 30))
        for place, hit in [(10, True), (11, False)]:
            relevant = sparse.csr_array(np.eye(1, 30, place))
            questions = Questions(queries=query, relevant=relevant)
            assert find_hits(questions, lambda queries: -np.arange(30.0)[None, :]).tolist() == [hit]

    def test_equal_scores_are_worth_what_chance_is(self) -> None:
        questions = self.questions(count=3000)["A"]
        share = find_hits(questions, lambda queries: np.zeros(queries.shape)).mean()
        # 10 of 200 items less the 11 of the query.
        assert abs(share - 10 / 189) < 0.015

    def test_a_scorer_sees_the_query_and_its_result_is_not_changed(self) -> None:
        questions, scores = self.questions()["B"], np.ones((300, 200))
        find_hits(questions, lambda queries: scores)
        assert (scores == 1).all()


class EstimatesTest(SimpleTestCase):
    def test_wilson(self) -> None:
        # 81 of 263: the worked example of Newcombe (1998), table I.
        rate = hit_rate(np.arange(263) < 81)
        assert [round(value, 4) for value in (rate.value, rate.low, rate.high)] == [0.308, 0.2553, 0.3662]
        assert hit_rate(np.zeros(10, bool)).low == 0

    def test_lead_is_paired(self) -> None:
        theirs = np.arange(1000) < 300
        ahead = lead(np.arange(1000) < 350, theirs)
        # 50 gains, no loss: 0.05 and 1.96 sqrt(.05 * .95 / 1000) to both sides.
        assert ahead.value == pytest.approx(0.05)
        assert (ahead.low, ahead.high) == pytest.approx((0.0365, 0.0635), abs=0.0015)
        same = lead(theirs, theirs)
        assert (same.value, same.low, same.high) == (0, 0, 0)


class BaselinesTest(SimpleTestCase):
    train = baskets_of("ab", "abc", "ac", "a", "d")
    query = sparse.csr_array(np.array([[1.0, 1, 0, 0]]))  # a and b

    def scores(self, name: str) -> list[float]:
        return baselines.METHODS[name](self.train)(self.query)[0].tolist()

    def test_by_hand(self) -> None:
        # Of "c": with a in 2 baskets, with b in 1; a is in 4, b in 2, c in 2.
        for name, of_c in [
            ("popularity", 2),
            ("co-purchase counts", 2 + 1),
            ("cosine", 2 / np.sqrt(4 * 2) + 1 / 2),
            ("jaccard", 2 / (4 + 2 - 2) + 1 / (2 + 2 - 1)),
        ]:
            with self.subTest(name):
                assert self.scores(name)[2] == pytest.approx(of_c)
        assert self.scores("popularity")[3] == 1
        assert self.scores("jaccard")[3] == 0

    def test_words(self) -> None:
        train = baskets_of("abcd")
        train.descriptions[:] = ["Red lamp", "LAMP", "Blue vase", "Red, vase!"]
        # "lamp" is all of b's text; of "red lamp" it is one of two equally rare words.
        scores = baselines.words(train)(sparse.csr_array(np.array([[0.0, 1, 0, 0]])))[0]
        assert scores.tolist() == pytest.approx([1 / np.sqrt(2), 1, 0, 0])
