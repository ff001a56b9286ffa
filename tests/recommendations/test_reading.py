"""Lists of recommendations: what they hold, in which order, and what they cost."""

from typing import Any
from unittest import mock

from django.db import connection
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext

from backend.carts.services import LineQuantity, add_lines, get_cart
from backend.catalog.models import Product
from backend.core import cache
from backend.core.redis import redis_client
from backend.core.viewer import Viewer
from backend.orders.models import Order
from backend.recommendations.models import Recommendation
from backend.recommendations.selectors import Lists, read_related, recommend, suggest_for_cart
from tests.catalog.factories import make_category, make_image, make_product
from tests.clients import GraphQLClient, RestClient
from tests.people import ADDRESS, make_user, viewer_of
from tests.recommendations.shop import Kind, make_order, replace_with, teach


class ListsCase(TestCase):
    def setUp(self) -> None:
        redis_client().flushdb()
        self.addCleanup(redis_client().flushdb)
        self.category = make_category("Mugs")
        self.products = [make_product(category=self.category) for _ in range(8)]

    def read(self, kind: Kind, product: Product, first: int) -> list[Product]:
        lists: Lists = read_related([kind], [product], first)
        return lists[kind, product.pk]


class RelatedTest(ListsCase):
    def test_the_order_of_the_table_then_similar_then_what_sells_nearby_then_in_the_shop(self) -> None:
        a, b, c, *_ = self.products
        elsewhere = make_product(category=make_category("Lamps"))
        Product.objects.filter(pk=elsewhere.pk).update(popularity=9)
        teach(Kind.BOUGHT_TOGETHER, a, c)
        teach(Kind.SIMILAR, a, c, b)
        nearby = self.products[:2:-1]
        assert self.read(Kind.BOUGHT_TOGETHER, a, 8) == [c, b, *nearby, elsewhere]
        assert self.read(Kind.SIMILAR, a, 1) == [c]

    def test_equal_scores_go_by_age(self) -> None:
        a, *rest = self.products
        replace_with([(Kind.SIMILAR.value, a.pk, other.pk, 0.5) for other in reversed(rest)])
        for _ in range(2):
            assert self.read(Kind.SIMILAR, a, 7) == rest

    def test_nothing_unpublished_or_sold_out_and_never_itself(self) -> None:
        a, hidden, sold_out, *rest = self.products
        Product.objects.filter(pk=hidden.pk).update(is_published=False)
        Product.objects.filter(pk=sold_out.pk).update(stock=0)
        teach(Kind.SIMILAR, a, hidden, sold_out, rest[0])
        assert self.read(Kind.SIMILAR, a, 50) == [rest[0], *rest[:0:-1]]

    def test_edits_show_at_once_with_the_cache_filled(self) -> None:
        a, b, c, d, *_ = self.products
        teach(Kind.SIMILAR, a, b, c, d)
        assert self.read(Kind.SIMILAR, a, 2) == [b, c]
        Product.objects.filter(pk=b.pk).update(stock=0)
        Product.objects.filter(pk=c.pk).update(price="77.00")
        (first, second) = self.read(Kind.SIMILAR, a, 2)
        assert (first, str(first.price), second) == (c, "77.00", d)

    def test_a_new_model_is_seen_at_once(self) -> None:
        a, b, c, *_ = self.products
        for other in (b, c):
            with self.captureOnCommitCallbacks(execute=True):
                replace_with([(Kind.SIMILAR.value, a.pk, other.pk, 1.0)])
            for _ in range(2):
                assert self.read(Kind.SIMILAR, a, 1) == [other]

    def test_the_twin_without_the_version_shows_the_old_model(self) -> None:
        a, b, c, *_ = self.products
        with mock.patch("backend.recommendations.services.raise_cached"):
            for other in (b, c):
                with self.captureOnCommitCallbacks(execute=True):
                    replace_with([(Kind.SIMILAR.value, a.pk, other.pk, 1.0)])
                assert self.read(Kind.SIMILAR, a, 1) == [b]

    def test_what_is_in_the_cache_does_not_stay(self) -> None:
        teach(Kind.SIMILAR, *self.products)
        self.read(Kind.SIMILAR, self.products[0], 3)
        keys = redis_client().keys("*recommendations*")
        assert len(keys) == 2
        assert all(0 < redis_client().ttl(key) <= 600 for key in keys)

    def test_only_identifiers_are_kept(self) -> None:
        teach(Kind.SIMILAR, *self.products)
        self.read(Kind.SIMILAR, self.products[0], 1)
        (key,) = redis_client().keys("*recommendations:lists:*")
        assert redis_client().get(key) == f"[{self.products[1].pk},{self.products[2].pk}]".encode()

    def test_a_higher_version_is_never_replaced_by_a_lower_one(self) -> None:
        for number in (5, 4):
            cache.raise_cached("a version", number, seconds=60)
        assert cache.read_cached(["a version"]) == {"a version": 5}


class ViewersTest(ListsCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = make_user()
        self.viewer = viewer_of(self.user)

    def test_cart_sums_what_goes_with_its_lines_then_what_is_like_them(self) -> None:
        a, b, c, d, e, *_ = self.products
        teach(Kind.COMPLEMENT, a, b, c)
        teach(Kind.COMPLEMENT, b, d, c, a)
        teach(Kind.SIMILAR, a, e, c)
        add_lines(viewer=self.viewer, lines=[LineQuantity(a.pk), LineQuantity(b.pk)], address=ADDRESS)
        lines = get_cart(viewer=self.viewer).lines
        for _ in range(2):
            assert suggest_for_cart(lines, 3) == [c, d, e]
            full = suggest_for_cart(lines, 50)
            assert {p.pk for p in full} == {p.pk for p in self.products} - {a.pk, b.pk}
            assert len(full) == 6

    def test_an_empty_cart_gets_what_sells(self) -> None:
        Product.objects.filter(pk=self.products[3].pk).update(popularity=1)
        assert suggest_for_cart([], 2) == [self.products[3], self.products[-1]]

    def test_viewer_by_history_without_what_was_cancelled(self) -> None:
        a, b, c, d, *_ = self.products
        teach(Kind.COMPLEMENT, a, d, b)
        teach(Kind.COMPLEMENT, b, c)
        make_order([a], user=self.user)
        make_order([b], user=self.user, status=Order.Status.CANCELLED)
        make_order([d], user=make_user())
        assert recommend(self.viewer, 2) == [d, b]
        assert a not in recommend(self.viewer, 50)

    def test_others_get_what_sells_else_what_is_new(self) -> None:
        Product.objects.filter(pk=self.products[2].pk).update(popularity=3)
        expected = [self.products[2], *[p for p in self.products[::-1] if p != self.products[2]]]
        for viewer in (Viewer(), self.viewer):
            assert recommend(viewer, 50) == expected

    def test_queries(self) -> None:
        a, *rest = self.products
        teach(Kind.COMPLEMENT, a, *rest)
        make_order([a], user=self.user)
        add_lines(viewer=self.viewer, lines=[LineQuantity(a.pk)], address=ADDRESS)
        lines = get_cart(viewer=self.viewer).lines
        for _ in ("cold", "warm"):
            with self.assertNumQueries(2):  # the list and its pictures
                suggest_for_cart(lines, 5)
            with self.assertNumQueries(2):
                recommend(self.viewer, 5)
            with self.assertNumQueries(2):
                recommend(Viewer(), 5)


class ApisTest(ListsCase):
    def setUp(self) -> None:
        super().setUp()
        self.products += [make_product(category=self.category) for _ in range(8)]
        self.graphql, self.rest = GraphQLClient(), RestClient()

    def teach_all(self) -> None:
        for product in self.products:
            make_image(product)
            rest = [other for other in self.products if other != product]
            teach(Kind.SIMILAR, product, *rest)
            teach(Kind.BOUGHT_TOGETHER, product, *reversed(rest))

    def count(self, query: str, **variables: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            self.graphql.data(query, variables)
        return len(queries)

    def test_a_list_is_one_query_and_one_for_pictures_cold_and_warm(self) -> None:
        self.teach_all()
        for _ in ("cold", "warm"):
            with self.assertNumQueries(2):
                read_related([Kind.SIMILAR, Kind.BOUGHT_TOGETHER], self.products, 3)

    def test_the_card_costs_at_most_three_more(self) -> None:
        pk = self.products[0].pk
        card = "query($id: ID) { product(id: $id) { name image { url } %s } }"
        lists = "similar(first: 4) { name image { url } } boughtTogether { name image { url } }"
        plain = self.count(card % "", id=pk)
        for _ in ("cold", "warm"):
            # Nothing is known yet: what sells fills the lists.
            assert self.count(card % lists, id=pk) == plain + 3
        self.teach_all()
        redis_client().flushdb()
        for _ in ("cold", "warm"):
            with CaptureQueriesContext(connection) as queries:
                self.rest.get("/product", {"id": pk})
            # The product, its pictures, the path of its category, the lists and their pictures.
            assert len(queries) <= 3 + 3

    def test_as_many_queries_for_one_product_as_for_many(self) -> None:
        self.teach_all()
        query = (
            "query($n: Int) { products(first: $n) { nodes { id similar(first: 3) "
            "{ id image { url } boughtTogether(first: 3) { id image { url } } } } } }"
        )
        for _ in ("cold", "warm"):
            assert self.count(query, n=1) == self.count(query, n=16) == 6

    def test_how_many_may_be_asked_for(self) -> None:
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

    def test_both_apis_tell_the_same(self) -> None:
        self.teach_all()
        pk = self.products[0].pk
        card = self.rest.get("/product", {"id": pk}).json()
        query = "query($id: ID) { product(id: $id) { similar { id } boughtTogether { id } } }"
        shown = self.graphql.data(query, {"id": pk})["product"]
        for rest_name, name in (("similar", "similar"), ("bought_together", "boughtTogether")):
            assert [str(item["id"]) for item in card[rest_name]] == [item["id"] for item in shown[name]]

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
        self.teach_all()
        with self.assertNumQueries(0):
            error = self.graphql.error(self.fan_out(7))
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_readings_of_lists_are_charged(self) -> None:
        self.teach_all()
        query = self.fan_out(4)
        with CaptureQueriesContext(connection) as queries:
            body = self.graphql.post(query).json()
        readings = (len(queries) - 2) // 2
        assert readings > 10
        # Each takes one query for the lists and one for their pictures.
        limit = body["extensions"]["cost"]["requested"] - (readings - 5) * 500
        with override_settings(GRAPHQL_MAX_COST=limit), self.assertNumQueries(2 + 5 * 2):
            error = self.graphql.error(query)
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_fields_of_one_level_are_read_together(self) -> None:
        self.teach_all()
        lists = "{ id similar(first: 2) %s boughtTogether(first: 2) %s }"
        level = "{ id }"
        for _ in range(4):
            level = lists % (level, level)
        assert self.count(f"{{ products(first: 2) {{ nodes {level} }} }}") == 2 + 4 * 2

    def test_a_deep_chain_is_answered_with_queries_for_each_level(self) -> None:
        self.teach_all()
        chain = "{ id " + "similar(first: 2) { id " * 10 + "}" * 11
        assert self.count(f"{{ products(first: 2) {{ nodes {chain} }} }}") == 2 + 2 * 10

    def test_wide_lists_cost_what_they_hold(self) -> None:
        query = "{ products(first: 100) { nodes { similar(first: 50) { similar(first: 4) { id } } } } }"
        assert self.graphql.error(query)["extensions"]["code"] == "TOO_COMPLEX"


class RedisTest(ListsCase):
    def test_lists_are_read_from_the_table_while_redis_is_down(self) -> None:
        a, b, c, *_ = self.products
        teach(Kind.SIMILAR, a, b, c)
        self.addCleanup(setattr, cache, "_paused_until", 0.0)
        with mock.patch.object(redis_client(), "mget", side_effect=cache.RedisError("down")) as asked:
            for _ in range(3):
                with self.assertNumQueries(2):
                    assert self.read(Kind.SIMILAR, a, 2) == [b, c]
        # After a failure it is left alone for a while.
        assert asked.call_count == 1

    def test_a_model_is_replaced_while_redis_is_down(self) -> None:
        self.addCleanup(setattr, cache, "_paused_until", 0.0)
        a, b, *_ = self.products
        down = mock.patch.object(redis_client(), "eval", side_effect=cache.RedisError("down"))
        with down, self.captureOnCommitCallbacks(execute=True):
            replace_with([(Kind.SIMILAR.value, a.pk, b.pk, 1.0)])
        assert Recommendation.objects.count() == 1
