"""Stock and popularity, and products created for imported orders."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from backend.catalog.models import Product
from backend.catalog.services import NewProduct, create_missing_products
from backend.catalog.stock import return_stock, take_stock, update_popularity
from tests.catalog.factories import make_product

pytestmark = pytest.mark.django_db


def stock_of(product: Product) -> int:
    return Product.objects.get(pk=product.pk).stock


def test_taking_stock_subtracts_each_quantity_and_leaves_other_products_alone() -> None:
    first, second, other = (make_product(stock=5) for _ in range(3))

    take_stock({first.pk: 5, second.pk: 2})

    assert [stock_of(product) for product in (first, second, other)] == [0, 3, 5]


def test_taking_more_than_the_stock_is_refused_and_changes_nothing() -> None:
    first, second = make_product(stock=5), make_product(stock=1)

    with pytest.raises(IntegrityError, match="violates check constraint"), transaction.atomic():
        take_stock({first.pk: 1, second.pk: 2})

    assert (stock_of(first), stock_of(second)) == (5, 1)


def test_returning_stock_skips_deleted_products() -> None:
    kept, deleted = make_product(stock=1), make_product(stock=1)
    deleted_id = deleted.pk
    deleted.delete()

    return_stock({kept.pk: 3, deleted_id: 3})

    assert stock_of(kept) == 4


def test_taking_stock_does_not_compute_the_search_vector() -> None:
    product = make_product(stock=5)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION catalog_search_vector"
            "(name text, sku text, characteristics jsonb, description text) RETURNS tsvector "
            "LANGUAGE plpgsql IMMUTABLE STRICT AS $$ BEGIN RAISE 'computed'; END $$"
        )

    take_stock({product.pk: 1})

    assert stock_of(product) == 4
    with pytest.raises(DatabaseError, match="computed"):
        Product.objects.filter(pk=product.pk).update(name="Mug")


def test_stock_of_one_product_and_of_many_takes_the_same_number_of_queries() -> None:
    counts = []
    for number in (1, 7):
        quantities = {make_product(stock=1).pk: 1 for _ in range(number)}
        with CaptureQueriesContext(connection) as queries:
            take_stock(quantities)
            return_stock(quantities)
        counts.append(len(queries))

    assert counts == [3, 3]


def test_popularity_of_products_that_are_not_given_becomes_zero() -> None:
    sold, unsold, unchanged = make_product(), make_product(popularity=4), make_product(popularity=2)

    assert update_popularity({sold.pk: 3, unchanged.pk: 2}) == 2

    popularity = dict(Product.objects.values_list("pk", "popularity"))
    assert popularity == {sold.pk: 3, unsold.pk: 0, unchanged.pk: 2}


def test_only_missing_products_are_created_with_distinct_slugs() -> None:
    make_product("Old mug", sku="1", price="5.00")

    created = create_missing_products(
        [
            NewProduct(sku=sku, name=name, price=Decimal("2.00"), stock=7)
            for sku, name in [("1", "New mug"), ("2", "Cup"), ("3", "Cup")]
        ]
    )

    assert created == 2
    assert list(Product.objects.order_by("sku").values_list("sku", "name", "price", "stock")) == [
        ("1", "Old mug", Decimal("5.00"), Product.objects.get(sku="1").stock),
        ("2", "Cup", Decimal("2.00"), 7),
        ("3", "Cup", Decimal("2.00"), 7),
    ]
    assert len(set(Product.objects.values_list("slug", flat=True))) == 3
