"""The rate limit on creating guest carts, which counts for each client address."""

from typing import Any

from django.test import TestCase

from backend.carts.locks import GUEST_CARTS_PER_ADDRESS
from backend.carts.models import Cart, CartLine
from backend.core.throttling import hit_rate_limit
from tests.accounts.cases import clear_rate_limits
from tests.accounts.test_rate_limits import end_window
from tests.carts.factories import make_products
from tests.support.clients import GraphQLClient, RestClient
from tests.support.people import ADDRESS, make_user
from tests.support.shopping import GraphQLShopper, RestShopper, Shopper

PER_MINUTE, PER_DAY = GUEST_CARTS_PER_ADDRESS
OTHER_ADDRESS = "192.0.2.2"


class GuestCartLimitCase:
    shopper_class: type[Shopper]

    def setUp(self: Any) -> None:
        clear_rate_limits()
        self.addCleanup(clear_rate_limits)
        (self.product,) = make_products(1)

    def add_as_new_guest(self: Any, address: str = ADDRESS) -> Any:
        return self.shopper_class(address=address).add(self.product.pk)

    def use_up(self: Any, limit: Any, remaining: int = 0) -> None:
        for _ in range(limit.amount - remaining):
            hit_rate_limit([limit], "guest-cart", ADDRESS)

    def test_last_cart_of_a_minute_is_created_and_the_next_is_refused(self: Any) -> None:
        for _ in range(PER_MINUTE.amount):
            assert self.add_as_new_guest().code is None
        refused = self.add_as_new_guest()
        assert (refused.status, refused.code, refused.field) == (429, "RATE_LIMITED", None)
        assert (Cart.objects.count(), CartLine.objects.count()) == (PER_MINUTE.amount,) * 2
        end_window(PER_MINUTE)
        assert self.add_as_new_guest().code is None

    def test_last_cart_of_a_day_is_created_and_the_next_is_refused(self: Any) -> None:
        self.use_up(PER_DAY, remaining=1)
        assert self.add_as_new_guest().code is None
        end_window(PER_MINUTE)
        assert self.add_as_new_guest().code == "RATE_LIMITED"
        end_window(PER_DAY)
        assert self.add_as_new_guest().code is None

    def test_other_addresses_are_not_limited(self: Any) -> None:
        self.use_up(PER_MINUTE)
        assert self.add_as_new_guest().code == "RATE_LIMITED"
        assert self.add_as_new_guest(OTHER_ADDRESS).code is None

    def test_existing_carts_and_accounts_are_not_limited(self: Any) -> None:
        guest = self.shopper_class(address=ADDRESS)
        guest.add(self.product.pk)
        self.use_up(PER_MINUTE, remaining=1)
        for shopper in (guest, self.shopper_class(make_user(), address=ADDRESS)):
            for response in (shopper.cart(), shopper.add(self.product.pk), shopper.set(self.product.pk, 3)):
                assert response.code is None
        assert self.add_as_new_guest().code == "RATE_LIMITED"

    def test_refused_lines_are_not_counted(self: Any) -> None:
        self.use_up(PER_MINUTE, remaining=1)
        guest = self.shopper_class(address=ADDRESS)
        assert guest.add(0).code == "NOT_FOUND"
        assert guest.add(self.product.pk, 0).code == "OUT_OF_RANGE"
        guest.cart()
        guest.clear()
        assert guest.add(self.product.pk).code is None

    def test_thirty_guests_behind_one_address_are_served_at_once(self: Any) -> None:
        assert {self.add_as_new_guest().code for _ in range(30)} == {None}


class GraphQLGuestCartLimitTest(GuestCartLimitCase, TestCase):
    shopper_class = GraphQLShopper

    def test_refusal_has_retry_after_as_header_and_extension(self) -> None:
        self.use_up(PER_MINUTE)
        line = f'{{ productId: "{self.product.pk}" }}'
        query = f"mutation {{ cartLinesAdd(lines: [{line}]) {{ cart {{ total }} }} }}"
        response = GraphQLClient(GraphQLShopper(address=ADDRESS).client).post(query)
        (error,) = response.json()["errors"]
        assert response.status_code == 429
        assert response["Retry-After"] == str(error["extensions"]["retryAfter"])
        assert 1 <= error["extensions"]["retryAfter"] <= 61


class RestGuestCartLimitTest(GuestCartLimitCase, TestCase):
    shopper_class = RestShopper

    def test_refusal_has_retry_after_as_header(self) -> None:
        self.use_up(PER_MINUTE)
        client = RestClient(RestShopper(address=ADDRESS).client)
        response = client.post("/cart", {"product_id": self.product.pk})
        assert response.status_code == 429
        assert 1 <= int(response["Retry-After"]) <= 61
