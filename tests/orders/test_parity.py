"""The same order through GraphQL and REST: equal answers, equal refusals, and nothing written."""

from decimal import Decimal
from typing import Any

from django.test import TestCase, override_settings

from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, OrderContact, OrderLine, OrderStatusChange
from tests.carts.factories import fill_cart, forged_token, make_products
from tests.catalog.factories import make_product
from tests.people import make_user
from tests.shopping import GraphQLShopper, RestShopper, both

CONTACT = {"name": "Вера Павлова", "phone": "+7 (900) 123-45-67"}
ADDRESS = {
    "line1": "ул. Ленина, 1",
    "line2": "кв. 5",
    "city": "Москва",
    "postal_code": "101000",
    "country": "RU",
}
# A separator of lines, of paragraphs, and what is no character at all in a line of text.
CONTROL = ["\0", "\x01", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"]


def written() -> list[Any]:
    """Return every row that an order could write."""
    models = (Cart, CartLine, Product, Order, OrderLine, OrderContact, OrderStatusChange, OutgoingEmail)
    return [list(model.objects.order_by("pk").values()) for model in models]


class EqualAnswers(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.dress = make_product("Платье", price="28.90", stock=500)
        cls.sock = make_product("sock", price="0.10", stock=500)

    def assert_equal(self, graphql: Any, rest: Any) -> None:
        """The answers are equal but for what is of one order only."""
        for answer in (graphql, rest):
            self.assertIsNone(answer.code, answer)
            self.assertRegex(answer.data.pop("number"), r"^\d+-[0-9a-f]{8}$")
            answer.data.pop("placed_at")
            for change in answer.data["history"]:
                change.pop("changed_at")
        self.assertEqual(graphql, rest)

    def test_orders_are_equal(self) -> None:
        cases: list[dict[str, Any] | None] = [
            None,
            {},
            {"contact": None, "delivery_address": None},
            {"comment": " Позвоните\nзаранее,\tпожалуйста "},
            {"contact": CONTACT, "delivery_address": ADDRESS, "comment": ""},
            {"contact": CONTACT | {"name": " Вера "}},
            {"delivery_address": {name: text for name, text in ADDRESS.items() if name != "line2"}},
            {"expected_total": "57.90"},
            {"expected_total": 57.9},
            {"expected_total": "57.9000"},
        ]
        for wishes in cases:
            with self.subTest(wishes):
                answers = []
                for shopper_class in (GraphQLShopper, RestShopper):
                    user = make_user()
                    fill_cart(user, {self.sock: 1, self.dress: 2})
                    answers.append(shopper_class(user).order(wishes))
                self.assert_equal(*answers)

    def test_what_both_show(self) -> None:
        for shopper in both(make_user()):
            with self.subTest(shopper.api):
                shopper.add(self.dress.pk, 2)
                shopper.add(self.sock.pk)
                wishes = {"contact": CONTACT, "delivery_address": ADDRESS, "comment": "Спасибо"}
                answer = shopper.order(wishes)
                self.assertEqual(answer.status, 201)
                order = answer.data
                placed_at, number = order.pop("placed_at"), order.pop("number")
                self.assertRegex(placed_at, r"^\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)$")
                (change,) = order.pop("history")
                self.assertEqual(change["status"], "placed")
                self.assertEqual(
                    order,
                    {
                        "status": "placed",
                        "total": "57.90",
                        "currency": "RUB",
                        "is_cancellable": True,
                        "lines": [
                            self.line(self.dress, "28.90", 2, "57.80"),
                            self.line(self.sock, "0.10", 1, "0.10"),
                        ],
                        **wishes,
                    },
                )
                self.assertEqual(shopper.read(number).data["lines"], order["lines"])
                self.assertEqual(shopper.cart().data["lines"], [])

    @staticmethod
    def line(product: Product, price: str, quantity: int, total: str) -> dict[str, Any]:
        return {
            "product_id": product.pk,
            "sku": product.sku,
            "name": product.name,
            "unit_price": price,
            "quantity": quantity,
            "line_total": total,
        }

    def test_reading_and_cancelling_are_equal(self) -> None:
        user = make_user()
        graphql, rest = both(user)
        numbers = []
        for shopper in (graphql, rest):
            fill_cart(user, {self.sock: 3})
            numbers.append(shopper.order({"contact": CONTACT}).data["number"])
        for number in numbers:
            self.assertEqual(graphql.read(number), rest.read(number))
        self.assertEqual(graphql.orders(), rest.orders())
        self.assertEqual([order["number"] for order in rest.orders().data["items"]], numbers[::-1])
        self.assert_equal(graphql.cancel(numbers[0]), rest.cancel(numbers[1]))
        for number in numbers:
            self.assertEqual(graphql.read(number).data["status"], "cancelled")
            self.assertEqual(graphql.read(number), rest.read(number))

    def test_pages_are_equal(self) -> None:
        user = make_user()
        graphql, rest = both(user)
        for _ in range(5):
            fill_cart(user, {self.sock: 1})
            rest.order()
        seen, cursor = [], None
        while True:
            pages = [
                shopper.orders(limit=2, **({"cursor": cursor} if cursor else {}))
                for shopper in (graphql, rest)
            ]
            self.assertEqual(*pages)
            seen += [order["number"] for order in pages[0].data["items"]]
            cursor = pages[0].data["next_cursor"]
            if cursor is None:
                break
        newest_first = Order.objects.order_by("-placed_at", "-id").values_list("number", flat=True)
        self.assertEqual(seen, list(newest_first))


class EqualRefusals(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.product = make_product("dress", price="10.00", stock=5)
        cls.cart = fill_cart(cls.user, {cls.product: 2})

    def setUp(self) -> None:
        self.shoppers = both(self.user)

    def assert_refused(
        self, action: str, *arguments: Any, code: str, field: str | None, status: int = 422, **named: Any
    ) -> list[str]:
        """Both refuse with this code and status for this field, and nothing is written."""
        before = written()
        messages = []
        for shopper in self.shoppers:
            with self.subTest(action, given=str(arguments)[:200], named=str(named)[:99], api=shopper.api):
                answer = getattr(shopper, action)(*arguments, **named)
                self.assertEqual((answer.code, answer.field, answer.status), (code, field, status))
                self.assertEqual(written(), before)
                messages.append(answer.message)
        return messages

    def assert_accepted(self, wishes: dict[str, Any] | None = None, key: str | None = None) -> None:
        """Both take the order."""
        for shopper_class in (GraphQLShopper, RestShopper):
            with self.subTest(wishes=str(wishes)[:200], key=key, api=shopper_class.api):
                user = make_user()
                fill_cart(user, {self.product: 1})
                Product.objects.update(stock=5)
                self.assertIsNone(shopper_class(user).order(wishes, key).code)

    def test_an_empty_cart(self) -> None:
        CartLine.objects.all().delete()
        self.assert_refused("order", code="CART_EMPTY", field=None, status=409)
        Cart.objects.all().delete()
        self.assert_refused("order", code="CART_EMPTY", field=None, status=409)
        self.shoppers = both(self.user, forged_token())
        self.assert_refused("order", code="CART_EMPTY", field=None, status=409)

    def test_what_is_in_the_cart_and_cannot_be_ordered(self) -> None:
        for columns, code, message in (
            ({"stock": 1}, "OUT_OF_STOCK", "1 in stock"),
            ({"stock": 0}, "OUT_OF_STOCK", "sold out"),
            ({"is_published": False}, "NO_LONGER_SOLD", "no longer sold"),
        ):
            Product.objects.update(**columns)
            for said in self.assert_refused("order", code=code, field=None, status=409):
                self.assertIn(message, said)
                self.assertIn("dress", said)

    def test_one_line_that_cannot_be_ordered_among_others(self) -> None:
        fill_cart(self.user, {**dict.fromkeys(make_products(3), 1), make_product(stock=0): 1})
        self.assert_refused("order", code="OUT_OF_STOCK", field=None, status=409)

    def test_contacts_that_are_incomplete(self) -> None:
        for name in CONTACT:
            for text in ("", " ", "\n\t"):
                contact = CONTACT | {name: text}
                self.assert_refused("order", {"contact": contact}, code="INVALID", field=f"contact.{name}")
            left = {key: text for key, text in CONTACT.items() if key != name}
            self.assert_refused("order", {"contact": left}, code="INVALID", field=f"contact.{name}")
        self.assert_refused("order", {"contact": {}}, code="INVALID", field="contact.name")

    def test_addresses_that_are_incomplete(self) -> None:
        for name in ADDRESS:
            left = {key: text for key, text in ADDRESS.items() if key != name}
            if name == "line2":
                self.assert_accepted({"delivery_address": left})
                self.assert_accepted({"delivery_address": ADDRESS | {name: " "}})
                continue
            for address in (left, ADDRESS | {name: ""}, ADDRESS | {name: " "}):
                self.assert_refused(
                    "order", {"delivery_address": address}, code="INVALID", field=f"delivery_address.{name}"
                )
        self.assert_refused("order", {"delivery_address": {}}, code="INVALID", field="delivery_address.line1")

    def test_the_parts_that_a_shop_that_delivers_requires(self) -> None:
        with override_settings(ORDER_REQUIRE_DELIVERY=True):
            for wishes, field in (
                (None, "contact"),
                ({"comment": "x"}, "contact"),
                ({"contact": None, "delivery_address": ADDRESS}, "contact"),
                ({"contact": CONTACT}, "delivery_address"),
                ({"contact": CONTACT, "delivery_address": None}, "delivery_address"),
            ):
                self.assert_refused("order", wishes, code="INVALID", field=field)
            self.assert_accepted({"contact": CONTACT, "delivery_address": ADDRESS})
        self.assert_accepted()

    def test_every_text_on_both_sides_of_its_limit(self) -> None:
        limits = {
            ("contact", "name"): 150,
            ("delivery_address", "line1"): 200,
            ("delivery_address", "line2"): 200,
            ("delivery_address", "city"): 100,
            ("delivery_address", "postal_code"): 20,
        }
        parts = {"contact": CONTACT, "delivery_address": ADDRESS}
        for (part, name), limit in limits.items():
            for letter in ("x", "ы", "😀"):
                self.assert_accepted({part: parts[part] | {name: f" {letter * limit} "}})
                self.assert_refused(
                    "order",
                    {part: parts[part] | {name: letter * (limit + 1)}},
                    code="TOO_LONG",
                    field=f"{part}.{name}",
                )
        self.assert_accepted({"comment": "ы" * 1000})
        self.assert_refused("order", {"comment": "ы" * 1001}, code="TOO_LONG", field="comment")
        self.assert_refused("order", {"comment": "x" * 500_000}, code="TOO_LONG", field="comment")

    def test_telephone_numbers(self) -> None:
        for phone in ("12345", "+1 2 3 4 5", "1" * 32, "(812) 555.35-35"):
            self.assert_accepted({"contact": CONTACT | {"phone": phone}})
        for phone, code in (
            ("1234", "INVALID"),
            ("()()()..--", "INVALID"),
            ("call me", "INVALID"),
            ("12345x", "INVALID"),
            ("1+2345", "INVALID"),
            ("++12345", "INVALID"),
            ("²²²²²", "INVALID"),
            ("1" * 33, "TOO_LONG"),
        ):
            self.assert_refused(
                "order", {"contact": CONTACT | {"phone": phone}}, code=code, field="contact.phone"
            )

    def test_countries(self) -> None:
        for country, code in (
            ("ru", "INVALID"),
            ("R", "INVALID"),
            ("R1", "INVALID"),
            ("РФ", "INVALID"),
            ("RUS", "TOO_LONG"),
            ("Russia", "TOO_LONG"),
        ):
            self.assert_refused(
                "order",
                {"delivery_address": ADDRESS | {"country": country}},
                code=code,
                field="delivery_address.country",
            )

    def test_control_characters(self) -> None:
        for sign in CONTROL:
            for name in CONTACT:
                contact = CONTACT | {name: f"12345{sign}6"}
                self.assert_refused("order", {"contact": contact}, code="INVALID", field=f"contact.{name}")
            for name in ADDRESS:
                address = ADDRESS | {name: f"A{sign}" if name == "country" else f"A{sign}B"}
                # Some of them are spaces, which are trimmed.
                if name != "country" or not sign.isspace():
                    self.assert_refused(
                        "order",
                        {"delivery_address": address},
                        code="INVALID",
                        field=f"delivery_address.{name}",
                    )
            self.assert_refused("order", {"comment": f"a{sign}b"}, code="INVALID", field="comment")
        for sign in "\n\r\t":
            contact = CONTACT | {"name": f"a{sign}b"}
            self.assert_refused("order", {"contact": contact}, code="INVALID", field="contact.name")

    def test_lone_surrogates_are_no_json(self) -> None:
        before = written()
        rest = self.client.post(
            "/order",
            '{"comment": "\\ud800"}',
            content_type="application/json",
            headers=self.shoppers[1].headers,
        )
        self.assertEqual((rest.status_code, rest.json()["code"]), (400, "MALFORMED"))
        query = "mutation($c: String!) { orderCreate(input: { comment: $c }) { errors { code } } }"
        for body in (
            f'{{"query": "{query}", "variables": {{"c": "\\ud800"}}}}',
            '{"query": "mutation { orderCreate(input: { comment: \\"\\\\ud800\\" }) { errors { code } } }"}',
        ):
            response = self.client.post(
                "/graphql", body, content_type="application/json", headers=self.shoppers[0].headers
            )
            (error,) = response.json()["errors"]
            self.assertEqual(error["extensions"]["code"], "MALFORMED")
        self.assertEqual(written(), before)

    def test_values_of_another_kind(self) -> None:
        for value in (5, 1.5, True, [], ["x"], {}, None):
            for part, fields in {"contact": CONTACT, "delivery_address": ADDRESS}.items():
                for name in fields:
                    self.assert_refused(
                        "order", {part: fields | {name: value}}, code="INVALID", field=f"{part}.{name}"
                    )
            self.assert_refused("order", {"comment": value}, code="INVALID", field="comment")
        for value in (5, "x", True):
            for part in ("contact", "delivery_address"):
                self.assert_refused("order", {part: value}, code="INVALID", field=part)

    def test_parts_that_are_unknown(self) -> None:
        for wishes, field in (
            ({"cart_id": 5}, "cart_id"),
            ({"user": 1}, "user"),
            ({"contact": CONTACT | {"email": "x"}}, "contact.email"),
            ({"delivery_address": ADDRESS | {"street": "x"}}, "delivery_address.street"),
        ):
            self.assert_refused("order", wishes, code="INVALID", field=field)

    def test_expected_totals(self) -> None:
        for total in ("20.01", "19.99", "0", "0.00", 21, 9_999_999_999_999_999, "9999999999999999.99"):
            messages = self.assert_refused(
                "order", {"expected_total": total}, code="TOTAL_CHANGED", field="expected_total", status=409
            )
            for message in messages:
                self.assertIn("20.00 RUB", message)
        for total in (-1, "-0.01", "20.001", 10**16, "1e16", "9" * 30, "1e999999", "1e-999999", 1e300):
            self.assert_refused(
                "order", {"expected_total": total}, code="OUT_OF_RANGE", field="expected_total"
            )
        for total in ("cheap", "", "NaN", "sNaN", "Infinity", "-Infinity", "0x10", "1,5", True, [], {}, "\0"):
            self.assert_refused("order", {"expected_total": total}, code="INVALID", field="expected_total")
        Product.objects.update(price="20.00")
        for total in ("20", "20.0", "20.00000", 20, 20.0, "2e1", None):
            self.assert_accepted({"expected_total": total})

    def test_an_expected_total_of_nothing(self) -> None:
        Product.objects.update(price="0.00")
        for total in ("0", "-0", "0e999999", "0e-999999"):
            self.assert_accepted({"expected_total": total})

    def test_idempotency_keys(self) -> None:
        for key in ("x", "x" * 255, "a b", "!", str(Decimal("1.5"))):
            self.assert_accepted(key=key)
        for key, code in (
            ("x" * 256, "TOO_LONG"),
            ("x" * 5000, "TOO_LONG"),
            ("", "INVALID"),
            (" ", "INVALID"),
            # A header loses them on its way: REST would know the key by another name than GraphQL.
            (" a", "INVALID"),
            ("a ", "INVALID"),
            ("ключ", "INVALID"),
            ("é", "INVALID"),
            ("a\tb", "INVALID"),
            ("a\x01b", "INVALID"),
            ("a\x7fb", "INVALID"),
        ):
            self.assert_refused("order", None, key, code=code, field="Idempotency-Key")

    def test_keys_are_the_same_in_both_apis(self) -> None:
        graphql, rest = self.shoppers
        first = graphql.order({"comment": "x"}, "key")
        self.assertEqual(rest.order({"comment": "x"}, "key"), first)
        self.assertEqual(graphql.order({"comment": "x"}, "key"), first)
        fill_cart(self.user, {self.product: 1})
        for wishes in (
            None,
            {"comment": "y"},
            {"comment": "x", "contact": CONTACT},
            {"comment": "x", "expected_total": "20.00"},
        ):
            self.assert_refused(
                "order",
                wishes,
                "key",
                code="IDEMPOTENCY_KEY_REUSED",
                field="Idempotency-Key",
                status=409,
            )
        # The cart is not part of what was asked for: the repetition finds it emptied, or filled anew.
        self.assertEqual(rest.order({"comment": "x"}, "key"), first)
        self.assertEqual(Order.objects.count(), 1)

    def test_a_key_is_the_shoppers_own(self) -> None:
        numbers = set()
        for shopper in (GraphQLShopper(self.user), RestShopper(make_user())):
            shopper.add(self.product.pk)
            numbers.add(shopper.order(None, "1").data["number"])
        self.assertEqual(len(numbers), 2)

    def test_a_refused_order_leaves_its_key(self) -> None:
        for shopper in self.shoppers:
            Product.objects.update(stock=0)
            self.assertEqual(shopper.order(None, shopper.api).code, "OUT_OF_STOCK")
            Product.objects.update(stock=5)
            self.assertIsNone(shopper.order(None, shopper.api).code)
            fill_cart(self.user, {self.product: 1})

    def test_numbers_of_no_order_of_the_viewer(self) -> None:
        stranger = RestShopper(make_user())
        stranger.add(self.product.pk)
        theirs = stranger.order().data["number"]
        for number in (
            theirs,
            f" {theirs}",
            theirs.upper() + "0",
            "",
            "x",
            "1",
            "\0",
            "1-00000000",
            "9" * 5000,
        ):
            for action in ("read", "cancel"):
                self.assert_refused(action, number, code="NOT_FOUND", field="number", status=404)
        self.assertEqual(stranger.read(theirs).data["status"], "placed")

    def test_a_page_size_on_both_sides_of_its_limits(self) -> None:
        for limit in (0, -1, 101, 1000, 2**31, 10**25):
            self.assert_refused("orders", limit=limit, code="OUT_OF_RANGE", field="limit")
        for limit in ("many", "1.5", True):
            self.assert_refused("orders", limit=limit, code="INVALID", field="limit")
        for shopper in self.shoppers:
            for limit in (1, 100):
                self.assertEqual(shopper.orders(limit=limit).data["items"], [])

    def test_cursors(self) -> None:
        for cursor in ("", "x", "\0", "ы", "WyJOQU1FIiwiYSIsMV0", "a" * 5000):
            self.assert_refused("orders", cursor=cursor, code="INVALID_CURSOR", field="cursor")

    def test_an_access_token_that_is_not_good(self) -> None:
        for shopper in self.shoppers:
            shopper.access_token = "nonsense"
        for action, arguments in {"order": (), "orders": (), "read": ("1-1",), "cancel": ("1-1",)}.items():
            self.assert_refused(action, *arguments, code="TOKEN_INVALID", field=None, status=401)

    def test_guests(self) -> None:
        self.shoppers = both()
        self.assert_refused("order", code="UNAUTHENTICATED", field=None, status=401)
        self.assert_refused("cancel", "1-00000000", code="UNAUTHENTICATED", field=None, status=401)
        rest = self.shoppers[1]
        for answer in (rest.orders(), rest.read("1-00000000")):
            self.assertEqual((answer.code, answer.status), ("UNAUTHENTICATED", 401))
        # GraphQL's orders are somebody's: there is nobody.
        self.assertIsNone(self.shoppers[0].ask("{ me { orders { nodes { number } } } }").data)
