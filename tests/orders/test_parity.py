"""Parity of the GraphQL and REST order APIs: equal results, equal errors, and no writes on errors."""

import re
from decimal import Decimal
from typing import Any

from django.test import TestCase, override_settings

from backend.carts.models import Cart, CartLine
from backend.catalog.models import Product
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, OrderContact, OrderLine, OrderStatusChange
from tests.carts.factories import fill_cart, forged_token, make_products
from tests.catalog.factories import make_product
from tests.support.people import make_user
from tests.support.shopping import GraphQLShopper, RestShopper, make_shoppers

CONTACT = {"name": "Вера Павлова", "phone": "+7 (900) 123-45-67"}
ADDRESS = {
    "line1": "ул. Ленина, 1",
    "line2": "кв. 5",
    "city": "Москва",
    "postal_code": "101000",
    "country": "RU",
}
# Control characters that are not white space.
CONTROL = ["\0", "\x01", "\x1b", "\x7f", "\x9f"]


def read_written_rows() -> list[Any]:
    """Return all rows of the tables that an order can write."""
    models = (Cart, CartLine, Product, Order, OrderLine, OrderContact, OrderStatusChange, OutgoingEmail)
    return [list(model.objects.order_by("pk").values()) for model in models]


class EqualResultsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.dress = make_product("Платье", price="28.90", stock=500)
        cls.sock = make_product("sock", price="0.10", stock=500)

    def assert_equal(self, graphql: Any, rest: Any) -> None:
        """Assert that two orders are equal except for number and dates."""
        for response in (graphql, rest):
            assert response.code is None, response
            assert re.search(r"^\d+-[0-9a-f]{8}$", response.data.pop("number"))
            response.data.pop("placed_at")
            for change in response.data["history"]:
                change.pop("changed_at")
        assert graphql == rest

    def test_created_orders_are_equal(self) -> None:
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
        for details in cases:
            with self.subTest(details):
                responses = []
                for shopper_class in (GraphQLShopper, RestShopper):
                    user = make_user()
                    fill_cart(user, {self.sock: 1, self.dress: 2})
                    responses.append(shopper_class(user).order(details))
                self.assert_equal(*responses)

    def test_both_apis_return_the_whole_order(self) -> None:
        for shopper in make_shoppers(make_user()):
            with self.subTest(shopper.api):
                shopper.add(self.dress.pk, 2)
                shopper.add(self.sock.pk)
                details = {"contact": CONTACT, "delivery_address": ADDRESS, "comment": "Спасибо"}
                response = shopper.order(details)
                phones = {"phone": "+79001234567", "phone_as_typed": "+7 (900) 123-45-67"}
                assert response.status == 201
                order = response.data
                placed_at, number = order.pop("placed_at"), order.pop("number")
                assert re.search(r"^\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)$", placed_at)
                (change,) = order.pop("history")
                assert change["status"] == "placed"
                assert order == {
                    "status": "placed",
                    "subtotal": "57.90",
                    "discount": "0.00",
                    "total": "57.90",
                    "promo_code": None,
                    "currency": "RUB",
                    "is_cancellable": True,
                    "tracking_number": "",
                    "tracking_url": "",
                    "lines": [
                        self.line(self.dress, "28.90", 2, "57.80"),
                        self.line(self.sock, "0.10", 1, "0.10"),
                    ],
                    **details,
                    "contact": CONTACT | phones,
                }
                assert shopper.read(number).data["lines"] == order["lines"]
                assert shopper.cart().data["lines"] == []

    @staticmethod
    def line(product: Product, price: str, quantity: int, total: str) -> dict[str, Any]:
        return {
            "product_id": product.pk,
            "sku": product.sku,
            "name": product.name,
            "unit_price": price,
            "quantity": quantity,
            "cancelled_quantity": 0,
            "line_total": total,
            "discount": "0.00",
        }

    def test_read_and_cancelled_orders_are_equal(self) -> None:
        user = make_user()
        graphql, rest = make_shoppers(user)
        numbers = []
        for shopper in (graphql, rest):
            fill_cart(user, {self.sock: 3})
            numbers.append(shopper.order({"contact": CONTACT}).data["number"])
        for number in numbers:
            assert graphql.read(number) == rest.read(number)
        assert graphql.orders() == rest.orders()
        assert [order["number"] for order in rest.orders().data["items"]] == numbers[::-1]
        self.assert_equal(graphql.cancel(numbers[0]), rest.cancel(numbers[1]))
        for number in numbers:
            assert graphql.read(number).data["status"] == "cancelled"
            assert graphql.read(number) == rest.read(number)

    def test_pages_are_equal(self) -> None:
        user = make_user()
        graphql, rest = make_shoppers(user)
        for _ in range(5):
            fill_cart(user, {self.sock: 1})
            rest.order()
        seen, cursor = [], None
        while True:
            pages = [
                shopper.orders(limit=2, **({"cursor": cursor} if cursor else {}))
                for shopper in (graphql, rest)
            ]
            assert pages[0] == pages[1]
            seen += [order["number"] for order in pages[0].data["items"]]
            cursor = pages[0].data["next_cursor"]
            if cursor is None:
                break
        newest_first = Order.objects.order_by("-placed_at", "-id").values_list("number", flat=True)
        assert seen == list(newest_first)


class EqualErrorsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.product = make_product("dress", price="10.00", stock=5)
        cls.cart = fill_cart(cls.user, {cls.product: 2})

    def setUp(self) -> None:
        self.shoppers = make_shoppers(self.user)

    def assert_error(
        self, action: str, *arguments: Any, code: str, field: str | None, status: int = 422, **named: Any
    ) -> list[str]:
        """Assert that both APIs return this error and write nothing. Return the messages."""
        before = read_written_rows()
        messages = []
        for shopper in self.shoppers:
            with self.subTest(action, arguments=str(arguments)[:200], named=str(named)[:99], api=shopper.api):
                response = getattr(shopper, action)(*arguments, **named)
                assert (response.code, response.field, response.status) == (code, field, status)
                assert read_written_rows() == before
                messages.append(response.message)
        return messages

    def assert_accepted(self, details: dict[str, Any] | None = None, key: str | None = None) -> None:
        """Assert that both APIs create the order."""
        for shopper_class in (GraphQLShopper, RestShopper):
            with self.subTest(details=str(details)[:200], key=key, api=shopper_class.api):
                user = make_user()
                fill_cart(user, {self.product: 1})
                Product.objects.update(stock=5)
                assert shopper_class(user).order(details, key).code is None

    def test_empty_cart_cannot_be_ordered(self) -> None:
        CartLine.objects.all().delete()
        self.assert_error("order", code="CART_EMPTY", field=None, status=409)
        Cart.objects.all().delete()
        self.assert_error("order", code="CART_EMPTY", field=None, status=409)
        self.shoppers = make_shoppers(self.user, forged_token())
        self.assert_error("order", code="CART_EMPTY", field=None, status=409)

    def test_unavailable_product_cannot_be_ordered(self) -> None:
        for columns, code, message in (
            ({"stock": 1}, "OUT_OF_STOCK", "1 in stock"),
            ({"stock": 0}, "OUT_OF_STOCK", "sold out"),
            ({"is_published": False}, "NO_LONGER_SOLD", "no longer sold"),
        ):
            Product.objects.update(**columns)
            for text in self.assert_error("order", code=code, field="lines.0.product_id", status=409):
                assert message in text
                assert "dress" in text

    def test_one_unavailable_line_refuses_the_whole_order(self) -> None:
        fill_cart(self.user, {**dict.fromkeys(make_products(3), 1), make_product(stock=0): 1})
        self.assert_error("order", code="OUT_OF_STOCK", field="lines.4.product_id", status=409)

    def test_all_unavailable_lines_are_named_by_their_position_in_the_cart(self) -> None:
        sold_out, hidden = make_product(stock=0), make_product(is_published=False)
        fill_cart(self.user, {sold_out: 1, make_product(stock=1): 1, hidden: 1})
        before = read_written_rows()
        for shopper in self.shoppers:
            lines = [line["product"]["id"] for line in shopper.cart().data["lines"]]
            refusal = shopper.order()
            assert (refusal.code, refusal.status) == ("OUT_OF_STOCK", 409)
            assert refusal.field == f"lines.{lines.index(sold_out.pk)}.product_id"
            assert refusal.others == (("NO_LONGER_SOLD", f"lines.{lines.index(hidden.pk)}.product_id"),)
        assert read_written_rows() == before

    def test_all_errors_of_the_details_are_returned(self) -> None:
        details = {
            "contact": {"name": "", "phone": "12"},
            "delivery_address": ADDRESS | {"line1": "x" * 201, "city": "", "postal_code": "1"},
            "comment": "\x01",
            "expected_total": "-1",
        }
        expected = (
            ("TOO_LONG", "delivery_address.line1"),
            ("INVALID", "delivery_address.city"),
            ("INVALID", "delivery_address.postal_code"),
            ("INVALID", "contact.phone"),
            ("INVALID", "comment"),
            ("INVALID", "Idempotency-Key"),
            ("OUT_OF_RANGE", "expected_total"),
        )
        for shopper in self.shoppers:
            with self.subTest(api=shopper.api):
                refusal = shopper.order(details, "k\x7f")
                assert (refusal.code, refusal.field) == ("INVALID", "contact.name")
                assert refusal.others == expected

    def test_unknown_country_is_the_only_error_of_what_depends_on_it(self) -> None:
        address = ADDRESS | {"country": "XX", "city": "", "postal_code": "?"}
        for shopper in self.shoppers:
            with self.subTest(api=shopper.api):
                refusal = shopper.order({"contact": CONTACT | {"phone": "12"}, "delivery_address": address})
                assert (refusal.field, refusal.others) == ("delivery_address.country", ())

    def test_incomplete_contact_is_an_error(self) -> None:
        for name in CONTACT:
            for text in ("", " ", "\n\t"):
                contact = CONTACT | {name: text}
                self.assert_error("order", {"contact": contact}, code="INVALID", field=f"contact.{name}")
            incomplete = {key: text for key, text in CONTACT.items() if key != name}
            self.assert_error("order", {"contact": incomplete}, code="INVALID", field=f"contact.{name}")
        self.assert_error("order", {"contact": {}}, code="INVALID", field="contact.name")

    def test_incomplete_address_is_an_error(self) -> None:
        for name in ADDRESS:
            incomplete = {key: text for key, text in ADDRESS.items() if key != name}
            if name == "line2":
                self.assert_accepted({"delivery_address": incomplete})
                self.assert_accepted({"delivery_address": ADDRESS | {name: " "}})
                continue
            for address in (incomplete, ADDRESS | {name: ""}, ADDRESS | {name: " "}):
                self.assert_error(
                    "order", {"delivery_address": address}, code="INVALID", field=f"delivery_address.{name}"
                )
        self.assert_error("order", {"delivery_address": {}}, code="INVALID", field="delivery_address.line1")

    def test_contact_and_address_are_required_by_setting(self) -> None:
        with override_settings(ORDER_REQUIRE_DELIVERY=True):
            for details, field in (
                (None, "contact"),
                ({"comment": "x"}, "contact"),
                ({"contact": None, "delivery_address": ADDRESS}, "contact"),
                ({"contact": CONTACT}, "delivery_address"),
                ({"contact": CONTACT, "delivery_address": None}, "delivery_address"),
            ):
                self.assert_error("order", details, code="INVALID", field=field)
            self.assert_accepted({"contact": CONTACT, "delivery_address": ADDRESS})
        self.assert_accepted()

    def test_texts_are_limited_in_length(self) -> None:
        limits = {
            ("contact", "name"): 150,
            ("delivery_address", "line1"): 200,
            ("delivery_address", "line2"): 200,
            ("delivery_address", "city"): 100,
        }
        parts = {"contact": CONTACT, "delivery_address": ADDRESS}
        for (part, name), limit in limits.items():
            for letter in ("x", "ы", "😀"):
                self.assert_accepted({part: parts[part] | {name: f" {letter * limit} "}})
                self.assert_error(
                    "order",
                    {part: parts[part] | {name: letter * (limit + 1)}},
                    code="TOO_LONG",
                    field=f"{part}.{name}",
                )
        for length, code in ((20, "INVALID"), (21, "TOO_LONG")):
            address = ADDRESS | {"postal_code": "1" * length}
            self.assert_error(
                "order", {"delivery_address": address}, code=code, field="delivery_address.postal_code"
            )
        self.assert_accepted({"comment": "ы" * 1000})
        self.assert_error("order", {"comment": "ы" * 1001}, code="TOO_LONG", field="comment")
        self.assert_error("order", {"comment": "x" * 500_000}, code="TOO_LONG", field="comment")

    def test_invalid_phone_number_is_an_error(self) -> None:
        for phone, code in (
            ("12345", "INVALID"),
            ("555-35-35", "INVALID"),
            ("+7 900 123-45-6", "INVALID"),
            ("+7 900 123-45-678", "INVALID"),
            ("+999 123456789", "INVALID"),
            ("call me", "INVALID"),
            ("8 900 123-45-67 Vera", "INVALID"),
            ("8 900 123-45-67 / 8 900 123-45-68", "INVALID"),
            ("++12345", "INVALID"),
            ("²²²²²", "INVALID"),
            ("1" * 64, "INVALID"),
            ("1" * 65, "TOO_LONG"),
        ):
            self.assert_error(
                "order", {"contact": CONTACT | {"phone": phone}}, code=code, field="contact.phone"
            )
        self.assert_accepted({"contact": CONTACT | {"phone": f"+7{'-' * 52}9001234567"}})

    def test_phone_number_without_calling_code_belongs_to_the_country_of_the_address(self) -> None:
        contact = CONTACT | {"phone": "020 7946 0958"}
        british = ADDRESS | {"country": "GB", "postal_code": "SW1A 1AA"}
        self.assert_error("order", {"contact": contact}, code="INVALID", field="contact.phone")
        self.assert_error(
            "order",
            {"contact": contact, "delivery_address": ADDRESS},
            code="INVALID",
            field="contact.phone",
        )
        self.assert_accepted({"contact": contact, "delivery_address": british})
        with override_settings(SHOP_COUNTRY="GB"):
            self.assert_accepted({"contact": contact})

    def test_unknown_country_is_an_error(self) -> None:
        for country, code in (
            ("ru", "INVALID"),
            ("R", "INVALID"),
            ("R1", "INVALID"),
            ("РФ", "INVALID"),
            # Not assigned, withdrawn, and the code that stands for no country.
            ("XX", "INVALID"),
            ("SU", "INVALID"),
            ("ZZ", "INVALID"),
            ("RUS", "TOO_LONG"),
            ("Russia", "TOO_LONG"),
        ):
            self.assert_error(
                "order",
                {"delivery_address": ADDRESS | {"country": country}},
                code=code,
                field="delivery_address.country",
            )

    def test_postal_code_must_suit_the_country(self) -> None:
        for country, accepted, refused in (
            ("RU", ["101000", "101 000"], ["", "10100", "1010000", "ABCDEF", "101000, Москва"]),
            ("GB", ["SW1A 1AA", "sw1a1aa"], ["", "SW1A", "101000"]),
            ("DE", ["10115"], ["", "1011", "101155"]),
            ("IE", ["", "D02 X285"], ["D02"]),
            ("KZ", ["", "050012"], ["05001"]),
            ("AE", [""], ["00000", "1"]),
            ("HK", [""], ["999077"]),
            # Its format is unknown.
            ("KP", ["", "x" * 20], []),
        ):
            for code in accepted:
                self.assert_accepted(
                    {"delivery_address": ADDRESS | {"country": country, "postal_code": code}}
                )
            for code in refused:
                self.assert_error(
                    "order",
                    {"delivery_address": ADDRESS | {"country": country, "postal_code": code}},
                    code="INVALID",
                    field="delivery_address.postal_code",
                )

    def test_city_can_be_empty_only_where_addresses_need_none(self) -> None:
        singapore = ADDRESS | {"country": "SG", "postal_code": "238859", "city": ""}
        self.assert_accepted({"delivery_address": singapore})
        self.assert_error(
            "order",
            {"delivery_address": ADDRESS | {"city": ""}},
            code="INVALID",
            field="delivery_address.city",
        )

    def test_control_characters_are_an_error(self) -> None:
        for sign in CONTROL:
            for name in CONTACT:
                contact = CONTACT | {name: f"+7 900 123{sign}4567"}
                self.assert_error("order", {"contact": contact}, code="INVALID", field=f"contact.{name}")
            for name in ADDRESS:
                address = ADDRESS | {name: f"A{sign}"}
                self.assert_error(
                    "order", {"delivery_address": address}, code="INVALID", field=f"delivery_address.{name}"
                )
            self.assert_error("order", {"comment": f"a{sign}b"}, code="INVALID", field="comment")

    def test_texts_are_stored_without_invisible_characters(self) -> None:
        user = make_user()
        for shopper in make_shoppers(user):
            with self.subTest(shopper.api):
                shopper.add(self.product.pk)
                response = shopper.order(
                    {
                        "contact": {
                            "name": "\u200fВера\u00ad\u200b\u2028 Павлова\u202c\ufeff",
                            "phone": "\u202a8 (900)\u00a0123\u201145-67\u202c",
                        },
                        "delivery_address": ADDRESS | {"city": "\u2066И\u0306ошкар-Ола\u2069 "},
                        "comment": "\u200e Позвоните\r\n\tзаранее,\u2029 пожалуйста",
                    }
                )
                order = response.data
                assert order["contact"] == {
                    "name": "Вера Павлова",
                    "phone": "+79001234567",
                    "phone_as_typed": "8 (900) 123-45-67",
                }
                assert order["delivery_address"]["city"] == "\u0419ошкар-Ола"
                assert order["comment"] == "Позвоните\nзаранее,\nпожалуйста"
                assert shopper.read(order["number"]).data == order
                Product.objects.update(stock=5)

    def test_lone_surrogates_are_malformed(self) -> None:
        before = read_written_rows()
        rest = self.client.post(
            "/order",
            '{"comment": "\\ud800"}',
            content_type="application/json",
            headers=self.shoppers[1].headers,
        )
        assert (rest.status_code, rest.json()["code"]) == (400, "MALFORMED")
        query = "mutation($c: String!) { orderCreate(input: { comment: $c }) { errors { code } } }"
        for body in (
            f'{{"query": "{query}", "variables": {{"c": "\\ud800"}}}}',
            '{"query": "mutation { orderCreate(input: { comment: \\"\\\\ud800\\" }) { errors { code } } }"}',
        ):
            response = self.client.post(
                "/graphql", body, content_type="application/json", headers=self.shoppers[0].headers
            )
            (error,) = response.json()["errors"]
            assert error["extensions"]["code"] == "MALFORMED"
        assert read_written_rows() == before

    def test_values_of_another_type_are_an_error(self) -> None:
        for value in (5, 1.5, True, [], ["x"], {}, None):
            for part, fields in {"contact": CONTACT, "delivery_address": ADDRESS}.items():
                for name in fields:
                    self.assert_error(
                        "order", {part: fields | {name: value}}, code="INVALID", field=f"{part}.{name}"
                    )
            self.assert_error("order", {"comment": value}, code="INVALID", field="comment")
        for value in (5, "x", True):
            for part in ("contact", "delivery_address"):
                self.assert_error("order", {part: value}, code="INVALID", field=part)

    def test_unknown_fields_are_an_error(self) -> None:
        for details, field in (
            ({"cart_id": 5}, "cart_id"),
            ({"user": 1}, "user"),
            ({"token": "x"}, "token"),
            ({"contact": CONTACT | {"email": "x"}}, "contact.email"),
            ({"delivery_address": ADDRESS | {"street": "x"}}, "delivery_address.street"),
        ):
            self.assert_error("order", details, code="INVALID", field=field)

    def test_rest_explains_unknown_and_malformed_parts_alike_at_any_depth(self) -> None:
        rest = self.shoppers[1]
        for details, message in (
            ({"user": 1}, "Extra inputs are not permitted"),
            ({"contact": CONTACT | {"email": "x"}}, "Extra inputs are not permitted"),
            ({"contact": 5}, "Input should be an object"),
        ):
            with self.subTest(details):
                assert rest.order(details).message == message

    def test_expected_total_must_match_the_cart(self) -> None:
        for total in ("20.01", "19.99", "0", "0.00", 21, 9_999_999_999_999_999, "9999999999999999.99"):
            messages = self.assert_error(
                "order", {"expected_total": total}, code="TOTAL_CHANGED", field="expected_total", status=409
            )
            for message in messages:
                assert "20.00 RUB" in message
        for total in (-1, "-0.01", "20.001", 10**16, "1e16", "9" * 30, "1e999999", "1e-999999", 1e300):
            self.assert_error("order", {"expected_total": total}, code="OUT_OF_RANGE", field="expected_total")
        for total in ("cheap", "", "NaN", "sNaN", "Infinity", "-Infinity", "0x10", "1,5", True, [], {}, "\0"):
            self.assert_error("order", {"expected_total": total}, code="INVALID", field="expected_total")
        Product.objects.update(price="20.00")
        for total in ("20", "20.0", "20.00000", 20, 20.0, "2e1", None):
            self.assert_accepted({"expected_total": total})

    def test_expected_total_can_be_zero(self) -> None:
        Product.objects.update(price="0.00")
        for total in ("0", "-0", "0e999999", "0e-999999"):
            self.assert_accepted({"expected_total": total})

    def test_idempotency_keys_are_printable_ascii(self) -> None:
        for key in ("x", "x" * 255, "a b", "!", str(Decimal("1.5"))):
            self.assert_accepted(key=key)
        for key, code in (
            ("x" * 256, "TOO_LONG"),
            ("x" * 5000, "TOO_LONG"),
            ("", "INVALID"),
            (" ", "INVALID"),
            # HTTP strips spaces around header values.
            (" a", "INVALID"),
            ("a ", "INVALID"),
            ("ключ", "INVALID"),
            ("é", "INVALID"),
            ("a\tb", "INVALID"),
            ("a\x01b", "INVALID"),
            ("a\x7fb", "INVALID"),
        ):
            self.assert_error("order", None, key, code=code, field="Idempotency-Key")

    def test_idempotency_keys_are_shared_by_both_apis(self) -> None:
        graphql, rest = self.shoppers
        first = graphql.order({"comment": "x"}, "key")
        assert rest.order({"comment": "x"}, "key") == first
        assert graphql.order({"comment": "x"}, "key") == first
        fill_cart(self.user, {self.product: 1})
        for details in (
            None,
            {"comment": "y"},
            {"comment": "x", "contact": CONTACT},
            {"comment": "x", "expected_total": "20.00"},
        ):
            self.assert_error(
                "order",
                details,
                "key",
                code="IDEMPOTENCY_KEY_REUSED",
                field="Idempotency-Key",
                status=409,
            )
        # The key does not depend on the cart, which has been emptied and filled again.
        assert rest.order({"comment": "x"}, "key") == first
        assert Order.objects.count() == 1

    def test_shoppers_can_use_the_same_key(self) -> None:
        numbers = set()
        for shopper in (GraphQLShopper(self.user), RestShopper(make_user())):
            shopper.add(self.product.pk)
            numbers.add(shopper.order(None, "1").data["number"])
        assert len(numbers) == 2

    def test_key_of_a_refused_order_can_be_used_again(self) -> None:
        for shopper in self.shoppers:
            Product.objects.update(stock=0)
            assert shopper.order(None, shopper.api).code == "OUT_OF_STOCK"
            Product.objects.update(stock=5)
            assert shopper.order(None, shopper.api).code is None
            fill_cart(self.user, {self.product: 1})

    def test_numbers_of_other_orders_are_not_found(self) -> None:
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
                self.assert_error(action, number, code="NOT_FOUND", field="number", status=404)
        assert stranger.read(theirs).data["status"] == "placed"

    def test_page_size_is_limited_to_100(self) -> None:
        for limit in (0, -1, 101, 1000, 2**31, 10**25):
            self.assert_error("orders", limit=limit, code="OUT_OF_RANGE", field="limit")
        for limit in ("many", "1.5", True):
            self.assert_error("orders", limit=limit, code="INVALID", field="limit")
        for shopper in self.shoppers:
            for limit in (1, 100):
                assert shopper.orders(limit=limit).data["items"] == []

    def test_invalid_cursors_are_an_error(self) -> None:
        for cursor in ("", "x", "\0", "ы", "WyJOQU1FIiwiYSIsMV0", "a" * 5000):
            self.assert_error("orders", cursor=cursor, code="INVALID_CURSOR", field="cursor")

    def test_invalid_access_token_is_an_error(self) -> None:
        for shopper in self.shoppers:
            shopper.access_token = "nonsense"
        for action, arguments in {"order": (), "orders": (), "read": ("1-1",), "cancel": ("1-1",)}.items():
            self.assert_error(action, *arguments, code="TOKEN_INVALID", field=None, status=401)

    def test_guests_have_no_orders_without_a_token(self) -> None:
        self.shoppers = make_shoppers()
        with override_settings(GUEST_ORDERS=False):
            self.assert_error("order", code="UNAUTHENTICATED", field=None, status=401)
        self.assert_error("cancel", "1-00000000", code="UNAUTHENTICATED", field=None, status=401)
        rest = self.shoppers[1]
        for response in (rest.orders(), rest.read("1-00000000")):
            assert (response.code, response.status) == ("UNAUTHENTICATED", 401)
        # In GraphQL, orders are a field of the user, who is null for guests.
        assert self.shoppers[0].execute("{ me { orders { nodes { number } } } }").data is None
