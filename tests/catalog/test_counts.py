"""Totals and product counts: exact up to the limit, cached above it."""

import time
from decimal import Decimal
from typing import Any
from unittest import mock

from django.db import connection
from django.test import TestCase, override_settings
from redis import Redis

from backend.catalog.models import WHOLE_SHOP, ListingEntry
from backend.catalog.selectors import (
    EXACT_COUNT_LIMIT,
    count_products,
    list_products,
    read_category_tree,
)
from tests.accounts.cases import clear_redis
from tests.catalog.factories import make_category
from tests.support.clients import GraphQLClient, RestClient

CACHE_SECONDS = 60


def add_entries(category_id: int, first: int, count: int) -> None:
    """Add listing entries of products that do not exist; the queries for counts read nothing else."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO catalog_listingentry"
            " (ancestor_id, product_id, price, name_key, created_at, popularity, in_stock)"
            " SELECT %s, n, n %% 100, n, now(), 0, n %% 2 = 0 FROM generate_series(%s, %s) n",
            [category_id, first, first + count - 1],
        )


@override_settings(CATALOG_CACHE_SECONDS=CACHE_SECONDS)
class CountsCase(TestCase):
    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)


class TotalTest(CountsCase):
    def test_total_at_the_limit_is_exact(self) -> None:
        add_entries(WHOLE_SHOP, 1, EXACT_COUNT_LIMIT - 1)
        for expected in (EXACT_COUNT_LIMIT - 1, EXACT_COUNT_LIMIT):
            with self.assertNumQueries(1):
                assert list_products().count_total() == expected
            add_entries(WHOLE_SHOP, EXACT_COUNT_LIMIT, int(expected < EXACT_COUNT_LIMIT))

    def test_total_above_the_limit_is_cached(self) -> None:
        add_entries(WHOLE_SHOP, 1, EXACT_COUNT_LIMIT + 1)
        with self.assertNumQueries(2):
            assert list_products().count_total() == EXACT_COUNT_LIMIT + 1
        add_entries(WHOLE_SHOP, EXACT_COUNT_LIMIT + 2, 1)
        with self.assertNumQueries(1):
            assert list_products().count_total() == EXACT_COUNT_LIMIT + 1
        clear_redis()
        assert list_products().count_total() == EXACT_COUNT_LIMIT + 2

    def test_total_that_falls_to_the_limit_is_exact_again(self) -> None:
        add_entries(WHOLE_SHOP, 1, EXACT_COUNT_LIMIT + 1)
        list_products().count_total()
        ListingEntry.objects.filter(product_id=1).delete()
        assert list_products().count_total() == EXACT_COUNT_LIMIT

    def test_cached_total_expires(self) -> None:
        add_entries(WHOLE_SHOP, 1, EXACT_COUNT_LIMIT + 1)
        with override_settings(CATALOG_CACHE_SECONDS=1):
            list_products().count_total()
            add_entries(WHOLE_SHOP, EXACT_COUNT_LIMIT + 2, 1)
            assert list_products().count_total() == EXACT_COUNT_LIMIT + 1
            time.sleep(1.1)
            assert list_products().count_total() == EXACT_COUNT_LIMIT + 2

    def test_zero_seconds_disable_the_cache(self) -> None:
        add_entries(WHOLE_SHOP, 1, EXACT_COUNT_LIMIT + 1)
        with override_settings(CATALOG_CACHE_SECONDS=0):
            list_products().count_total()
            add_entries(WHOLE_SHOP, EXACT_COUNT_LIMIT + 2, 1)
            assert list_products().count_total() == EXACT_COUNT_LIMIT + 2

    def test_each_filter_has_its_own_total(self) -> None:
        category = make_category("Clothes")
        add_entries(WHOLE_SHOP, 1, 2 * EXACT_COUNT_LIMIT + 4)
        add_entries(category.pk, 1, EXACT_COUNT_LIMIT + 5)
        filters: list[dict[str, Any]] = [
            {},
            {"in_stock": True},
            {"price_min": Decimal(10)},
            {"price_max": Decimal(80)},
            {"category": category.pk},
        ]
        for _ in range(2):
            totals = [list_products(**arguments).count_total() for arguments in filters]
            assert totals == [2004, 1002, 1800, 1624, 1005]

    def test_total_is_exact_without_redis(self) -> None:
        add_entries(WHOLE_SHOP, 1, EXACT_COUNT_LIMIT + 1)
        list_products().count_total()
        add_entries(WHOLE_SHOP, EXACT_COUNT_LIMIT + 2, 1)
        refusing = Redis.from_url("redis://127.0.0.1:1/0")
        with (
            mock.patch("backend.core.redis.get_redis_client", return_value=refusing),
            self.assertLogs("backend.core.redis", "WARNING"),
        ):
            assert list_products().count_total() == EXACT_COUNT_LIMIT + 2

    def test_both_apis_return_the_same_total(self) -> None:
        add_entries(WHOLE_SHOP, 1, EXACT_COUNT_LIMIT + 1)
        rest = RestClient().get("/products").json()["total"]
        add_entries(WHOLE_SHOP, EXACT_COUNT_LIMIT + 2, 1)
        graphql = GraphQLClient().data("{ products { totalCount } }")["products"]["totalCount"]
        assert [rest, graphql] == [EXACT_COUNT_LIMIT + 1] * 2


class ProductCountsTest(CountsCase):
    def setUp(self) -> None:
        super().setUp()
        self.large, self.small = make_category("Large"), make_category("Small")

    def counts(self) -> list[int | None]:
        return [category.product_count for category in read_category_tree(with_counts=True)]

    def test_counts_at_the_limit_are_exact(self) -> None:
        add_entries(self.large.pk, 1, EXACT_COUNT_LIMIT - 2)
        add_entries(self.small.pk, 1, 1)
        with self.assertNumQueries(2):
            assert self.counts() == [EXACT_COUNT_LIMIT - 2, 1]
        add_entries(self.small.pk, 2, 1)
        assert self.counts() == [EXACT_COUNT_LIMIT - 2, 2]

    def test_counts_of_the_tree_above_the_limit_are_cached(self) -> None:
        add_entries(self.large.pk, 1, EXACT_COUNT_LIMIT - 1)
        add_entries(self.small.pk, 1, 2)
        assert self.counts() == [EXACT_COUNT_LIMIT - 1, 2]
        add_entries(self.small.pk, 3, 1)
        with self.assertNumQueries(2):
            assert self.counts() == [EXACT_COUNT_LIMIT - 1, 2]
        clear_redis()
        assert self.counts() == [EXACT_COUNT_LIMIT - 1, 3]

    def test_small_category_of_a_large_shop_is_counted_exactly(self) -> None:
        add_entries(self.large.pk, 1, EXACT_COUNT_LIMIT + 1)
        query = "query($slug: String) { category(slug: $slug) { productCount } }"
        GraphQLClient().data(query, {"slug": "large"})
        add_entries(self.small.pk, 1, 1)
        add_entries(self.large.pk, EXACT_COUNT_LIMIT + 2, 1)
        assert count_products([self.small.pk]) == {self.small.pk: 1}
        assert count_products([self.large.pk])[self.large.pk] == EXACT_COUNT_LIMIT + 1
        both = count_products([self.large.pk, self.small.pk])
        assert both == {self.large.pk: EXACT_COUNT_LIMIT + 2, self.small.pk: 1}
        for slug, expected in (("small", 1), ("large", EXACT_COUNT_LIMIT + 1)):
            found = GraphQLClient().data(query, {"slug": slug})["category"]["productCount"]
            assert found == expected
