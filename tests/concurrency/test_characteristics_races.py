"""Concurrent writes of characteristics: every product shows its current values and names."""

import random
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, transaction
from django.test import TransactionTestCase

from backend.catalog.locks import lock_products
from backend.catalog.models import Characteristic, CharacteristicValue, Product
from tests.catalog.derived import assert_characteristics_are_right
from tests.catalog.factories import make_product
from tests.concurrency.actors import MAX_SECONDS, Actor, execute, function_without, without_triggers
from tests.concurrency.crowds import run_together

deadlock = pytest.raises(OperationalError, match="deadlock detected")


class RaceCase(TransactionTestCase):
    def setUp(self) -> None:
        self.product = make_product()
        self.origin = Characteristic.objects.create(name="Origin")
        self.grade = Characteristic.objects.create(name="Grade")

    def add(self, characteristic: Characteristic) -> CharacteristicValue:
        return CharacteristicValue.objects.create(
            product=self.product, characteristic=characteristic, value="x"
        )

    def shown(self) -> list[str]:
        return [name for name, _, _ in Product.objects.get(pk=self.product.pk).characteristics]


class TwoValuesTest(RaceCase):
    def two_values(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(self.add, self.origin)
            added = second.start(self.add, self.grade)
            assert not added.done()
            first.commit()
            added.result(MAX_SECONDS)
            second.commit()

    def test_concurrent_values_are_both_shown(self) -> None:
        self.two_values()
        assert self.shown() == ["Origin", "Grade"]

    def test_without_the_row_lock_the_first_value_is_lost(self) -> None:
        guard = "PERFORM 1 FROM catalog_product WHERE id = ANY(products) ORDER BY id FOR NO KEY UPDATE;"
        with function_without("catalog_show_characteristics", guard):
            self.two_values()
        assert self.shown() == ["Grade"]


class RenameTest(RaceCase):
    def rename(self) -> None:
        Characteristic.objects.filter(pk=self.origin.pk).update(name="Country")

    def test_rename_waits_for_a_value_that_is_being_written(self) -> None:
        with Actor() as seller, Actor() as staff:
            seller.do(self.add, self.origin)
            rename = staff.start(self.rename)
            assert not rename.done()
            seller.commit()
            rename.result(MAX_SECONDS)
            staff.commit()
        assert self.shown() == ["Country"]

    def test_without_the_lock_the_old_name_stays(self) -> None:
        with (
            without_triggers(
                catalog_characteristic="characteristic_about_to_change",
                catalog_characteristicvalue="characteristic_values_about_to_change",
            ),
            Actor() as seller,
            Actor() as staff,
        ):
            seller.do(self.add, self.origin)
            staff.do(self.rename)
            staff.commit()
            seller.commit()
        assert self.shown() == ["Origin"]

    def save_product_and_value_during_a_rename(self) -> None:
        """Rename while a sale holds the product and then needs the characteristic."""
        self.add(self.origin)
        self.product.slug = "new-slug"
        with Actor() as seller, Actor() as staff:
            seller.do(self.product.save)
            rename = staff.start(self.rename)
            assert not rename.done()
            added = seller.start(
                CharacteristicValue.objects.filter(product=self.product).update, value="y", position=3
            )
            added.result(MAX_SECONDS)
            seller.commit()
            rename.result(MAX_SECONDS)
            staff.commit()

    def test_rename_does_not_deadlock_with_a_product_that_is_being_saved(self) -> None:
        self.save_product_and_value_during_a_rename()
        assert_characteristics_are_right()
        assert self.shown() == ["Country"]

    def test_with_the_product_before_the_lock_they_deadlock(self) -> None:
        with without_triggers(catalog_product="product_about_to_change"), deadlock:
            self.save_product_and_value_during_a_rename()


class SellDuringEditTest(RaceCase):
    """Staff edit a characteristic of a product that shows "Origin" before "Grade"."""

    def setUp(self) -> None:
        super().setUp()
        self.add(self.origin)
        self.add(self.grade)

    def selling_waits_for(self, **edit: Any) -> bool:
        with Actor() as staff, Actor() as seller:
            staff.do(Characteristic.objects.filter(pk=self.origin.pk).update, **edit)
            sold = seller.start(Product.objects.filter(pk=self.product.pk).update, stock=0)
            waited = not sold.done()
            staff.commit()
            sold.result(MAX_SECONDS)
            seller.commit()
        assert_characteristics_are_right()
        return waited

    def test_sale_does_not_wait_if_the_shown_values_are_unchanged(self) -> None:
        Characteristic.objects.filter(pk=self.grade.pk).update(position=9)
        assert not self.selling_waits_for(position=5)
        assert not self.selling_waits_for(is_facet=False)

    def test_without_the_choice_of_products_the_sale_waits(self) -> None:
        Characteristic.objects.filter(pk=self.grade.pk).update(position=9)
        guard = "WHERE p.characteristics IS DISTINCT FROM shown.pairs"
        with function_without("catalog_characteristics_renamed", guard):
            assert self.selling_waits_for(position=5)

    def test_sale_waits_if_the_shown_values_change(self) -> None:
        assert self.selling_waits_for(name="Country")
        assert self.selling_waits_for(position=5)

    def sell_two_products_while_two_characteristics_change(self) -> None:
        """The statement changes Origin, which the second product has, before Grade, of the first."""
        CharacteristicValue.objects.filter(characteristic=self.origin).delete()
        second = make_product(characteristics={"Origin": "x"})
        sell = "UPDATE catalog_product SET stock = 0 WHERE id = %s"
        with Actor() as staff, Actor() as seller:
            seller.do(execute, sell, self.product.pk)
            edit = staff.start(execute, "UPDATE catalog_characteristic SET unit = 'new'")
            assert not edit.done()
            seller.do(execute, sell, second.pk)
            seller.commit()
            edit.result(MAX_SECONDS)
            staff.commit()

    def test_products_are_locked_in_the_order_of_sales(self) -> None:
        self.sell_two_products_while_two_characteristics_change()
        assert_characteristics_are_right()

    def test_in_another_order_they_deadlock(self) -> None:
        with function_without("catalog_show_characteristics", "ORDER BY id", "ORDER BY id DESC"), deadlock:
            self.sell_two_products_while_two_characteristics_change()


class SaveTest(RaceCase):
    def save_during_a_value(self) -> None:
        with Actor() as first, Actor() as second:
            product = first.do(Product.objects.get, pk=self.product.pk)
            second.do(self.add, self.origin)
            second.commit()
            first.do(product.save)
            first.commit()

    def test_saving_a_product_keeps_a_concurrent_value(self) -> None:
        self.save_during_a_value()
        assert self.shown() == ["Origin"]

    def test_without_the_trigger_the_new_value_is_not_shown(self) -> None:
        with without_triggers(catalog_product="characteristics_kept"):
            self.save_during_a_value()
        assert self.shown() == []


class ValueWritersTest(RaceCase):
    """Writers of values lock the products first. Otherwise they would hold a value while they wait."""

    def setUp(self) -> None:
        super().setUp()
        self.values = [self.add(self.origin).pk, self.add(self.grade).pk]

    def lock(self) -> None:
        lock_products([self.product.pk])

    def write(self, value: int, text: str) -> None:
        CharacteristicValue.objects.filter(pk=value).update(value=text)

    def rename(self) -> None:
        Product.objects.filter(pk=self.product.pk).update(name="Renamed")

    def race(self, start: Callable[[], None]) -> None:
        """Start a transaction that ends with the second value, while another writes this value only."""
        with Actor() as first, Actor() as second:
            first.do(self.lock)
            first.do(start)
            locking = second.start(self.lock)
            writing = second.start(self.write, self.values[1], "second")
            assert not writing.done()
            first.do(self.write, self.values[1], "first")
            first.commit()
            locking.result(MAX_SECONDS)
            writing.result(MAX_SECONDS)
            second.commit()
        assert_characteristics_are_right()
        assert CharacteristicValue.objects.get(pk=self.values[1]).value == "second"

    def test_product_and_value_do_not_deadlock_with_the_value(self) -> None:
        self.race(self.rename)

    def test_product_and_value_deadlock_with_the_value_without_the_lock(self) -> None:
        with mock.patch.object(self, "lock"), deadlock:
            self.race(self.rename)

    def test_two_values_do_not_deadlock_with_the_second(self) -> None:
        self.race(lambda: self.write(self.values[0], "first"))

    def test_two_values_deadlock_with_the_second_without_the_lock(self) -> None:
        with mock.patch.object(self, "lock"), deadlock:
            self.race(lambda: self.write(self.values[0], "first"))

    def delete_the_product_during_a_value(self) -> None:
        """Django deletes the values of the product before the product."""
        with Actor() as first, Actor() as second:
            first.do(self.lock)
            first.do(self.rename)
            locking = second.start(self.lock)
            deletion = second.start(self.product.delete)
            assert not deletion.done()
            first.do(self.write, self.values[0], "first")
            first.commit()
            locking.result(MAX_SECONDS)
            deletion.result(MAX_SECONDS)
            second.commit()
        assert not Product.objects.exists()

    def test_deleting_the_product_does_not_deadlock(self) -> None:
        self.delete_the_product_during_a_value()

    def test_deleting_the_product_deadlocks_without_the_lock(self) -> None:
        with mock.patch.object(self, "lock"), deadlock:
            self.delete_the_product_during_a_value()


class CrowdTest(TransactionTestCase):
    def test_products_show_all_values_after_random_concurrent_writes(self) -> None:
        products = [make_product().pk for _ in range(6)]
        names = [Characteristic.objects.create(name=f"C{i}", position=i).pk for i in range(4)]

        def write(rng: random.Random) -> None:
            chosen, characteristic = rng.choice(products), rng.choice(names)
            with transaction.atomic():
                lock_products([chosen])
                if rng.random() < 0.3:
                    product = Product.objects.get(pk=chosen)
                    product.name = f"{rng.random()}"
                    product.save()
                values = CharacteristicValue.objects
                if rng.random() < 0.3:
                    values.filter(product=chosen).delete()
                values.update_or_create(
                    product_id=chosen, characteristic_id=characteristic, defaults={"value": f"{rng.random()}"}
                )

        def rename(rng: random.Random) -> None:
            renamed = Characteristic.objects.filter(pk=rng.choice(names))
            renamed.update(name=f"{rng.random()}", position=rng.randrange(9))

        def sell(rng: random.Random) -> None:
            Product.objects.filter(pk=rng.choice(products)).update(stock=rng.randrange(2))

        for turn in range(3):
            run_together([write, write, rename, sell], times=40, seed=turn)
            assert_characteristics_are_right()
