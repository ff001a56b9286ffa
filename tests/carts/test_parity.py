"""Parity of GraphQL and REST carts: equal responses, and equal errors that write nothing."""

import re
from typing import Any

from django.test import TestCase

from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from tests.carts.factories import fill_cart, forged_token, make_products
from tests.catalog.factories import make_brand, make_category, make_image, make_product
from tests.support.people import make_user
from tests.support.shopping import GraphQLShopper, RestShopper, make_shoppers


class EqualResponsesTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        clothes = make_category("Clothes")
        cls.brand = make_brand("Acme")
        cls.dress = make_product(
            "Платье “A&B”",
            clothes,
            {"Weight (g)": "250"},
            brand=cls.brand,
            price="28.90",
            stock=70,
            description="<b>",
        )
        make_image(cls.dress, alt="Платье")
        cls.sock = make_product("sock", price="0.00", stock=1)

    def get_equal_data(self, action: str, *arguments: Any) -> Any:
        """Perform an action through one API after the other and return the data, which must be equal."""
        graphql, rest = (getattr(shopper, action)(*arguments) for shopper in make_shoppers(self.user))
        assert graphql == rest
        assert rest.code is None
        return rest.data

    def test_empty_cart(self) -> None:
        assert self.get_equal_data("cart") == {
            "lines": [],
            "total_quantity": 0,
            "subtotal": "0.00",
            "discount": "0.00",
            "total": "0.00",
            "promo_code": None,
            "currency": "RUB",
            "warnings": [],
            "token": None,
        }

    def test_carts_are_equal(self) -> None:
        fill_cart(self.user, {self.sock: 2, self.dress: 3})
        Product.objects.filter(pk=self.dress.pk).update(price="30.00")
        cart = self.get_equal_data("cart")
        assert [line["product"]["id"] for line in cart["lines"]] == [self.sock.pk, self.dress.pk]
        dress = cart["lines"][1]
        assert dress["product"] == {
            "id": self.dress.pk,
            "sku": self.dress.sku,
            "slug": self.dress.slug,
            "name": "Платье “A&B”",
            "description": "<b>",
            "price": "30.00",
            "compare_at_price": None,
            "is_on_sale": False,
            "is_new": True,
            "currency": "RUB",
            "brand": {"id": self.brand.pk, "name": "Acme", "slug": "acme"},
            "category": {"id": self.dress.category.pk, "name": "Clothes", "slug": "clothes"},
            "image": dress["product"]["image"],
            "characteristics": [{"name": "Weight", "value": "250", "unit": "g"}],
            "in_stock": True,
            "available_quantity": 50,
        }
        assert dress["product"]["image"]["alt"] == "Платье"
        assert (dress["quantity"], dress["unit_price"], dress["line_total"], dress["is_available"]) == (
            3,
            "30.00",
            "90.00",
            True,
        )
        assert (cart["total_quantity"], cart["total"], cart["currency"]) == (5, "90.00", "RUB")
        assert [(warning["code"], warning["product_id"]) for warning in cart["warnings"]] == [
            ("NOT_ENOUGH_STOCK", self.sock.pk),
            ("PRICE_CHANGED", self.dress.pk),
        ]

    def test_every_change_returns_the_cart(self) -> None:
        fill_cart(self.user, {self.sock: 1, self.dress: 3})
        assert self.get_equal_data("set", self.dress.pk, 7)["total_quantity"] == 8
        assert self.get_equal_data("set", str(self.dress.pk), 7.0)["total_quantity"] == 8
        assert len(self.get_equal_data("remove", self.sock.pk)["lines"]) == 1
        assert self.get_equal_data("clear")["lines"] == []
        assert self.get_equal_data("clear")["lines"] == []

    def test_additions_are_equal(self) -> None:
        responses = []
        for shopper in (GraphQLShopper(make_user()), RestShopper(make_user())):
            shopper.add_line({"product_id": self.dress.pk})
            shopper.add(str(self.sock.pk), 2.0)
            responses.append(shopper.add(float(self.dress.pk), 4))
        assert responses[0] == responses[1]
        assert [line["quantity"] for line in responses[0].data["lines"]] == [5, 2]

    def test_removing_a_product_that_is_not_in_the_cart_is_ignored(self) -> None:
        fill_cart(self.user, {self.sock: 1})
        for product_id in (self.dress.pk, 999_999, str(2**63 - 1), 0, -1, 2**63, "x", "", "9" * 1000, "\0"):
            with self.subTest(product_id):
                assert self.get_equal_data("remove", product_id)["total_quantity"] == 1


class EqualErrorsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.dress = make_product("dress", stock=5000)
        cls.sold_out = make_product("sold out", stock=0)
        cls.hidden = make_product("hidden", is_published=False)
        fill_cart(cls.user, {cls.dress: 2})

    def setUp(self) -> None:
        self.shoppers = make_shoppers(self.user)

    def assert_refused(self, action: str, fields: Any, code: str, field: str | None) -> None:
        """Check that both APIs return this error for this field and that nothing is written."""
        before = self.read_rows()
        responses = []
        for shopper in self.shoppers:
            with self.subTest(action, fields=fields, api=shopper.api):
                response = getattr(shopper, action)(fields)
                assert (response.code, response.field) == (code, field)
                assert response.message
                assert "Value error" not in (response.message or "")
                if shopper.api == GraphQLShopper.api:
                    assert not re.search("[a-z]_[a-z]", response.message or ""), "A name of the REST API."
                assert self.read_rows() == before
                responses.append(response)
        assert len({response.status for response in responses}) == 1

    @staticmethod
    def read_rows() -> list[Any]:
        return [list(model.objects.order_by("pk").values()) for model in (Cart, CartLine, Product)]

    def test_invalid_product_ids_are_refused(self) -> None:
        unknown = [0, -1, 2**31, 2**63, 10**25, "", "abc", f" {self.dress.pk}", "9" * 1000, "\0", "٣"]
        for product_id in (self.hidden.pk, *unknown):
            self.assert_refused("add_line", {"product_id": product_id}, "NOT_FOUND", "product_id")
        self.assert_refused("add_line", {"product_id": self.sold_out.pk}, "OUT_OF_STOCK", "product_id")
        for product_id in (self.hidden.pk, self.sold_out.pk, *unknown):
            self.assert_refused(
                "set_line", {"product_id": product_id, "quantity": 1}, "NOT_FOUND", "product_id"
            )
        for product_id in (None, True, False, 1.5, [], {}, [self.dress.pk]):
            line = {"product_id": product_id, "quantity": 1}
            self.assert_refused("add_line", line, "INVALID", "product_id")
            self.assert_refused("set_line", line, "INVALID", "product_id")
            # GraphQL coerces a list of one item.
            if not isinstance(product_id, list):
                self.assert_refused("remove", product_id, "INVALID", "product_id")

    def test_invalid_quantities_are_refused(self) -> None:
        beyond = (-1, 1000, 2**31 - 1, 2**31, -(2**31) - 1, 2**63, 10**25)
        cases: list[tuple[Any, str]] = [
            *((number, "OUT_OF_RANGE") for number in beyond),
            *((value, "INVALID") for value in (1.5, -0.5, "3", "many", "", True, False, None, [], {}, [1])),
        ]
        for quantity, code in cases:
            self.assert_refused(
                "add_line", {"product_id": self.dress.pk, "quantity": quantity}, code, "quantity"
            )
            self.assert_refused(
                "set_line", {"product_id": self.dress.pk, "quantity": quantity}, code, "quantity"
            )
        self.assert_refused(
            "add_line", {"product_id": self.dress.pk, "quantity": 0}, "OUT_OF_RANGE", "quantity"
        )
        # The cart has 2, and the sum is checked.
        self.assert_refused(
            "add_line", {"product_id": self.dress.pk, "quantity": 998}, "OUT_OF_RANGE", "quantity"
        )

    def test_quantity_999_is_accepted_and_1000_is_refused(self) -> None:
        for shopper in self.shoppers:
            with self.subTest(shopper.api):
                assert shopper.set(self.dress.pk, 2).data["total_quantity"] == 2
                assert shopper.add(self.dress.pk, 997).data["total_quantity"] == 999
                assert shopper.set(self.dress.pk, 999).data["total_quantity"] == 999
                assert shopper.add(self.dress.pk, 1).code == "OUT_OF_RANGE"

    def test_refused_sum_is_in_the_message(self) -> None:
        for shopper in self.shoppers:
            with self.subTest(shopper.api):
                shopper.set(self.dress.pk, 600)
                assert (
                    shopper.add(self.dress.pk, 600).message
                    == "The cart line would have 1200 units; at most 999 are accepted."
                )
                assert shopper.add(self.dress.pk, 1000).message == "quantity must be between 1 and 999."

    def test_missing_and_unknown_fields_are_refused(self) -> None:
        self.assert_refused("add_line", {}, "INVALID", "product_id")
        self.assert_refused("add_line", {"quantity": 1}, "INVALID", "product_id")
        self.assert_refused("set_line", {"product_id": self.dress.pk}, "INVALID", "quantity")
        for action in ("add_line", "set_line"):
            self.assert_refused(
                action, {"product_id": self.dress.pk, "quantity": 1, "cart": 5}, "INVALID", "cart"
            )

    def test_line_200_is_accepted_and_line_201_is_refused(self) -> None:
        fill_cart(self.user, dict.fromkeys(make_products(198), 1))
        last, one_more = make_products(2)
        for shopper in self.shoppers:
            with self.subTest(shopper.api):
                assert len(shopper.add(last.pk).data["lines"]) == 200
                refused = shopper.add(one_more.pk)
                assert (refused.code, refused.field) == ("TOO_LONG", "product_id")
                # The quantity of an existing line can still grow.
                assert len(shopper.add(last.pk).data["lines"]) == 200
                assert len(shopper.remove(last.pk).data["lines"]) == 199

    def test_malformed_cart_tokens_are_refused(self) -> None:
        malformed = ["x", "ü" * 43, f"{forged_token()}x", forged_token()[:-1], "=" * 43, "a b", "\x7f" * 43]
        actions: dict[str, tuple[Any, ...]] = {
            "cart": (),
            "add": (self.dress.pk,),
            "set": (self.dress.pk, 1),
            "remove": (self.dress.pk,),
            "clear": (),
            "order": (),
        }
        for user in (None, self.user):
            for token in malformed:
                before = self.read_rows()
                for shopper in make_shoppers(user, token):
                    for action, arguments in actions.items():
                        if user is None and action == "order":
                            continue
                        with self.subTest(action, api=shopper.api, token=token, guest=user is None):
                            response = getattr(shopper, action)(*arguments)
                            assert (response.code, response.field) == ("INVALID", "X-Cart-Token")
                            assert response.status == 422
                            assert self.read_rows() == before

    def test_unknown_cart_token_is_an_empty_cart_and_is_never_adopted(self) -> None:
        for guest in make_shoppers(None, forged_token()):
            with self.subTest(guest.api):
                token = guest.cart_token
                assert guest.cart().data["lines"] == []
                assert guest.set(self.dress.pk, 1).code == "NOT_FOUND"
                assert guest.remove(self.dress.pk).data["lines"] == []
                assert guest.clear().data["lines"] == []
                assert Cart.objects.count() == 1
                assert guest.add(self.dress.pk).data["token"] not in (None, token)
                Cart.objects.filter(user=None).delete()

    def test_invalid_access_token_is_refused(self) -> None:
        for shopper in self.shoppers:
            shopper.access_token = "nonsense"
            for action, arguments in {
                "cart": (),
                "add": (self.dress.pk,),
                "set": (self.dress.pk, 1),
                "remove": (self.dress.pk,),
                "clear": (),
            }.items():
                with self.subTest(action, api=shopper.api):
                    response = getattr(shopper, action)(*arguments)
                    assert (response.status, response.code) == (401, "TOKEN_INVALID")


class BatchTest(TestCase):
    """Several lines in one mutation, which only GraphQL supports."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.products = make_products(3)
        cls.sold_out = make_product(stock=0)

    def setUp(self) -> None:
        self.shopper = GraphQLShopper(self.user)

    def get_error(self, mutation: str, argument: str, value: Any) -> tuple[str, list[str] | None]:
        kinds = {"cartLinesAdd": "[CartLineInput!]!", "cartLinesUpdate": "[CartLineUpdateInput!]!"}
        kind = kinds.get(mutation, "[ID!]!")
        response = self.shopper.client.post(
            "/graphql",
            {
                "query": f"mutation(${argument}: {kind}) {{ {mutation}({argument}: ${argument}) "
                "{ cart { total } errors { code field } } }",
                "variables": {argument: value},
            },
            content_type="application/json",
            headers=self.shopper.headers,
        )
        body = response.json()
        if "errors" in body:
            # Refused before the mutation runs.
            (error,) = (refusal["extensions"] for refusal in body["errors"])
        else:
            assert body["data"][mutation]["cart"] is None
            (error,) = body["data"][mutation]["errors"]
        return error["code"], error["field"]

    def test_one_invalid_line_refuses_all(self) -> None:
        first, second, third = (product.pk for product in self.products)
        fill_cart(self.user, {self.products[0]: 1})
        bad_lines: list[tuple[dict[str, Any], str, str]] = [
            ({"productId": self.sold_out.pk}, "OUT_OF_STOCK", "productId"),
            ({"productId": 0}, "NOT_FOUND", "productId"),
            ({"productId": first, "quantity": 999}, "OUT_OF_RANGE", "quantity"),
            ({"productId": first, "quantity": 0}, "OUT_OF_RANGE", "quantity"),
        ]
        for bad, code, field in bad_lines:
            with self.subTest(bad):
                lines = [{"productId": second}, bad, {"productId": third}]
                assert self.get_error("cartLinesAdd", "lines", lines) == (code, ["lines", "1", field])
        assert self.get_error(
            "cartLinesUpdate",
            "lines",
            [{"productId": first, "quantity": 5}, {"productId": third, "quantity": 1}],
        ) == ("NOT_FOUND", ["lines", "1", "productId"])
        assert list(CartLine.objects.values_list("product_id", "quantity")) == [(first, 1)]

    def test_every_invalid_line_is_named(self) -> None:
        first, second, _ = ({"product_id": product.pk} for product in self.products)
        missing, sold_out = {"product_id": 0}, {"product_id": self.sold_out.pk}
        for change, lines, expected in (
            (
                self.shopper.add_lines,
                [missing, first, sold_out],
                [("NOT_FOUND", "product_id"), ("OUT_OF_STOCK", "lines.2.product_id")],
            ),
            (
                self.shopper.add_lines,
                [first | {"quantity": 0}, second | {"quantity": 1000}],
                [("OUT_OF_RANGE", "quantity"), ("OUT_OF_RANGE", "lines.1.quantity")],
            ),
            (
                self.shopper.set_lines,
                [missing | {"quantity": 1}, sold_out | {"quantity": 1}],
                [("NOT_FOUND", "product_id"), ("NOT_FOUND", "lines.1.product_id")],
            ),
        ):
            with self.subTest(lines):
                refusal = change(lines)
                assert [(refusal.code, refusal.field), *refusal.others] == expected

    def test_repeated_product_is_summed_when_added_and_refused_when_updated(self) -> None:
        first, second, _ = (product.pk for product in self.products)
        added = self.shopper.add_lines(
            [
                {"product_id": first, "quantity": 2},
                {"product_id": second},
                {"product_id": first, "quantity": 3},
            ]
        )
        assert [(line["product"]["id"], line["quantity"]) for line in added.data["lines"]] == [
            (first, 5),
            (second, 1),
        ]
        assert self.get_error(
            "cartLinesAdd",
            "lines",
            [{"productId": first, "quantity": 500}, {"productId": first, "quantity": 495}],
        ) == ("OUT_OF_RANGE", ["lines", "1", "quantity"])
        twice = [{"productId": first, "quantity": 1}, {"productId": first, "quantity": 2}]
        assert self.get_error("cartLinesUpdate", "lines", twice) == ("INVALID", ["lines"])
        assert self.shopper.cart().data["total_quantity"] == 6

    def test_200_lines_are_accepted_and_201_are_refused(self) -> None:
        products = make_products(201)
        lines = [{"productId": product.pk} for product in products]
        assert self.get_error("cartLinesAdd", "lines", lines) == ("TOO_LONG", ["lines"])
        assert not Cart.objects.exists()
        added = self.shopper.add_lines([{"product_id": product.pk} for product in products[:200]])
        assert [line["product"]["id"] for line in added.data["lines"]] == [
            product.pk for product in products[:200]
        ]
        assert self.get_error("cartLinesAdd", "lines", [*lines[:10], lines[200]]) == ("TOO_LONG", ["lines"])
        assert self.get_error("cartLinesUpdate", "lines", [line | {"quantity": 1} for line in lines]) == (
            "TOO_LONG",
            ["lines"],
        )
        ids = [product.pk for product in products]
        assert self.get_error("cartLinesRemove", "productIds", ids) == ("TOO_LONG", ["productIds"])
        updated = self.shopper.set_lines([{"product_id": pk, "quantity": 2} for pk in ids[:200]])
        assert updated.data["total_quantity"] == 400
        assert self.shopper.remove_all(ids[:200]).data["lines"] == []

    def test_empty_list_is_refused_unless_it_removes(self) -> None:
        assert self.get_error("cartLinesAdd", "lines", []) == ("INVALID", ["lines"])
        assert self.get_error("cartLinesUpdate", "lines", []) == ("INVALID", ["lines"])
        assert self.shopper.remove_all([]).data["lines"] == []


class DeleteTest(TestCase):
    """`DELETE /cart` empties the cart only if the request names no product."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.products = make_products(2)
        fill_cart(cls.user, dict.fromkeys(cls.products, 1))

    def setUp(self) -> None:
        self.shopper = RestShopper(self.user)

    def test_misspelt_parameter_does_not_empty_the_cart(self) -> None:
        first, second = (product.pk for product in self.products)
        queries: list[tuple[dict[str, Any], str]] = [
            ({"productId": first}, "productId"),
            ({"product": first}, "product"),
            ({"product_id ": first}, "product_id "),
            ({"": first}, ""),
            ({"id": ""}, "id"),
            ({"product_id": first, "quantity": 1}, "quantity"),
            ({"product_id": [first, second]}, "product_id"),
        ]
        for query, field in queries:
            with self.subTest(query):
                response = self.shopper.send("DELETE", "/cart", query=query)
                assert (response.status, response.code, response.field) == (422, "INVALID", field or None)
        bodies: list[tuple[Any, str]] = [
            ({"productId": first}, "productId"),
            ({"product_id": None}, "product_id"),
            ({"product_id": first, "quantity": 1}, "quantity"),
            ({"product_id": [first]}, "product_id"),
        ]
        for body, field in bodies:
            with self.subTest(body):
                response = self.shopper.send("DELETE", "/cart", body)
                assert (response.status, response.code, response.field) == (422, "INVALID", field)
        for method in ("POST", "PUT", "DELETE"):
            for content in ("null", "[]", f"[{first}]", str(first), '""', "false"):
                with self.subTest(content, method=method):
                    response = self.shopper.client.generic(
                        method, "/cart", content, "application/json", headers=self.shopper.headers
                    )
                    assert response.status_code == 400
                    assert response.json()["code"] == "MALFORMED"
                    assert response.json()["detail"] == "The body must be a JSON object."
        both_named = self.shopper.send("DELETE", "/cart", {"product_id": first}, {"product_id": second})
        assert (both_named.code, both_named.field) == ("INVALID", "product_id")
        assert self.shopper.cart().data["total_quantity"] == 2

    def test_invalid_product_id_is_ignored_and_does_not_empty_the_cart(self) -> None:
        for query in ({"product_id": ""}, {"product_id": "abc"}, {"product_id": 0}):
            with self.subTest(query):
                response = self.shopper.send("DELETE", "/cart", query=query)
                assert (response.status, response.data["total_quantity"]) == (200, 2)
        assert self.shopper.cart().data["total_quantity"] == 2

    def test_product_id_is_read_from_the_query_and_the_body(self) -> None:
        first, second = (product.pk for product in self.products)
        response = self.shopper.send("DELETE", "/cart", query={"product_id": first})
        assert [line["product"]["id"] for line in response.data["lines"]] == [second]
        response = self.shopper.send("DELETE", "/cart", {"product_id": second}, {"product_id": second})
        assert response.data["lines"] == []

    def test_empty_body_empties_the_cart(self) -> None:
        for body in (b"", b"{}"):
            with self.subTest(body):
                shopper = RestShopper(make_user())
                shopper.add(self.products[0].pk)
                response = self.client.delete(
                    "/cart", body, content_type="application/json", headers=shopper.headers
                )
                assert response.json()["lines"] == []

    def test_body_that_is_not_json_does_not_empty_the_cart(self) -> None:
        for body, content_type, status in (
            (f"product_id={self.products[0].pk}", "application/x-www-form-urlencoded", 415),
            ("{}", "text/plain", 415),
            ("{", "application/json", 400),
            (b"\xff", "application/json", 400),
            ('{"product_id": "\\ud800"}', "application/json", 400),
        ):
            with self.subTest(body):
                response = self.client.delete(
                    "/cart", body, content_type=content_type, headers=self.shopper.headers
                )
                assert response.status_code == status
        assert self.shopper.cart().data["total_quantity"] == 2
