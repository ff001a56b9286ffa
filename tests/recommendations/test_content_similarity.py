"""Similar products by content."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from django.test import SimpleTestCase

from backend.recommendations import content_similarity
from backend.recommendations.content_similarity import (
    ProductContent,
    build_content_vectors,
    compute_similarity,
    find_similar_products,
    group_by_category,
)

LAMP = ProductContent(1, "Desk lamp", "Bends.", (1, 2), (("Colour", "red"),), 50)


def random_products(count: int) -> list[ProductContent]:
    random = np.random.default_rng(1)
    return [
        ProductContent(
            id=number + 100,
            name=" ".join(f"name{word}" for word in random.integers(30, size=3)),
            description=" ".join(f"word{word}" for word in random.integers(100, size=10)),
            category_path=(1, 2 + number % 3, 10 + number % 12),
            characteristics=(("Colour", str(number % 5)),),
            price=float(random.integers(1, 100)),
        )
        for number in range(count)
    ]


class FindSimilarProductsTest(SimpleTestCase):
    def test_score_of_identical_products_is_the_price_proximity(self) -> None:
        dearer = replace(LAMP, id=2, price=101)
        assert list(find_similar_products([LAMP, dearer], width=5)) == [
            (1, 2, pytest.approx(0.5)),
            (2, 1, pytest.approx(0.5)),
        ]

    def test_every_part_contributes_to_the_score(self) -> None:
        others = [
            replace(LAMP, id=2, name="Chair"),
            replace(LAMP, id=3, description="Folds."),
            replace(LAMP, id=4, characteristics=(("Colour", "blue"),)),
            replace(LAMP, id=5, category_path=(1, 3)),
            replace(LAMP, id=6, name="Chair", description="Folds.", category_path=(4,), characteristics=()),
            replace(LAMP, id=7, price=500),
        ]
        scores = {
            other: score
            for product, other, score in find_similar_products([LAMP, *others], width=9)
            if product == LAMP.id
        }
        assert list(scores) == sorted(scores, key=lambda other: -scores[other])
        assert set(scores) == {2, 3, 4, 5, 7}
        assert scores[3] > scores[4] > scores[2] > scores[7]
        assert all(0 < score < 1 for score in scores.values())

    def test_products_without_content_match_nothing(self) -> None:
        bare = ProductContent(1, "", "", (), (), 0)
        assert list(find_similar_products([bare, replace(bare, id=2), LAMP], width=5)) == []
        assert list(find_similar_products([], width=5)) == []

    def test_equal_products_keep_their_order(self) -> None:
        copies = [replace(LAMP, id=number) for number in (9, 3, 7, 5)]
        found = [other for product, other, _ in find_similar_products(copies, width=2) if product == 9]
        assert found == [3, 7]


class ComputeSimilarityTest(SimpleTestCase):
    def test_scores_equal_the_dense_formula_for_any_block_size(self) -> None:
        products = random_products(60)
        vectors = build_content_vectors(products).toarray()
        prices = np.log1p([product.price for product in products])
        dense = vectors @ vectors.T * np.exp(-np.abs(prices[:, None] - prices))
        np.fill_diagonal(dense, 0)
        for block_size in (1, 100, 10_000):
            table = compute_similarity(products, width=60, block_size=block_size)
            np.testing.assert_allclose(table.toarray(), dense, atol=1e-5)

    def test_rows_have_at_most_width_scores(self) -> None:
        table = compute_similarity(random_products(60), width=4)
        assert np.diff(table.indptr).tolist() == [4] * 60
        for row in range(60):
            scores = table.data[table.indptr[row] : table.indptr[row + 1]]
            assert (np.diff(scores) <= 0).all()

    def test_common_features_find_no_candidates(self) -> None:
        products = [replace(LAMP, id=number, name=f"lamp {number % 5}") for number in range(20)]
        with mock.patch.object(content_similarity, "MAX_PRODUCTS_PER_FEATURE", 4):
            table = compute_similarity(products, width=20)
        assert all(
            {column % 5 for column in table.indices[slice(*table.indptr[row : row + 2])]} <= {row % 5}
            for row in range(20)
        )


class GroupByCategoryTest(SimpleTestCase):
    def test_products_are_compared_within_the_smallest_category_that_is_large_enough(self) -> None:
        paths = [(1, 2), (1, 2), (1, 3), (1, 3), (1, 3), (), (9,)]
        products = [replace(LAMP, id=number, category_path=path) for number, path in enumerate(paths)]
        found = {tuple(rows): tuple(others) for rows, others in group_by_category(products, min_size=2)}
        everything = tuple(range(7))
        assert found == {(0, 1): (0, 1, 2, 3, 4), (2, 3, 4): (2, 3, 4), (5, 6): everything}
