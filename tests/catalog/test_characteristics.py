"""Triggers keep `Product.characteristics` equal to the characteristic values."""

from django.test import TestCase

from backend.catalog.models import Characteristic, CharacteristicValue, Product
from tests.catalog.derived import assert_characteristics_are_right
from tests.catalog.factories import make_product


class CharacteristicsTest(TestCase):
    def setUp(self) -> None:
        self.product = make_product()
        self.volume = Characteristic.objects.create(name="Volume", unit="ml", position=2)
        self.origin = Characteristic.objects.create(name="Origin", position=1)

    def shown(self) -> list[list[str]]:
        assert_characteristics_are_right()
        return Product.objects.get(pk=self.product.pk).characteristics

    def test_characteristics_follow_values_and_names(self) -> None:
        values = CharacteristicValue.objects
        volume = values.create(product=self.product, characteristic=self.volume, value="250")
        values.bulk_create([
            CharacteristicValue(product=self.product, characteristic=self.origin, value="Japan")
        ])  # fmt: skip
        assert self.shown() == [["Origin", "Japan", ""], ["Volume", "250", "ml"]]
        Characteristic.objects.filter(pk=self.volume.pk).update(position=0, unit="л")
        values.filter(pk=volume.pk).update(value="0,25")
        assert self.shown() == [["Volume", "0,25", "л"], ["Origin", "Japan", ""]]
        values.all().update(product=make_product())
        assert self.shown() == []
        values.all().delete()
        assert_characteristics_are_right()

    def test_saving_a_stale_product_keeps_characteristics(self) -> None:
        CharacteristicValue.objects.create(product=self.product, characteristic=self.origin, value="Japan")
        self.product.name = "Renamed"
        self.product.save()
        assert self.shown() == [["Origin", "Japan", ""]]

    def test_characteristics_cannot_be_set_directly(self) -> None:
        Product.objects.update(characteristics=[["Origin", "Mars", ""]])
        assert self.shown() == []

    def test_copied_product_has_no_characteristics(self) -> None:
        CharacteristicValue.objects.create(product=self.product, characteristic=self.origin, value="Japan")
        self.product.refresh_from_db()
        self.product.pk, self.product.sku, self.product.slug = None, "copy", "copy"
        self.product.save()
        assert self.shown() == []

    def test_bulk_upsert_keeps_existing_characteristics(self) -> None:
        """Existing products keep their characteristics, and new ones have none, as in an import."""
        CharacteristicValue.objects.create(product=self.product, characteristic=self.origin, value="Japan")
        made_up = [["Origin", "Mars", ""]]
        new = Product(sku="new", slug="new", name="New", price=1, characteristics=made_up)
        Product.objects.bulk_create([new])
        self.product.name, self.product.characteristics = "Renewed", made_up
        for fields in (["name"], ["name", "characteristics"]):
            Product.objects.bulk_create(
                [self.product], update_conflicts=True, unique_fields=["id"], update_fields=fields
            )
            assert self.shown() == [["Origin", "Japan", ""]]
        assert Product.objects.get(sku="new").characteristics == []

    def test_product_with_characteristics_can_be_deleted(self) -> None:
        CharacteristicValue.objects.create(product=self.product, characteristic=self.origin, value="Japan")
        self.product.delete()
        assert not CharacteristicValue.objects.exists()
