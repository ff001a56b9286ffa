"""The popularity of products: the units sold in the last thirty days."""

from datetime import timedelta
from threading import Thread
from unittest import mock

from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.catalog import stock
from backend.catalog.models import Product
from backend.catalog.selectors import ProductSort, list_products
from backend.core.pagination import Window
from backend.orders.models import Order
from backend.orders.services import POPULARITY_PERIOD, change_order_status, count_popularity
from tests.catalog.factories import make_product
from tests.orders.factories import make_order
from tests.support.people import make_user
from tests.support.worker import wait_until


def backdate(order: Order, ago: timedelta) -> None:
    Order.objects.filter(pk=order.pk).update(placed_at=timezone.now() - ago)


def popularity(product: Product) -> int:
    return Product.objects.get(pk=product.pk).popularity


class CountPopularityTest(TestCase):
    def setUp(self) -> None:
        self.tea = make_product(name="Tea", stock=100)
        self.mug = make_product(name="Mug", stock=100)

    def test_sold_units_determine_the_sort_by_popularity(self) -> None:
        make_order(None, (self.tea, 2), (self.mug, 3))
        make_order(None, (self.tea, 2))
        assert count_popularity() == 2
        assert (popularity(self.tea), popularity(self.mug)) == (4, 3)
        page = list_products().read_page(ProductSort.POPULAR, Window.from_arguments(first=2))
        assert [product.name for product in page.items] == ["Tea", "Mug"]
        make_order(None, (self.mug, 5))
        assert count_popularity() == 1
        page = list_products().read_page(ProductSort.POPULAR, Window.from_arguments(first=2))
        assert [product.name for product in page.items] == ["Mug", "Tea"]
        assert count_popularity() == 0

    def test_only_orders_of_the_period_count(self) -> None:
        backdate(make_order(None, (self.tea, 2)), POPULARITY_PERIOD - timedelta(minutes=1))
        old = make_order(None, (self.tea, 5))
        backdate(old, POPULARITY_PERIOD - timedelta(minutes=2))
        count_popularity()
        assert popularity(self.tea) == 7
        backdate(old, POPULARITY_PERIOD + timedelta(minutes=1))
        count_popularity()
        assert popularity(self.tea) == 2

    def test_products_without_recent_sales_lose_their_popularity(self) -> None:
        backdate(make_order(None, (self.tea, 2)), POPULARITY_PERIOD + timedelta(minutes=1))
        Product.objects.filter(pk=self.tea.pk).update(popularity=9)
        assert count_popularity() == 1
        assert popularity(self.tea) == 0

    def test_cancelled_orders_do_not_count(self) -> None:
        boss = make_user()
        for status in ("paid", "cancelled"):
            order = make_order(None, (self.tea, 3))
            change_order_status(order_id=order.pk, status=status, changed_by=boss.pk)
        count_popularity()
        assert popularity(self.tea) == 3

    def test_deleted_products_are_skipped(self) -> None:
        make_order(None, (self.tea, 1), (self.mug, 1))
        self.tea.delete()
        assert count_popularity() == 1
        assert popularity(self.mug) == 1

    def test_statements_depend_on_batches_and_not_on_products(self) -> None:
        counts = []
        for number in (1, 5, 6):
            for _ in range(number):
                make_order(None, (make_product(), 1))
            batches = mock.patch.object(stock, "POPULARITY_BATCH_SIZE", 5)
            with batches, CaptureQueriesContext(connection) as queries:
                assert count_popularity() == number
            counts.append(len(queries))
        # Two reads, and for each batch a savepoint, a lock, an update and a release.
        assert counts == [6, 6, 10]


class ConcurrentOrdersTest(TransactionTestCase):
    def test_products_of_other_batches_can_be_ordered(self) -> None:
        """A batch that waits for a lock holds no locks on products of other batches."""
        first, held, last = (make_product(stock=9) for _ in range(3))
        make_order(None, (first, 1), (held, 1), (last, 1))

        def count() -> None:
            try:
                count_popularity()
            finally:
                connection.close()

        counting = Thread(target=count)
        with mock.patch.object(stock, "POPULARITY_BATCH_SIZE", 1):
            with transaction.atomic():
                Product.objects.select_for_update(no_key=True).get(pk=held.pk)
                counting.start()
                wait_until(lambda: popularity(first), "The first batch")
                make_order(None, (first, 2), (last, 2))
                assert counting.is_alive()
                assert popularity(last) == 0
            counting.join(30)
        assert [popularity(product) for product in (first, held, last)] == [1, 1, 1]
        assert list(Product.objects.order_by("pk").values_list("stock", flat=True)) == [6, 8, 6]
