"""Compiled queries return the rows of their querysets, and are compiled once."""

from decimal import Decimal
from unittest import mock

from django.db.models import F
from django.db.models.sql.compiler import SQLCompiler
from django.test import TestCase

from backend.catalog.models import Product
from backend.catalog.selectors import load_pictures
from backend.core.compiled_query import CompiledQuery, EqualsAny, Param
from tests.catalog.factories import make_category, make_image, make_product


class CompiledQueryTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.red = make_product("Red", make_category("Clothes"), {"Weight (g)": "250"}, price="1.50")
        cls.blue = make_product("Blue", price="2.50")

    def test_instances_come_with_joined_relations(self) -> None:
        query = CompiledQuery(
            lambda: (
                Product.objects.filter(EqualsAny(F("pk"), Param("ids")), price__lte=Param("most"))
                .select_related("category")
                .defer("search_vector")
                .order_by("pk")
            )
        )
        both = [self.red.pk, self.blue.pk]
        for ids, most, names in ((both, 3, ["Red", "Blue"]), (both, 2, ["Red"]), ([], 3, []), ([0], 3, [])):
            with self.subTest(ids=ids, most=most), self.assertNumQueries(1):
                found = query.run(ids=ids, most=most)
                assert [product.name for product in found] == names
        red, blue = query.run(ids=both, most=3)
        with self.assertNumQueries(0):
            assert red.category.name == "Clothes"
            assert red.characteristics == [["Weight", "250", "g"]]
            assert blue.category is None
        assert red.get_deferred_fields() == {"search_vector"}

    def test_values_list_returns_tuples(self) -> None:
        query = CompiledQuery(lambda: Product.objects.filter(name=Param("name")).values_list("pk", "price"))
        assert query.first(name="Red") == (self.red.pk, Decimal("1.50"))
        assert query.first(name="Green") is None

    def test_query_is_compiled_once(self) -> None:
        query = CompiledQuery(lambda: Product.objects.filter(pk=Param("id")))
        query.run(id=1)
        with mock.patch.object(SQLCompiler, "as_sql", side_effect=AssertionError):
            query.run(id=2)

    def test_missing_parameter_raises_key_error(self) -> None:
        query = CompiledQuery(lambda: Product.objects.filter(pk=Param("id")))
        with self.assertRaises(KeyError):
            query.run()

    def test_pictures_of_several_products_are_loaded_in_one_query(self) -> None:
        images = [make_image(self.red), make_image(self.red)]
        again = Product.objects.get(pk=self.red.pk)
        with self.assertNumQueries(1):
            load_pictures([self.red, again, self.blue])
        with self.assertNumQueries(0):
            for product in (self.red, again):
                assert list(product.images.all()) == images
                assert [picture.alt for picture in product.pictures] == ["Red", "Red"]
            assert self.blue.image is None

    def test_prefetching_and_locking_querysets_are_refused(self) -> None:
        by_id = Product.objects.filter(pk=Param("id"))
        for queryset, reason in [
            (by_id.prefetch_related("images"), "prefetch_related"),
            (by_id.select_for_update(), "cannot lock rows"),
        ]:
            with self.subTest(reason), self.assertRaisesRegex(TypeError, reason):
                CompiledQuery(lambda: queryset).run(id=1)  # noqa: B023
