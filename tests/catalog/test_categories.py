"""The category tree in both APIs."""

from django.test import TestCase

from backend.catalog.models import Category
from backend.catalog.selectors import category_path, read_category_tree, read_counted_category_tree
from tests.catalog.factories import make_category, make_product
from tests.support.clients import GraphQLClient, RestClient


class Tree(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.home = make_category("Дом")
        cls.kitchen = make_category("Кухня", cls.home)
        cls.mugs = make_category("Кружки", cls.kitchen)
        cls.books = make_category("Books")
        make_product(category=cls.mugs)
        make_product(category=cls.mugs)
        make_product(category=cls.home)
        make_product(category=cls.books, is_published=False)

    def test_product_counts_include_subcategories(self) -> None:
        counts = read_counted_category_tree().product_counts
        self.assertEqual(
            [counts[node.pk] for node in (self.home, self.kitchen, self.mugs, self.books)], [3, 2, 2, 0]
        )

    def test_parent_children_and_ancestors(self) -> None:
        tree = read_category_tree()
        self.assertEqual([node.name for node in tree.ancestors(self.mugs.pk)], ["Дом", "Кухня"])
        self.assertEqual([node.name for node in category_path(self.mugs)], ["Дом", "Кухня", "Кружки"])
        self.assertEqual(category_path(None), [])

    def test_tree_of_any_size_takes_one_query(self) -> None:
        query = """{
            categories { name productCount children { name productCount children { name parent { name } } } }
        }"""
        for _ in range(2):
            with self.assertNumQueries(1):
                data = GraphQLClient().data(query)
            with self.assertNumQueries(1):
                rest = RestClient().get("/categories").json()
            for number in range(15):
                make_category(f"More {_} {number}", self.kitchen)
        self.assertEqual([node["name"] for node in data["categories"]], ["Дом", "Books"])
        self.assertEqual([node["product_count"] for node in rest], [3, 0])
        self.assertEqual(len(rest[0]["children"][0]["children"]), 16)

    def test_both_apis_return_the_same_tree(self) -> None:
        Category.objects.filter(slug="books").update(
            image="categories/b-0123456789ab.jpg", image_width=40, image_height=30
        )
        data = GraphQLClient().data(
            "{ categories { ...node children { ...node children { ...node children { ...node } } } } }"
            "fragment node on Category { id: databaseId name slug productCount "
            "image { url alt width height srcset } }"
        )

        def as_rest(node: dict) -> dict:
            return {
                "id": node["id"],
                "name": node["name"],
                "slug": node["slug"],
                "image": node["image"] and node["image"] | {"renditions": []},
                "product_count": node["productCount"],
                "children": [as_rest(child) for child in node.get("children", [])],
            }

        self.assertEqual(
            [as_rest(node) for node in data["categories"]], RestClient().get("/categories").json()
        )

    def test_depth_limits_the_levels(self) -> None:
        query = (
            "query($depth: Int) { categories(depth: $depth) { name children { name children { name } } } }"
        )
        graphql = GraphQLClient()
        mugs = {"name": "Кружки"}
        for depth, children in [
            (1, []),
            (2, [{"name": "Кухня", "children": []}]),
            (3, [{"name": "Кухня", "children": [mugs]}]),
            (None, [{"name": "Кухня", "children": [mugs]}]),
        ]:
            with self.subTest(depth):
                self.assertEqual(graphql.data(query, {"depth": depth})["categories"][0]["children"], children)
        error = graphql.error(query, {"depth": 0})
        self.assertEqual(error["extensions"], {"code": "OUT_OF_RANGE", "field": ["depth"]})

    def test_two_depths_in_one_document_are_independent(self) -> None:
        data = GraphQLClient().data(
            "{ one: categories(depth: 1) { children { name } } all: categories { children { name } } }"
        )
        self.assertEqual(data["one"][0]["children"], [])
        self.assertEqual(data["all"][0]["children"], [{"name": "Кухня"}])

    def test_category_with_breadcrumbs(self) -> None:
        query = """query($id: ID, $slug: String) {
            category(id: $id, slug: $slug) {
                name productCount parent { name } ancestors { name slug } children { name }
            }
        }"""
        expected = {
            "name": "Кухня",
            "productCount": 2,
            "parent": {"name": "Дом"},
            "ancestors": [{"name": "Дом", "slug": "dom"}],
            "children": [{"name": "Кружки"}],
        }
        graphql = GraphQLClient()
        with self.assertNumQueries(1):
            self.assertEqual(graphql.data(query, {"id": str(self.kitchen.pk)})["category"], expected)
        self.assertEqual(graphql.data(query, {"slug": "kukhnia"})["category"], expected)
        for unknown in ({"slug": "nope"}, {"id": "999"}, {"id": "abc"}):
            self.assertIsNone(graphql.data(query, unknown)["category"])
        for arguments in ({}, {"id": "1", "slug": "dom"}):
            self.assertEqual(graphql.error(query, arguments)["extensions"]["code"], "INVALID")

    def test_alternating_parent_and_children_is_bounded_by_cost(self) -> None:
        """Each step up and down again multiplies the answer by the number of siblings."""
        for number in range(20):
            make_category(f"Shelf {number}", self.kitchen)
        graphql = GraphQLClient()

        def zigzag(steps: int) -> str:
            return (
                '{ category(slug: "kukhnia") { '
                + "children { parent { " * steps
                + "id "
                + "} } " * steps
                + "} }"
            )

        graphql.data(zigzag(3))
        self.assertEqual(graphql.error(zigzag(4))["extensions"]["code"], "TOO_COMPLEX")
        query = '{ category(slug: "kruzhki") { ' + "ancestors { children { " * 5 + "id " + "} } " * 5 + "} }"
        self.assertEqual(graphql.error(query)["extensions"]["code"], "TOO_COMPLEX")

    def test_breadcrumbs_do_not_count_products(self) -> None:
        with self.assertNumQueries(1) as queries:
            GraphQLClient().data("{ categories { name children { ancestors { name } } } }")
        self.assertNotIn("listingentry", queries[0]["sql"])
