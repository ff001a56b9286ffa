"""Searches without results are counted in Redis, without those that may contain personal data."""

from datetime import timedelta
from unittest import mock

from django.conf import settings
from django.db import connection
from django.test import Client, LiveServerTestCase, TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.catalog import empty_searches
from backend.catalog.empty_searches import count_empty_search, list_empty_searches, may_be_personal
from backend.catalog.selectors import ProductSort, list_products
from backend.core.pagination import Window
from backend.core.redis import PREFIX, get_redis_client
from tests.accounts.cases import clear_redis
from tests.catalog.factories import make_category, make_empty_searches, make_product
from tests.faults.test_services_down import dead_address, send_request, shop
from tests.support.clients import GraphQLClient


def search(text: str, window: Window | None = None, **filters: object) -> list[str]:
    page = list_products(search=text, **filters).read_page(None, window or Window.from_arguments())
    return [product.name for product in page.items]


class CountTest(TestCase):
    def setUp(self) -> None:
        clear_redis()
        self.tea = make_product("Green tea", make_category("Tea"))

    def test_searches_of_both_apis_are_counted_by_normalized_words(self) -> None:
        GraphQLClient().post('{ products(filter: {search: "Ёлка,  BIG"}) { nodes { name } } }')
        Client().get("/products?search=unicorn")
        assert list_empty_searches(10) == [("unicorn", 1), ("елка big", 1)]

    def test_search_that_is_soon_repeated_is_counted_once(self) -> None:
        query = (
            'query Q($first: Int) { products(filter: {search: "Ёлка"}, first: $first) { nodes { name } } }'
        )
        for first in (24, 1, 6):
            GraphQLClient().post(query, {"first": first})
        Client().get("/products?search=елка")
        assert list_empty_searches(10) == [("елка", 1)]
        (key,) = get_redis_client().scan_iter(f"{PREFIX}recent-empty-searches:*")
        assert 0 < get_redis_client().ttl(key) <= 30
        get_redis_client().delete(key)
        assert search("елка") == []
        assert list_empty_searches(10) == [("елка", 2)]

    def test_search_with_results_is_not_counted(self) -> None:
        assert search("green tea") == ["Green tea"]
        assert list_empty_searches(10) == []

    def test_search_is_not_counted_if_a_filter_or_page_may_be_empty(self) -> None:
        assert search("tea", in_stock=False) == []
        assert search("unicorn", category=self.tea.category_id) == []
        page = list_products(search="tea").read_page(ProductSort.NEWEST, Window.from_arguments())
        after_last = Window.from_arguments(after=page.end_cursor)
        assert not list_products(search="tea").read_page(ProductSort.NEWEST, after_last).items
        assert list_empty_searches(10) == []

    def test_counting_needs_no_statement_and_nothing_of_redis_if_there_are_results(self) -> None:
        counts = []
        for text in ("tea", "unicorn"):
            with (
                CaptureQueriesContext(connection) as queries,
                mock.patch.object(empty_searches, "try_redis") as try_redis,
            ):
                search(text)
            counts.append((len(queries), try_redis.call_count))
        assert counts == [(3, 0), (3, 1)]

    def test_personal_data_is_not_counted(self) -> None:
        for text in ("vera@example.com", "+7 921 555", "1234567"):
            assert search(text) == []
        assert list_empty_searches(10) == []
        for text in ("model 123456", "vera example"):
            assert search(text) == []
        assert list_empty_searches(10) == [("model 123456", 1), ("vera example", 1)]

    def test_digits_are_limited(self) -> None:
        assert not may_be_personal("no 12-34-56")
        assert may_be_personal("no 12-34-567")

    def test_length_is_limited(self) -> None:
        count_empty_search("x" * 60)
        count_empty_search("y" * 61)
        assert list_empty_searches(10) == [("x" * 60, 1)]

    def test_texts_of_a_day_are_limited_and_the_most_frequent_are_kept(self) -> None:
        with mock.patch.object(empty_searches, "MAX_SEARCHES_PER_DAY", 2):
            for text, count in (("tea set", 2), ("mug", 2), ("spoon", 1)):
                make_empty_searches(text, count)
        assert list_empty_searches(10) == [("mug", 2), ("tea set", 2)]
        (key,) = get_redis_client().scan_iter(f"{PREFIX}empty-searches:*")
        assert 0 < get_redis_client().ttl(key) <= 8 * 24 * 3600


class ListTest(TestCase):
    def setUp(self) -> None:
        clear_redis()

    def test_most_frequent_are_listed_first_up_to_the_limit(self) -> None:
        for text, count in (("b", 2), ("a", 1), ("c", 1)):
            make_empty_searches(text, count)
        assert list_empty_searches(2) == [("b", 2), ("a", 1)]

    def test_seven_days_are_added_up(self) -> None:
        now = timezone.now()
        for days in (0, 6, 7):
            with mock.patch.object(timezone, "now", return_value=now - timedelta(days=days)):
                make_empty_searches("mug")
        assert list_empty_searches(10) == [("mug", 2)]

    def test_beginnings_of_a_search_that_was_typed_are_left_out(self) -> None:
        for text, count in (("uni", 1), ("unic", 1), ("unico", 1), ("unicorn", 2)):
            make_empty_searches(text, count)
        assert list_empty_searches(10) == [("unicorn", 2)]
        make_empty_searches("uni", 4)
        assert list_empty_searches(10) == [("uni", 5), ("unicorn", 2)]


class RedisDownTest(LiveServerTestCase):
    def test_search_responds_in_time_and_the_list_is_unavailable(self) -> None:
        database = settings.DATABASES["default"]
        with dead_address() as redis:
            for way in redis.ways():
                running = shop(REDIS_URL=f"redis://{redis.host}:{redis.port}/0", DB_NAME=database["NAME"])
                with running as url, self.subTest(redis=way):
                    status, response = send_request(f"{url}/products?search=unicorn")
                    assert (status, response["items"]) == (200, [])

    def test_list_is_none(self) -> None:
        with mock.patch.object(empty_searches, "try_redis", return_value=None):
            assert list_empty_searches(10) is None
