"""Parity of the GraphQL and REST APIs for promo codes: equal results, and equal errors that write nothing."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.test import TestCase
from django.utils import timezone

from backend.carts.models import Cart, CartLine, PromoCode, PromoCodeUse
from backend.carts.promo_code_services import PROMO_CODES_PER_ACCOUNT
from backend.core.throttling import RateLimit, hit_rate_limits
from backend.orders.models import Order
from tests.accounts.cases import clear_rate_limits
from tests.carts.factories import fill_cart, forged_token, make_promo_code
from tests.catalog.factories import make_category, make_product
from tests.support.people import make_user
from tests.support.shopping import GraphQLShopper, RestShopper, make_shoppers


class PromoCodeParityTest(TestCase):
    def setUp(self) -> None:
        clear_rate_limits()
        self.addCleanup(clear_rate_limits)
        self.dress = make_product("dress", make_category("Clothes"), price=Decimal("19.99"), stock=500)
        self.sock = make_product("sock", price=Decimal("4.99"), stock=500)
        self.user = make_user()
        self.cart = fill_cart(self.user, {self.dress: 2, self.sock: 1})

    def get_equal_data(self, action: str, *arguments: Any) -> Any:
        """Perform an action through one API after the other and return the data, which must be equal."""
        graphql, rest = (getattr(shopper, action)(*arguments) for shopper in make_shoppers(self.user))
        assert graphql == rest
        assert (rest.code, rest.status) == (None, 200)
        return rest.data

    def assert_equal_errors(self, action: str, arguments: list[Any], *expected: Any, **shopper: Any) -> None:
        """Perform a refused action through both APIs, and assert status, code and field."""
        before = self.read_rows()
        for api in (GraphQLShopper, RestShopper):
            with self.subTest(action, expected=expected, api=api.api):
                response = getattr(api(**({"user": self.user} | shopper)), action)(*arguments)
                assert (response.status, response.code, response.field) == expected
                assert response.message
        assert self.read_rows() == before

    def read_rows(self) -> list[Any]:
        models = (Cart, CartLine, PromoCode, PromoCodeUse, Order)
        return [list(model.objects.order_by("pk").values()) for model in models]

    def test_applied_and_removed_codes_return_equal_carts(self) -> None:
        make_promo_code("SALE", percent=15)
        applied = self.get_equal_data("apply_code", " sale ")
        assert applied == self.get_equal_data("cart")
        assert {name: applied[name] for name in ("subtotal", "discount", "total", "promo_code")} == {
            "subtotal": "44.97",
            "discount": "6.75",
            "total": "38.22",
            "promo_code": "SALE",
        }
        assert [line["discount"] for line in applied["lines"]] == ["6.00", "0.75"]
        for removed in (self.get_equal_data("remove_code"), self.get_equal_data("cart")):
            assert (removed["promo_code"], removed["discount"], removed["total"]) == (None, "0.00", "44.97")
            assert [line["discount"] for line in removed["lines"]] == ["0.00", "0.00"]

    def test_code_that_does_not_apply_is_an_equal_warning(self) -> None:
        Cart.objects.update(promo_code=make_promo_code("SALE", minimum_total=50))
        cart = self.get_equal_data("cart")
        assert cart["warnings"] == [
            {
                "code": "PROMO_CODE_NOT_APPLIED",
                "message": "Promo code SALE requires a cart of at least 50.00 RUB, not 44.97.",
                "product_id": None,
            }
        ]
        assert (cart["promo_code"], cart["total"]) == ("SALE", "44.97")

    def test_orders_are_equal(self) -> None:
        make_promo_code("SALE", amount=10)
        for shopper in make_shoppers(self.user):
            shopper.add(self.dress.pk)
            shopper.add(self.sock.pk)
            shopper.apply_code("SALE")
            cart = shopper.cart().data
            order = shopper.order({"expected_total": cart["total"]})
            assert order.code is None
            for data in (order.data, shopper.read(order.data["number"]).data):
                assert [line["discount"] for line in data["lines"]] == [
                    line["discount"] for line in cart["lines"]
                ]
                for name in ("subtotal", "discount", "total", "promo_code"):
                    assert data[name] == cart[name]
            assert (order.data["discount"], order.data["promo_code"]) == ("10.00", "SALE")
            shopper.add(self.sock.pk)
            plain = shopper.order().data
            assert (plain["promo_code"], plain["discount"], plain["subtotal"]) == (
                None,
                "0.00",
                plain["total"],
            )

    def test_errors_are_equal(self) -> None:
        now = timezone.now()
        used = make_promo_code("USED", max_uses_per_customer=1)
        PromoCodeUse.objects.create(promo_code=used, user=self.user, order_number="1")
        make_promo_code("OFF", is_active=False)
        make_promo_code("EARLY", starts_at=now + timedelta(days=1))
        make_promo_code("LATE", ends_at=now)
        make_promo_code("GONE", max_uses=1, uses=1)
        make_promo_code("HIGH", minimum_total=1000)
        make_promo_code("BOOKS", make_category("Books"))
        cases = {
            "UNKNOWN": (404, "PROMO_CODE_NOT_FOUND"),
            "": (404, "PROMO_CODE_NOT_FOUND"),
            "\0": (404, "PROMO_CODE_NOT_FOUND"),
            "S" * 33: (404, "PROMO_CODE_NOT_FOUND"),
            "OFF": (404, "PROMO_CODE_NOT_FOUND"),
            "EARLY": (409, "PROMO_CODE_EXPIRED"),
            "LATE": (409, "PROMO_CODE_EXPIRED"),
            "USED": (409, "PROMO_CODE_USED_UP"),
            "GONE": (409, "PROMO_CODE_USED_UP"),
            "HIGH": (409, "PROMO_CODE_MINIMUM_TOTAL"),
            "BOOKS": (409, "PROMO_CODE_NOT_APPLICABLE"),
        }
        for code, (status, error) in cases.items():
            clear_rate_limits()
            self.assert_equal_errors("apply_code", [code], status, error, "code")
        for code in ("OFF", "LATE", "USED", "HIGH", "BOOKS"):
            Cart.objects.update(promo_code=PromoCode.objects.get(code=code))
            self.assert_equal_errors("order", [], *cases[code], None)

    def test_carts_without_lines_and_invalid_tokens_are_refused_alike(self) -> None:
        make_promo_code("SALE")
        for shopper in ({"user": None}, {"user": make_user()}, {"user": None, "cart_token": forged_token()}):
            self.assert_equal_errors("apply_code", ["SALE"], 409, "CART_EMPTY", None, **shopper)
        for action, arguments in (("apply_code", ["SALE"]), ("remove_code", [])):
            token = {"user": None, "cart_token": "short"}
            self.assert_equal_errors(action, list(arguments), 422, "INVALID", "X-Cart-Token", **token)

    def test_values_of_other_types_are_refused(self) -> None:
        for code in (None, 10, ["SALE"], {"code": "SALE"}):
            for shopper in make_shoppers(self.user):
                with self.subTest(code=code, api=shopper.api):
                    assert shopper.apply_code(code).code in ("INVALID", "MALFORMED")

    def test_limits_are_equal(self) -> None:
        make_promo_code("SALE")
        limit = PROMO_CODES_PER_ACCOUNT[0]
        for _ in range(limit.amount):
            hit_rate_limits([RateLimit([limit], "promo-code", str(self.user.pk))])
        self.assert_equal_errors("apply_code", ["SALE"], 429, "RATE_LIMITED", None)
