"""The product list in the admin: edits, filters, actions and query counts."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.catalog.models import Product, ProductImage
from tests.catalog.admin.pages import AdminCase
from tests.catalog.derived import assert_listing_is_right
from tests.catalog.factories import make_product
from tests.catalog.trees import make_tree

LIST = "/admin/catalog/product/"


class ProductListCase(AdminCase):
    def setUp(self) -> None:
        super().setUp()
        self.tree = make_tree({"Tea": {"Green": {}}, "Coffee": {}})
        self.sencha = make_product(category=self.tree["Green"], name="Sencha", sku="T-1", stock=10)
        self.java = make_product(
            category=self.tree["Coffee"], name="Java", sku="C-1", stock=0, is_published=False
        )
        self.mug = make_product(category=None, name="Mug", sku="M-1")

    def names(self, **query: Any) -> list[str]:
        response = self.client.get(LIST, query)
        return [product.name for product in response.context["cl"].result_list]


class EditingTest(ProductListCase):
    """Rows are numbered from the newest: 0 is the mug, 2 the Sencha."""

    def open(self) -> dict[str, Any]:
        return self.form(LIST, "changelist-form") | {"_save": "Save"}

    def test_price_and_stock_are_edited(self) -> None:
        self.assert_saved(self.client.post(LIST, self.open() | {"form-2-price": "7.5", "form-0-stock": "0"}))
        assert Product.objects.get(sku="T-1").price == 7.5
        assert Product.objects.get(sku="M-1").stock == 0
        assert LogEntry.objects.count() == 2
        assert_listing_is_right()

    def test_editing_a_price_keeps_concurrent_stock_changes(self) -> None:
        page = self.open()
        Product.objects.filter(sku="T-1").update(stock=3)
        self.assert_saved(self.client.post(LIST, page | {"form-2-price": "7.5"}))
        sencha = Product.objects.get(sku="T-1")
        assert (sencha.price, sencha.stock) == (7.5, 3)

    def test_editing_stock_after_a_concurrent_sale_is_refused(self) -> None:
        page = self.open()
        Product.objects.filter(sku="T-1").update(stock=3)
        response = self.client.post(LIST, page | {"form-2-stock": "20", "form-0-price": "1"})
        assert self.errors(response) == {
            "stock": ["The stored value is now “3”. Reload the page to change it."]
        }
        assert Product.objects.get(sku="T-1").stock == 3
        assert Product.objects.get(sku="M-1").price == 10

    def test_error_is_shown_beside_its_product(self) -> None:
        page = self.open()
        make_product(name="New")
        response = self.client.post(LIST, page | {"form-2-price": "-1", "form-0-price": "9" * 30})
        assert set(self.errors(response)) == {"price"}
        forms = response.context["cl"].formset.forms
        assert [product.name for product in response.context["cl"].result_list] == ["Mug", "Java", "Sencha"]
        assert "greater than or equal to 0" in str(forms[2].errors)
        assert "no more than 12 digits" in str(forms[0].errors)
        assert Product.objects.get(sku="T-1").price == 10

    def test_price_must_stay_below_the_compare_at_price(self) -> None:
        Product.objects.filter(sku="T-1").update(compare_at_price="12.00")
        for price in ("12.00", "12.01"):
            response = self.client.post(LIST, self.open() | {"form-2-price": price})
            assert self.errors(response) == {"__all__": ["The compare-at price must be above the price."]}
        self.assert_saved(self.client.post(LIST, self.open() | {"form-2-price": "11.99"}))
        assert Product.objects.get(sku="T-1").price == Decimal("11.99")

    def test_compare_at_price_is_edited(self) -> None:
        self.assert_saved(self.client.post(LIST, self.open() | {"form-2-compare_at_price": "12.50"}))
        assert Product.objects.get(sku="T-1").compare_at_price == Decimal("12.50")
        response = self.client.post(LIST, self.open() | {"form-2-compare_at_price": "10.00"})
        assert self.errors(response) == {"__all__": ["The compare-at price must be above the price."]}
        self.assert_saved(self.client.post(LIST, self.open() | {"form-2-compare_at_price": ""}))
        assert Product.objects.get(sku="T-1").compare_at_price is None
        assert_listing_is_right()

    def test_product_deleted_concurrently_is_reported(self) -> None:
        page = self.open()
        self.sencha.delete()
        response = self.client.post(LIST, page | {"form-0-price": "1"})
        assert self.messages(response) == ["A product on this page has been deleted. Nothing was saved."]
        assert Product.objects.get(sku="M-1").price == 10

    def test_permissions(self) -> None:
        page = self.open() | {"form-2-price": "7.5"}
        self.log_in_with("view_product")
        self.assertNotContains(self.client.get(LIST), "form-2-price")
        self.client.post(LIST, page)
        assert Product.objects.get(sku="T-1").price == 10
        self.client.post(LIST, {"action": "unpublish", "index": 0, "_selected_action": [self.sencha.pk]})
        assert Product.objects.get(sku="T-1").is_published


class FindingTest(ProductListCase):
    def test_category_filter_includes_subcategories(self) -> None:
        assert self.names() == ["Mug", "Java", "Sencha"]
        assert self.names(in_category=self.tree["Tea"].pk) == ["Sencha"]
        assert self.names(in_category=self.tree["Green"].pk) == ["Sencha"]
        assert self.names(in_category="none") == ["Mug"]

    def test_stock_and_publication_filters(self) -> None:
        assert self.names(in_stock="yes") == ["Mug", "Sencha"]
        assert self.names(in_stock="no") == ["Java"]
        assert self.names(is_published__exact="0") == ["Java"]

    def test_sale_filter(self) -> None:
        Product.objects.filter(sku="T-1").update(compare_at_price=99)
        assert self.names(on_sale="yes") == ["Sencha"]
        assert self.names(on_sale="no") == ["Mug", "Java"]

    def test_filter_of_new_products(self) -> None:
        Product.objects.filter(sku="T-1").update(created_at=timezone.now() - timedelta(days=31))
        assert self.names(is_new="yes") == ["Mug", "Java"]
        assert self.names(is_new="no") == ["Sencha"]

    def test_search_by_name_and_sku(self) -> None:
        assert self.names(q="enc") == ["Sencha"]
        assert self.names(q="t-1") == ["Sencha"]
        assert self.names(q="100%_\\") == []

    def test_malformed_filters_cause_no_server_error(self) -> None:
        queries = [
            "in_category=x",
            f"in_category={'9' * 5000}",
            "in_stock=x",
            "is_published__exact=x",
            "p=9999",
        ]
        queries += ["o=99", "price=x", "q=%00", f"q={'a' * 3000}", f"id={'9' * 30}", "name__evil=1"]
        for query in queries:
            with self.subTest(query[:40]):
                assert self.client.get(f"{LIST}?{query}", follow=True).status_code in {200, 400}


class ActionsTest(ProductListCase):
    def act(self, action: str, *products: Product, **more: Any) -> Any:
        chosen = [product.pk for product in products]
        return self.client.post(LIST, {"action": action, "index": 0, "_selected_action": chosen} | more)

    def test_products_are_published_and_unpublished(self) -> None:
        response = self.act("publish", self.java, self.mug)
        assert self.messages(response) == ["1 of the selected products published."]
        assert not Product.objects.filter(is_published=False).exists()
        self.act("unpublish", self.java, self.mug, select_across=1)
        assert not Product.objects.filter(is_published=True).exists()
        assert_listing_is_right()

    def test_all_search_results_are_published(self) -> None:
        self.client.post(
            f"{LIST}?q=mug",
            {"action": "unpublish", "index": 0, "select_across": 1, "_selected_action": [self.mug.pk]},
        )
        assert list(Product.objects.filter(is_published=True)) == [self.sencha]

    def test_selected_products_are_deleted(self) -> None:
        self.assertContains(self.act("delete_selected", self.java, self.mug), "Are you sure")
        self.act("delete_selected", self.java, self.mug, post="yes")
        assert list(Product.objects.all()) == [self.sencha]


class QueriesTest(AdminCase):
    def test_query_count_is_independent_of_the_number_of_products(self) -> None:
        counts = []
        for number in (1, 30):
            tree = make_tree({f"Tea {number}": {"Green": {}}})
            for _ in range(number):
                product = make_product(category=tree["Green"])
                ProductImage.objects.create(product=product, file="x.png", width=1, height=1, sha256="x")
            self.client.get(LIST)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert self.client.get(LIST).status_code == 200
            counts.append(len(queries))
        # Session, user, count, categories of the filter, products, pictures.
        assert counts == [7, 7]
