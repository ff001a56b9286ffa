"""Related products that staff choose: their place in the lists of both APIs, and their form in the admin."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from backend.catalog.models import Product
from backend.core.redis import get_redis_client
from backend.recommendations.models import MAX_RELATED_PRODUCTS, RelatedProduct
from backend.recommendations.selectors import read_related
from tests.catalog.admin.pages import AdminCase
from tests.catalog.factories import make_category, make_product
from tests.recommendations.factories import Kind, add_recommendations
from tests.support.clients import GraphQLClient, RestClient


def choose(product: Product, *related: Product) -> None:
    """Save related products of a product in this order."""
    for position, other in enumerate(related):
        RelatedProduct.objects.create(product=product, related=other, position=position)


class ListsTest(TestCase):
    def setUp(self) -> None:
        get_redis_client().flushdb()
        self.addCleanup(get_redis_client().flushdb)
        category = make_category("Mugs")
        self.products = [make_product(category=category) for _ in range(8)]
        self.product, *self.others = self.products

    def read(self, first: int, kind: Kind = Kind.SIMILAR) -> list[Product]:
        lists = read_related([kind], [self.product], first)
        rows = {product.pk: product for product in self.products}
        return [rows[row.pk] for row in lists[kind, self.product.pk]]

    def test_chosen_products_are_first_and_occur_once(self) -> None:
        a, b, c, d, *_ = self.others
        add_recommendations(Kind.SIMILAR, self.product, a, b, c)
        choose(self.product, d, b)
        for first, listed in ((1, [d]), (2, [d, b]), (4, [d, b, a, c])):
            assert self.read(first) == listed
        assert len(self.read(50)) == 7

    def test_equal_positions_are_in_the_order_of_creation(self) -> None:
        a, b, c, *_ = self.others
        for other in (c, a, b):
            RelatedProduct.objects.create(product=self.product, related=other)
        assert self.read(3) == [c, a, b]

    def test_unavailable_products_are_left_out(self) -> None:
        a, b, c, d, *_ = self.others
        add_recommendations(Kind.SIMILAR, self.product, a)
        choose(self.product, b, c, d)
        Product.objects.filter(pk=b.pk).update(is_published=False)
        Product.objects.filter(pk=c.pk).update(stock=0)
        assert self.read(1) == [d]
        assert self.read(2) == [d, a]

    def test_edits_are_visible_at_once_despite_the_cache(self) -> None:
        a, b, c, *_ = self.others
        add_recommendations(Kind.SIMILAR, self.product, a, b)
        for _ in range(2):
            assert self.read(2) == [a, b]
        choose(self.product, c)
        assert self.read(2) == [c, a]
        RelatedProduct.objects.update(related=b)
        assert self.read(2) == [b, a]
        RelatedProduct.objects.all().delete()
        assert self.read(2) == [a, b]

    def test_products_bought_together_are_not_affected(self) -> None:
        a, b, *_ = self.others
        add_recommendations(Kind.BOUGHT_TOGETHER, self.product, a)
        choose(self.product, b)
        assert self.read(1, Kind.BOUGHT_TOGETHER) == [a]
        lists = read_related([Kind.SIMILAR, Kind.BOUGHT_TOGETHER], [self.product], 1)
        assert [lists[kind, self.product.pk][0].pk for kind in Kind if (kind, self.product.pk) in lists] == [
            b.pk,
            a.pk,
        ]

    def test_query_count_is_the_same_for_one_and_many_products(self) -> None:
        for product in self.products:
            rest = [other for other in self.products if other != product]
            add_recommendations(Kind.SIMILAR, product, *rest)
            choose(product, *rest[::-1])
        for products in ([self.product], self.products):
            for queries in (2, 1):
                with CaptureQueriesContext(connection) as captured:
                    lists = read_related([Kind.SIMILAR], products, 3)
                assert len(captured) == queries
            for product in products:
                rest = [other.pk for other in self.products if other != product]
                assert [row.pk for row in lists[Kind.SIMILAR, product.pk]] == rest[:-4:-1]

    def test_products_are_looked_up_by_primary_key(self) -> None:
        choose(self.product, *self.others)
        with CaptureQueriesContext(connection) as captured:
            self.read(7)
        (sql,) = [query["sql"] for query in captured if "recommendations_relatedproduct" in query["sql"]]
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "catalog_product_pkey" in plan
        assert "Seq Scan" not in plan

    def test_both_apis_return_the_same_lists(self) -> None:
        a, b, c, *_ = self.others
        add_recommendations(Kind.SIMILAR, self.product, a, b)
        choose(self.product, c, b)
        card = RestClient().get("/product", {"id": self.product.pk}).json()
        query = "query($id: ID) { product(id: $id) { similar { id: databaseId } } }"
        data = GraphQLClient().data(query, {"id": self.product.pk})
        listed = [product["id"] for product in card["similar"]]
        assert listed[:3] == [c.pk, b.pk, a.pk]
        assert [product["id"] for product in data["product"]["similar"]] == listed


class ConstraintsTest(TestCase):
    def test_pair_is_unique_and_not_a_self_reference(self) -> None:
        a, b = make_product(), make_product()
        choose(a, b)
        choose(b, a)
        for related in (a, b):
            with self.assertRaises(ValidationError):
                RelatedProduct(product=a, related=related).full_clean()
            with self.assertRaises(IntegrityError), transaction.atomic():
                choose(a, related)

    def test_rows_are_deleted_with_either_product(self) -> None:
        a, b, c = make_product(), make_product(), make_product()
        choose(a, b, c)
        b.delete()
        assert RelatedProduct.objects.get().related == c
        a.delete()
        assert not RelatedProduct.objects.exists()


class AdminTest(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.product = make_product(name="Sencha")
        # The search for "Tea 20" compares "20" with SKUs too.
        self.others = [
            make_product(name=f"Tea {n}", sku=f"TEA-{chr(ord('A') + n)}")
            for n in range(MAX_RELATED_PRODUCTS + 1)
        ]
        self.path = f"/admin/catalog/product/{self.product.pk}/change/"

    def post(self, products: Iterable[Product], **edits: Any) -> Any:
        """Add related products and change other fields of the page."""
        page = self.form(self.path, "product_form")
        count = int(page["related_products-INITIAL_FORMS"])
        for number, product in enumerate(products, count):
            page[f"related_products-{number}-related"] = product.pk
            page[f"related_products-{number}-position"] = number
            page["related_products-TOTAL_FORMS"] = number + 1
        return self.client.post(self.path, page | edits)

    def listed(self) -> list[str]:
        return [str(row) for row in RelatedProduct.objects.filter(product=self.product)]

    def test_products_are_chosen_sorted_and_removed(self) -> None:
        self.assert_saved(self.post(self.others[:3]))
        assert self.listed() == ["Tea 0", "Tea 1", "Tea 2"]
        self.assert_saved(self.post([], **{"related_products-0-position": "7"}))
        assert self.listed() == ["Tea 1", "Tea 2", "Tea 0"]
        self.assert_saved(self.post([], **{"related_products-1-DELETE": "on"}))
        assert self.listed() == ["Tea 1", "Tea 0"]

    def test_products_are_suggested_by_name(self) -> None:
        suggestions = self.client.get(
            "/admin/autocomplete/",
            {
                "app_label": "recommendations",
                "model_name": "relatedproduct",
                "field_name": "related",
                "term": "Tea 20",
            },
        )
        assert [found["text"] for found in suggestions.json()["results"]] == ["Tea 20"]

    def test_number_of_products_is_limited(self) -> None:
        *allowed, extra = self.others
        errors = self.errors(self.post(self.others))
        assert errors["related_products"] == ["A product must have at most 20 related products, not 21."]
        assert self.listed() == []
        self.assert_saved(self.post(allowed))
        assert len(self.listed()) == MAX_RELATED_PRODUCTS
        assert "related_products" in self.errors(self.post([extra]))
        self.assert_saved(self.post([extra], **{"related_products-0-DELETE": "on"}))
        assert self.listed()[-1] == "Tea 20"
        assert len(self.listed()) == MAX_RELATED_PRODUCTS

    def test_invalid_products_are_refused(self) -> None:
        assert "A product cannot be related to itself." in str(self.errors(self.post([self.product])))
        twice = self.errors(self.post([self.others[0], self.others[0]]))
        assert "duplicate" in str(twice)
        assert "related" in self.errors(self.post([], **{
            "related_products-TOTAL_FORMS": 1,
            "related_products-0-related": "999999999",
            "related_products-0-position": 0,
        }))  # fmt: skip
        assert self.listed() == []
