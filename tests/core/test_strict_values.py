"""Booleans and numbers are parsed strictly in both APIs: no texts for booleans, no Python syntax."""

from typing import Any

from django.test import TestCase

from tests.catalog.factories import make_product
from tests.support.clients import GraphQLClient, RestClient
from tests.support.people import make_user
from tests.support.shopping import make_shoppers

NO_BOOLEANS = ["yes", "no", "true", "false", "on", "1", "", 1, 0, 1.0, []]
NO_QUERY_BOOLEANS = ["yes", "no", "True", "FALSE", "on", "off", "1", "0", "t", " true", "", "null"]
NO_NUMBERS = [
    "1_000",
    "1,5",
    " 5",
    "5 ",
    "+5",
    ".5",
    "5.",
    "٥",
    "５",
    "0x10",
    "1e",
    "NaN",
    "",
    "1 000",
    "5\n",
]


class StrictValuesTest(TestCase):
    def setUp(self) -> None:
        self.product = make_product("dress", price="10.00", stock=5)
        self.rest, self.graphql = RestClient(), GraphQLClient()

    def assert_invalid(self, response: Any, field: str) -> None:
        problem = response.json()
        assert (response.status_code, problem["code"]) == (422, "INVALID"), problem
        assert problem["field"] == field

    def list_in_graphql(self, **product_filter: Any) -> str | None:
        """Return the error code of a filtered list, or None."""
        body = self.graphql.post(
            "query($filter: ProductFilter) { products(filter: $filter) { nodes { id } } }",
            {"filter": product_filter},
        ).json()
        return body["errors"][0]["extensions"]["code"] if "errors" in body else None

    def test_boolean_of_a_body_is_no_text_or_number(self) -> None:
        for value in NO_BOOLEANS:
            with self.subTest(value=value):
                self.assert_invalid(self.rest.post("/products", {"in_stock": value}), "in_stock")
                body = {"include_subcategories": value}
                self.assert_invalid(self.rest.post("/products", body), "include_subcategories")
                self.assert_invalid(self.rest.post("/products", {"on_sale": value}), "on_sale")
                self.assert_invalid(self.rest.post("/products", {"is_new": value}), "is_new")
                assert self.list_in_graphql(inStock=value) == "INVALID"
                assert self.list_in_graphql(onSale=value) == "INVALID"
                assert self.list_in_graphql(isNew=value) == "INVALID"
        for accepted in (True, False, None):
            assert self.rest.post("/products", {"in_stock": accepted}).status_code == 200
            assert self.list_in_graphql(inStock=accepted) is None

    def test_number_with_an_exponent_is_accepted(self) -> None:
        for value in ("1e1", "1E+1", "10", "10.00"):
            with self.subTest(value):
                for response in (
                    self.rest.get("/products", {"price_min": value, "price_max": value}),
                    self.rest.post("/products", {"price_min": value, "price_max": value}),
                ):
                    assert [item["name"] for item in response.json()["items"]] == ["dress"]
                assert self.list_in_graphql(price={"min": value, "max": value}) is None

    def test_refusal_of_a_number_names_its_subject(self) -> None:
        problem = self.rest.get("/products", {"price_min": "NaN"}).json()
        expected = "Input should be a finite number such as \"28.99\", not 'NaN'"
        assert (problem["field"], problem["detail"]) == ("price_min", expected)

    def test_boolean_of_a_query_is_true_or_false(self) -> None:
        for name in ("in_stock", "on_sale", "is_new", "include_subcategories"):
            for value in NO_QUERY_BOOLEANS:
                with self.subTest(name, value=value):
                    self.assert_invalid(self.rest.get("/products", {name: value}), name)
            for value in ("true", "false"):
                assert self.rest.get("/products", {name: value}).status_code == 200
        assert self.rest.get("/products", {"in_stock": "true"}).json()["total"] == 1
        assert self.rest.get("/products", {"in_stock": "false"}).json()["total"] == 0

    def test_price_has_the_syntax_of_json_numbers(self) -> None:
        for value in (*NO_NUMBERS, True, [], {}):
            with self.subTest(value=value):
                self.assert_invalid(self.rest.post("/products", {"price_min": value}), "price_min")
                if isinstance(value, str):
                    self.assert_invalid(self.rest.get("/products", {"price_max": value}), "price_max")
                assert self.list_in_graphql(price={"min": value}) == "INVALID"
        for value in ("5", "5.00", "5e0", 5, 5.0, 4.99):
            assert self.rest.post("/products", {"price_min": value}).json()["total"] == 1
            assert self.list_in_graphql(price={"min": value}) is None
        assert self.rest.get("/products", {"price_min": "5.00"}).json()["total"] == 1

    def test_expected_total_has_the_syntax_of_json_numbers(self) -> None:
        for shopper in make_shoppers(make_user()):
            shopper.add(self.product.pk)
            for value in NO_NUMBERS:
                response = shopper.order({"expected_total": value})
                assert (response.code, response.field) == ("INVALID", "expected_total"), value

    def test_page_size_is_an_integer(self) -> None:
        for value in ("5", "1_0", 5.5, True, []):
            with self.subTest(value=value):
                self.assert_invalid(self.rest.post("/products", {"limit": value}), "limit")
        user = make_user()
        shoppers = make_shoppers(user)
        for value in ("1_0", " 5", "+5", "5.0", "٥", "", "true", "9" * 40):
            with self.subTest(value=value):
                for path in ("/products", "/recommendations"):
                    self.assert_invalid(self.rest.get(path, {"limit": value}), "limit")
                for shopper in shoppers:
                    response = shopper.orders(limit=value)
                    assert (response.code, response.field) == ("INVALID", "limit")
        for value in (5, 5.0):
            assert self.rest.post("/products", {"limit": value}).status_code == 200
        assert self.rest.get("/products", {"limit": "5"}).status_code == 200

    def test_quantity_is_an_integer(self) -> None:
        for shopper in make_shoppers(make_user()):
            for value in ("5", "1_0", 5.5, True, None, []):
                response = shopper.add(self.product.pk, value)
                assert (response.code, response.field) == ("INVALID", "quantity"), value
            assert shopper.add(self.product.pk, 2.0).code is None
