"""GraphQL and REST return the same products and the same error codes."""

import base64
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.test import TestCase
from django.utils import timezone

from backend.catalog.models import Product, ProductImage
from tests.catalog.factories import make_brand, make_category, make_image, make_product
from tests.support.clients import GraphQLClient, RestClient
from tests.support.shopping import PRODUCT

PRODUCTS = f"""
query Products(
  $category: ID, $slug: String, $filter: ProductFilter, $sort: ProductSort, $first: Int, $after: String
) {{
  products(
    category: $category, categorySlug: $slug, filter: $filter, sortBy: $sort, first: $first, after: $after
  ) {{
    nodes {{ {PRODUCT} }} totalCount pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""
SORTS = {
    "price": "PRICE_ASC",
    "-price": "PRICE_DESC",
    "name": "NAME",
    "newest": "NEWEST",
    "popular": "POPULAR",
    "discount": "DISCOUNT",
}


def as_rest(product: dict[str, Any]) -> dict[str, Any]:
    """Convert a GraphQL product to the names and types of REST."""
    renamed = {
        "inStock": "in_stock",
        "availableQuantity": "available_quantity",
        "compareAtPrice": "compare_at_price",
        "isOnSale": "is_on_sale",
        "isNew": "is_new",
        "seoTitle": "seo_title",
        "seoDescription": "seo_description",
    }
    return {renamed.get(key, key): value for key, value in product.items()}


def make_cursor(order: str, key: str) -> str:
    """Return a cursor with any key, valid or not."""
    return base64.urlsafe_b64encode(json.dumps([order, key, 1]).encode()).decode().rstrip("=")


def without_renditions(products: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove `renditions`, which only REST has. See tests/catalog/test_renditions.py for thumbnails."""
    for product in products:
        if product["image"]:
            del product["image"]["renditions"]
    return products


class ParityCase(TestCase):
    def setUp(self) -> None:
        self.graphql = GraphQLClient()
        self.rest = RestClient()

    def request_both(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Request the list of a REST body from both APIs and return both responses."""
        price = {"min": body.get("price_min"), "max": body.get("price_max")}
        variables = {
            "category": body["category"] if isinstance(body.get("category"), int) else None,
            "slug": body["category"] if isinstance(body.get("category"), str) else None,
            "filter": {
                "search": body.get("search"),
                "price": price if any(price.values()) else None,
                "inStock": body.get("in_stock"),
                "onSale": body.get("on_sale"),
                "isNew": body.get("is_new"),
                "brands": body.get("brand"),
                "characteristics": [
                    {"name": name, "values": values}
                    for name, values in body.get("characteristics", {}).items()
                ],
            },
            "sort": SORTS.get(body.get("sort", ""), body.get("sort")),
            "first": body.get("limit", 20),
            "after": body.get("cursor"),
        }
        return self.graphql.post(PRODUCTS, variables).json(), self.rest.post("/products", body).json()


class ProductsTest(ParityCase):
    @classmethod
    def setUpTestData(cls) -> None:
        clothes = make_category("Clothes", slug="clothes")
        cls.dresses = make_category("Dresses", clothes, slug="dresses")
        make_category("Shoes", slug="shoes")
        brands = cls.brands = [make_brand("Заря"), make_brand("Acme"), None]
        for number in range(7):
            product = make_product(
                f"Летнее платье {number}",
                cls.dresses if number % 2 else clothes,
                {"Цвет": ["красный", "синий"][number % 2], "Weight (g)": str(100 + number)},
                price=Decimal(number % 3 + 1) * Decimal("9.99"),
                compare_at_price=Decimal("49.90") if number % 2 else None,
                brand=brands[number % 3],
                stock=number,
                description=f"Light & airy <b>dress</b> “{number}”",
            )
            image = make_image(product, alt=f"Платье {number}" if number else "")
            if number % 2:
                ProductImage.objects.filter(pk=image.pk).update(renditions=[160])
        Product.objects.filter(name__endswith="6").update(created_at=timezone.now() - timedelta(days=99))
        make_product("Hidden", clothes, is_published=False)
        make_product("No category")

    def test_lists_are_equal(self) -> None:
        cases: list[dict[str, Any]] = [
            {},
            {"category": "clothes"},
            {"category": self.dresses.pk},
            {"category": "shoes"},
            {"category": "clothes", "price_min": "9.99", "price_max": "19.98"},
            {"in_stock": False},
            {"in_stock": True, "sort": "price"},
            {"on_sale": True, "search": "платья"},
            {"on_sale": False},
            {"is_new": True},
            {"is_new": False},
            {"brand": [self.brands[0].pk], "sort": "price"},
            {"brand": [brand.pk for brand in self.brands if brand], "search": "платья"},
            {"brand": []},
            {"characteristics": {"Цвет": ["красный"]}},
            {"characteristics": {"Цвет": ["красный", "синий"], "Weight": ["101", "102"]}},
            {"search": "платья"},
            {"search": "dress", "sort": "-price"},
            {"search": "плтаье"},
            *({"sort": sort, "limit": 3} for sort in SORTS),
        ]
        for body in cases:
            with self.subTest(body):
                graphql, rest = self.request_both(body)
                connection = graphql["data"]["products"]
                assert [as_rest(node) for node in connection["nodes"]] == without_renditions(rest["items"])
                assert connection["totalCount"] == rest["total"]
                page = connection["pageInfo"]
                assert (page["endCursor"] if page["hasNextPage"] else None) == rest["next_cursor"]

    def test_cursors_lead_through_the_same_complete_list(self) -> None:
        for sort in SORTS:
            with self.subTest(sort):
                walked: list[int] = []
                cursor = None
                while True:
                    graphql, rest = self.request_both({"sort": sort, "limit": 3, "cursor": cursor})
                    items = [as_rest(node) for node in graphql["data"]["products"]["nodes"]]
                    assert items == without_renditions(rest["items"])
                    walked += [item["id"] for item in items]
                    cursor = rest["next_cursor"]
                    if cursor is None:
                        break
                published = Product.objects.filter(is_published=True).values_list("pk", flat=True)
                assert sorted(walked) == sorted(published)

    def test_get_returns_the_same_as_post(self) -> None:
        body = {
            "category": "clothes",
            "price_min": "9.99",
            "characteristics": {"Цвет": ["красный", "синий"], "Weight": ["101", "102"]},
            "in_stock": True,
            "sort": "price",
        }
        pairs = [f"{name}:{value}" for name, values in body["characteristics"].items() for value in values]
        posted = self.rest.post("/products", body)
        got = self.rest.get("/products", body | {"characteristics": pairs, "in_stock": "true"})
        assert got.json() == posted.json()
        assert posted.json()["total"] == 2

    def test_cards_are_equal(self) -> None:
        product = Product.objects.filter(category=self.dresses).first()
        card = f"""query($id: ID, $slug: String, $sku: String) {{
            product(id: $id, slug: $slug, sku: $sku) {{ {PRODUCT} seoTitle seoDescription }}
        }}"""
        Product.objects.filter(pk=product.pk).update(seo_title="Summer dresses", seo_description="Light.")
        for key in ("id", "slug", "sku"):
            with self.subTest(key):
                value = str(getattr(product, key))
                rest = self.rest.get("/product", {key: value}).json()
                graphql = as_rest(self.graphql.data(card, {key: value})["product"])
                (rest,) = without_renditions([rest])
                assert graphql == {name: rest[name] for name in graphql}
                assert rest["seo_title"] == "Summer dresses"

    def test_unknown_product_is_null_or_404(self) -> None:
        hidden = Product.objects.get(is_published=False)
        cases = [
            ("id", "0"),
            ("id", "abc"),
            ("id", "9" * 30),
            ("slug", "nope"),
            ("sku", "a\0b"),
            ("id", hidden.pk),
        ]
        for key, value in cases:
            with self.subTest(key=key, value=value):
                query = (
                    f"query($key: {'ID' if key == 'id' else 'String'}) {{ product({key}: $key) {{ id }} }}"
                )
                assert self.graphql.data(query, {"key": value}) == {"product": None}
                response = self.rest.get("/product", {key: value})
                assert response.status_code == 404
                assert response.json()["code"] == "NOT_FOUND"


class ErrorsTest(ParityCase):
    """Both APIs report the same code, and name the field in their own spelling."""

    @classmethod
    def setUpTestData(cls) -> None:
        make_category("Clothes", slug="clothes")
        make_product(characteristics={"Color": "red"})

    def assert_refused(
        self, body: dict[str, Any], code: str, graphql_field: list[str], rest_field: str, status: int = 422
    ) -> None:
        graphql, rest = self.request_both(body)
        (error,) = graphql["errors"]
        assert graphql.get("data") is None
        assert (error["extensions"]["code"], error["extensions"]["field"]) == (code, graphql_field)
        assert (rest["code"], rest["field"], rest["status"]) == (code, rest_field, status)
        assert error["message"]
        assert not re.search("[a-z]_[a-z]", error["message"]), "The message has a name of the REST API."
        assert rest["detail"]

    def test_errors_have_the_same_code_and_field(self) -> None:
        cursor_by_price = self.request_both({"sort": "price", "limit": 1})[0]["data"]["products"]["pageInfo"][
            "endCursor"
        ]
        cases: list[tuple[Any, ...]] = [
            ({"category": "nope"}, "NOT_FOUND", ["categorySlug"], "category", 404),
            ({"category": 77}, "NOT_FOUND", ["category"], "category", 404),
            ({"sort": "cheapest"}, "INVALID", ["sort"], "sort"),
            ({"sort": "name", "cursor": cursor_by_price}, "INVALID_CURSOR", ["after"], "cursor"),
            ({"cursor": "not a cursor"}, "INVALID_CURSOR", ["after"], "cursor"),
            ({"cursor": ""}, "INVALID_CURSOR", ["after"], "cursor"),
            *(
                ({"sort": sort, "cursor": make_cursor(order, key)}, "INVALID_CURSOR", ["after"], "cursor")
                for sort, order, key in [
                    ("price", "PRICE_ASC", "1e-20000"),
                    ("price", "PRICE_ASC", "NaN"),
                    ("price", "PRICE_ASC", "1" * 30),
                    ("name", "NAME", "\ud800"),
                    ("name", "NAME", "\0"),
                    ("newest", "NEWEST", "9999-12-31T23:59:59-23:59"),
                    ("newest", "NEWEST", "2026-01-01T00:00:00"),
                    ("popular", "POPULAR", "9" * 10),
                ]
            ),
            (
                {"price_min": "5", "price_max": "4.99"},
                "OUT_OF_RANGE",
                ["filter", "price", "min"],
                "price_min",
            ),
            ({"price_min": "-0.01"}, "OUT_OF_RANGE", ["filter", "price", "min"], "price_min"),
            ({"price_max": "-1"}, "OUT_OF_RANGE", ["filter", "price", "max"], "price_max"),
            ({"price_min": "9" * 30}, "OUT_OF_RANGE", ["filter", "price", "min"], "price_min"),
            ({"price_max": "10000000000"}, "OUT_OF_RANGE", ["filter", "price", "max"], "price_max"),
            ({"price_min": "1e-20000"}, "OUT_OF_RANGE", ["filter", "price", "min"], "price_min"),
            ({"price_max": "10.005"}, "OUT_OF_RANGE", ["filter", "price", "max"], "price_max"),
            ({"price_max": "1e400"}, "OUT_OF_RANGE", ["filter", "price", "max"], "price_max"),
            ({"price_min": "cheap"}, "INVALID", ["filter", "price", "min"], "price_min"),
            ({"price_min": "NaN"}, "INVALID", ["filter", "price", "min"], "price_min"),
            ({"price_max": "Infinity"}, "INVALID", ["filter", "price", "max"], "price_max"),
            ({"limit": 0}, "OUT_OF_RANGE", ["first"], "limit"),
            ({"limit": -1}, "OUT_OF_RANGE", ["first"], "limit"),
            ({"limit": 101}, "OUT_OF_RANGE", ["first"], "limit"),
            ({"limit": 1000}, "OUT_OF_RANGE", ["first"], "limit"),
            ({"limit": "many"}, "INVALID", ["first"], "limit"),
            ({"search": ""}, "INVALID", ["filter", "search"], "search"),
            ({"search": " !? "}, "INVALID", ["filter", "search"], "search"),
            ({"search": "x" * 1001}, "TOO_LONG", ["filter", "search"], "search"),
            ({"search": "x" * 10_240}, "TOO_LONG", ["filter", "search"], "search"),
            (
                {"characteristics": {"Smell": ["rose"]}},
                "NOT_FOUND",
                ["filter", "characteristics"],
                "characteristics",
                404,
            ),
            ({"characteristics": {"Color": []}}, "INVALID", ["filter", "characteristics"], "characteristics"),
            (
                {"characteristics": {"Color": ["\0"]}},
                "INVALID",
                ["filter", "characteristics"],
                "characteristics",
            ),
            (
                {"characteristics": {"Color": ["red"] * 51}},
                "TOO_LONG",
                ["filter", "characteristics"],
                "characteristics",
            ),
            (
                {"characteristics": {str(name): ["red"] for name in range(21)}},
                "TOO_LONG",
                ["filter", "characteristics"],
                "characteristics",
            ),
        ]
        for body, *expected in cases:
            with self.subTest(body):
                self.assert_refused(body, *expected)

    def test_price_messages_have_names_of_neither_api(self) -> None:
        cases = {
            "The lowest price must be between 0 and 9999999999.99.": {"price_min": "-1"},
            "The highest price must be between 0 and 9999999999.99.": {"price_max": "1e10"},
            "The lowest price must have at most two decimals.": {"price_min": "1.001"},
            "The lowest price (20.00) must not exceed the highest (10.00).": {
                "price_min": "20",
                "price_max": "10",
            },
        }
        for message, body in cases.items():
            with self.subTest(body):
                graphql, rest = self.request_both(body)
                assert (graphql["errors"][0]["message"], rest["detail"]) == (message, message)

    def test_values_at_the_limits_are_accepted(self) -> None:
        for body in (
            {"limit": 1},
            {"limit": 100},
            {"price_min": "0", "price_max": "9999999999.99"},
            {"price_min": "5", "price_max": "5"},
            {"price_min": "0e-20000", "price_max": "5.000"},
            {"search": "x" * 1000},
            {"search": "a " * 500},
            {"characteristics": {"Color": ["red"] * 50}},
            {"sort": "newest", "cursor": make_cursor("NEWEST", "2026-01-01T00:00:00+23:59")},
            {"sort": "newest", "cursor": make_cursor("NEWEST", "2026-01-01T00:00:00+00:00:30.5")},
        ):
            with self.subTest(body):
                graphql, rest = self.request_both(body)
                assert "errors" not in graphql
                assert "items" in rest

    def test_long_lists_are_refused_before_their_items_are_read(self) -> None:
        for characteristics in (
            {"Color": [{"not": "read"}] * 51},
            {str(number): [{"not": "read"}] for number in range(21)},
        ):
            with self.subTest(len(characteristics)):
                problem = self.rest.post("/products", {"characteristics": characteristics}).json()
                assert (problem["code"], problem["field"]) == ("TOO_LONG", "characteristics")
        problem = self.rest.post("/products", {"characteristics": {"Color": [{"not": "read"}] * 50}}).json()
        assert problem["code"] == "INVALID"

    def test_sorting_by_relevance_requires_a_search(self) -> None:
        error = self.graphql.error("{ products(sortBy: RELEVANCE) { totalCount } }")
        assert error["extensions"] == {"code": "INVALID", "field": ["sortBy"]}
        problem = self.rest.post("/products", {"sort": "relevance"}).json()
        assert (problem["code"], problem["field"]) == ("INVALID", "sort")

    def test_error_in_a_literal_names_the_field(self) -> None:
        cases = {
            'filter: { price: { min: "cheap" } }': ["filter", "price", "min"],
            "filter: { price: { lowest: 1 } }": ["filter", "price", "lowest"],
            "sortBy: CHEAPEST": ["sortBy"],
            'first: "many"': ["first"],
            "limit: 5": ["limit"],
        }
        for arguments, field in cases.items():
            with self.subTest(arguments):
                error = self.graphql.error(f"{{ products({arguments}) {{ totalCount }} }}")
                assert error["extensions"] == {"code": "INVALID", "field": field}

    def test_unknown_fields_are_refused(self) -> None:
        error = self.graphql.error("{ produtcs { totalCount } }")
        assert error["extensions"] == {"code": "INVALID", "field": ["produtcs"]}
        problem = self.rest.post("/products", {"prize_min": "1"}).json()
        assert (problem["code"], problem["field"]) == ("INVALID", "prize_min")

    def test_unparsable_request_is_malformed(self) -> None:
        bodies = ["{", "nonsense", "\ud800".encode("utf-8", "surrogatepass"), b"\xff\xfe", "[" * 100_000]
        for body in bodies:
            for path in ("/graphql", "/products"):
                with self.subTest(body=body[:20], path=path):
                    response = self.client.post(path, body, content_type="application/json")
                    assert response.status_code == 400
                    assert self.code_of(response.json()) == "MALFORMED"

    def test_other_content_types_are_refused(self) -> None:
        for path in ("/graphql", "/products"):
            for content_type in (
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
            ):
                with self.subTest(path=path, content_type=content_type):
                    response = self.client.post(
                        path, b'{"query": "{ categories { id } }"}', content_type=content_type
                    )
                    assert response.status_code == 415
                    assert self.code_of(response.json()) == "UNSUPPORTED_MEDIA_TYPE"

    def test_body_beyond_a_mebibyte_is_refused(self) -> None:
        body = json.dumps({"query": "{ categories { id } }", "search": "x" * 2**20})
        for path in ("/graphql", "/products"):
            with self.subTest(path):
                response = self.client.post(path, body, content_type="application/json")
                assert response.status_code == 413
                assert self.code_of(response.json()) == "TOO_LARGE"

    def test_unsupported_method_is_refused(self) -> None:
        for path in ("/graphql", "/products", "/categories"):
            with self.subTest(path):
                response = self.client.delete(path)
                assert response.status_code == 405
                assert self.code_of(response.json()) == "METHOD_NOT_ALLOWED"

    @staticmethod
    def code_of(body: dict[str, Any]) -> str:
        return body["code"] if "code" in body else body["errors"][0]["extensions"]["code"]
