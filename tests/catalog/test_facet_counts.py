"""Filtering by a facet value lists as many products as its count says, in both APIs."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from backend.catalog.labels import format_label
from backend.catalog.models import Characteristic, CharacteristicValue
from backend.catalog.selectors import list_products
from backend.core.errors import NotFound
from tests.catalog.factories import make_category, make_product
from tests.support.clients import GraphQLClient, RestClient

# Characteristics with equal names, with units inside names, and whose labels look like those of others.
CHARACTERISTICS = [
    ("Weight", ""),
    ("Weight", "g"),
    ("Weight", "kg"),
    ("Weight (g)", ""),
    ("Weight (g)", "kg"),
    ("Weight (g) (kg)", ""),
    ("weight", "g"),
    ("Size (EU)", ""),
    ("Size", "EU"),
    ("X", "a (b"),
    ("X (a", "b"),
    ("X", "(m)"),
    ("Y", "\\("),
    ("Y (\\\\()", ""),
    ("Ratio 1:2", ""),
    ("Ratio", "1:2"),
    ("Объём", "л"),
]
VALUES = ["1", "1.5", "M", "m", "Ё", "Е", "a:b", "(x)", "1 (g)", "\\", "é"]
FACETS = """
query ($filter: ProductFilter) {
  products(filter: $filter) { totalCount facets { characteristics { name unit values { value count } } } }
}
"""
TOTAL = "query ($filter: ProductFilter) { products(filter: $filter) { totalCount } }"

characteristics = st.sampled_from(CHARACTERISTICS)
values = st.sampled_from(VALUES)


@st.composite
def catalogues(draw: st.DrawFn) -> list[dict[tuple[str, str], str]]:
    """Draw the characteristics of products, few of them, so that products share them."""
    known = draw(st.lists(characteristics, min_size=1, max_size=6, unique=True))
    return draw(st.lists(st.dictionaries(st.sampled_from(known), values, max_size=6), min_size=1, max_size=6))


class FacetCountsTest(TestCase):
    def make_products(self, catalogue: list[dict[tuple[str, str], str]]) -> None:
        category = make_category("Goods")
        rows = {
            key: Characteristic.objects.create(name=key[0], unit=key[1], position=position)
            for position, key in enumerate({key for product in catalogue for key in product})
        }
        for number, product in enumerate(catalogue):
            made = make_product(f"Goods {number}", category, stock=number % 2)
            for key, value in product.items():
                CharacteristicValue.objects.create(product=made, characteristic=rows[key], value=value)

    def request(self, query: str, filters: dict[str, Any]) -> dict[str, Any]:
        response = GraphQLClient().post(query, {"filter": filters}).json()
        assert "errors" not in response, response
        return response["data"]["products"]

    def draw_filters(self, data: st.DataObject, catalogue: list[dict[tuple[str, str], str]]) -> list[dict]:
        """Draw filters by existing characteristics, some of them by the name alone."""
        known = sorted({key for product in catalogue for key in product})
        if not known:
            return []
        chosen = data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
        filters: dict[tuple[str, str | None], dict] = {}
        for name, unit in chosen:
            # In REST, a name alone that reads like a label can mean another characteristic.
            kept = "(" in name or data.draw(st.booleans())
            wanted = data.draw(st.lists(values, min_size=1, max_size=6, unique=True))
            filters[name, unit if kept else None] = {
                "name": name,
                "unit": unit if kept else None,
                "values": wanted,
            }
        return list(filters.values())

    @settings(max_examples=60, deadline=None)
    @given(catalogues(), st.sampled_from([{}, {"inStock": True}, {"search": "goods"}]), st.data())
    def test_count_is_the_total_of_filtering_by_the_value(
        self, catalogue: list[dict[tuple[str, str], str]], others: dict[str, Any], data: st.DataObject
    ) -> None:
        self.make_products(catalogue)
        filters = self.draw_filters(data, catalogue)
        facets = self.request(FACETS, others | {"characteristics": filters})["facets"]["characteristics"]
        keys = [(facet["name"], facet["unit"]) for facet in facets]
        assert len(set(keys)) == len(keys), keys
        for facet in facets:
            for value in facet["values"]:
                kept = [filter for filter in filters if not self.concerns(filter, facet)]
                exact = {"name": facet["name"], "unit": facet["unit"], "values": [value["value"]]}
                listed = self.request(TOTAL, others | {"characteristics": [*kept, exact]})
                assert listed["totalCount"] == value["count"] > 0, (facet, value, kept)
                assert self.rest_totals(others, [*kept, exact]) == [value["count"]] * 2, (facet, value, kept)

    def concerns(self, filter: dict, facet: dict) -> bool:
        """Return whether a filter is by the characteristic of a facet."""
        if filter["name"] != facet["name"]:
            return False
        if filter["unit"] is not None:
            return filter["unit"] == facet["unit"]
        has_none = Characteristic.objects.filter(name=filter["name"], unit="").exists()
        return facet["unit"] == "" or not has_none

    def rest_totals(self, others: dict[str, Any], filters: list[dict]) -> list[int]:
        """Return the totals of the same list in REST, by POST and by GET."""
        body: dict[str, Any] = {"in_stock": True} if "inStock" in others else {}
        if "search" in others:
            body["search"] = others["search"]
        labels = {
            filter["name"]
            if filter["unit"] is None
            else self.exact_label(filter["name"], filter["unit"]): filter["values"]
            for filter in filters
        }
        posted = RestClient().post("/products", body | {"characteristics": labels}).json()
        pairs = [
            f"{label.replace(':', chr(92) + ':')}:{value}"
            for label, wanted in labels.items()
            for value in wanted
        ]
        flags = {"in_stock": "true"} if "in_stock" in body else {}
        got = RestClient().get("/products", body | flags | {"characteristics": pairs}).json()
        return [posted.get("total", posted), got.get("total", got)]

    def exact_label(self, name: str, unit: str) -> str:
        return format_label(name, unit) if unit or format_label(name, "") != name else f"{name} ()"


class LabelsTest(TestCase):
    """A label finds exactly the characteristic that it names."""

    def total(self, label: Any) -> int:
        return list_products(characteristics={label: ["1"]}).count_total()

    def make(self, *keys: tuple[str, str]) -> None:
        """Create 1 product with the first characteristic, 2 with the second, 4 with the third."""
        for place, (name, unit) in enumerate(keys):
            row = Characteristic.objects.create(name=name, unit=unit)
            for _ in range(2**place):
                CharacteristicValue.objects.create(product=make_product(), characteristic=row, value="1")

    def test_name_alone_prefers_the_characteristic_without_a_unit(self) -> None:
        self.make(("Weight", "g"), ("Weight", "kg"))
        assert self.total("Weight") == self.total(("Weight", None)) == 3
        for key in (("Weight", ""), "Weight ()"):
            with self.assertRaises(NotFound):
                self.total(key)
        self.make(("Weight", ""))
        assert self.total("Weight") == self.total(("Weight", None)) == self.total(("Weight", "")) == 1

    def test_label_prefers_the_unit_over_a_name_in_parentheses(self) -> None:
        self.make(("Size (EU)", ""))
        assert self.total("Size (EU)") == self.total("Size (EU) ()") == 1
        self.make(("Size (US)", ""), ("Size", "EU"))
        assert self.total("Size (EU)") == self.total(("Size", "EU")) == 2
        assert self.total("Size (EU) ()") == self.total(("Size (EU)", None)) == 1

    def test_parentheses_in_a_unit_can_be_escaped(self) -> None:
        self.make(("X", "a (b"), ("X (a", "b"))
        assert self.total("X (a \\(b)") == 1
        assert self.total(("X (a", "b")) == 2

    def test_spaces_around_parts_of_a_label_are_folded(self) -> None:
        self.make(("Weight", "g"))
        assert self.total(" Weight\xa0 (g) ") == 1

    def test_longest_label_is_found_and_a_longer_one_is_not(self) -> None:
        name, unit = "n" * 100, "(" * 20
        self.make((name, unit))
        assert self.total(format_label(name, unit)) == 1
        with self.assertRaises(NotFound):
            self.total(" (" * 5000)
