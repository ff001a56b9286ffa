"""Texts of the catalogue are stored and looked up in one form, whichever code writes them."""

import pytest
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test import TestCase

from backend.catalog.models import Category, Characteristic, CharacteristicValue, Product
from backend.catalog.selectors import get_product, list_products, read_facets
from backend.catalog.services import NewProduct, create_missing_products, update_category
from backend.core.errors import Invalid, NotFound
from backend.core.text import clean_rows
from tests.catalog.factories import make_category, make_image, make_product
from tests.support.clients import GraphQLClient, RestClient

DECOMPOSED = "  Cafe\u0301\u200b \xa0au\xad lait "
CLEAN = "Café au lait"


class StoredTextTest(TestCase):
    def test_models_store_clean_text(self) -> None:
        product = make_product(DECOMPOSED, sku=DECOMPOSED, description="one \r\n two\xa0\xa0three ")
        assert (product.name, product.sku) == (CLEAN, CLEAN)
        product.refresh_from_db()
        assert (product.name, product.sku, product.description) == (CLEAN, CLEAN, "one\ntwo three")
        Product.objects.update(name=f"{DECOMPOSED}2")
        product.refresh_from_db()
        assert product.name == f"{CLEAN} 2"
        Product.objects.bulk_create([Product(name=DECOMPOSED, sku="bulk", slug="bulk", price=1)])
        assert Product.objects.get(sku="\u200ebulk").name == CLEAN
        image = make_image(product, alt=DECOMPOSED)
        assert image.alt == CLEAN

    def test_expressions_are_stored_as_they_are(self) -> None:
        product = make_product("Lamp")
        product.name = Concat(F("name"), Value("  2"))
        product.save()
        product.refresh_from_db()
        assert product.name == "Lamp  2"

    def test_services_store_clean_text(self) -> None:
        category = make_category(DECOMPOSED)
        assert category.name == CLEAN
        with pytest.raises(Invalid):
            make_category(CLEAN)
        with pytest.raises(Invalid):
            make_category("\u200b \u2066")
        updated = update_category(category_id=category.pk, name=f"{DECOMPOSED}2", image_alt=DECOMPOSED)
        assert (updated.name, updated.image_alt) == (f"{CLEAN} 2", CLEAN)
        # The limit applies to the stored form.
        assert make_category("é" * 200).name == "é" * 200
        create_missing_products([NewProduct(sku=DECOMPOSED, name=DECOMPOSED, price=1, stock=0)])
        create_missing_products([NewProduct(sku=CLEAN, name=CLEAN, price=1, stock=0)])
        assert Product.objects.get().sku == CLEAN

    def test_lookups_find_every_spelling(self) -> None:
        product = make_product(sku=CLEAN, characteristics={f"{CLEAN} (мл)": "кофейный"})
        for spelling in (CLEAN, DECOMPOSED, f"\u202b{CLEAN}\u202c"):
            found = get_product(sku=spelling)
            assert found is not None
            assert found.id == product.pk
            for value in ("кофейный", "кофеи\u0306ный ", "кофей\xadный"):
                for label in (spelling, f"{spelling} (мл)", f"{spelling} (м\u200bл)"):
                    assert list_products(characteristics={label: [value]}).count_total() == 1
        with pytest.raises(NotFound):
            list_products(characteristics={"Cafe au lait": ["кофейный"]})

    def test_both_apis_find_every_spelling(self) -> None:
        make_product(CLEAN, sku="Ё-1", characteristics={"Цвет": "синий"})
        for search, name, value in (
            ("café", "Цвет", "синий"),
            ("cafe\u0301", "Цве\u200bт ", "синии\u0306"),
        ):
            rest = (
                RestClient().post("/products", {"search": search, "characteristics": {name: [value]}}).json()
            )
            assert rest["total"] == 1, rest
            graphql = (
                GraphQLClient()
                .post(
                    "query ($filter: ProductFilter) { products(filter: $filter) { totalCount } }",
                    {"filter": {"search": search, "characteristics": [{"name": name, "values": [value]}]}},
                )
                .json()
            )
            assert graphql["data"]["products"]["totalCount"] == 1, graphql
        for sku in ("Ё-1", "Е\u0308-1"):
            assert RestClient().get("/product", {"sku": sku}).json()["name"] == CLEAN
            graphql = (
                GraphQLClient()
                .post("query ($sku: String) { product(sku: $sku) { name } }", {"sku": sku})
                .json()
            )
            assert graphql["data"]["product"]["name"] == CLEAN


class CleanRowsTest(TestCase):
    """Rows from before the fields cleaned their values, written here by SQL."""

    def execute(self, sql: str, *parameters: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)

    def test_rows_are_cleaned(self) -> None:
        product = make_product("Lamp", characteristics={"Color": "red"})
        self.execute("UPDATE catalog_product SET name = %s, description = %s", DECOMPOSED, "a \r\n b")
        self.execute("UPDATE catalog_characteristicvalue SET value = %s", "кофеи\u0306ный ")
        updated_at = Product.objects.get().updated_at
        for model in (Product, Characteristic, CharacteristicValue):
            clean_rows(model)
        product.refresh_from_db()
        assert (product.name, product.description) == (CLEAN, "a\nb")
        assert product.updated_at == updated_at
        assert product.characteristics == [["Color", "кофейный", ""]]
        (facet,) = read_facets(list_products()).characteristics
        assert [value.value for value in facet.values] == ["кофейный"]

    def test_row_whose_clean_form_is_taken_or_empty_stays(self) -> None:
        make_category("Чай")
        second = make_category("Кофе")
        self.execute("UPDATE catalog_category SET name = 'Чаи\u0306' WHERE id = %s", second.pk)
        make_product("Lamp", sku="A")
        self.execute("UPDATE catalog_product SET name = %s", "\u200b")
        clean_rows(Category)
        clean_rows(Product)
        assert set(Category.objects.values_list("name", flat=True)) == {"Чай", "Чай"}
        assert Product.objects.get().name == "\u200b"
