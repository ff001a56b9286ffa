"""Compiled queries and inserts do what Django does, and are compiled once."""

from decimal import Decimal
from typing import Any
from unittest import mock

from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import F, JSONField, OuterRef, Value
from django.db.models.functions import JSONObject
from django.db.models.sql.compiler import SQLCompiler, SQLInsertCompiler
from django.db.transaction import TransactionManagementError
from django.test import TestCase, TransactionTestCase

from backend.catalog.models import Product
from backend.core.compiled_query import CompiledInsert, CompiledQuery, EqualsAny, Param
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, OrderContact
from tests.catalog.factories import make_category, make_product
from tests.concurrency.actors import MAX_SECONDS, Actor
from tests.support.people import make_user


class CompiledQueryTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.red = make_product("Red", make_category("Clothes"), {"Weight (g)": "250"}, price="1.50")
        cls.blue = make_product("Blue", price="2.50")

    def test_instances_come_with_joined_relations(self) -> None:
        query = CompiledQuery(
            lambda: (
                Product.objects.filter(EqualsAny(F("pk"), Param("ids")), price__lte=Param("most"))
                .select_related("category")
                .defer("search_vector")
                .order_by("pk")
            )
        )
        both = [self.red.pk, self.blue.pk]
        for ids, most, names in ((both, 3, ["Red", "Blue"]), (both, 2, ["Red"]), ([], 3, []), ([0], 3, [])):
            with self.subTest(ids=ids, most=most), self.assertNumQueries(1):
                found = query.run(ids=ids, most=most)
                assert [product.name for product in found] == names
        red, blue = query.run(ids=both, most=3)
        with self.assertNumQueries(0):
            assert red.category.name == "Clothes"
            assert red.characteristics == [["Weight", "250", "g"]]
            assert blue.category is None
        assert red.get_deferred_fields() == {"search_vector"}

    def test_values_list_returns_tuples(self) -> None:
        query = CompiledQuery(lambda: Product.objects.filter(name=Param("name")).values_list("pk", "price"))
        assert query.first(name="Red") == (self.red.pk, Decimal("1.50"))
        assert query.first(name="Green") is None

    def test_query_is_compiled_once(self) -> None:
        query = CompiledQuery(lambda: Product.objects.filter(pk=Param("id")))
        query.run(id=1)
        with mock.patch.object(SQLCompiler, "as_sql", side_effect=AssertionError):
            query.run(id=2)

    def test_missing_parameter_raises_key_error(self) -> None:
        query = CompiledQuery(lambda: Product.objects.filter(pk=Param("id")))
        with self.assertRaises(KeyError):
            query.run()

    def test_json_is_parsed(self) -> None:
        pairs = Product.objects.filter(pk=OuterRef("pk")).values("characteristics")
        query = CompiledQuery(
            lambda: (
                Product.objects.filter(EqualsAny(F("pk"), Param("ids")))
                .order_by("pk")
                .values_list(
                    "characteristics",
                    ArraySubquery(pairs.values(name=JSONObject(name="name", stock="stock"))),
                    Value(None, JSONField()),
                )
            )
        )
        assert query.run(ids=[self.red.pk, self.blue.pk]) == [
            ([["Weight", "250", "g"]], [{"name": "Red", "stock": self.red.stock}], None),
            ([], [{"name": "Blue", "stock": self.blue.stock}], None),
        ]

    def test_prefetching_queryset_is_refused(self) -> None:
        query = CompiledQuery(
            lambda: Product.objects.filter(pk=Param("id")).prefetch_related("images"),
        )
        with self.assertRaisesRegex(TypeError, "prefetch_related"):
            query.run(id=1)


class LockingQueryTest(TransactionTestCase):
    def setUp(self) -> None:
        self.product = make_product()
        self.query = CompiledQuery(
            lambda: Product.objects.select_for_update().filter(pk=Param("id")).values_list("pk")
        )

    def lock(self) -> Any:
        return self.query.run(id=self.product.pk)

    def test_rows_are_locked_until_the_end_of_the_transaction(self) -> None:
        with Actor() as first, Actor() as second:
            first.do(self.lock)
            rows = second.start(self.lock)
            assert not rows.done()
            first.commit()
            assert rows.result(MAX_SECONDS) == [(self.product.pk,)]

    def test_locking_outside_a_transaction_is_refused(self) -> None:
        with transaction.atomic():
            assert self.lock() == [(self.product.pk,)]
        with self.assertRaises(TransactionManagementError):
            self.lock()


class CompiledInsertTest(TestCase):
    def insert_orders(self, insert: CompiledInsert[Order], count: int) -> list[Order]:
        orders = [
            Order(total=Decimal("1.50"), currency="RUB", fingerprint=f"{number}") for number in range(count)
        ]
        insert.run(orders)
        return orders

    def test_instances_equal_their_rows(self) -> None:
        for count in (1, 3):
            with self.subTest(count=count):
                orders = self.insert_orders(CompiledInsert(Order), count)
                for order in orders:
                    assert order.number
                    stored = Order.objects.get(pk=order.pk)
                    for field in Order._meta.concrete_fields:
                        assert getattr(order, field.attname) == getattr(stored, field.attname), field
                    order.status = Order.Status.PAID
                    with self.assertNumQueries(1):
                        order.save()
                assert len({order.number for order in orders}) == count

    def test_python_default_wins_over_the_default_of_the_database(self) -> None:
        (order,) = self.insert_orders(CompiledInsert(Order), 1)
        contact = OrderContact(order=order, user=make_user(), phone_as_typed="8 900")
        CompiledInsert(OrderContact).run([contact])
        assert OrderContact.objects.get().phone_as_typed == "8 900"

    def test_json_is_stored(self) -> None:
        email = OutgoingEmail(task="some", recipient="vera@example.com", language="en", context={"a": [1]})
        CompiledInsert(OutgoingEmail).run([email])
        assert OutgoingEmail.objects.get(pk=email.pk).context == {"a": [1]}

    def test_statement_is_compiled_once_for_each_number_of_rows(self) -> None:
        insert = CompiledInsert(Order)
        with mock.patch.object(
            SQLInsertCompiler, "as_sql", autospec=True, side_effect=SQLInsertCompiler.as_sql
        ):
            for count in (1, 2, 1, 2):
                self.insert_orders(insert, count)
            assert SQLInsertCompiler.as_sql.call_count == 2  # type: ignore[attr-defined]

    def test_value_for_a_computed_column_is_refused(self) -> None:
        for computed in ({"pk": 1}, {"number": "1"}):
            with self.subTest(computed), self.assertRaisesRegex(ValueError, "computed by the database"):
                CompiledInsert(Order).run([Order(total=1, currency="RUB", **computed)])
        assert not Order.objects.exists()
