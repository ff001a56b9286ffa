"""`Product.characteristics` equals the product's values, and is nobody else's to write."""

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

    def test_follow_values_and_names(self) -> None:
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

    def test_saving_a_product_read_before_keeps_them(self) -> None:
        CharacteristicValue.objects.create(product=self.product, characteristic=self.origin, value="Japan")
        self.product.name = "Renamed"
        self.product.save()
        assert self.shown() == [["Origin", "Japan", ""]]

    def test_cannot_be_made_up(self) -> None:
        Product.objects.update(characteristics=[["Origin", "Mars", ""]])
        assert self.shown() == []

    def test_a_copy_of_the_product_has_none(self) -> None:
        CharacteristicValue.objects.create(product=self.product, characteristic=self.origin, value="Japan")
        self.product.refresh_from_db()
        self.product.pk, self.product.sku, self.product.slug = None, "copy", "copy"
        self.product.save()
        assert self.shown() == []

    def test_products_made_or_renewed_in_bulk(self) -> None:
        """As the feeds do: those that are there keep theirs, the others have none yet."""
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

    def test_deleting_the_product(self) -> None:
        CharacteristicValue.objects.create(product=self.product, characteristic=self.origin, value="Japan")
        self.product.delete()
        assert not CharacteristicValue.objects.exists()
