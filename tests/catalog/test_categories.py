"""The category tree in both APIs, and the number of queries that its parts take."""

import gc
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext

from backend.catalog.models import Category, Product
from backend.catalog.selectors import (
    CategoryRow,
    count_products,
    get_category,
    read_category_children,
    read_category_path,
    read_category_paths,
    read_category_tree,
)
from backend.core.identifiers import encode_global_id
from backend.recommendations.models import Recommendation
from tests.accounts.cases import clear_redis
from tests.carts.factories import fill_cart
from tests.catalog.factories import make_category, make_product
from tests.orders.factories import make_order
from tests.support.clients import GraphQLClient, RestClient
from tests.support.people import make_user, open_session_token


class CategoryTreeTest(TestCase):
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
        home, books = read_category_tree(with_counts=True)
        (kitchen,) = home.children or ()
        (mugs,) = kitchen.children or ()
        assert [node.product_count for node in (home, kitchen, mugs, books)] == [3, 2, 2, 0]
        ids = [self.home.pk, self.mugs.pk, self.books.pk]
        assert count_products(ids) == {self.home.pk: 3, self.mugs.pk: 2}

    def test_parent_children_and_ancestors(self) -> None:
        home, _ = read_category_tree(with_parents=True)
        (mugs,) = (home.children or ())[0].children or ()
        assert [node.name for node in mugs.ancestors] == ["Дом", "Кухня"]
        assert [node.name for node in read_category_path(self.mugs.pk)] == ["Дом", "Кухня", "Кружки"]
        assert read_category_path(None) == []
        paths = read_category_paths([self.mugs.pk, self.books.pk, 0])
        assert set(paths) == {node.pk for node in (self.home, self.kitchen, self.mugs, self.books)}
        assert [node.pk for node in paths[self.books.pk].ancestors] == []
        children = read_category_children([self.home.pk, self.books.pk])
        assert [node.name for node in children[self.home.pk]] == ["Кухня"]
        assert children[self.books.pk] == []

    def test_tree_is_freed_without_the_garbage_collector(self) -> None:
        """A tree of thousands of rows would stay in memory until the collector runs."""
        documents = {
            "{ categories { children { name } } }": False,
            # Rows that know their parents refer to each other.
            "{ categories { children { parent { name } } } }": True,
        }
        assert self.count_unfreed_rows(lambda: RestClient().get("/categories")) == 0
        for document, has_parents in documents.items():
            with self.subTest(document):
                unfreed = self.count_unfreed_rows(lambda document=document: GraphQLClient().data(document))
                assert bool(unfreed) == has_parents

    @staticmethod
    def count_unfreed_rows(send: Callable[[], Any]) -> int:
        """Count the rows of categories that only the garbage collector frees after a request."""
        send()
        gc.collect()
        gc.disable()
        try:
            send()
            # `isinstance` would load the lazy objects of Django.
            return sum(type(found) is CategoryRow for found in gc.get_objects())
        finally:
            gc.enable()

    def test_empty_collections_take_no_query(self) -> None:
        with self.assertNumQueries(0):
            assert read_category_paths([]) == {}
            assert read_category_children([]) == {}

    def test_category_is_found_by_id_and_slug(self) -> None:
        for category in (get_category(id=self.mugs.pk), get_category(slug="kruzhki")):
            assert category
            assert (category.pk, category.name, category.has_path) == (self.mugs.pk, "Кружки", False)
        for unknown in ({"id": 0}, {"slug": "nope"}, {"slug": "kruzhki\0"}):
            assert get_category(**unknown) is None  # type: ignore[arg-type]

    def test_tree_of_any_size_takes_one_query_and_another_one_for_counts(self) -> None:
        query = """{
            categories { name children { name children { name parent { name } ancestors { slug } } } }
        }"""
        counted = "{ categories { name productCount children { productCount children { productCount } } } }"
        for _ in range(2):
            with self.assertNumQueries(1):
                data = GraphQLClient().data(query)
            with self.assertNumQueries(2):
                GraphQLClient().data(counted)
            with self.assertNumQueries(2):
                rest = RestClient().get("/categories").json()
            for number in range(15):
                make_category(f"More {_} {number}", self.kitchen)
        assert [node["name"] for node in data["categories"]] == ["Дом", "Books"]
        assert [node["product_count"] for node in rest] == [3, 0]
        assert len(rest[0]["children"][0]["children"]) == 16

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

        assert [as_rest(node) for node in data["categories"]] == RestClient().get("/categories").json()

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
            with self.subTest(depth), self.assertNumQueries(1):
                assert graphql.data(query, {"depth": depth})["categories"][0]["children"] == children
        error = graphql.error(query, {"depth": 0})
        assert error["extensions"] == {"code": "OUT_OF_RANGE", "field": ["depth"]}

    def test_only_the_requested_levels_are_read(self) -> None:
        for depth, names in [(1, ["Дом", "Books"]), (2, ["Дом", "Кухня", "Books"])]:
            nodes = read_category_tree(depth)
            found = [name for node in nodes for name in (node.name, *(c.name for c in node.children or ()))]
            assert found == names
        with self.assertNumQueries(1) as queries:
            GraphQLClient().data("{ categories { name } }")
        assert '"level" < (1)' in queries[0]["sql"]

    def test_two_depths_in_one_document_are_independent(self) -> None:
        data = GraphQLClient().data(
            "{ one: categories(depth: 1) { children { name } } all: categories { children { name } } }"
        )
        assert data["one"][0]["children"] == []
        assert data["all"][0]["children"] == [{"name": "Кухня"}]

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
        # The category, its count, its path and its children.
        with self.assertNumQueries(4):
            assert graphql.data(query, {"id": str(self.kitchen.pk)})["category"] == expected
        assert graphql.data(query, {"slug": "kukhnia"})["category"] == expected
        for unknown in ({"slug": "nope"}, {"id": "999"}, {"id": "abc"}):
            assert graphql.data(query, unknown)["category"] is None
        for arguments in ({}, {"id": "1", "slug": "dom"}):
            assert graphql.error(query, arguments)["extensions"]["code"] == "INVALID"

    def test_texts_for_search_engines(self) -> None:
        Category.objects.filter(pk=self.kitchen.pk).update(seo_title="Cups", seo_description="All cups.")
        query = """{
            category(slug: "kukhnia") { seoTitle seoDescription parent { seoTitle } }
            categories { seoDescription children { seoTitle } }
        }"""
        data = GraphQLClient().data(query)
        assert data["category"] == {
            "seoTitle": "Cups",
            "seoDescription": "All cups.",
            "parent": {"seoTitle": ""},
        }
        assert data["categories"][0] == {"seoDescription": "", "children": [{"seoTitle": "Cups"}]}

    def test_alternating_parent_and_children_is_bounded_by_cost(self) -> None:
        """Each step to the parent and back multiplies the response by the number of siblings."""
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
        assert graphql.error(zigzag(4))["extensions"]["code"] == "TOO_COMPLEX"
        query = '{ category(slug: "kruzhki") { ' + "ancestors { children { " * 5 + "id " + "} } " * 5 + "} }"
        assert graphql.error(query)["extensions"]["code"] == "TOO_COMPLEX"

    def test_breadcrumbs_do_not_count_products(self) -> None:
        with self.assertNumQueries(1) as queries:
            GraphQLClient().data("{ categories { name children { ancestors { name } } } }")
        assert "listingentry" not in queries[0]["sql"]


class BatchesTest(TestCase):
    """The categories of a list are read together, however many there are."""

    CATEGORY = """category {
        parent { name } ancestors { name children { slug } productCount seoTitle }
        children { name productCount parent { slug } seoDescription } productCount seoTitle seoDescription
    }"""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.root = make_category("Root")
        cls.products: list[Product] = []

    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)

    def add_products(self, count: int) -> None:
        """Add products, each in a category of its own that has a child."""
        for _ in range(count):
            number = len(self.products)
            parent = make_category(f"Parent {number}", self.root)
            category = make_category(f"Category {number}", parent)
            make_category(f"Child {number}", category)
            self.products.append(make_product(category=category, stock=100))

    def count_queries(self, query: str) -> tuple[int, Any]:
        graphql = GraphQLClient(Client(headers={"Authorization": f"Bearer {open_session_token(self.user)}"}))
        with CaptureQueriesContext(connection) as queries:
            data = graphql.data(query)
        return len(queries), data

    def assert_fixed(self, query: str) -> None:
        self.add_products(1)
        few, data = self.count_queries(query)
        assert "Root" in str(data)
        self.add_products(4)
        many, data = self.count_queries(query)
        assert str(data).count("Root") > 4
        assert few == many

    def test_list_of_products(self) -> None:
        self.assert_fixed(f"{{ products {{ nodes {{ {self.CATEGORY} }} }} }}")

    def test_parents_and_ancestors_of_a_list_take_one_query(self) -> None:
        self.add_products(5)
        for fields in ("parent { id }", "ancestors { id }", "parent { id } ancestors { id }"):
            with self.subTest(fields):
                # The page and the paths.
                query = f"{{ products {{ nodes {{ category {{ {fields} }} }} }} }}"
                assert self.count_queries(query)[0] == 2

    def test_edges(self) -> None:
        self.assert_fixed(f"{{ products {{ edges {{ node {{ {self.CATEGORY} }} }} }} }}")

    def test_cart_and_suggestions(self) -> None:
        query = f"""{{ cart {{
            lines {{ product {{ {self.CATEGORY} }} }} suggestions {{ {self.CATEGORY} }}
        }} }}"""
        self.add_products(2)
        fill_cart(self.user, {self.products[0]: 1})
        few, data = self.count_queries(query)
        assert "Root" in str(data)
        self.add_products(4)
        fill_cart(self.user, dict.fromkeys(self.products[2:4], 1))
        many, data = self.count_queries(query)
        assert [len(data["cart"][name]) for name in ("lines", "suggestions")] == [3, 3]
        assert few == many

    def test_orders(self) -> None:
        for lists in ("nodes { %s }", "edges { node { %s } }"):
            query = "{ me { orders { " + lists % f"lines {{ product {{ {self.CATEGORY} }} }}" + " } } }"
            with self.subTest(lists):
                self.add_products(1)
                make_order(self.user, (self.products[-1], 1))
                few, _ = self.count_queries(query)
                self.add_products(4)
                for product in self.products[-4:]:
                    make_order(self.user, (product, 1), (self.products[0], 1))
                many, data = self.count_queries(query)
                assert str(data).count("Root") > 8
                assert few == many

    def test_recommendations_of_recommendations(self) -> None:
        self.add_products(2)
        query = f"{{ recommendations {{ {self.CATEGORY} similar {{ {self.CATEGORY} }} }} }}"

        def relate() -> None:
            Recommendation.objects.all().delete()
            Recommendation.objects.bulk_create(
                Recommendation(kind=kind, subject_id=subject.pk, other=other, score=1)
                for kind in Recommendation.Kind
                for subject in self.products
                for other in self.products
                if other != subject
            )

        relate()
        few, _ = self.count_queries(query)
        self.add_products(4)
        relate()
        many, data = self.count_queries(query)
        assert len(data["recommendations"]) == 6
        assert few == many

    def test_facets(self) -> None:
        query = """{ products(categorySlug: "root") { facets { categories {
            category { name ancestors { name } children { name children { name } } productCount }
        } } } }"""
        self.assert_fixed(query)

    def test_subcategories(self) -> None:
        self.assert_fixed(
            """{ category(slug: "root") { name children {
                productCount parent { name } ancestors { name } children { name children { productCount } }
            } } }"""
        )

    def test_nodes(self) -> None:
        for kind in ("Category", "Product"):
            fields = "%s" if kind == "Category" else "category { name %s }"
            fields %= "parent { name } ancestors { name } children { name } productCount"
            counts = []
            for count in (1, 4):
                self.add_products(count)
                keys = [product.pk if kind == "Product" else product.category_id for product in self.products]
                ids = ", ".join(f'"{encode_global_id(kind, key)}"' for key in keys[-count:] if key)
                queries, data = self.count_queries(
                    f"{{ nodes(ids: [{ids}]) {{ ... on {kind} {{ {fields} }} }} }}"
                )
                assert str(data).count("'Root'") == count
                counts.append(queries)
            with self.subTest(kind):
                assert counts[0] == counts[1]

    def test_product_card(self) -> None:
        self.add_products(1)
        product_id = self.products[0].pk
        for _ in range(2):
            with self.assertNumQueries(2):
                card = GraphQLClient().data(
                    f'{{ product(id: "{product_id}") {{ name category {{ ancestors {{ name }} }} }} }}'
                )["product"]
            assert card["category"]["ancestors"] == [{"name": "Root"}, {"name": "Parent 0"}]
            with CaptureQueriesContext(connection) as queries:
                path = RestClient().get("/product", {"id": product_id}).json()["category_path"]
            assert [part["name"] for part in path] == ["Root", "Parent 0", "Category 0"]
            assert sum("catalog_ancestors" in query["sql"] for query in queries) == 1
            self.add_products(3)
