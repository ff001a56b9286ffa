"""Concurrent edits by staff and other imports between the planning and the writing of a batch."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, connection
from django.db.models import QuerySet
from django.test import TransactionTestCase

from backend.catalog.bulk import get_or_create_brands, lock_products_for_import, upsert_products
from backend.catalog.models import Brand, Category, Characteristic, CharacteristicValue, Product
from backend.catalog.services import create_category, delete_category
from backend.feeds import category_paths, importer
from backend.feeds.category_paths import CategoryPaths
from backend.feeds.importer import import_feed
from backend.feeds.parsed_rows import ParsedRow
from backend.feeds.planning import load_batch, plan_row
from backend.feeds.report import ImportReport
from tests.catalog.derived import assert_characteristics_are_right
from tests.catalog.factories import make_brand
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.feeds.helpers import FeedTestCase, counts, product_row, table


class CharacteristicsTest(FeedTestCase):
    """Staff edit after the batch was planned and before it is locked."""

    def setUp(self) -> None:
        super().setUp()
        self.run_import(product_row("A-1", color="red"))
        self.product = Product.objects.get()

    def import_during(self, edit: Callable[[], object], **cells: str) -> list[list[str]]:
        """Import another colour while staff edit, and return the product's characteristics."""

        def lock_late(skus: Sequence[str]) -> None:
            edit()
            lock_products_for_import(skus)

        with mock.patch.object(importer, "lock_products_for_import", lock_late):
            report = self.run_import(product_row("A-1", color="blue", **cells))
        assert counts(report) == (0, 1, 0, 0)
        assert_characteristics_are_right()
        return Product.objects.get().characteristics

    def test_characteristic_added_by_staff_is_kept(self) -> None:
        def add() -> None:
            origin = Characteristic.objects.create(name="Origin")
            CharacteristicValue.objects.create(
                product=self.product, characteristic=origin, value="Japan", position=5
            )

        assert self.import_during(add) == [["Color", "blue", ""], ["Origin", "Japan", ""]]

    def test_characteristic_renamed_by_staff_keeps_its_values(self) -> None:
        def rename() -> None:
            Characteristic.objects.filter(name="Color").update(name="Colour")

        assert self.import_during(rename) == [["Colour", "red", ""], ["Color", "blue", ""]]

    def test_characteristic_deleted_by_staff_is_created_again(self) -> None:
        def delete() -> None:
            CharacteristicValue.objects.all().delete()
            Characteristic.objects.all().delete()

        assert self.import_during(delete) == [["Color", "blue", ""]]


class CompareAtPriceTest(FeedTestCase):
    """Staff set a compare-at price after the batch was planned and before it is locked."""

    def setUp(self) -> None:
        super().setUp()
        self.run_import(product_row("A-1", price="10"))

    def set_compare_at_price(self) -> None:
        Product.objects.update(compare_at_price=12)

    def test_compare_at_price_set_by_staff_is_kept_above_the_new_price(self) -> None:
        for price, expected in (("11", (11, 12)), ("12", (12, None))):

            def lock_late(skus: Sequence[str]) -> None:
                self.set_compare_at_price()
                lock_products_for_import(skus)

            Product.objects.update(price=10, compare_at_price=None)
            with mock.patch.object(importer, "lock_products_for_import", lock_late):
                report = self.run_import(product_row("A-1", price=price))
            assert counts(report) == (0, 1, 0, 0)
            assert Product.objects.values_list("price", "compare_at_price").get() == expected

    def test_without_a_new_plan_the_compare_at_price_is_lost(self) -> None:
        row = ParsedRow(line=2, sku="A-1", price=Decimal(11))
        plan = plan_row(row, load_batch([row]), CategoryPaths(dry_run=False), None, default_stock=1)
        self.set_compare_at_price()
        lock_products_for_import([row.sku])
        upsert_products([plan.to_upsert()])
        assert Product.objects.get().compare_at_price is None


class BrandRaceTest(TransactionTestCase):
    """Staff create a brand while an import needs it."""

    def get_or_create_during_creation(self) -> tuple[Brand, dict[str, int]]:
        with Actor() as staff, Actor() as importing:
            brand: Brand = staff.do(make_brand, "Acme")
            created = importing.start(get_or_create_brands, ["ACME", "Zen"])
            assert not created.done()
            staff.commit()
            ids: dict[str, int] = created.result(MAX_SECONDS)
            importing.commit()
        return brand, ids

    def test_import_uses_the_brand_of_staff(self) -> None:
        brand, ids = self.get_or_create_during_creation()
        assert ids == {"ACME": brand.pk, "Zen": Brand.objects.get(name="Zen").pk}
        assert Brand.objects.count() == 2

    def test_without_the_upsert_the_brands_collide(self) -> None:
        insert = QuerySet.bulk_create

        def insert_only(queryset: QuerySet[Any], brands: list[Any], **options: Any) -> list[Any]:
            return insert(queryset, brands)

        with (
            mock.patch.object(QuerySet, "bulk_create", insert_only),
            pytest.raises(IntegrityError, match="duplicate key value"),
        ):
            self.get_or_create_during_creation()


class ConcurrentImportsTest(TransactionTestCase):
    """Two imports create the same product; the second begins before the first commits."""

    def write(self) -> int:
        """Run the steps of one batch, and return the number of products written."""
        row = ParsedRow(line=2, sku="A-1", name="Cup", price=Decimal(10))
        lock_products_for_import([row.sku])
        plan = plan_row(row, load_batch([row]), CategoryPaths(dry_run=False), None, default_stock=1)
        upserts = [plan.to_upsert()] if plan.has_changes else []
        upsert_products(upserts)
        return len(upserts)

    def write_twice(self) -> int:
        """Return the number of products that the second import writes."""
        with Actor() as first, Actor() as second:
            assert first.do(self.write) == 1
            writing = second.start(self.write)
            assert not writing.done()
            first.commit()
            written: int = writing.result(MAX_SECONDS)
            return written

    def test_second_import_has_nothing_left_to_write(self) -> None:
        assert self.write_twice() == 0

    def test_without_the_lock_the_imports_collide(self) -> None:
        with (
            mock.patch("backend.catalog.bulk.lock_imports"),
            pytest.raises(IntegrityError, match="duplicate key value"),
        ):
            self.write_twice()
        assert Product.objects.count() == 1


class CategoryDeletedTest(TransactionTestCase):
    """Staff delete a category of a row again and again while its import creates it."""

    def run_import(self) -> ImportReport:
        with self.settings(SHOP_CURRENCY="RUB"):
            return import_feed(io.BytesIO(table(product_row("A-1", product_type="A > B"))))

    def assert_imported(self, report: ImportReport) -> None:
        assert counts(report) == (1, 0, 0, 0)
        category = Product.objects.get().category
        assert category is not None
        assert (category.name, category.parent.name) == ("B", "A")

    def assert_refused(self, report: ImportReport) -> None:
        (problem,) = report.problems
        assert (problem.field, problem.refused) == ("product_type", True)
        assert problem.reason == "the category 'A > B' was deleted during the import; import the feed again"
        assert counts(report) == (0, 0, 0, 1)
        assert not report.stopped
        assert not Product.objects.exists()

    def import_while_it_is_deleted(self, times: int) -> ImportReport:
        """Delete the category in the transaction of a batch, before its product is written."""
        left = times

        def delete() -> None:
            delete_category(category_id=Category.objects.get(name="B").pk)
            connection.close()

        def upsert(*arguments: Any, **options: Any) -> None:
            nonlocal left
            if left:
                left -= 1
                with ThreadPoolExecutor(1) as staff:
                    staff.submit(delete).result(MAX_SECONDS)
            upsert_products(*arguments, **options)

        with mock.patch.object(importer, "upsert_products", upsert):
            report = self.run_import()
        assert not left
        return report

    def test_category_deleted_twice_is_created_again(self) -> None:
        self.assert_imported(self.import_while_it_is_deleted(2))

    def test_row_with_a_category_deleted_three_times_is_refused(self) -> None:
        self.assert_refused(self.import_while_it_is_deleted(3))

    def import_while_the_parent_is_deleted(self, times: int) -> ImportReport:
        left = times

        def create(*, name: str, parent_id: int | None) -> Category:
            nonlocal left
            if left and parent_id is not None:
                left -= 1
                delete_category(category_id=parent_id)
            return create_category(name=name, parent_id=parent_id)

        with mock.patch.object(category_paths, "create_category", create):
            report = self.run_import()
        assert not left
        return report

    def test_parent_deleted_twice_is_created_again(self) -> None:
        self.assert_imported(self.import_while_the_parent_is_deleted(2))

    def test_row_with_a_parent_deleted_three_times_is_refused(self) -> None:
        self.assert_refused(self.import_while_the_parent_is_deleted(3))
