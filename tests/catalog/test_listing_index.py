"""Triggers keep the listing index equal to products and tree under all kinds of writes."""

from collections.abc import Sequence
from decimal import Decimal

import psycopg2
from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.test import TestCase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from backend.catalog.models import Category, ListingEntry, Product
from backend.catalog.services import (
    create_category,
    delete_category,
    move_category,
    publish_products,
    update_category,
)
from backend.core.errors import ShopError
from tests.catalog.derived import assert_listing_is_right, assert_tree_is_valid
from tests.catalog.factories import make_product
from tests.catalog.trees import make_tree

Edit = tuple[str, int, int, int]


def execute(sql: str, *arguments: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)


def pick(rows: Sequence[int], number: int) -> int | None:
    """Return one of the rows, or None if there are none."""
    return ([None, *rows])[number % (len(rows) + 1)]


def apply(edit: Edit, number: int) -> None:
    """Apply an edit to rows chosen by its numbers. A refused edit must change nothing."""
    kind, a, b, c = edit
    categories = list(Category.objects.order_by("pk").values_list("pk", flat=True))
    products = Product.objects.order_by("pk")
    category, other = pick(categories, a), pick(categories, b)
    product = pick(list(products.values_list("pk", flat=True)), a)
    chosen = products.filter(pk=product)
    match kind:
        case "create category":
            create_category(name=f"Category {number}", parent_id=category)
        case "move category" if category is not None:
            positions = ("first-child", "last-child", "left", "right")
            move_category(category_id=category, target_id=other, position=positions[c % 4])
        case "delete category" if category is not None:
            delete_category(category_id=category)
        case "rename category" if category is not None:
            update_category(category_id=category, name=f"Renamed {number}")
        case "move category in SQL" if category is not None:
            execute("UPDATE catalog_category SET parent_id = %s WHERE id = %s", other, category)
            Category.objects.rebuild()
        case "create product":
            make_product(category_id=category, is_published=b % 4 > 0, stock=c % 2)
        case "create products":
            Product.objects.bulk_create(
                Product(sku=f"{number}-{i}", slug=f"{number}-{i}", name="Ёж", price=i, category_id=category)
                for i in range(b % 3)
            )
        case "delete product":
            chosen.delete()
        case "delete products":
            products.filter(category=category, pk__gt=b).delete()
        case "save product" if product is not None:
            saved = products.get(pk=product)
            saved.category_id, saved.is_published, saved.stock = other, c % 2 > 0, c % 3
            saved.save()
        case "move products":
            products.filter(category=category).update(category=other)
        case "publish products":
            publish_products(products=products.filter(category=category), published=b % 2 > 0)
        case "change products":
            products.filter(pk__gt=a).update(
                price=Decimal(b) / 100,
                compare_at_price=Decimal(b + 1) / 100 if a % 2 else None,
                stock=c % 2,
                popularity=c,
                name=f"ЩЁ {number}",
            )
        case "change discounts":
            products.filter(pk__gt=a).update(compare_at_price=None if c % 3 == 0 else F("price") + c)
        case "sell":
            chosen.filter(stock__gte=1).update(stock=0)
        case "change in SQL":
            execute(
                "UPDATE catalog_product SET category_id = %s, is_published = NOT is_published,"
                " price = price + 1, compare_at_price = compare_at_price + 1,"
                " created_at = created_at - interval '1 day' WHERE id %% 2 = %s",
                category,
                b % 2,
            )
        case "delete in SQL":
            execute("DELETE FROM catalog_product WHERE category_id = %s", category)


KINDS = [
    "create category",
    "create category",
    "move category",
    "move category",
    "move category in SQL",
    "delete category",
    "rename category",
    "create product",
    "create product",
    "create products",
    "delete product",
    "delete products",
    "save product",
    "move products",
    "publish products",
    "change products",
    "change discounts",
    "sell",
    "change in SQL",
    "delete in SQL",
]
numbers = st.integers(min_value=0, max_value=30)


def constraint_of(error: IntegrityError) -> str | None:
    assert isinstance(error.__cause__, psycopg2.Error)
    return error.__cause__.diag.constraint_name


class RandomEditsTest(HypothesisTestCase):
    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(KINDS), numbers, numbers, numbers), min_size=5, max_size=40))
    def test_index_matches_after_random_edits(self, edits: list[Edit]) -> None:
        tree = make_tree({"A": {"B": {"C": {}}, "D": {}}, "E": {}})
        for category in tree.values():
            make_product(category=category)
        for number, edit in enumerate(edits):
            try:
                with transaction.atomic():
                    apply(edit, number)
            except ShopError:
                pass
            except IntegrityError as error:
                # Statements in SQL, which no service validates, are refused by the constraints.
                if constraint_of(error) != "category_not_below_itself":
                    raise
            assert_listing_is_right()
        assert_tree_is_valid()


class SingleEditsTest(TestCase):
    def setUp(self) -> None:
        self.tree = make_tree({"A": {"B": {"C": {}}}, "D": {}})
        self.product = make_product(category=self.tree["C"])

    def test_product_is_listed_under_every_ancestor(self) -> None:
        listed = set(ListingEntry.objects.values_list("ancestor_id", flat=True))
        assert listed == {0} | {self.tree[name].pk for name in "ABC"}

    def test_parent_and_child_swap_in_one_statement(self) -> None:
        a, b = self.tree["A"].pk, self.tree["B"].pk
        make_product(category=self.tree["A"])
        make_product(category=self.tree["B"])
        execute(
            "UPDATE catalog_category SET parent_id = CASE id WHEN %s THEN %s END WHERE id IN (%s, %s)",
            a, b, a, b,
        )  # fmt: skip
        assert Category.objects.get(pk=a).parent_id == b
        assert_listing_is_right()

    def test_database_refuses_a_cycle(self) -> None:
        with self.assertRaisesMessage(IntegrityError, "below itself"), transaction.atomic():
            Category.objects.filter(pk=self.tree["A"].pk).update(parent=self.tree["C"])
        assert_listing_is_right()

    def test_database_refuses_a_cycle_that_is_inserted(self) -> None:
        for rows in [[(901, 901)], [(901, 902), (902, 901)], [(901, 902), (902, 903), (903, 901)]]:
            categories = [
                Category(
                    pk=pk, parent_id=parent, name=f"{pk}", slug=f"{pk}", tree_id=9, level=0, lft=1, rght=2
                )
                for pk, parent in rows
            ]
            for size in (1, len(rows)):
                with (
                    self.subTest(rows=rows, size=size),
                    self.assertRaises(IntegrityError) as refusal,
                    transaction.atomic(),
                ):
                    QuerySet(Category).bulk_create(categories, batch_size=size)
                assert constraint_of(refusal.exception) == "category_not_below_itself"

    def test_discount_rate_follows_both_prices(self) -> None:
        for price, compare_at_price, rate in [
            ("75", "100", 2500),
            ("0", "100", 10_000),
            # A thousandth of a percent, rounded up.
            ("9999.90", "10000", 1),
            ("66.67", "100", 3333),
            ("66.67", None, 0),
        ]:
            Product.objects.update(price=price, compare_at_price=compare_at_price)
            assert ListingEntry.objects.filter(discount_rate=rate).count() == 4

    def test_in_stock_follows_stock(self) -> None:
        for stock, in_stock in [(1, True), (0, False), (0, False), (3, True)]:
            Product.objects.update(stock=stock)
            assert ListingEntry.objects.filter(in_stock=in_stock).count() == 4
