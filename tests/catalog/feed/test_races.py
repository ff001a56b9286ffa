"""Staff and other imports change the shop between an import's plan and its writing."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from unittest import mock

import pytest
from django.db import IntegrityError
from django.test import TransactionTestCase

from backend.catalog.feed import importing
from backend.catalog.feed.categories import CategoryPaths
from backend.catalog.feed.parsing import ProductRow
from backend.catalog.feed.planning import look_up, plan_row
from backend.catalog.feed.writing import lock_for_import, write_plans
from backend.catalog.models import Characteristic, CharacteristicValue, Product
from tests.catalog.derived import assert_characteristics_are_right
from tests.catalog.feed.helpers import FeedTestCase, counts, product_row
from tests.concurrency.actors import PATIENCE, Actor


class CharacteristicsTest(FeedTestCase):
    """What staff do here, they do after the plan and before the lock."""

    def setUp(self) -> None:
        super().setUp()
        self.run_import(product_row("A-1", color="red"))
        self.product = Product.objects.get()

    def import_during(self, edit: Callable[[], object], **cells: str) -> list[list[str]]:
        """Import another colour while staff edit; return what the product then shows."""

        def lock_late(skus: Sequence[str]) -> None:
            edit()
            lock_for_import(skus)

        with mock.patch.object(importing, "lock_for_import", lock_late):
            report = self.run_import(product_row("A-1", color="blue", **cells))
        assert counts(report) == (0, 1, 0, 0)
        assert_characteristics_are_right()
        return Product.objects.get().characteristics

    def test_a_characteristic_that_staff_add_stays(self) -> None:
        def add() -> None:
            origin = Characteristic.objects.create(name="Origin")
            CharacteristicValue.objects.create(
                product=self.product, characteristic=origin, value="Japan", position=5
            )

        assert self.import_during(add) == [["Color", "blue", ""], ["Origin", "Japan", ""]]

    def test_a_characteristic_that_staff_rename_keeps_its_values(self) -> None:
        def rename() -> None:
            Characteristic.objects.filter(name="Color").update(name="Colour")

        assert self.import_during(rename) == [["Colour", "red", ""], ["Color", "blue", ""]]

    def test_a_characteristic_that_staff_delete_is_made_again(self) -> None:
        def delete() -> None:
            CharacteristicValue.objects.all().delete()
            Characteristic.objects.all().delete()

        assert self.import_during(delete) == [["Color", "blue", ""]]


class TurnsTest(TransactionTestCase):
    """Two imports have the same new product, and the second begins before the first has committed."""

    def write(self) -> int:
        """Take the steps of one batch; return how many products it creates or changes."""
        row = ProductRow(line=2, sku="A-1", name="Cup", price=Decimal(10))
        lock_for_import([row.sku])
        plan = plan_row(row, look_up([row]), CategoryPaths(dry_run=False), None, default_stock=1)
        plans = [plan] if plan.changes_anything else []
        write_plans(plans)
        return len(plans)

    def write_twice(self) -> int:
        """Return what the second import has left to write."""
        with Actor() as first, Actor() as second:
            assert first.do(self.write) == 1
            writing = second.start(self.write)
            assert not writing.done()
            first.commit()
            written: int = writing.result(PATIENCE)
            return written

    def test_the_second_finds_what_the_first_has_written(self) -> None:
        assert self.write_twice() == 0

    def test_without_the_lock_they_collide(self) -> None:
        with (
            mock.patch("backend.catalog.feed.writing.lock_imports"),
            pytest.raises(IntegrityError, match="duplicate key value"),
        ):
            self.write_twice()
        assert Product.objects.count() == 1
