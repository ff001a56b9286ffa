"""The same cart through GraphQL and REST: equal answers, equal refusals, and nothing written."""

from typing import Any

from django.test import TestCase

from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from tests.carts.factories import fill_cart, forged_token, make_products
from tests.catalog.factories import make_category, make_image, make_product
from tests.people import make_user
from tests.shopping import GraphQLShopper, RestShopper, both


class EqualAnswers(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        clothes = make_category("Clothes")
        cls.dress = make_product(
            "Платье “A&B”", clothes, {"Weight (g)": "250"}, price="28.90", stock=70, description="<b>"
        )
        make_image(cls.dress, alt="Платье")
        cls.sock = make_product("sock", price="0.00", stock=1)

    def both_answer(self, action: str, *arguments: Any) -> Any:
        """Do the same through both APIs, one after the other, and return what both said."""
        graphql, rest = (getattr(shopper, action)(*arguments) for shopper in both(self.user))
        self.assertEqual(graphql, rest)
        self.assertIsNone(rest.code)
        return rest.data

    def test_an_empty_cart(self) -> None:
        self.assertEqual(
            self.both_answer("cart"),
            {
                "lines": [],
                "total_quantity": 0,
                "total": "0.00",
                "currency": "RUB",
                "warnings": [],
                "token": None,
            },
        )

    def test_what_both_show(self) -> None:
        fill_cart(self.user, {self.sock: 2, self.dress: 3})
        Product.objects.filter(pk=self.dress.pk).update(price="30.00")
        cart = self.both_answer("cart")
        self.assertEqual([line["product"]["id"] for line in cart["lines"]], [self.sock.pk, self.dress.pk])
        dress = cart["lines"][1]
        self.assertEqual(
            dress["product"],
            {
                "id": self.dress.pk,
                "sku": self.dress.sku,
                "slug": self.dress.slug,
                "name": "Платье “A&B”",
                "description": "<b>",
                "price": "30.00",
                "currency": "RUB",
                "category": {"id": self.dress.category.pk, "name": "Clothes", "slug": "clothes"},
                "image": dress["product"]["image"],
                "characteristics": [{"name": "Weight", "value": "250", "unit": "g"}],
                "in_stock": True,
                "available_quantity": 50,
            },
        )
        self.assertEqual(dress["product"]["image"]["alt"], "Платье")
        self.assertEqual(
            (dress["quantity"], dress["unit_price"], dress["line_total"], dress["is_available"]),
            (3, "30.00", "90.00", True),
        )
        self.assertEqual((cart["total_quantity"], cart["total"], cart["currency"]), (5, "90.00", "RUB"))
        self.assertEqual(
            [(warning["code"], warning["product_id"]) for warning in cart["warnings"]],
            [("NOT_ENOUGH_STOCK", self.sock.pk), ("PRICE_CHANGED", self.dress.pk)],
        )

    def test_every_change_answers_the_cart(self) -> None:
        fill_cart(self.user, {self.sock: 1, self.dress: 3})
        self.assertEqual(self.both_answer("set", self.dress.pk, 7)["total_quantity"], 8)
        self.assertEqual(self.both_answer("set", str(self.dress.pk), 7.0)["total_quantity"], 8)
        self.assertEqual(len(self.both_answer("remove", self.sock.pk)["lines"]), 1)
        self.assertEqual(self.both_answer("clear")["lines"], [])
        self.assertEqual(self.both_answer("clear")["lines"], [])

    def test_adding_is_equal(self) -> None:
        answers = []
        for shopper in (GraphQLShopper(make_user()), RestShopper(make_user())):
            shopper.add_line({"product_id": self.dress.pk})
            shopper.add(str(self.sock.pk), 2.0)
            answers.append(shopper.add(float(self.dress.pk), 4))
        self.assertEqual(*answers)
        self.assertEqual([line["quantity"] for line in answers[0].data["lines"]], [5, 2])

    def test_what_is_not_in_the_cart_is_no_matter_to_remove(self) -> None:
        fill_cart(self.user, {self.sock: 1})
        for product_id in (self.dress.pk, 999_999, str(2**63 - 1)):
            with self.subTest(product_id):
                self.assertEqual(self.both_answer("remove", product_id)["total_quantity"], 1)


class EqualRefusals(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.dress = make_product("dress", stock=5000)
        cls.sold_out = make_product("sold out", stock=0)
        cls.hidden = make_product("hidden", is_published=False)
        fill_cart(cls.user, {cls.dress: 2})

    def setUp(self) -> None:
        self.shoppers = both(self.user)

    def assert_refused(self, action: str, given: Any, code: str, field: str | None) -> None:
        """Both refuse with this code for this field, and no cart has changed."""
        before = self.written()
        answers = []
        for shopper in self.shoppers:
            with self.subTest(action, given=given, api=shopper.api):
                answer = getattr(shopper, action)(given)
                self.assertEqual((answer.code, answer.field), (code, field))
                self.assertTrue(answer.message)
                self.assertEqual(self.written(), before)
                answers.append(answer)
        self.assertEqual(len({answer.status for answer in answers}), 1)

    @staticmethod
    def written() -> list[Any]:
        return [list(model.objects.order_by("pk").values()) for model in (Cart, CartLine, Product)]

    def test_products(self) -> None:
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
            # A list of one is a list to GraphQL, whatever is asked for.
            if not isinstance(product_id, list):
                self.assert_refused("remove", product_id, "INVALID", "product_id")

    def test_quantities(self) -> None:
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
        # 2 are there: the sum is what counts.
        self.assert_refused(
            "add_line", {"product_id": self.dress.pk, "quantity": 998}, "OUT_OF_RANGE", "quantity"
        )

    def test_the_largest_quantity(self) -> None:
        for shopper in self.shoppers:
            with self.subTest(shopper.api):
                self.assertEqual(shopper.set(self.dress.pk, 2).data["total_quantity"], 2)
                self.assertEqual(shopper.add(self.dress.pk, 997).data["total_quantity"], 999)
                self.assertEqual(shopper.set(self.dress.pk, 999).data["total_quantity"], 999)
                self.assertEqual(shopper.add(self.dress.pk, 1).code, "OUT_OF_RANGE")

    def test_parts_that_are_missing_or_unknown(self) -> None:
        self.assert_refused("add_line", {}, "INVALID", "product_id")
        self.assert_refused("add_line", {"quantity": 1}, "INVALID", "product_id")
        self.assert_refused("set_line", {"product_id": self.dress.pk}, "INVALID", "quantity")
        for action in ("add_line", "set_line"):
            self.assert_refused(
                action, {"product_id": self.dress.pk, "quantity": 1, "cart": 5}, "INVALID", "cart"
            )

    def test_the_201st_line(self) -> None:
        fill_cart(self.user, dict.fromkeys(make_products(198), 1))
        last, one_more = make_products(2)
        for shopper in self.shoppers:
            with self.subTest(shopper.api):
                self.assertEqual(len(shopper.add(last.pk).data["lines"]), 200)
                refused = shopper.add(one_more.pk)
                self.assertEqual((refused.code, refused.field), ("TOO_LONG", "product_id"))
                # What is there may still grow.
                self.assertEqual(len(shopper.add(last.pk).data["lines"]), 200)
                self.assertEqual(len(shopper.remove(last.pk).data["lines"]), 199)

    def test_tokens_of_carts(self) -> None:
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
                before = self.written()
                for shopper in both(user, token):
                    for action, arguments in actions.items():
                        if user is None and action == "order":
                            continue
                        with self.subTest(action, api=shopper.api, token=token, guest=user is None):
                            answer = getattr(shopper, action)(*arguments)
                            self.assertEqual((answer.code, answer.field), ("INVALID", "X-Cart-Token"))
                            self.assertEqual(answer.status, 422)
                            self.assertEqual(self.written(), before)

    def test_nobodys_token_is_of_an_empty_cart_and_never_taken_over(self) -> None:
        for guest in both(None, forged_token()):
            with self.subTest(guest.api):
                token = guest.cart_token
                self.assertEqual(guest.cart().data["lines"], [])
                self.assertEqual(guest.set(self.dress.pk, 1).code, "NOT_FOUND")
                self.assertEqual(guest.remove(self.dress.pk).data["lines"], [])
                self.assertEqual(guest.clear().data["lines"], [])
                self.assertEqual(Cart.objects.count(), 1)
                self.assertNotIn(guest.add(self.dress.pk).data["token"], (None, token))
                Cart.objects.filter(user=None).delete()

    def test_tokens_of_access(self) -> None:
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
                    answer = getattr(shopper, action)(*arguments)
                    self.assertEqual((answer.status, answer.code), (401, "TOKEN_INVALID"))


class Batches(TestCase):
    """Several lines at once, which GraphQL can."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.products = make_products(3)
        cls.sold_out = make_product(stock=0)

    def setUp(self) -> None:
        self.shopper = GraphQLShopper(self.user)

    def refused(self, mutation: str, argument: str, value: Any) -> tuple[str, list[str] | None]:
        kinds = {"cartLinesAdd": "[CartLineInput!]!", "cartLinesUpdate": "[CartLineUpdateInput!]!"}
        kind = kinds.get(mutation, "[ID!]!")
        response = self.shopper.client.post(
            "/graphql",
            {
                "query": f"mutation($x: {kind}) {{ {mutation}({argument}: $x) "
                "{ cart { total } errors { code field } } }",
                "variables": {"x": value},
            },
            content_type="application/json",
            headers=self.shopper.headers,
        )
        payload = response.json()["data"][mutation]
        self.assertIsNone(payload["cart"])
        (error,) = payload["errors"]
        return error["code"], error["field"]

    def test_all_or_nothing(self) -> None:
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
                self.assertEqual(self.refused("cartLinesAdd", "lines", lines), (code, ["lines", "1", field]))
        self.assertEqual(
            self.refused(
                "cartLinesUpdate",
                "lines",
                [{"productId": first, "quantity": 5}, {"productId": third, "quantity": 1}],
            ),
            ("NOT_FOUND", ["lines", "1", "productId"]),
        )
        self.assertEqual(list(CartLine.objects.values_list("product_id", "quantity")), [(first, 1)])

    def test_a_product_twice_in_a_batch(self) -> None:
        first, second, _ = (product.pk for product in self.products)
        added = self.shopper.add_lines(
            [
                {"product_id": first, "quantity": 2},
                {"product_id": second},
                {"product_id": first, "quantity": 3},
            ]
        )
        self.assertEqual(
            [(line["product"]["id"], line["quantity"]) for line in added.data["lines"]],
            [(first, 5), (second, 1)],
        )
        self.assertEqual(
            self.refused(
                "cartLinesAdd",
                "lines",
                [{"productId": first, "quantity": 500}, {"productId": first, "quantity": 495}],
            ),
            ("OUT_OF_RANGE", ["lines", "1", "quantity"]),
        )
        twice = [{"productId": first, "quantity": 1}, {"productId": first, "quantity": 2}]
        self.assertEqual(self.refused("cartLinesUpdate", "lines", twice), ("INVALID", ["lines"]))
        self.assertEqual(self.shopper.cart().data["total_quantity"], 6)

    def test_200_lines_at_once_and_201(self) -> None:
        products = make_products(201)
        lines = [{"productId": product.pk} for product in products]
        self.assertEqual(self.refused("cartLinesAdd", "lines", lines), ("TOO_LONG", ["lines"]))
        self.assertFalse(Cart.objects.exists())
        added = self.shopper.add_lines([{"product_id": product.pk} for product in products[:200]])
        self.assertEqual(
            [line["product"]["id"] for line in added.data["lines"]],
            [product.pk for product in products[:200]],
        )
        self.assertEqual(
            self.refused("cartLinesAdd", "lines", [*lines[:10], lines[200]]), ("TOO_LONG", ["lines"])
        )
        self.assertEqual(
            self.refused("cartLinesUpdate", "lines", [line | {"quantity": 1} for line in lines]),
            ("TOO_LONG", ["lines"]),
        )
        ids = [product.pk for product in products]
        self.assertEqual(self.refused("cartLinesRemove", "productIds", ids), ("TOO_LONG", ["productIds"]))
        updated = self.shopper.set_lines([{"product_id": pk, "quantity": 2} for pk in ids[:200]])
        self.assertEqual(updated.data["total_quantity"], 400)
        self.assertEqual(self.shopper.remove_all(ids[:200]).data["lines"], [])

    def test_a_batch_of_nothing(self) -> None:
        self.assertEqual(self.refused("cartLinesAdd", "lines", []), ("INVALID", ["lines"]))
        self.assertEqual(self.refused("cartLinesUpdate", "lines", []), ("INVALID", ["lines"]))
        self.assertEqual(self.shopper.remove_all([]).data["lines"], [])


class Deletes(TestCase):
    """DELETE /cart without a product empties the cart, so nothing else may."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.products = make_products(2)
        fill_cart(cls.user, dict.fromkeys(cls.products, 1))

    def setUp(self) -> None:
        self.shopper = RestShopper(self.user)

    def test_what_is_misspelt_empties_nothing(self) -> None:
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
                answer = self.shopper.send("DELETE", "/cart", query=query)
                self.assertEqual((answer.status, answer.code, answer.field), (422, "INVALID", field or None))
        bodies: list[tuple[Any, str | None]] = [
            ({"productId": first}, "productId"),
            ({"product_id": None}, "product_id"),
            ({"product_id": first, "quantity": 1}, "quantity"),
            ({"product_id": [first]}, "product_id"),
            ([], None),
            ([first], None),
            (first, None),
            ("", None),
            (False, None),
        ]
        for body, field in bodies:
            with self.subTest(body):
                answer = self.shopper.send("DELETE", "/cart", body)
                self.assertEqual((answer.status, answer.code, answer.field), (422, "INVALID", field))
        both_named = self.shopper.send("DELETE", "/cart", {"product_id": first}, {"product_id": second})
        self.assertEqual((both_named.code, both_named.field), ("INVALID", "product_id"))
        self.assertEqual(self.shopper.cart().data["total_quantity"], 2)

    def test_what_names_no_product_is_refused(self) -> None:
        for query in ({"product_id": ""}, {"product_id": "abc"}, {"product_id": 0}):
            with self.subTest(query):
                answer = self.shopper.send("DELETE", "/cart", query=query)
                self.assertEqual((answer.status, answer.code, answer.field), (404, "NOT_FOUND", "product_id"))
        self.assertEqual(self.shopper.cart().data["total_quantity"], 2)

    def test_in_the_query_in_the_body_or_in_both(self) -> None:
        first, second = (product.pk for product in self.products)
        answer = self.shopper.send("DELETE", "/cart", query={"product_id": first})
        self.assertEqual([line["product"]["id"] for line in answer.data["lines"]], [second])
        answer = self.shopper.send("DELETE", "/cart", {"product_id": second}, {"product_id": second})
        self.assertEqual(answer.data["lines"], [])

    def test_bodies_that_say_nothing_empty_the_cart(self) -> None:
        for body in (b"", b"{}"):
            with self.subTest(body):
                shopper = RestShopper(make_user())
                shopper.add(self.products[0].pk)
                response = self.client.delete(
                    "/cart", body, content_type="application/json", headers=shopper.headers
                )
                self.assertEqual(response.json()["lines"], [])

    def test_a_body_that_is_not_json_empties_nothing(self) -> None:
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
                self.assertEqual(response.status_code, status)
        self.assertEqual(self.shopper.cart().data["total_quantity"], 2)
