"""Query counts of carts and orders, which do not depend on the number of lines or products."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext

from tests.carts.factories import fill_cart, make_products
from tests.catalog.factories import make_category, make_image
from tests.support.clients import GraphQLClient
from tests.support.people import make_user, open_session_token
from tests.support.shopping import make_shoppers


def count_queries(action: Callable[[], Any]) -> int:
    """Return the number of statements of an action, without those that begin and end transactions."""
    with CaptureQueriesContext(connection) as queries:
        response = action()
    assert response.code is None, response
    return sum(not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")) for query in queries)


class QueryCountsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        category = make_category("Clothes")
        cls.products = make_products(200, category=category)
        for product in cls.products[:5]:
            make_image(product)

    def test_reading_a_cart_of_1_and_200_lines(self) -> None:
        for lines in (1, 200):
            user = make_user()
            fill_cart(user, dict.fromkeys(self.products[:lines], 1))
            for shopper in make_shoppers(user):
                with self.subTest(lines=lines, api=shopper.api):
                    assert count_queries(shopper.cart) == 2

    def test_reading_a_cart_under_many_aliases(self) -> None:
        user = make_user()
        fill_cart(user, dict.fromkeys(self.products[:3], 1))
        graphql = GraphQLClient(Client(headers={"Authorization": f"Bearer {open_session_token(user)}"}))
        for names in (1, 20):
            query = " ".join(f"cart{number}: cart {{ totalQuantity }}" for number in range(names))
            with self.subTest(names=names), self.assertNumQueries(2):
                assert len(graphql.data(f"{{ {query} }}")) == names

    def test_adding_to_a_cart_of_1_and_199_lines(self) -> None:
        for lines in (1, 199):
            for number in range(2):
                user = make_user()
                fill_cart(user, dict.fromkeys(self.products[:lines], 1))
                shopper = make_shoppers(user)[number]
                with self.subTest(lines=lines, api=shopper.api):
                    assert count_queries(lambda: shopper.add(self.products[-1].pk)) == 5  # noqa: B023

    def test_ordering_1_and_5_and_200_lines(self) -> None:
        for lines in (1, 5, 200):
            for number in range(2):
                user = make_user()
                fill_cart(user, dict.fromkeys(self.products[:lines], 1))
                shopper = make_shoppers(user)[number]
                with self.subTest(lines=lines, api=shopper.api):
                    assert count_queries(shopper.order) == 10

    def test_created_order_is_returned_as_it_is_read_later(self) -> None:
        details = {"comment": "Ring twice", "contact": {"name": "Vera", "phone": "+7 900 123-45-67"}}
        user = make_user()
        for shopper in make_shoppers(user):
            for fields in ({}, details):
                with self.subTest(api=shopper.api, fields=fields):
                    fill_cart(user, dict.fromkeys(self.products[2:7], 2))
                    placed = shopper.order(fields).data
                    assert shopper.read(placed["number"]).data == placed

    def test_reading_1_and_4_orders(self) -> None:
        user = make_user()
        for orders in (1, 4):
            with self.subTest(orders=orders):
                while len(make_shoppers(user)[1].orders().data["items"]) < orders:
                    fill_cart(user, dict.fromkeys(self.products[:5], 1))
                    make_shoppers(user)[1].order()
                graphql, rest = make_shoppers(user)
                assert count_queries(graphql.orders) == 6
                assert count_queries(rest.orders) == 5
                number = rest.orders().data["items"][0]["number"]
                assert count_queries(lambda: rest.read(number)) == 5  # noqa: B023
