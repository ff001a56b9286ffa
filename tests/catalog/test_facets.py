"""Facet counts: each facet applies every filter except its own."""

from decimal import Decimal

from django.test import TestCase

from backend.catalog.models import Characteristic
from backend.catalog.selectors import list_products, read_facets
from backend.catalog.selectors.facets import MAX_FACET_VALUES
from tests.catalog.factories import make_category, make_product


class FacetsCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.clothes = make_category("Clothes")
        dresses = make_category("Dresses", cls.clothes)
        coats = make_category("Coats", cls.clothes)
        make_category("Empty", cls.clothes)
        make_product("a", dresses, {"Color": "red", "Size": "S"}, price=10, compare_at_price=11)
        make_product("b", dresses, {"Color": "red", "Size": "M"}, price=20, compare_at_price=25)
        make_product("c", coats, {"Color": "blue", "Size": "M"}, price=30, stock=0)
        make_product("d", cls.clothes, {"Color": "blue"}, price=40)
        make_product("e", make_category("Shoes"), {"Color": "green"}, price=50)
        make_product("f", dresses, {"Color": "red"}, is_published=False)

    def facets(self, **arguments: object) -> dict[str, dict[str, int]]:
        facets = read_facets(list_products(**arguments))
        return {
            facet.name: {value.value: value.count for value in facet.values}
            for facet in facets.characteristics
        } | {
            "category": {facet.category.name: facet.count for facet in facets.categories},
            "price": {"min": facets.price_min, "max": facets.price_max},
            "sale": {"count": facets.on_sale_count},
        }

    def test_facets_of_a_category(self) -> None:
        assert self.facets(category="clothes") == {
            "Color": {"blue": 2, "red": 2},
            "Size": {"M": 2, "S": 1},
            "category": {"Dresses": 2, "Coats": 1},
            "price": {"min": 10, "max": 40},
            "sale": {"count": 2},
        }

    def test_facets_of_the_whole_shop(self) -> None:
        facets = self.facets()
        assert facets["Color"] == {"blue": 2, "red": 2, "green": 1}
        assert facets["category"] == {"Clothes": 4, "Shoes": 1}

    def test_each_facet_ignores_its_own_filter_only(self) -> None:
        facets = self.facets(category="clothes", characteristics={"Color": ["red"]}, price_max=Decimal(15))
        assert facets["Color"] == {"red": 1}
        assert facets["Size"] == {"S": 1}
        assert facets["price"] == {"min": 10, "max": 20}
        assert facets["sale"] == {"count": 1}
        assert facets["category"] == {"Dresses": 1}

        facets = self.facets(category="clothes", characteristics={"Color": ["red"], "Size": ["M"]})
        assert facets["Color"] == {"blue": 1, "red": 1}
        assert facets["Size"] == {"M": 1, "S": 1}
        assert facets["price"] == {"min": 20, "max": 20}

    def test_sale_filters_every_facet_except_its_own_count(self) -> None:
        facets = self.facets(category="clothes", on_sale=False)
        assert facets["Color"] == {"blue": 2}
        assert facets["price"] == {"min": 30, "max": 40}
        assert facets["category"] == {"Coats": 1}
        assert facets["sale"] == {"count": 2}
        assert self.facets(on_sale=True)["Color"] == {"red": 2}

    def test_stock_and_search_filter_every_facet(self) -> None:
        assert self.facets(category="clothes", in_stock=True)["category"] == {"Dresses": 2}
        assert self.facets(search="red")["Size"] == {"M": 1, "S": 1}

    def test_count_equals_the_total_of_filtering_by_the_value(self) -> None:
        """Filter by each facet value and compare the total with the count."""
        for chosen in ({}, {"Color": ["red"]}, {"Color": ["red"], "Size": ["M"]}):
            for name, counts in self.facets(characteristics=chosen).items():
                if name == "sale":
                    on_sale = list_products(characteristics=chosen, on_sale=True)
                    assert on_sale.count_total() == counts["count"]
                if name in {"category", "price", "sale"}:
                    continue
                for value, count in counts.items():
                    with self.subTest(chosen=chosen, name=name, value=value):
                        assert list_products(characteristics={**chosen, name: [value]}).count_total() == count

    def test_characteristics_with_the_same_name_are_distinguished_by_unit(self) -> None:
        for _ in range(3):
            make_product(characteristics={"Weight (g)": "1"})
        make_product(characteristics={"Weight (kg)": "1"})
        facets = read_facets(list_products()).characteristics
        weights = {facet.unit: facet.values[0].count for facet in facets if facet.name == "Weight"}
        assert weights == {"g": 3, "kg": 1}
        for unit, count in weights.items():
            assert list_products(characteristics={f"Weight ({unit})": ["1"]}).count_total() == count
        assert list_products(characteristics={"Weight": ["1"]}).count_total() == 4

    def test_facets_of_an_empty_list_are_empty(self) -> None:
        assert self.facets(price_min=Decimal(1000)) == {
            "category": {},
            "price": {"min": Decimal(10), "max": Decimal(50)},
            "sale": {"count": 0},
        }

    def test_facets_follow_is_facet_and_position(self) -> None:
        Characteristic.objects.filter(name="Color").update(position=9)
        assert list(self.facets())[:2] == ["Size", "Color"]
        Characteristic.objects.filter(name="Color").update(is_facet=False)
        assert "Color" not in self.facets()

    def test_values_are_limited_and_sorted_by_frequency(self) -> None:
        for number in range(MAX_FACET_VALUES):
            make_product(characteristics={"Color": f"shade {number:02}"})
        values = list(self.facets()["Color"])
        assert len(values) == MAX_FACET_VALUES
        assert values[:4] == ["blue", "red", "green", "shade 00"]

    def test_query_count_is_independent_of_the_number_of_products(self) -> None:
        products = list_products(category="clothes", characteristics={"Color": ["red"], "Size": ["M"]})
        with self.assertNumQueries(6):
            read_facets(products)
        for number in range(20):
            make_product(category=self.clothes, characteristics={"Color": "red", "Cut": str(number)})
        with self.assertNumQueries(6):
            read_facets(products)
