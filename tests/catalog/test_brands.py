"""Brands in both APIs: their pages, their list, the filter of products and its facet."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from backend.catalog.models import Brand, Product
from backend.catalog.selectors import MAX_BRANDS, counts, list_products, read_facets
from backend.catalog.selectors.facets import MAX_FACET_VALUES
from backend.core.pagination import Window
from tests.accounts.cases import clear_redis
from tests.catalog.factories import make_brand, make_category, make_product
from tests.support.clients import GraphQLClient, RestClient

PRODUCTS = "query($brands: [ID!]) { products(filter: { brands: $brands }) { totalCount nodes { name } } }"
BRAND = "id databaseId name slug description seoTitle seoDescription productCount"
BRANDS = f"""query($first: Int, $after: String, $last: Int, $before: String) {{
    brands(first: $first, after: $after, last: $last, before: $before) {{
        nodes {{ {BRAND} }} edges {{ cursor node {{ name }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
FACETS = """query($filter: ProductFilter) { products(filter: $filter) { totalCount facets {
    brands { brand { databaseId name description productCount } count } } } }"""


class BrandsCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.category = make_category("Tea", slug="tea")
        cls.acme = make_brand("Acme", description="Since 1900.", seo_title="Acme tea", seo_description="Tea.")
        cls.zen = make_brand("Zen")
        cls.empty = make_brand("Empty")
        make_product("a", cls.category, {"Color": "red"}, brand=cls.acme)
        make_product("b", cls.category, {"Color": "blue"}, brand=cls.acme)
        make_product("c", brand=cls.zen)
        make_product("d")
        make_product("hidden", brand=cls.zen, is_published=False)

    def setUp(self) -> None:
        self.graphql, self.rest = GraphQLClient(), RestClient()


class BrandTest(BrandsCase):
    def test_brand_by_id_and_slug(self) -> None:
        query = f"query($id: ID, $slug: String) {{ brand(id: $id, slug: $slug) {{ {BRAND} }} }}"
        for key in ({"id": self.acme.pk}, {"id": self.acme.global_id}, {"slug": "acme"}):
            assert self.graphql.data(query, key)["brand"] == {
                "id": self.acme.global_id,
                "databaseId": self.acme.pk,
                "name": "Acme",
                "slug": "acme",
                "description": "Since 1900.",
                "seoTitle": "Acme tea",
                "seoDescription": "Tea.",
                "productCount": 2,
            }
        for unknown in ({"id": "999999999"}, {"id": "x"}, {"slug": "x"}, {"slug": "a\0"}):
            assert self.graphql.data(query, unknown) == {"brand": None}
        for keys in ({}, {"id": "1", "slug": "acme"}):
            assert self.graphql.error(query, keys)["extensions"]["code"] == "INVALID"

    def test_brand_is_the_same_in_rest(self) -> None:
        for key in ({"id": self.acme.pk}, {"slug": "acme"}):
            assert self.rest.get("/brand", key).json() == {
                "id": self.acme.pk,
                "name": "Acme",
                "slug": "acme",
                "description": "Since 1900.",
                "seo_title": "Acme tea",
                "seo_description": "Tea.",
                "product_count": 2,
            }
        assert self.rest.get("/brand", {"slug": "empty"}).json()["product_count"] == 0
        for name, value in (("id", "999999999"), ("id", "x"), ("slug", "x"), ("slug", "a\0")):
            problem = self.rest.get("/brand", {name: value})
            assert (problem.status_code, problem.json()["field"]) == (404, name)
        for keys in ({}, {"id": "1", "slug": "acme"}):
            problem = self.rest.get("/brand", keys)
            assert (problem.status_code, problem.json()["code"]) == (422, "INVALID")

    def test_brands_are_nodes(self) -> None:
        query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Brand { name productCount } } }"
        ids = [self.zen.global_id, self.acme.global_id]
        assert self.graphql.data(query, {"ids": ids})["nodes"] == [
            {"__typename": "Brand", "name": "Zen", "productCount": 1},
            {"__typename": "Brand", "name": "Acme", "productCount": 2},
        ]

    def test_list_is_paged_by_name(self) -> None:
        seen, after = [], None
        while True:
            page = self.graphql.data(BRANDS, {"first": 2, "after": after})["brands"]
            seen += [brand["name"] for brand in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert seen == ["Acme", "Empty", "Zen"]
        last = self.graphql.data(BRANDS, {"last": 1, "before": after})["brands"]["nodes"]
        assert [(brand["name"], brand["productCount"]) for brand in last] == [("Empty", 0)]
        for size in (0, 101):
            error = self.graphql.error(BRANDS, {"first": size})["extensions"]
            assert (error["code"], error["field"]) == ("OUT_OF_RANGE", ["first"])
        assert self.graphql.data(BRANDS, {"first": 100})["brands"]["edges"][0]["node"] == {"name": "Acme"}
        for cursor in ("x", "WyJQUklDRV9BU0MiLCIyOTkwLjAwIiw4N10"):
            assert self.graphql.error(BRANDS, {"after": cursor})["extensions"]["code"] == "INVALID_CURSOR"

    def test_query_count_of_the_list_is_fixed(self) -> None:
        for turn in range(2):
            with self.assertNumQueries(3):
                self.graphql.data(BRANDS, {"first": 100})
            for number in range(20):
                make_product(brand=make_brand(f"Brand {turn} {number}"))

    def test_large_counts_are_cached_together(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)
        limit = counts.EXACT_COUNT_LIMIT
        # The brands have three products already.
        Product.objects.bulk_create(
            Product(sku=f"X-{n}", slug=f"x-{n}", name="x", price=1, brand=self.acme) for n in range(limit - 3)
        )
        with self.settings(CATALOG_CACHE_SECONDS=30):
            for acme, queries in ((limit - 1, 1), (limit, 2), (limit, 1)):
                with self.assertNumQueries(queries):
                    found = counts.count_brand_products([self.acme.pk, self.zen.pk])
                assert found == {self.acme.pk: acme, self.zen.pk: 1}
                if acme < limit:
                    make_product("one more", brand=self.acme)

    def test_names_are_unique_after_folding(self) -> None:
        for name in ("Acme", "ACME", "«Äcme»"):
            with self.assertRaises(ValidationError):
                Brand(name=name, slug="other").full_clean()
            with self.assertRaises(IntegrityError), transaction.atomic():
                make_brand(name, slug="other")
        assert make_brand("Acme & Sons").slug == "acme-sons"

    def test_brand_with_products_cannot_be_deleted(self) -> None:
        with self.assertRaises(ProtectedError):
            self.acme.delete()
        self.empty.delete()


class FilterTest(BrandsCase):
    def list_both(self, *brands: Any) -> tuple[Any, Any]:
        """Return the names that both APIs list, or their errors."""
        response = self.graphql.post(PRODUCTS, {"brands": list(brands)}).json()
        rest = self.rest.post("/products", {"brand": list(brands)}).json()
        if "errors" in response:
            extensions = response["errors"][0]["extensions"]
            assert extensions["field"] == ["filter", "brands"]
            assert rest["field"] == "brand"
            return extensions["code"], rest["code"]
        data = response["data"]["products"]
        assert data["totalCount"] == rest["total"]
        return {node["name"] for node in data["nodes"]}, {item["name"] for item in rest["items"]}

    def test_both_apis_list_the_products_of_any_brand(self) -> None:
        for brands, names in (
            ([self.acme.pk], {"a", "b"}),
            ([self.zen.pk], {"c"}),
            ([self.acme.pk, self.zen.pk, self.acme.pk], {"a", "b", "c"}),
            ([self.empty.pk], set()),
            ([], {"a", "b", "c", "d"}),
        ):
            with self.subTest(brands):
                assert self.list_both(*brands) == (names, names)

    def test_unknown_and_too_many_brands_are_refused_alike(self) -> None:
        assert self.list_both(self.acme.pk, 999_999_999) == ("NOT_FOUND", "NOT_FOUND")
        assert self.list_both("nothing") == ("NOT_FOUND", "NOT_FOUND")
        others = [make_brand(f"Brand {number}").pk for number in range(MAX_BRANDS)]
        assert self.list_both(*others[1:], self.zen.pk) == ({"c"}, {"c"})
        assert self.list_both(*others, self.zen.pk) == ("TOO_LONG", "TOO_LONG")

    def test_rest_accepts_ids_and_slugs(self) -> None:
        digits = make_brand("Digits", slug=str(self.acme.pk))
        make_product("e", brand=digits)
        for brand, names in (
            ("zen", {"c"}),
            (self.zen.pk, {"c"}),
            ([str(self.zen.pk), "acme"], {"a", "b", "c"}),
            # A slug takes precedence over an id that is a text.
            (str(self.acme.pk), {"e"}),
        ):
            with self.subTest(brand):
                for response in (
                    self.rest.post("/products", {"brand": brand}),
                    self.rest.get("/products", {"brand": brand}),
                ):
                    assert {item["name"] for item in response.json()["items"]} == names
        for integer in (self.acme.pk, float(self.acme.pk), [self.acme.pk]):
            response = self.rest.post("/products", {"brand": integer}).json()
            assert {item["name"] for item in response["items"]} == {"a", "b"}
        assert self.list_both(self.acme.pk) == ({"a", "b"}, {"a", "b"})
        for brand in (0, -1, 2**63, 1e300):
            assert self.rest.post("/products", {"brand": brand}).json()["code"] == "NOT_FOUND"
        for brand in ([None], True, {}, [1.5]):
            assert self.rest.post("/products", {"brand": brand}).json()["code"] == "INVALID"

    def test_null_lists_the_products_of_all_brands_in_both_apis(self) -> None:
        assert self.rest.post("/products", {"brand": None}).json()["total"] == 4
        assert self.graphql.data(PRODUCTS, {"brands": None})["products"]["totalCount"] == 4

    def test_filter_combines_with_others(self) -> None:
        for arguments, names in (
            ({"category": "tea"}, {"a", "b"}),
            ({"characteristics": {"Color": ["red"]}}, {"a"}),
            ({"search": "b"}, {"b"}),
            ({"search": "c"}, set()),
        ):
            products = list_products(brands=[self.acme.pk], **arguments)
            page = products.read_page(None, Window.from_arguments(first=9))
            assert {product.name for product in page.items} == names
            assert products.count_total() == len(names)

    def test_products_have_their_brand_in_both_apis(self) -> None:
        pk = Product.objects.get(name="a").pk
        brand = {"id": self.acme.pk, "name": "Acme", "slug": "acme"}
        assert self.rest.get("/product", {"id": pk}).json()["brand"] == brand
        query = "query($id: ID) { product(id: $id) { brand { id: databaseId name slug } } }"
        assert self.graphql.data(query, {"id": pk})["product"]["brand"] == brand
        without = Product.objects.get(name="d").pk
        assert self.rest.get("/product", {"id": without}).json()["brand"] is None
        assert self.graphql.data(query, {"id": without})["product"]["brand"] is None

    def test_query_count_is_the_same_for_one_and_many_products(self) -> None:
        query = f"query($brands: [ID!]) {{ products(filter: {{ brands: $brands }}, first: 100) {{ nodes {{ brand {{ {BRAND} }} }} }} }}"  # noqa: E501
        for _ in range(2):
            # The brands of the filter, the products, and the texts and counts of their brands.
            with self.assertNumQueries(4):
                self.graphql.data(query, {"brands": [self.acme.pk, self.zen.pk]})
            for _ in range(20):
                make_product(brand=self.zen)


class FacetTest(BrandsCase):
    def facet(self, **filter: Any) -> dict[str, int]:
        data = self.graphql.data(FACETS, {"filter": filter})["products"]
        return {value["brand"]["name"]: value["count"] for value in data["facets"]["brands"]}

    def test_facet_applies_all_filters_except_its_own(self) -> None:
        assert self.facet() == {"Acme": 2, "Zen": 1}
        assert self.facet(brands=[self.zen.pk]) == {"Acme": 2, "Zen": 1}
        assert self.facet(characteristics=[{"name": "Color", "values": ["red"]}]) == {"Acme": 1}
        assert self.facet(search="c") == {"Zen": 1}
        facets = read_facets(list_products(brands=[self.zen.pk]))
        assert facets.characteristics == []
        assert facets.categories == []

    def test_count_equals_the_total_of_filtering_by_the_brand(self) -> None:
        for filter in ({}, {"inStock": True}, {"characteristics": [{"name": "Color", "values": ["red"]}]}):
            data = self.graphql.data(FACETS, {"filter": filter})["products"]
            for value in data["facets"]["brands"]:
                by_brand = {"filter": {**filter, "brands": [value["brand"]["databaseId"]]}}
                assert self.graphql.data(FACETS, by_brand)["products"]["totalCount"] == value["count"]

    def test_brands_are_limited_and_sorted_by_frequency(self) -> None:
        for number in range(MAX_FACET_VALUES):
            make_product(brand=make_brand(f"Brand {number:02}"))
        names = list(self.facet())
        assert len(names) == MAX_FACET_VALUES
        assert names[:3] == ["Acme", "Brand 00", "Brand 01"]


class PlanTest(TestCase):
    def test_page_of_a_rare_and_of_a_common_brand_use_indexes(self) -> None:
        rare, common = make_brand("Rare"), make_brand("Common")
        Product.objects.bulk_create(
            Product(
                sku=f"X-{n}", slug=f"x-{n}", name=f"Product {n}", price=n, brand=common if n > 5 else rare
            )
            for n in range(3000)
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE catalog_product, catalog_listingentry, catalog_brand")
        for brand, index in ((rare, "product_brand"), (common, "listing_by_")):
            with CaptureQueriesContext(connection) as queries:
                list_products(brands=[brand.pk]).read_page(None, Window.from_arguments(first=20))
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {queries[-1]['sql']}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
            with self.subTest(brand.name):
                assert index in plan, plan
                assert "Seq Scan on catalog_product " not in plan, plan
                assert "Seq Scan on catalog_listingentry" not in plan, plan
