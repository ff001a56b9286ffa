"""Values and names of characteristics are written at once, and every product shows them all."""

import random

from django.db import transaction
from django.test import TransactionTestCase

from backend.catalog.models import Characteristic, CharacteristicValue, Product, lock_products
from tests.catalog.derived import assert_characteristics_are_right
from tests.catalog.factories import make_product
from tests.concurrency.actors import PATIENCE, Actor, function_without, without_triggers
from tests.concurrency.crowds import run_together


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
            added.result(PATIENCE)
            second.commit()

    def test_both_are_shown(self) -> None:
        self.two_values()
        assert self.shown() == ["Origin", "Grade"]

    def test_without_the_row_lock_the_first_is_lost(self) -> None:
        guard = "PERFORM 1 FROM catalog_product WHERE id = ANY(products) ORDER BY id FOR NO KEY UPDATE;"
        with function_without("catalog_show_characteristics", guard):
            self.two_values()
        assert self.shown() == ["Grade"]


class RenameTest(RaceCase):
    def rename(self) -> None:
        Characteristic.objects.filter(pk=self.origin.pk).update(name="Country")

    def test_waits_for_a_value_that_is_being_written(self) -> None:
        with Actor() as seller, Actor() as staff:
            seller.do(self.add, self.origin)
            rename = staff.start(self.rename)
            assert not rename.done()
            seller.commit()
            rename.result(PATIENCE)
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
        """The seller holds the product, which the rename wants; then wants the characteristic."""
        self.add(self.origin)
        self.product.slug = "new-slug"
        with Actor() as seller, Actor() as staff:
            seller.do(self.product.save)
            rename = staff.start(self.rename)
            assert not rename.done()
            added = seller.start(
                CharacteristicValue.objects.filter(product=self.product).update, value="y", position=3
            )
            added.result(PATIENCE)
            seller.commit()
            rename.result(PATIENCE)
            staff.commit()

    def test_does_not_deadlock_with_a_product_that_is_being_saved(self) -> None:
        self.save_product_and_value_during_a_rename()
        assert_characteristics_are_right()
        assert self.shown() == ["Country"]

    def test_selling_does_not_wait_for_those_who_edit_characteristics(self) -> None:
        other = make_product()
        with Actor() as staff, Actor() as seller:
            staff.do(self.rename)
            seller.do(Product.objects.filter(pk=other.pk).update, stock=0)
            seller.commit()
            staff.commit()


class SaveTest(RaceCase):
    def test_saving_a_product_keeps_a_value_written_meanwhile(self) -> None:
        with Actor() as first, Actor() as second:
            product = first.do(Product.objects.get, pk=self.product.pk)
            second.do(self.add, self.origin)
            second.commit()
            first.do(product.save)
            first.commit()
        assert self.shown() == ["Origin"]

    def test_who_locks_the_product_first_does_not_deadlock(self) -> None:
        value = self.add(self.origin)

        def edit(text: str) -> None:
            assert lock_products([self.product.pk]) == {self.product.pk}
            CharacteristicValue.objects.filter(pk=value.pk).update(value=text)
            Product.objects.filter(pk=self.product.pk).update(name=text)

        with Actor() as first, Actor() as second:
            first.do(edit, "first")
            editing = second.start(edit, "second")
            assert not editing.done()
            first.commit()
            editing.result(PATIENCE)
            second.commit()
        assert_characteristics_are_right()


class CrowdTest(TransactionTestCase):
    def test_everything_is_shown_in_the_end(self) -> None:
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
