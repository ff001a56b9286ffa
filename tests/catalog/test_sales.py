"""Best sellers and low stock, in a fixed number of queries that use the index of sales."""

from unittest import mock

from django.db import connection
from django.test import TestCase

from backend.catalog.selectors import StockedProduct, list_best_sellers, list_low_stock, sales
from tests.catalog.factories import make_product


class SalesTest(TestCase):
    def test_best_sellers_are_published_and_sold(self) -> None:
        make_product("Unsold")
        make_product("Hidden", popularity=9, is_published=False)
        mug, tea = make_product("Mug", popularity=3), make_product("Tea", popularity=7, stock=2)
        assert list_best_sellers(5) == [
            StockedProduct(tea.pk, "Tea", 2, 7),
            StockedProduct(mug.pk, "Mug", 5, 3),
        ]
        assert list_best_sellers(1) == [StockedProduct(tea.pk, "Tea", 2, 7)]

    def test_low_stock_includes_the_limit(self) -> None:
        make_product("Six", stock=6)
        make_product("Hidden", stock=0, is_published=False)
        for name, stock in (("Five", 5), ("None", 0)):
            make_product(name, stock=stock)
        assert [product.name for product in list_low_stock(5)] == ["None", "Five"]
        assert [product.name for product in list_low_stock(1)] == ["None"]

    def test_low_stock_is_looked_for_among_the_best_selling_products(self) -> None:
        make_product("Slow", stock=0, popularity=1)
        make_product("Fast", stock=1, popularity=2)
        for watched, found in ((2, ["Slow", "Fast"]), (1, ["Fast"])):
            with mock.patch.object(sales, "WATCHED_PRODUCTS", watched):
                assert [product.name for product in list_low_stock(5)] == found

    def test_each_list_is_one_query(self) -> None:
        for number in range(10):
            with self.assertNumQueries(2):
                list_best_sellers(5)
                list_low_stock(5)
            make_product(popularity=number, stock=0)

    def test_index_of_sales_is_used(self) -> None:
        with connection.cursor() as cursor:
            # Otherwise the few rows of the test are read and sorted.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        assert "listing_by_sales" in sales._order_by_sales()[:5].explain()
