"""Sales by day, queues and totals of orders, for the admin."""

from copy import copy
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from unittest import mock

from django.db import connection
from django.test import TestCase
from django.utils import timezone

from backend.accounts.models import User
from backend.orders import sales
from backend.orders.models import Order
from backend.orders.sales import read_daily_sales, read_first_and_last_day, read_order_queue, sum_orders
from tests.orders.factories import make_order
from tests.support.people import make_user

Status = Order.Status


class SalesCase(TestCase):
    def setUp(self) -> None:
        self.user: User = make_user()
        self.today = timezone.localdate()

    def make(self, total: str = "10.00", *, days: float = 0, **fields: object) -> Order:
        """Create an order that was placed at midnight some days ago."""
        order = make_order(self.user)
        midnight = datetime.combine(self.today, time.min, UTC)
        placed_at = midnight - timedelta(days=days)
        Order.objects.filter(pk=order.pk).update(total=Decimal(total), placed_at=placed_at, **fields)
        return order


class DailySalesTest(SalesCase):
    def test_each_day_has_its_orders(self) -> None:
        self.make("10.50")
        self.make("5.25", status=Status.DELIVERED)
        self.make("7.00", days=2)
        days = read_daily_sales()
        assert [day.day for day in days] == [self.today - timedelta(days=n) for n in reversed(range(30))]
        assert [(day.revenue, day.order_count) for day in days[-3:]] == [
            (Decimal("7.00"), 1),
            (Decimal(0), 0),
            (Decimal("15.75"), 2),
        ]

    def test_cancelled_foreign_and_earlier_orders_are_left_out(self) -> None:
        self.make(status=Status.CANCELLED)
        self.make(currency="KZT")
        self.make(days=29.01)
        assert sum(day.order_count for day in read_daily_sales()) == 0
        self.make(days=29)
        assert [day.order_count for day in read_daily_sales()] == [1, *[0] * 29]

    def test_one_query_reads_the_index_of_dates(self) -> None:
        order = self.make()
        with self.assertNumQueries(1):
            read_daily_sales()
        # With few rows, the plan depends on statistics of other tests.
        copies = [copy(order) for _ in range(300)]
        for days, past in enumerate(copies):
            past.pk, past.number = None, f"{days}-1"
            past.placed_at = order.placed_at - timedelta(days=days)
        Order.objects.bulk_create(copies)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("ANALYZE orders_order")
        assert "order_by_date" in sales._group_by_day(timezone.now() - timedelta(days=30)).explain()


class QueueTest(SalesCase):
    def test_oldest_orders_are_listed_first(self) -> None:
        newest, oldest, middle = self.make(), self.make(days=3), self.make(days=1)
        self.make(days=9, status=Status.PAID)
        with self.assertNumQueries(2):
            queue = read_order_queue(Status.PLACED, 2)
        assert queue.count == 3
        assert queue.oldest == [oldest, middle]
        assert read_order_queue(Status.PLACED, 3).oldest == [oldest, middle, newest]

    def test_count_is_bounded(self) -> None:
        for _ in range(3):
            self.make()
        for maximum, count in ((3, 3), (2, 3), (1, 2)):
            with mock.patch.object(sales, "MAX_COUNT", maximum):
                assert read_order_queue(Status.PLACED, 1).count == count


class TotalsTest(SalesCase):
    def test_cancelled_and_foreign_orders_are_left_out(self) -> None:
        self.make("1.50")
        self.make("2.00", days=40)
        self.make(status=Status.CANCELLED)
        self.make(currency="KZT")
        with self.assertNumQueries(1):
            totals = sum_orders(Order.objects.all(), 10)
        assert (totals.order_count, totals.revenue) == (2, Decimal("3.50"))
        nothing = sum_orders(Order.objects.none(), 10)
        assert (nothing.order_count, nothing.revenue) == (0, Decimal(0))

    def test_newest_orders_are_summed_up_to_the_limit(self) -> None:
        self.make("1.00", days=1)
        self.make("2.00")
        for limit, revenue in ((2, "3.00"), (1, "2.00")):
            assert sum_orders(Order.objects.all(), limit).revenue == Decimal(revenue)

    def test_days_of_the_first_and_the_last_order_are_read(self) -> None:
        assert read_first_and_last_day() == (self.today, self.today)
        self.make(days=400)
        self.make(days=2)
        assert read_first_and_last_day() == (
            self.today - timedelta(days=400),
            self.today - timedelta(days=2),
        )
