"""Product lists: filters, sort orders, pagination and query counts."""

from datetime import datetime, timedelta
from decimal import Decimal
from unittest import mock

from django.test import TestCase, override_settings
from django.utils import timezone

from backend.catalog.models import Product
from backend.catalog.selectors import ProductSort, get_product, list_products
from backend.core.pagination import Window
from tests.catalog.factories import make_category, make_image, make_product


def names(products: object, sort: ProductSort | None = None, **window: object) -> list[str]:
    return [product.name for product in products.read_page(sort, Window.from_arguments(**window)).items]


class FiltersTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.clothes = make_category("Clothes")
        cls.dresses = make_category("Dresses", cls.clothes)
        cls.maxi = make_category("Maxi", cls.dresses)
        cls.shoes = make_category("Shoes")
        make_product("coat", cls.clothes, {"Color": "red", "Size": "M"}, price=30, stock=0)
        make_product("dress", cls.dresses, {"Color": "red", "Size": "S"}, price=20)
        make_product("maxi", cls.maxi, {"Color": "blue", "Size": "S"}, price=Decimal("20.01"))
        make_product("boot", cls.shoes, {"Color": "blue"}, price=10, compare_at_price=Decimal("10.01"))
        make_product("secret", cls.shoes, {"Color": "red"}, is_published=False)

    def assert_listed(self, expected: set[str], **arguments: object) -> None:
        products = list_products(**arguments)
        assert set(names(products)) == expected
        assert products.count_total() == len(expected)

    def test_category_includes_subcategories(self) -> None:
        self.assert_listed({"coat", "dress", "maxi"}, category=self.clothes.pk)
        self.assert_listed({"dress", "maxi"}, category="dresses")
        self.assert_listed({"maxi"}, category="maxi")
        self.assert_listed({"coat", "dress", "maxi", "boot"})

    def test_subcategories_can_be_excluded(self) -> None:
        self.assert_listed({"coat"}, category="clothes", include_subcategories=False)

    def test_price_bounds_are_inclusive(self) -> None:
        self.assert_listed({"dress", "maxi"}, price_min=Decimal(20), price_max=Decimal("20.01"))
        self.assert_listed({"dress"}, price_min=Decimal("10.01"), price_max=Decimal("20.00"))
        self.assert_listed({"coat"}, price_min=Decimal("20.02"))
        self.assert_listed({"boot"}, price_max=Decimal("19.99"))

    def test_stock_filter(self) -> None:
        self.assert_listed({"dress", "maxi", "boot"}, in_stock=True)
        self.assert_listed({"coat"}, in_stock=False)

    def test_sale_filter(self) -> None:
        self.assert_listed({"boot"}, on_sale=True)
        self.assert_listed({"coat", "dress", "maxi"}, on_sale=False)
        self.assert_listed(set(), on_sale=True, category="clothes")
        self.assert_listed({"boot"}, on_sale=True, search="boot")

    def freeze_hour(self) -> datetime:
        """Keep the time from which products are new, and return the beginning of the hour."""
        now = timezone.now()
        patch = mock.patch("backend.catalog.models.timezone.now", return_value=now)
        patch.start()
        self.addCleanup(patch.stop)
        return now.replace(minute=0, second=0, microsecond=0)

    def test_filter_of_new_products(self) -> None:
        hour = self.freeze_hour()
        # The setting counts from the beginning of the hour.
        Product.objects.filter(name="dress").update(created_at=hour - timedelta(days=30))
        older = hour - timedelta(days=30, microseconds=1)
        Product.objects.filter(name="maxi").update(created_at=older)
        self.assert_listed({"coat", "dress", "boot"}, is_new=True)
        self.assert_listed({"maxi"}, is_new=False)
        self.assert_listed({"dress"}, is_new=True, category="dresses")
        self.assert_listed({"dress"}, is_new=True, search="dress")
        with override_settings(NEW_PRODUCT_DAYS=31):
            self.assert_listed({"coat", "dress", "maxi", "boot"}, is_new=True)
        for name, is_new in (("dress", True), ("maxi", False)):
            product = Product.objects.get(name=name)
            assert product.is_new is is_new
            assert get_product(id=product.pk).is_new is is_new

    @override_settings(NEW_PRODUCT_DAYS=0)
    def test_no_product_is_new_with_zero_days(self) -> None:
        self.assert_listed(set(), is_new=True)
        self.assert_listed({"coat", "dress", "maxi", "boot"}, is_new=False)
        self.assert_listed(set(), is_new=True, search="dress")
        self.assert_listed({"dress"}, is_new=False, search="dress")
        product = Product.objects.get(name="dress")
        assert not product.is_new
        assert not get_product(id=product.pk).is_new

    @override_settings(NEW_PRODUCT_DAYS=3650)
    def test_products_can_be_new_for_ten_years(self) -> None:
        since = self.freeze_hour() - timedelta(days=3650)
        Product.objects.filter(name="dress").update(created_at=since)
        Product.objects.filter(name="maxi").update(created_at=since - timedelta(microseconds=1))
        self.assert_listed({"coat", "dress", "boot"}, is_new=True)
        self.assert_listed({"maxi"}, is_new=False)

    def test_characteristics_combine_with_and_between_names_and_or_within(self) -> None:
        self.assert_listed({"coat", "dress"}, characteristics={"Color": ["red"]})
        self.assert_listed({"coat", "dress", "maxi", "boot"}, characteristics={"Color": ["red", "blue"]})
        self.assert_listed({"dress"}, characteristics={"Color": ["red"], "Size": ["S", "XL"]})
        self.assert_listed(set(), characteristics={"Color": ["green"]})

    def test_all_filters_combine(self) -> None:
        self.assert_listed(
            {"dress"},
            category="clothes",
            price_max=Decimal(25),
            in_stock=True,
            characteristics={"Color": ["red"]},
            search="dress",
        )


class SortOrdersTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        now = timezone.now()
        for name, price, compare_at_price, popularity, age in [
            ("banana", 2, 4, 5, 3),
            ("Apple", 1, None, 5, 2),
            ("ёлка", 3, 6, 0, 1),
            ("Ежевика", 1, 9, 9, 0),
            ("жёлудь", 1, None, 0, 0),
            ("«Éclair» 10", 9, 10, 1, 4),
            ("éclair 2", 9, None, 0, 5),
        ]:
            make_product(
                name,
                price=price,
                compare_at_price=compare_at_price,
                popularity=popularity,
                created_at=now - timedelta(days=age),
            )

    def test_every_sort_order(self) -> None:
        expected = {
            ProductSort.PRICE_ASC: [
                "Apple",
                "Ежевика",
                "жёлудь",
                "banana",
                "ёлка",
                "«Éclair» 10",
                "éclair 2",
            ],
            ProductSort.PRICE_DESC: [
                "éclair 2",
                "«Éclair» 10",
                "ёлка",
                "banana",
                "жёлудь",
                "Ежевика",
                "Apple",
            ],
            ProductSort.NAME: ["Apple", "banana", "éclair 2", "«Éclair» 10", "Ежевика", "ёлка", "жёлудь"],
            ProductSort.NEWEST: ["жёлудь", "Ежевика", "ёлка", "Apple", "banana", "«Éclair» 10", "éclair 2"],
            # Ties are broken by id, the highest first. Products that are not on sale come last.
            ProductSort.DISCOUNT: ["Ежевика", "ёлка", "banana", "«Éclair» 10", "éclair 2", "жёлудь", "Apple"],
            ProductSort.POPULAR: ["Ежевика", "Apple", "banana", "«Éclair» 10", "éclair 2", "жёлудь", "ёлка"],
        }
        for sort, order in expected.items():
            with self.subTest(sort):
                assert names(list_products(), sort) == order

    def test_pages_have_no_gaps_or_repeats_in_both_directions(self) -> None:
        for sort in ProductSort:
            if sort is ProductSort.RELEVANCE:
                continue
            with self.subTest(sort):
                whole = names(list_products(), sort)
                forward: list[str] = []
                page = list_products().read_page(sort, Window.from_arguments(first=2))
                assert not page.has_previous
                while True:
                    forward += [product.name for product in page.items]
                    if not page.has_next:
                        break
                    page = list_products().read_page(
                        sort, Window.from_arguments(first=2, after=page.cursors[-1])
                    )
                    assert page.has_previous
                assert forward == whole

                backward: list[str] = []
                page = list_products().read_page(sort, Window.from_arguments(last=2))
                assert not page.has_next
                while True:
                    backward = [product.name for product in page.items] + backward
                    if not page.has_previous:
                        break
                    page = list_products().read_page(
                        sort, Window.from_arguments(last=2, before=page.cursors[0])
                    )
                    assert page.has_next
                assert backward == whole

    def test_cursor_of_a_deleted_row_stays_valid(self) -> None:
        page = list_products().read_page(ProductSort.PRICE_ASC, Window.from_arguments(first=2))
        Product.objects.filter(pk=page.items[-1].pk).delete()
        assert names(list_products(), ProductSort.PRICE_ASC, after=page.cursors[-1]) == [
            "жёлудь",
            "banana",
            "ёлка",
            "«Éclair» 10",
            "éclair 2",
        ]


class QueryCountsTest(TestCase):
    """The query count is independent of the number of products."""

    def setUp(self) -> None:
        self.category = make_category("Clothes")
        self.add(1)

    def add(self, count: int) -> None:
        for number in range(count):
            make_image(make_product("dress", self.category, {"Color": f"shade {number}"}))

    def show(self, **arguments: object) -> None:
        for product in list_products(**arguments).read_page(None, Window.from_arguments(first=100)).items:
            assert product.category.name
            assert product.characteristics
            assert product.image.url

    def assert_same_cost(self, queries: int, **arguments: object) -> None:
        with self.assertNumQueries(queries):
            self.show(**arguments)
        self.add(20)
        with self.assertNumQueries(queries):
            self.show(**arguments)

    def test_query_count_of_the_whole_shop(self) -> None:
        self.assert_same_cost(1)

    def test_query_count_of_a_category(self) -> None:
        self.assert_same_cost(2, category="clothes")

    def test_query_count_of_a_search(self) -> None:
        self.assert_same_cost(3, search="dress")

    def test_query_count_of_a_misspelt_search(self) -> None:
        self.assert_same_cost(3, search="dreess")
