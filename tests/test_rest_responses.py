"""The bodies of all REST operations equal those that Ninja makes with validation."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from django.test import TestCase

from backend.accounts.codes import Purpose
from backend.api.rest import api
from backend.catalog import selectors
from backend.catalog.models import Category, Product, ProductImage
from backend.recommendations.models import Recommendation
from tests.accounts.cases import FAST_HASHER, PASSWORD, clear_redis, make_unconfirmed_user, new_code
from tests.carts.factories import make_promo_code
from tests.catalog.factories import make_brand, make_category, make_image, make_product
from tests.support.clients import RestClient
from tests.support.people import make_user, open_session_token
from tests.support.rest_responses import checked

CONTACT = {"name": "Жанна д’Арк", "phone": "+7 921 555-01-02"}


def list_operations_with_bodies() -> set[str]:
    """Return the ids of the operations whose successful response has a body."""
    document = api.get_openapi_schema()
    return {
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if any("content" in response for status, response in operation["responses"].items() if status < 300)
    }


@FAST_HASHER
class RestResponsesTest(TestCase):
    """`check_rest_responses` compares each response that these tests cause."""

    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)
        checked.clear()

    def make_products(self, count: int) -> list[Product]:
        """Create categories one below the other, each with a product that has more than the one before."""
        parent: Category | None = None
        products = []
        for number in range(count):
            parent = make_category(f"Ёлки «{number}» \\ \u2028 🎄", parent)
            product = make_product(
                f'Чай "{number}" <&>',
                parent,
                {f"Объём {n} (мл)": str(n) for n in range(number)},
                price=Decimal("10.10") * (number + 1),
                compare_at_price=Decimal("1000.00") if number else None,
                description="\n\t" * number,
                stock=100 * (number + 1),
            )
            for position in range(number):
                make_image(product, alt="Чай" * position, position=position)
            products.append(product)
        ProductImage.objects.filter(position=1).update(renditions=[160, 400], width=500, height=300)
        Category.objects.filter(level__gt=0).update(
            image="categories/b-0123456789ab.jpg", image_width=300, image_height=200, renditions=[160]
        )
        make_product("Without a category")
        Recommendation.objects.bulk_create(
            Recommendation(kind=kind, subject_id=subject.pk, other=other, score=1)
            for kind in Recommendation.Kind
            for subject in products
            for other in products
            if other != subject
        )
        return products

    def send(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Send a request and return the body of its response."""
        response = self.rest.client.generic(
            method, path, "" if body is None else orjson.dumps(body), content_type="application/json"
        )
        assert response.status_code == status, (method, path, response.content)
        return orjson.loads(response.content)

    def call_all(self, products: list[Product]) -> None:
        """Call every operation, with lists of these products."""
        user = make_user()
        self.rest = RestClient()
        assert self.send("GET", "/cart")["lines"] == []
        self.rest.client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {open_session_token(user)}"
        assert self.send("GET", "/cart")["lines"] == []
        assert self.send("GET", "/orders")["items"] == []
        assert self.send("GET", "/addresses")["items"] == []
        place = {"line1": "Невский 1", "city": "Москва", "postal_code": "101000", "country": "RU"}
        for _ in range(len(products) + 1):
            saved = self.send(
                "POST", "/addresses", {"contact": CONTACT, "delivery_address": place}, status=201
            )
        changed = {"id": saved["id"], "contact": CONTACT, "delivery_address": place, "label": "Дом"}
        assert self.send("PUT", "/addresses", changed)["label"] == "Дом"
        assert self.send("POST", f"/addresses/default?id={saved['id']}")["is_default"]
        assert len(self.send("DELETE", f"/addresses?id={saved['id']}")["items"]) == len(products)
        assert self.send("GET", "/wishlist")["items"] == []
        assert len(self.send("GET", "/products")["items"]) == len(products) + 1
        assert len(self.send("POST", "/products", {"limit": 1})["items"]) == 1
        assert len(self.send("GET", "/recommendations")["items"]) == len(products) + 1
        assert bool(self.send("GET", "/categories")) is bool(products)
        assert (
            self.send("GET", f"/brand?slug={make_brand(f'Brand {len(products)}').slug}")["product_count"] == 0
        )
        for product in Product.objects.all():
            self.send("GET", f"/product?id={product.pk}")
            self.send("POST", "/cart", {"product_id": product.pk, "quantity": 2})
            self.send("POST", "/wishlist", {"product_id": product.pk})
        assert self.send("GET", "/wishlist")["total"] == len(products) + 1
        # A warning about a price and one about the stock, and a product that is no longer sold.
        Product.objects.filter(pk__in=[product.pk for product in products[:1]]).update(price=7)
        assert len(self.send("GET", "/cart")["lines"]) == len(products) + 1
        last = Product.objects.latest("pk")
        Product.objects.filter(pk=last.pk).update(is_published=False)
        assert self.send("GET", "/cart")["warnings"]
        self.send("DELETE", f"/cart?product_id={last.pk}")
        assert self.send("DELETE", f"/wishlist?product_id={last.pk}")["total"] == len(products)
        for product in products:
            self.send("PUT", "/cart", {"product_id": product.pk, "quantity": 3})
        if products:
            make_promo_code("SALE", percent=15)
            for code in ("sale", "Sale"):
                applied = self.send("POST", "/cart/promo-code", {"code": code})
                assert applied["promo_code"] == "SALE"
                self.send("DELETE", "/cart/promo-code")
            self.send("POST", "/cart/promo-code", {"code": "SALE"})
            placed = [self.send("POST", "/order", {"contact": CONTACT}, status=201)]
            for product in products:
                self.send("POST", "/cart", {"product_id": product.pk})
                placed.append(self.send("POST", "/order", status=201))
            assert len(self.send("GET", "/orders")["items"]) == len(products) + 1
            number = placed[0]["number"]
            assert len(self.send("GET", f"/order?number={number}")["lines"]) == len(products)
            assert len(self.send("POST", f"/order/cancel?number={number}")["history"]) == 2
        self.order_as_guest(products)

    def order_as_guest(self, products: list[Product]) -> None:
        self.rest = RestClient()
        for product in products[:1]:
            cart_token = self.send("POST", "/cart", {"product_id": product.pk})["token"]
            self.rest.client.defaults["HTTP_X_CART_TOKEN"] = cart_token
            placed = self.send("POST", "/order", {"email": "a@example.com", "contact": CONTACT}, status=201)
            self.rest.client.defaults["HTTP_X_ORDER_TOKEN"] = placed["token"]
            assert self.send("GET", f"/order?number={placed['number']}")["lines"] == placed["lines"]
            assert self.send("POST", f"/order/cancel?number={placed['number']}")["status"] == "cancelled"

    def call_accounts(self) -> None:
        self.rest = RestClient()
        email = "vera@example.com"
        credentials = {"email": email, "password": PASSWORD}
        self.send("POST", "/auth/register", {**credentials, "email": "new@example.com"}, status=202)
        make_unconfirmed_user(email)
        self.send("POST", "/auth/resend", {"email": email}, status=202)
        self.send("POST", "/auth/confirm", {"email": email, "code": new_code(Purpose.CONFIRMATION, email)})
        tokens = self.send("POST", "/auth/login", credentials)
        self.send("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})

    def test_empty_lists(self) -> None:
        self.call_all(self.make_products(0))

    def test_lists_of_several_items(self) -> None:
        self.call_all(self.make_products(3))

    def test_every_operation_with_a_body_is_serialized(self) -> None:
        self.call_all(self.make_products(1))
        self.call_accounts()
        operations = list_operations_with_bodies()
        assert len(operations) > 15
        assert set(checked) == operations

    def test_wrong_type_fails_the_test(self) -> None:
        make_category("Tea")
        (category,) = selectors.read_category_tree(with_counts=True)
        for changes, message in [
            ({"id": str(category.id)}, "categoriesList returns"),
            ({"name": None}, "categoriesList returns a value of a wrong type"),
            ({"product_count": None}, "categoriesList returns a value of a wrong type"),
        ]:
            with (
                self.subTest(changes),
                patch.object(
                    selectors,
                    "read_category_tree",
                    lambda changes=changes, **_: [replace(category, **changes)],
                ),
                pytest.raises(pytest.fail.Exception, match=message),
            ):
                RestClient().get("/categories")
