"""GraphQL fields of the catalogue: values and query counts."""

import re
from decimal import Decimal

from django.test import TestCase

from tests.catalog.factories import make_category, make_image, make_product
from tests.support.clients import GraphQLClient

LIST = """{ products(first: 100) { nodes {
    id name price image { url } images { alt } characteristics { name value unit }
    category { id name slug }
} } }"""


class ProductsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.category = make_category("Clothes")
        cls.product = make_product("dress", cls.category, {"Weight (g)": "250"}, price="28.90", stock=70)
        make_image(cls.product, alt="back", position=1)
        make_image(cls.product, alt="front", position=0)

    def setUp(self) -> None:
        self.graphql = GraphQLClient()

    def test_compare_at_price_is_null_without_a_sale(self) -> None:
        query = "{ products { nodes { price compareAtPrice } } }"
        for compare_at_price, expected in [(None, None), (Decimal("34.5"), "34.50")]:
            self.product.compare_at_price = compare_at_price
            self.product.save()
            (node,) = self.graphql.data(query)["products"]["nodes"]
            assert node == {"price": "28.90", "compareAtPrice": expected}

    def test_product_has_all_fields(self) -> None:
        (node,) = self.graphql.data(
            """{ products { nodes {
                price currency availableQuantity inStock image { alt width height url } images { alt }
                characteristics { name value unit }
            } } }"""
        )["products"]["nodes"]
        assert re.search(r"^http://localhost:8000/media/products/tiny\w*\.png$", node["image"].pop("url"))
        assert node == {
            "price": "28.90",
            "currency": "RUB",
            "availableQuantity": 50,
            "inStock": True,
            "image": {"alt": "front", "width": 4, "height": 3},
            "images": [{"alt": "front"}, {"alt": "back"}],
            "characteristics": [{"name": "Weight", "value": "250", "unit": "g"}],
        }

    def test_product_without_optional_values_has_nulls(self) -> None:
        make_product("bare")
        (node,) = self.graphql.data(
            """{ products(filter: { search: "bare" }) {
                nodes { image { url } images { url } category { id } characteristics { name } }
            } }"""
        )["products"]["nodes"]
        assert node == {"image": None, "images": [], "category": None, "characteristics": []}

    def test_page_of_any_size_takes_one_query(self) -> None:
        for _ in range(2):
            with self.assertNumQueries(1):
                self.graphql.data(LIST)
            for number in range(20):
                make_image(make_product("dress", self.category, {"Color": str(number)}))

    def test_paths_and_children_of_a_page_take_one_query_each(self) -> None:
        query = """{
            products { nodes { category {
                ancestors { name } children { name } parent { name }
            } } }
        }"""
        make_product(category=make_category("Below", self.category))
        for _ in range(2):
            with self.assertNumQueries(3):
                self.graphql.data(query)
            for number in range(20):
                make_product(category=make_category(f"Below {_} {number}", self.category))

    def test_count_and_facets_take_no_queries_unless_selected(self) -> None:
        with self.assertNumQueries(1):
            self.graphql.data("{ products { nodes { id } } }")
        with self.assertNumQueries(2):
            self.graphql.data("{ products { nodes { id } totalCount } }")
        with self.assertNumQueries(7):
            self.graphql.data("{ products { nodes { id } facets { priceMin categories { count } } } }")

    def test_edges_and_nodes_return_the_same_products(self) -> None:
        connection = self.graphql.data(
            """{ products {
                nodes { id } edges { cursor node { id } }
                pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
            } }"""
        )["products"]
        (edge,) = connection["edges"]
        assert edge["node"] == connection["nodes"][0]
        assert connection["pageInfo"] == {
            "startCursor": edge["cursor"],
            "endCursor": edge["cursor"],
            "hasNextPage": False,
            "hasPreviousPage": False,
        }

    def test_empty_list(self) -> None:
        data = self.graphql.data(
            """{ products(filter: { inStock: false }) {
                nodes { id } totalCount pageInfo { startCursor hasNextPage }
            } }"""
        )
        assert data["products"] == {
            "nodes": [],
            "totalCount": 0,
            "pageInfo": {"startCursor": None, "hasNextPage": False},
        }

    def test_backward_pagination(self) -> None:
        for number in range(3):
            make_product(f"p{number}")
        query = """query($before: String) {
            products(sortBy: NEWEST, last: 2, before: $before) {
                nodes { name } pageInfo { startCursor hasPreviousPage }
            }
        }"""
        page = self.graphql.data(query)["products"]
        assert [node["name"] for node in page["nodes"]] == ["p0", "dress"]
        page = self.graphql.data(query, {"before": page["pageInfo"]["startCursor"]})["products"]
        assert [node["name"] for node in page["nodes"]] == ["p2", "p1"]
        assert not page["pageInfo"]["hasPreviousPage"]

    def test_first_and_last_together_are_refused(self) -> None:
        query = "query($after: String) { products(first: 1, after: $after) { pageInfo { endCursor } } }"
        cursor = self.graphql.data(query)["products"]["pageInfo"]["endCursor"]
        for arguments in (f'first: 3, before: "{cursor}"', f'last: 3, after: "{cursor}"'):
            with self.subTest(arguments):
                error = self.graphql.error(f"{{ products({arguments}) {{ totalCount }} }}")
                assert error["extensions"]["code"] == "INVALID"

    def test_conflicting_arguments_are_refused(self) -> None:
        for arguments in (
            'category: "1", categorySlug: "x"',
            """filter: {
                characteristics: [{ name: "Weight", values: ["1"] }, { name: "Weight", values: ["2"] }]
            }""",
        ):
            error = self.graphql.error(f"{{ products({arguments}) {{ totalCount }} }}")
            assert error["extensions"]["code"] == "INVALID"
        error = self.graphql.error('{ product(slug: "a", sku: "b") { id } }')
        assert error["extensions"]["code"] == "INVALID"

    def test_get_request_is_accepted(self) -> None:
        response = self.client.get("/graphql", {"query": "{ products { totalCount } }"})
        assert response.json()["data"] == {"products": {"totalCount": 1}}
