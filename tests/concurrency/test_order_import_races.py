"""Two concurrent imports of one purchase log import it once."""

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError
from django.test import TransactionTestCase

from backend.catalog import services as catalog_services
from backend.catalog.models import Product
from backend.orders.models import Order, OrderLine, OrderStatusChange
from backend.orders.order_import import ImportReport, import_orders
from tests.concurrency.actors import MAX_SECONDS, Actor

LOG = """invoice,stock_code,description,quantity,invoice_date,unit_price
1,10001,CUP,1,2011-01-01,1
1,10002,BOWL,2,2011-01-01,1
2,10001,CUP,3,2011-01-02,1
"""


class ConcurrentImportsTest(TransactionTestCase):
    def import_twice(self) -> tuple[ImportReport, ImportReport]:
        with TemporaryDirectory() as folder, Actor() as first, Actor() as second:
            log = Path(folder) / "log.csv"
            log.write_text(LOG)
            zone = ZoneInfo("UTC")
            done = first.do(import_orders, log, zone=zone)
            waiting = second.start(import_orders, log, zone=zone)
            assert not waiting.done()
            first.commit()
            return done, waiting.result(MAX_SECONDS)

    def test_second_import_waits_and_creates_nothing(self) -> None:
        first, second = self.import_twice()
        assert (first.orders_created, first.products_created, first.lines_created) == (2, 2, 3)
        assert (second.orders_created, second.products_created, second.lines_created) == (0, 0, 0)
        assert second.orders_unchanged == 2
        assert (Order.objects.count(), OrderLine.objects.count(), Product.objects.count()) == (2, 3, 2)
        assert OrderStatusChange.objects.count() == 2

    def test_without_the_lock_new_products_violate_the_unique_sku(self) -> None:
        with (
            mock.patch.object(catalog_services, "lock_imports"),
            pytest.raises(IntegrityError, match="duplicate key value"),
        ):
            self.import_twice()
