"""Lists of recommendations: their products, order and query counts."""

from collections.abc import Iterable
from typing import Any
from unittest import mock

from django.db import connection
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from redis.exceptions import TimeoutError as RedisTimeoutError

from backend.carts.services import LineQuantity, add_lines, get_cart
from backend.catalog.models import Product
from backend.catalog.selectors import ProductRow
from backend.core import cache, redis
from backend.core.redis import get_redis_client
from backend.core.viewer import Viewer
from backend.orders.models import Order
from backend.recommendations.models import Recommendation
from backend.recommendations.selectors import Lists, read_related, recommend, suggest_for_cart
from tests.catalog.factories import make_category, make_image, make_product
from tests.recommendations.factories import Kind, add_recommendations, make_order, replace_recommendations
from tests.support.clients import GraphQLClient, RestClient
from tests.support.people import ADDRESS, make_user, make_viewer


def ids(products: Iterable[Product | ProductRow]) -> list[int]:
    return [product.pk for product in products]


class ListsCase(TestCase):
    def setUp(self) -> None:
        get_redis_client().flushdb()
        self.addCleanup(get_redis_client().flushdb)
        self.category = make_category("Mugs")
        self.products = [make_product(category=self.category) for _ in range(8)]

    def read(self, kind: Kind, product: Product, first: int) -> list[int]:
        lists: Lists = read_related([kind], [product], first)
        return ids(lists[kind, product.pk])


class RelatedTest(ListsCase):
    def test_short_lists_are_filled_with_similar_then_popular_products(self) -> None:
        a, b, c, *_ = self.products
        other_category = make_product(category=make_category("Lamps"))
        Product.objects.filter(pk=other_category.pk).update(popularity=9)
        add_recommendations(Kind.BOUGHT_TOGETHER, a, c)
        add_recommendations(Kind.SIMILAR, a, c, b)
        same_category = self.products[:2:-1]
        assert self.read(Kind.BOUGHT_TOGETHER, a, 8) == ids([c, b, *same_category, other_category])
        assert self.read(Kind.SIMILAR, a, 1) == ids([c])

    def test_equal_scores_are_ordered_by_id(self) -> None:
        a, *rest = self.products
        replace_recommendations([(Kind.SIMILAR.value, a.pk, other.pk, 0.5) for other in reversed(rest)])
        for _ in range(2):
            assert self.read(Kind.SIMILAR, a, 7) == ids(rest)

    def test_unpublished_and_sold_out_products_and_the_product_itself_are_left_out(self) -> None:
        a, hidden, sold_out, *rest = self.products
        Product.objects.filter(pk=hidden.pk).update(is_published=False)
        Product.objects.filter(pk=sold_out.pk).update(stock=0)
        add_recommendations(Kind.SIMILAR, a, hidden, sold_out, rest[0])
        assert self.read(Kind.SIMILAR, a, 50) == ids([rest[0], *rest[:0:-1]])

    def test_edits_are_visible_at_once_despite_the_cache(self) -> None:
        a, b, c, d, *_ = self.products
        add_recommendations(Kind.SIMILAR, a, b, c, d)
        assert self.read(Kind.SIMILAR, a, 2) == ids([b, c])
        Product.objects.filter(pk=b.pk).update(stock=0)
        Product.objects.filter(pk=c.pk).update(price="77.00")
        first, second = read_related([Kind.SIMILAR], [a], 2)[Kind.SIMILAR, a.pk]
        assert (first.pk, str(first.price), second.pk) == (c.pk, "77.00", d.pk)

    def test_new_version_is_visible_at_once(self) -> None:
        a, b, c, *_ = self.products
        for other in (b, c):
            with self.captureOnCommitCallbacks(execute=True):
                replace_recommendations([(Kind.SIMILAR.value, a.pk, other.pk, 1.0)])
            for _ in range(2):
                assert self.read(Kind.SIMILAR, a, 1) == ids([other])

    def test_without_the_version_in_the_cache_the_old_list_is_read(self) -> None:
        a, b, c, *_ = self.products
        with mock.patch("backend.recommendations.services.cache_maximum"):
            for other in (b, c):
                with self.captureOnCommitCallbacks(execute=True):
                    replace_recommendations([(Kind.SIMILAR.value, a.pk, other.pk, 1.0)])
                assert self.read(Kind.SIMILAR, a, 1) == ids([b])

    def test_cache_entries_expire(self) -> None:
        add_recommendations(Kind.SIMILAR, *self.products)
        self.read(Kind.SIMILAR, self.products[0], 3)
        keys = get_redis_client().keys("*recommendations*")
        assert len(keys) == 2
        assert all(0 < get_redis_client().ttl(key) <= 600 for key in keys)

    def test_only_ids_are_cached(self) -> None:
        add_recommendations(Kind.SIMILAR, *self.products)
        self.read(Kind.SIMILAR, self.products[0], 1)
        (key,) = get_redis_client().keys("*recommendations:lists:*")
        assert get_redis_client().get(key) == f"[{self.products[1].pk},{self.products[2].pk}]".encode()

    def test_lower_version_does_not_replace_a_higher_one(self) -> None:
        for number in (5, 4):
            cache.cache_maximum("version", number, seconds=60)
        assert cache.read_cached(["version"]) == {"version": 5}


class ViewersTest(ListsCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_user()
        self.viewer = make_viewer(self.user)

    def test_cart_suggestions_are_complements_then_similar_products(self) -> None:
        a, b, c, d, e, *_ = self.products
        add_recommendations(Kind.COMPLEMENT, a, b, c)
        add_recommendations(Kind.COMPLEMENT, b, d, c, a)
        add_recommendations(Kind.SIMILAR, a, e, c)
        add_lines(viewer=self.viewer, lines=[LineQuantity(a.pk), LineQuantity(b.pk)], address=ADDRESS)
        lines = get_cart(viewer=self.viewer).lines
        for _ in range(2):
            assert ids(suggest_for_cart(lines, 3)) == ids([c, d, e])
            full = suggest_for_cart(lines, 50)
            assert {p.pk for p in full} == {p.pk for p in self.products} - {a.pk, b.pk}
            assert len(full) == 6

    def test_empty_cart_gets_popular_products(self) -> None:
        Product.objects.filter(pk=self.products[3].pk).update(popularity=1)
        assert ids(suggest_for_cart([], 2)) == ids([self.products[3], self.products[-1]])

    def test_viewer_gets_complements_of_orders_that_are_not_cancelled(self) -> None:
        a, b, c, d, *_ = self.products
        add_recommendations(Kind.COMPLEMENT, a, d, b)
        add_recommendations(Kind.COMPLEMENT, b, c)
        make_order([a], user=self.user)
        make_order([b], user=self.user, status=Order.Status.CANCELLED)
        make_order([d], user=make_user())
        assert ids(recommend(self.viewer, 2)) == ids([d, b])
        assert a.pk not in ids(recommend(self.viewer, 50))

    def test_viewers_without_orders_get_popular_then_newest_products(self) -> None:
        Product.objects.filter(pk=self.products[2].pk).update(popularity=3)
        expected = [self.products[2], *[p for p in self.products[::-1] if p != self.products[2]]]
        for viewer in (Viewer(), self.viewer):
            assert ids(recommend(viewer, 50)) == ids(expected)

    def test_lists_take_at_most_two_queries(self) -> None:
        a, *rest = self.products
        add_recommendations(Kind.COMPLEMENT, a, *rest)
        make_order([a], user=self.user)
        add_lines(viewer=self.viewer, lines=[LineQuantity(a.pk)], address=ADDRESS)
        lines = get_cart(viewer=self.viewer).lines
        for state in ("cold", "warm"):
            # The ids and the products. Only the ids of the cart's suggestions are cached.
            with self.assertNumQueries(2 if state == "cold" else 1):
                suggest_for_cart(lines, 5)
            with self.assertNumQueries(2):
                recommend(self.viewer, 5)
            with self.assertNumQueries(1):
                recommend(Viewer(), 5)


class ApisTest(ListsCase):
    def setUp(self) -> None:
        super().setUp()
        self.products += [make_product(category=self.category) for _ in range(8)]
        self.graphql, self.rest = GraphQLClient(), RestClient()

    def recommend_everything(self) -> None:
        for product in self.products:
            make_image(product)
            rest = [other for other in self.products if other != product]
            add_recommendations(Kind.SIMILAR, product, *rest)
            add_recommendations(Kind.BOUGHT_TOGETHER, product, *reversed(rest))

    def count(self, query: str, **variables: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            self.graphql.data(query, variables)
        return len(queries)

    def test_all_lists_take_one_query_unless_cached_and_one_for_products(self) -> None:
        self.recommend_everything()
        for queries in (2, 1):
            with self.assertNumQueries(queries):
                read_related([Kind.SIMILAR, Kind.BOUGHT_TOGETHER], self.products, 3)

    def test_product_card_takes_at_most_three_more_queries(self) -> None:
        pk = self.products[0].pk
        card = "query($id: ID) { product(id: $id) { name image { url } %s } }"
        lists = "similar(first: 4) { name image { url } } boughtTogether { name image { url } }"
        plain = self.count(card % "", id=pk)
        for _ in ("cold", "warm"):
            # The table is empty: related products are looked for, and popular products fill the lists.
            assert self.count(card % lists, id=pk) <= plain + 3
        self.recommend_everything()
        get_redis_client().flushdb()
        for more in (2, 1):
            with CaptureQueriesContext(connection) as queries:
                self.rest.get("/product", {"id": pk})
            # The product, the path of its category, the ids and the products of the lists.
            assert len(queries) == 2 + more

    def test_query_count_is_the_same_for_one_and_many_products(self) -> None:
        self.recommend_everything()
        query = (
            "query($n: Int) { products(first: $n) { nodes { id similar(first: 3) "
            "{ id image { url } boughtTogether(first: 3) { id image { url } } } } } }"
        )
        for n in (1, 16):
            self.count(query, n=n)
            # The list, and the products of each level. The ids are cached.
            assert self.count(query, n=n) == 3

    def test_first_is_limited_to_50(self) -> None:
        a = self.products[0]
        queries = [
            f"{{ product(id: {a.pk}) {{ similar(first: %d) {{ id }} }} }}",
            f"{{ product(id: {a.pk}) {{ boughtTogether(first: %d) {{ id }} }} }}",
            "{ recommendations(first: %d) { id } }",
            "{ cart { suggestions(first: %d) { id } } }",
        ]
        for query in queries:
            for first in (1, 50):
                self.graphql.data(query % first)
            for first in (0, 51):
                with self.subTest(query=query, first=first):
                    error = self.graphql.error(query % first)["extensions"]
                    assert (error["code"], error["field"]) == ("OUT_OF_RANGE", ["first"])
        for limit in (1, 50):
            assert len(self.rest.get("/recommendations", {"limit": limit}).json()["items"]) == min(limit, 16)
        for limit in (0, 51):
            response = self.rest.get("/recommendations", {"limit": limit})
            problem = response.json()
            assert (response.status_code, problem["code"], problem["field"]) == (422, "OUT_OF_RANGE", "limit")

    def test_both_apis_return_the_same_lists(self) -> None:
        self.recommend_everything()
        pk = self.products[0].pk
        card = self.rest.get("/product", {"id": pk}).json()
        query = (
            "query($id: ID) { product(id: $id) { similar { ...id } boughtTogether { ...id } } } "
            "fragment id on Product { id: databaseId }"
        )
        shown = self.graphql.data(query, {"id": pk})["product"]
        for rest_name, name in (("similar", "similar"), ("bought_together", "boughtTogether")):
            assert [item["id"] for item in card[rest_name]] == [item["id"] for item in shown[name]]

    def fan_out(self, levels: int) -> str:
        """Return a query that reads lists of other lengths, and so with other queries, at every step."""
        fragments = "".join(
            f"fragment L{n} on Product {{ id similar(first: 1) {{ ...L{n + 1} }} "
            f"boughtTogether(first: 2) {{ ...L{n + 1} }} }} "
            for n in range(levels)
        )
        last = f"fragment L{levels} on Product {{ id }}"
        return f"{{ products(first: 2) {{ nodes {{ ...L0 }} }} }} {fragments} {last}"

    def test_fields_that_fan_out_are_refused_before_anything_is_read(self) -> None:
        self.recommend_everything()
        with self.assertNumQueries(0):
            error = self.graphql.error(self.fan_out(7))
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_readings_of_lists_are_charged(self) -> None:
        self.recommend_everything()
        query = self.fan_out(4)
        self.count(query)
        with CaptureQueriesContext(connection) as queries:
            body = self.graphql.post(query).json()
        count = len(queries.captured_queries)
        # Each read takes one query for the products. The ids are cached.
        assert count > 1 + 10
        limit = body["extensions"]["cost"]["requested"]
        with override_settings(GRAPHQL_MAX_COST=limit):
            self.graphql.data(query)
        with override_settings(GRAPHQL_MAX_COST=limit - 1), self.assertNumQueries(count - 1):
            error = self.graphql.error(query)
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_fields_of_one_level_are_read_in_one_batch(self) -> None:
        self.recommend_everything()
        lists = "{ id similar(first: 2) %s boughtTogether(first: 2) %s }"
        level = "{ id }"
        for _ in range(4):
            level = lists % (level, level)
        assert self.count(f"{{ products(first: 2) {{ nodes {level} }} }}") <= 1 + 4 * 2

    def test_deep_chain_takes_at_most_two_queries_for_each_level(self) -> None:
        self.recommend_everything()
        chain = "{ id " + "similar(first: 2) { id " * 8 + "}" * 9
        assert self.count(f"{{ products(first: 2) {{ nodes {chain} }} }}") <= 1 + 2 * 8

    def test_wide_nested_lists_are_rejected(self) -> None:
        query = "{ products(first: 100) { nodes { similar(first: 50) { similar(first: 4) { id } } } } }"
        assert self.graphql.error(query)["extensions"]["code"] == "TOO_COMPLEX"


class RedisTest(ListsCase):
    def test_lists_are_read_from_the_table_while_redis_is_down(self) -> None:
        a, b, c, *_ = self.products
        add_recommendations(Kind.SIMILAR, a, b, c)
        self.addCleanup(setattr, redis, "_skip_until", 0.0)
        with mock.patch.object(get_redis_client(), "mget", side_effect=RedisTimeoutError("silent")) as mget:
            for _ in range(3):
                with self.assertNumQueries(2):
                    assert self.read(Kind.SIMILAR, a, 2) == ids([b, c])
        # After a failure, Redis is not used for a while.
        assert mget.call_count == 1

    def test_recommendations_are_replaced_while_redis_is_down(self) -> None:
        self.addCleanup(setattr, redis, "_skip_until", 0.0)
        a, b, *_ = self.products
        down = mock.patch.object(get_redis_client(), "eval", side_effect=RedisTimeoutError("silent"))
        with down, self.captureOnCommitCallbacks(execute=True):
            replace_recommendations([(Kind.SIMILAR.value, a.pk, b.pk, 1.0)])
        assert Recommendation.objects.count() == 1
