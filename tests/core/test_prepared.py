"""Prepared queries answer what their querysets do, and are put into SQL once."""

from decimal import Decimal
from unittest import mock

from django.db.models import F
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import TransactionManagementError
from django.test import TestCase, TransactionTestCase

from backend.catalog.models import Product
from backend.catalog.selectors import load_pictures
from backend.core.prepared import AnyOf, Given, PreparedQuery
from tests.catalog.factories import make_category, make_image, make_product


class PreparedQueries(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.red = make_product("Red", make_category("Clothes"), {"Weight (g)": "250"}, price="1.50")
        cls.blue = make_product("Blue", price="2.50")

    def test_instances_with_what_is_joined(self) -> None:
        query = PreparedQuery(
            lambda: (
                Product.objects.filter(AnyOf(F("pk"), Given("ids")), price__lte=Given("most"))
                .select_related("category")
                .defer("search_vector")
                .order_by("pk")
            )
        )
        both = [self.red.pk, self.blue.pk]
        for ids, most, names in ((both, 3, ["Red", "Blue"]), (both, 2, ["Red"]), ([], 3, []), ([0], 3, [])):
            with self.subTest(ids=ids, most=most), self.assertNumQueries(1):
                found = query.run(ids=ids, most=most)
                self.assertEqual([product.name for product in found], names)
        red, blue = query.run(ids=both, most=3)
        with self.assertNumQueries(0):
            self.assertEqual(red.category.name, "Clothes")
            self.assertEqual(red.characteristics, [["Weight", "250", "g"]])
            self.assertIsNone(blue.category)
        self.assertEqual(red.get_deferred_fields(), {"search_vector"})

    def test_values(self) -> None:
        query = PreparedQuery(lambda: Product.objects.filter(name=Given("name")).values_list("pk", "price"))
        self.assertEqual(query.first(name="Red"), (self.red.pk, Decimal("1.50")))
        self.assertIsNone(query.first(name="Green"))

    def test_it_is_compiled_once(self) -> None:
        query = PreparedQuery(lambda: Product.objects.filter(pk=Given("id")))
        query.run(id=1)
        with mock.patch.object(SQLCompiler, "as_sql", side_effect=AssertionError):
            query.run(id=2)

    def test_a_value_that_is_missing(self) -> None:
        query = PreparedQuery(lambda: Product.objects.filter(pk=Given("id")))
        with self.assertRaises(KeyError):
            query.run()

    def test_pictures_of_several_products_and_of_one_twice(self) -> None:
        images = [make_image(self.red), make_image(self.red)]
        again = Product.objects.get(pk=self.red.pk)
        with self.assertNumQueries(1):
            load_pictures([self.red, again, self.blue])
        with self.assertNumQueries(0):
            for product in (self.red, again):
                self.assertEqual(list(product.images.all()), images)
                self.assertEqual([picture.alt for picture in product.pictures], ["Red", "Red"])
            self.assertIsNone(self.blue.image)


class LockedRows(TransactionTestCase):
    def test_they_need_a_transaction_every_time(self) -> None:
        query = PreparedQuery(lambda: Product.objects.select_for_update().filter(pk=Given("id")))
        for _ in range(2):
            with self.assertRaises(TransactionManagementError):
                query.run(id=1)
