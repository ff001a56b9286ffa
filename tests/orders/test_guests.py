"""Orders of guests through both APIs: creation, access by token, repetition, limits, transfer and erasure."""

import re
from typing import Any
from unittest import mock

from django.apps import apps
from django.db import connection
from django.http import HttpResponse
from django.test import Client, TestCase, override_settings
from django.test.utils import CaptureQueriesContext

from backend.accounts.codes import Purpose
from backend.accounts.models import User
from backend.carts.models import Cart, CartLine, PromoCode
from backend.carts.promo_codes import PromoCodeNotApplicable
from backend.catalog.models import Product
from backend.core.digests import digest_secret
from backend.core.throttling import hit_rate_limit
from backend.notifications.models import OutgoingEmail
from backend.orders import guests
from backend.orders.guests import (
    ORDERS_PER_ADDRESS,
    ORDERS_PER_EMAIL,
    TOKENS_PER_ADDRESS,
    confirm_account,
    erase_guest_data,
)
from backend.orders.models import Order, OrderContact
from backend.orders.services import change_order_status
from backend.orders.services.emails import describe_contents
from tests.accounts.cases import FAST_HASHER, clear_redis, make_unconfirmed_user, new_code
from tests.accounts.test_enumeration import without_values
from tests.accounts.test_rate_limits import end_window
from tests.carts.factories import fill_cart, forged_token, make_products, make_promo_code
from tests.catalog.factories import make_product
from tests.orders.factories import GUEST_EMAIL, make_guest_cart, make_guest_order, make_order, order_as_guest
from tests.orders.test_parity import read_written_rows
from tests.orders.test_query_counts import count_queries
from tests.support.clients import GraphQLClient, RestClient
from tests.support.people import ADDRESS, make_user
from tests.support.shopping import ApiResponse, GraphQLShopper, RestShopper, Shopper, make_shoppers

CONTACT = {"name": "Vera", "phone": "+7 900 123-45-67"}
DETAILS = {"email": GUEST_EMAIL, "contact": CONTACT}


class GuestCase(TestCase):
    def setUp(self) -> None:
        clear_redis()
        self.product = make_product("dress", price="10.00", stock=500)

    def make_guests(self, **options: Any) -> list[Shopper]:
        """Return a guest of each API with a cart."""
        found: list[Shopper] = [GraphQLShopper(**options), RestShopper(**options)]
        for guest in found:
            assert guest.add(self.product.pk, 2).code is None
        return found

    def order(self, guest: Shopper, details: dict[str, Any] | None = None, key: str | None = None) -> Any:
        """Order, and return the order without its token."""
        response = guest.order(details or DETAILS, key)
        assert response.code is None, response
        return response.data

    def assert_refused(self, response: ApiResponse, code: str, field: str | None, status: int = 422) -> None:
        assert (response.code, response.field, response.status) == (code, field, status)


class CreationTest(GuestCase):
    def test_guest_orders_by_email_and_contact(self) -> None:
        for guest in self.make_guests():
            with self.subTest(guest.api):
                order = self.order(guest, DETAILS | {"email": " Guest@Example.COM "})
                assert re.fullmatch("[A-Za-z0-9_-]{43}", guest.order_tokens[order["number"]])
                assert (order["total"], order["contact"]["name"]) == ("20.00", "Vera")
                stored = Order.objects.get(number=order["number"])
                assert (stored.user, stored.email, stored.idempotency_key) == (None, GUEST_EMAIL, "")
                assert (stored.person.user, stored.history.get().changed_by) == (None, None)
                assert guest.cart().data["lines"] == []
        assert Product.objects.get(pk=self.product.pk).stock == 496
        assert Cart.objects.count() == 2

    def test_both_apis_return_equal_orders(self) -> None:
        placed = [self.order(guest) for guest in self.make_guests()]
        for order in placed:
            order.pop("number")
            order.pop("placed_at")
            order["history"][0].pop("changed_at")
        assert placed[0] == placed[1]

    def test_token_is_stored_as_a_digest_only(self) -> None:
        for guest in self.make_guests():
            number = self.order(guest, key="k")["number"]
            token = guest.order_tokens[number]
            assert Order.objects.get(number=number).token_digest == digest_secret(token)
            for model in apps.get_models():
                for row in model._default_manager.values():
                    assert token not in str(row)
                    assert str(guest.cart_token) not in str(row)

    def test_email_and_contact_are_required(self) -> None:
        for guest in self.make_guests():
            before = read_written_rows()
            for details, code, field in (
                (None, "INVALID", "email"),
                ({"contact": CONTACT}, "INVALID", "email"),
                ({"contact": CONTACT, "email": None}, "INVALID", "email"),
                (DETAILS | {"email": ""}, "INVALID", "email"),
                (DETAILS | {"email": "guest"}, "INVALID", "email"),
                (DETAILS | {"email": "a\0@example.com"}, "INVALID", "email"),
                (DETAILS | {"email": '"guest"@example.com'}, "INVALID", "email"),
                (DETAILS | {"email": f"{'a' * 243}@example.com"}, "TOO_LONG", "email"),
                ({"email": GUEST_EMAIL}, "INVALID", "contact"),
                ({"email": GUEST_EMAIL, "contact": None}, "INVALID", "contact"),
                (DETAILS | {"contact": CONTACT | {"phone": "1"}}, "INVALID", "contact.phone"),
            ):
                with self.subTest(details, api=guest.api):
                    self.assert_refused(guest.order(details), code, field)
            assert guest.order().others == (("INVALID", "contact"),)
            assert read_written_rows() == before
            longest = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.example"
            assert guest.order(DETAILS | {"email": longest}).code is None

    def test_account_cannot_order_for_an_email_address(self) -> None:
        user = make_user()
        fill_cart(user, {self.product: 1})
        before = read_written_rows()
        for shopper in make_shoppers(user):
            for email in (GUEST_EMAIL, user.email, ""):
                with self.subTest(email, api=shopper.api):
                    self.assert_refused(shopper.order({"email": email}), "INVALID", "email")
        assert read_written_rows() == before
        response = make_shoppers(user)[1].send("POST", "/order", {"email": None})
        assert (response.status, response.data["token"]) == (201, None)

    def test_guest_needs_a_cart(self) -> None:
        for guest in make_shoppers():
            self.assert_refused(guest.order(DETAILS), "CART_EMPTY", None, 409)
            guest.cart_token = forged_token()
            self.assert_refused(guest.order(DETAILS, "key"), "CART_EMPTY", None, 409)
            guest.cart_token = "x"
            for key in (None, "key"):
                self.assert_refused(guest.order(DETAILS, key), "INVALID", "X-Cart-Token")
        for guest in self.make_guests():
            self.order(guest)
            self.assert_refused(guest.order(DETAILS), "CART_EMPTY", None, 409)
        assert Order.objects.count() == 2

    def test_cart_is_checked_like_that_of_an_account(self) -> None:
        for columns, details, code, field in (
            ({"stock": 1}, DETAILS, "OUT_OF_STOCK", "lines.0.product_id"),
            ({"is_published": False}, DETAILS, "NO_LONGER_SOLD", "lines.0.product_id"),
            ({}, DETAILS | {"expected_total": "1"}, "TOTAL_CHANGED", "expected_total"),
        ):
            for guest in self.make_guests():
                Product.objects.update(**columns)
                with self.subTest(code, api=guest.api):
                    self.assert_refused(guest.order(details), code, field, 409)
                Product.objects.update(stock=500, is_published=True)
        assert not Order.objects.exists()

    def test_promo_code_with_a_limit_per_customer_requires_an_account(self) -> None:
        make_promo_code("FOR-ALL", percent=10, max_uses=5)
        make_promo_code("ONCE-EACH", percent=10)
        once = PromoCode.objects.filter(code="ONCE-EACH")
        for guest in self.make_guests():
            once.update(max_uses_per_customer=None)
            assert guest.apply_code("ONCE-EACH").code is None
            once.update(max_uses_per_customer=1)
            assert guest.cart().data["discount"] == "0.00"
            before = read_written_rows()
            refusals = guest.order(DETAILS), guest.apply_code("ONCE-EACH")
            for refusal, field in zip(refusals, (None, "code"), strict=True):
                self.assert_refused(
                    refusal, "PROMO_CODE_NOT_APPLICABLE", field, PromoCodeNotApplicable.code.http_status
                )
            assert read_written_rows() == before
            guest.apply_code("FOR-ALL")
            assert self.order(guest)["discount"] == "2.00"
            assert guest.cart().data["promo_code"] is None

    def test_guest_orders_can_be_switched_off(self) -> None:
        found = self.make_guests()
        for guest in found:
            number = self.order(guest)["number"]
            guest.add(self.product.pk)
            with override_settings(GUEST_ORDERS=False):
                before = read_written_rows()
                for details in (DETAILS, None):
                    self.assert_refused(guest.order(details), "UNAUTHENTICATED", None, 401)
                assert read_written_rows() == before
                assert guest.read_own(number).code is None
                assert guest.cancel_own(number).code is None

    def test_order_does_not_reveal_accounts(self) -> None:
        """The response and the statements are the same for every address, and so is the owner."""
        make_user("known@example.com")
        make_unconfirmed_user("waiting@example.com")
        found = []
        for email in ("known@example.com", "waiting@example.com", "unknown@example.com"):
            for guest in self.make_guests():
                with CaptureQueriesContext(connection) as statements:
                    order = self.order(guest, DETAILS | {"email": email})
                assert Order.objects.get(number=order["number"]).user is None
                found.append((guest.api, [without_values(statement["sql"]) for statement in statements]))
        assert found[:2] == found[2:4] == found[4:]

    def test_query_count_is_the_same_for_1_and_5_and_200_lines(self) -> None:
        products = make_products(200)
        counts = []
        for lines in (1, 5, 200):
            clear_redis()
            for guest in self.make_guests():
                CartLine.objects.all().delete()
                cart = Cart.objects.latest("pk") if guest.api == "REST" else Cart.objects.order_by("-pk")[1]
                CartLine.objects.bulk_create(
                    CartLine(cart=cart, product=product, quantity=1, name_seen="", price_seen=1)
                    for product in products[:lines]
                )
                counts.append(count_queries(lambda: guest.order(DETAILS)))  # noqa: B023
                number = next(iter(guest.order_tokens))
                assert count_queries(lambda: guest.read_own(number)) == 4  # noqa: B023
        assert counts == [11] * 6


class AccessTest(GuestCase):
    def test_token_reads_and_cancels_its_order(self) -> None:
        for guest in self.make_guests():
            with self.subTest(guest.api):
                placed = self.order(guest)
                assert guest.read_own(placed["number"]).data == placed
                cancelled = guest.cancel_own(placed["number"]).data
                assert [change["status"] for change in cancelled["history"]] == ["placed", "cancelled"]
                assert guest.read_own(placed["number"]).data == cancelled
                self.assert_refused(guest.cancel_own(placed["number"]), "ORDER_STATUS", "number", 409)
        assert Product.objects.get(pk=self.product.pk).stock == 500

    def test_logged_in_viewer_can_use_the_token(self) -> None:
        order = make_guest_order()
        for shopper in make_shoppers(make_user()):
            assert shopper.read(order.number, order.token).data["number"] == order.number
            assert shopper.read(order.number).code == "NOT_FOUND"
            assert shopper.cancel(order.number).code == "NOT_FOUND"

    def test_order_with_a_wrong_token_and_unknown_number_are_not_found(self) -> None:
        order, other = make_guest_order(), make_guest_order()
        of_account = make_order()
        before = read_written_rows()
        for guest in make_shoppers():
            messages = set()
            for number, token in (
                (order.number, forged_token()),
                (order.number, other.token),
                (order.number, f"{order.token}x"),
                (order.number, str(order.token_digest)),
                (of_account.number, forged_token()),
                (of_account.number, order.token),
                ("1-00000000", order.token),
                ("1-00000000", forged_token()),
                ("9" * 500, forged_token()),
            ):
                with self.subTest(number, api=guest.api):
                    read, cancelled = guest.read(number, token), guest.cancel(number, token)
                    for response in (read, cancelled):
                        self.assert_refused(response, "NOT_FOUND", "number", 404)
                    messages.add((read.message, cancelled.message))
            ((of_read, of_cancelled),) = messages
            # In GraphQL, an order that is not found is null.
            assert of_cancelled == "No order has this number and this token."
            assert guest.api == "GraphQL" or of_read == of_cancelled
        assert read_written_rows() == before

    def test_orders_require_a_token_or_a_login(self) -> None:
        order = make_guest_order()
        graphql, rest = make_shoppers()
        for response in (
            rest.read(order.number),
            rest.read(order.number, ""),
            rest.cancel(order.number, ""),
            graphql.cancel(order.number),
        ):
            self.assert_refused(response, "UNAUTHENTICATED", None, 401)
        self.assert_refused(graphql.read(order.number, ""), "NOT_FOUND", "number", 404)

    def test_number_does_not_change_the_work(self) -> None:
        """The statements are the same for a wrong token, whether or not the number exists."""
        order = make_guest_order()
        for guest in make_shoppers():
            for action in (guest.read, guest.cancel):
                works = []
                for number in (order.number, "1-00000000"):
                    token = forged_token()
                    with CaptureQueriesContext(connection) as statements:
                        action(number, token)
                    assert statements
                    works.append([without_values(statement["sql"]) for statement in statements])
                assert works[0] == works[1]

    def test_token_is_not_accepted_in_a_url(self) -> None:
        order = make_guest_order()
        document = f'{{ order(number: "{order.number}", token: "{order.token}") {{ number }} }}'
        response = Client().get("/graphql", {"query": document})
        (error,) = response.json()["errors"]
        assert error["extensions"] == {"code": "INVALID", "field": ["token"]}
        assert GraphQLClient().data(document)["order"] == {"number": order.number}
        assert Client().get("/order", {"number": order.number, "token": order.token}).status_code == 401

    def test_tokens_stay_valid_when_the_secret_key_changes(self) -> None:
        order = make_guest_order()
        with override_settings(SECRET_KEY="another"):
            assert guests.derive_token(order) is None
            for guest in make_shoppers():
                assert guest.read(order.number, order.token).code is None
        assert guests.derive_token(order) == order.token

    def test_orders_of_accounts_have_no_token(self) -> None:
        order = make_order()
        assert (order.token, order.token_digest, guests.derive_token(order)) == (None, "", None)


@FAST_HASHER
class RepetitionTest(GuestCase):
    def test_repeated_key_returns_the_order_and_its_token(self) -> None:
        for guest, other in (self.make_guests(), self.make_guests()[::-1]):
            placed = self.order(guest, key="k")
            token = guest.order_tokens.pop(placed["number"])
            guest.add(self.product.pk)
            other.cart_token = guest.cart_token
            for repeated in (guest, other):
                assert self.order(repeated, key="k") == placed
                assert repeated.order_tokens[placed["number"]] == token
            assert guest.cart().data["total_quantity"] == 1
        assert Order.objects.count() == OutgoingEmail.objects.count() == 2

    def test_repeated_key_with_other_details_is_refused(self) -> None:
        for guest in self.make_guests():
            self.order(guest, key="k")
            guest.add(self.product.pk)
            before = read_written_rows()
            for details in (DETAILS | {"email": "other@example.com"}, DETAILS | {"comment": "x"}):
                self.assert_refused(
                    guest.order(details, "k"), "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key", 409
                )
            assert read_written_rows() == before

    def test_key_belongs_to_one_cart(self) -> None:
        numbers = {self.order(guest, key="k")["number"] for guest in self.make_guests()}
        user = make_user(GUEST_EMAIL)
        fill_cart(user, {self.product: 1})
        numbers.add(self.order(RestShopper(user), {"comment": ""}, key="k")["number"])
        assert len(numbers) == 3

    def test_order_is_found_after_its_cart_was_deleted(self) -> None:
        for guest in self.make_guests():
            placed = self.order(guest, key="k")
            Cart.objects.filter(token_digest=digest_secret(str(guest.cart_token))).delete()
            assert self.order(guest, key="k") == placed

    def test_repetition_is_refused_after_the_order_left_the_guest(self) -> None:
        for guest, leave in zip(
            self.make_guests(),
            (
                lambda order: erase_guest_data(order_id=order.pk),
                lambda order: _confirm_account(order.email),
            ),
            strict=True,
        ):
            self.order(guest, key="k")
            leave(Order.objects.latest("pk"))
            guest.add(self.product.pk)
            self.assert_refused(guest.order(DETAILS, "k"), "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key", 409)


class LimitTest(GuestCase):
    def assert_limited(self, guest: Shopper, email: str = GUEST_EMAIL) -> None:
        before = read_written_rows()
        self.assert_refused(guest.order(DETAILS | {"email": email}), "RATE_LIMITED", None, 429)
        assert read_written_rows() == before

    def use_up(self, limit: Any, action: str, subject: str, remaining: int = 0) -> None:
        for _ in range(limit.amount - remaining):
            hit_rate_limit([limit], action, subject)

    def test_orders_for_one_email_address_are_limited(self) -> None:
        hour, day = ORDERS_PER_EMAIL
        for guest in self.make_guests():
            for limit, shorter in ((hour, None), (day, hour)):
                with self.subTest(str(limit), api=guest.api):
                    clear_redis()
                    self.use_up(limit, "guest-order", GUEST_EMAIL, remaining=1)
                    if shorter:
                        end_window(shorter)
                    guest.add(self.product.pk)
                    self.order(guest)
                    if shorter:
                        end_window(shorter)
                    guest.add(self.product.pk)
                    self.assert_limited(guest)
                    self.assert_limited(guest, "GUEST@example.com")
                    self.order(guest, DETAILS | {"email": "other@example.com"})
                    end_window(limit)
                    guest.add(self.product.pk)
                    self.order(guest)

    def test_orders_from_one_client_address_are_limited(self) -> None:
        hour, day = ORDERS_PER_ADDRESS
        for guest in self.make_guests(address=ADDRESS):
            for limit, shorter in ((hour, None), (day, hour)):
                with self.subTest(str(limit), api=guest.api):
                    clear_redis()
                    self.use_up(limit, "guest-order-address", ADDRESS, remaining=1)
                    guest.add(self.product.pk)
                    self.order(guest, DETAILS | {"email": "first@example.com"})
                    if shorter:
                        end_window(shorter)
                    guest.add(self.product.pk)
                    self.assert_limited(guest)
                    (elsewhere,) = self.make_guests(address="192.0.2.2")[:1]
                    self.order(elsewhere, DETAILS | {"email": "second@example.com"})
                    end_window(limit)
                    self.order(guest)

    def test_repeated_requests_and_accounts_are_not_counted(self) -> None:
        for guest in self.make_guests(address=ADDRESS):
            clear_redis()
            placed = self.order(guest, key="k")
            self.use_up(ORDERS_PER_EMAIL[0], "guest-order", GUEST_EMAIL, remaining=1)
            self.use_up(ORDERS_PER_ADDRESS[0], "guest-order-address", ADDRESS, remaining=1)
            assert self.order(guest, key="k") == placed
            user = make_user()
            fill_cart(user, {self.product: 1})
            assert type(guest)(user, address=ADDRESS).order().code is None

    def test_tokens_from_one_client_address_are_limited(self) -> None:
        order = make_guest_order()
        for limit in TOKENS_PER_ADDRESS:
            for guest in self.make_guests(address=ADDRESS):
                clear_redis()
                self.use_up(limit, "order-token", ADDRESS, remaining=2)
                assert guest.read(order.number, forged_token()).code == "NOT_FOUND"
                assert guest.read(order.number, order.token).code is None
                before = read_written_rows()
                for action in (guest.read, guest.cancel):
                    self.assert_refused(action(order.number, order.token), "RATE_LIMITED", None, 429)
                assert read_written_rows() == before
                (elsewhere,) = self.make_guests(address="192.0.2.2")[:1]
                assert elsewhere.read(order.number, order.token).code is None

    def test_refusal_has_retry_after(self) -> None:
        self.use_up(ORDERS_PER_EMAIL[0], "guest-order", GUEST_EMAIL)
        self.use_up(TOKENS_PER_ADDRESS[0], "order-token", "127.0.0.1")
        token = make_guest_cart()
        rest = RestClient().post("/order", DETAILS, **{"X-Cart-Token": token})
        document = f'{{ order(number: "1", token: "{forged_token()}") {{ number }} }}'
        graphql = GraphQLClient().post(document)
        for response, longest in ((rest, 3601), (graphql, 61)):
            assert isinstance(response, HttpResponse)
            assert response.status_code == 429
            assert 1 <= int(response["Retry-After"]) <= longest

    def test_without_redis_orders_and_tokens_are_not_limited(self) -> None:
        """tests/faults/test_guest_orders.py stops Redis."""
        with mock.patch.object(guests, "is_redis_available", return_value=False):
            self.use_up(ORDERS_PER_EMAIL[0], "guest-order", GUEST_EMAIL)
            for guest in self.make_guests():
                assert guest.read_own(self.order(guest)["number"]).code is None


@FAST_HASHER
class TransferTest(GuestCase):
    def setUp(self) -> None:
        super().setUp()
        make_unconfirmed_user(GUEST_EMAIL)

    def confirm(self, api: str, code: str | None = None) -> Any:
        fields = {"email": GUEST_EMAIL, "code": code or new_code(Purpose.CONFIRMATION, GUEST_EMAIL)}
        if api == "REST":
            return RestClient().post("/auth/confirm", fields).json().get("code")
        document = """mutation($input: ConfirmInput!) {
            accountConfirm(input: $input) { errors { code } } }"""
        errors = GraphQLClient().data(document, {"input": fields})["accountConfirm"]["errors"]
        return errors[0]["code"] if errors else None

    def test_confirmed_account_receives_the_orders_of_its_address(self) -> None:
        for api in ("GraphQL", "REST"):
            with self.subTest(api):
                User.objects.filter(email=GUEST_EMAIL).delete()
                make_unconfirmed_user(GUEST_EMAIL)
                orders = [make_guest_order((self.product, 1)) for _ in range(2)]
                others = make_guest_order(email="other@example.com")
                assert self.confirm(api) is None
                user = User.objects.get(email=GUEST_EMAIL)
                for shopper in make_shoppers(user):
                    listed = shopper.orders().data["items"]
                    assert [order["number"] for order in listed] == [order.number for order in orders[::-1]]
                    assert listed[0]["contact"]["name"] == "Vera Inber"
                    for order in orders:
                        assert shopper.read(order.number).code is None
                        for action in (shopper.read, shopper.cancel):
                            assert action(order.number, order.token).code == "NOT_FOUND"
                    assert shopper.read(others.number, others.token).code is None
                moved = Order.objects.get(pk=orders[0].pk)
                assert (moved.email, moved.language, moved.token_digest) == ("", "", "")
                assert make_shoppers(user)[0].cancel(moved.number).data["status"] == "cancelled"

    def test_wrong_code_transfers_nothing(self) -> None:
        make_guest_order()
        for api in ("GraphQL", "REST"):
            before = read_written_rows()
            assert self.confirm(api, "000000") == "WRONG_CODE"
            assert read_written_rows() == before

    def test_orders_with_the_address_of_a_confirmed_account_stay_orders_of_a_guest(self) -> None:
        self.confirm("REST")
        order = make_guest_order()
        user = User.objects.get(email=GUEST_EMAIL)
        for shopper in make_shoppers(user):
            assert shopper.orders().data["items"] == []
            assert shopper.read(order.number, order.token).code is None

    def test_transferred_orders_are_mailed_to_the_account(self) -> None:
        order = make_guest_order()
        User.objects.filter(email=GUEST_EMAIL).update(language="ru")
        self.confirm("GraphQL")
        change_order_status(order_id=order.pk, status="paid", changed_by=make_user(is_staff=True).pk)
        mail = OutgoingEmail.objects.latest("pk")
        assert (mail.task, mail.recipient, mail.language) == ("orders.send_status", GUEST_EMAIL, "ru")

    def test_deleted_account_takes_the_contacts_of_transferred_orders_with_it(self) -> None:
        order = make_guest_order()
        self.confirm("REST")
        assert OrderContact.objects.get(order=order).user is not None
        User.objects.get(email=GUEST_EMAIL).delete()
        assert not OrderContact.objects.exists()
        assert GUEST_EMAIL not in str(Order.objects.values())

    def test_query_count_is_the_same_for_one_and_many_orders(self) -> None:
        counts = []
        for number in (1, 10):
            User.objects.filter(email=GUEST_EMAIL).delete()
            make_unconfirmed_user(GUEST_EMAIL)
            clear_redis()
            for _ in range(number):
                make_guest_order((self.product, 1))
                clear_redis()
            code = new_code(Purpose.CONFIRMATION, GUEST_EMAIL)
            with CaptureQueriesContext(connection) as statements:
                assert self.confirm("REST", code) is None
            counts.append(len(statements))
        assert counts[0] == counts[1]


class ErasureTest(GuestCase):
    def test_erasure_removes_the_personal_data_and_the_mails(self) -> None:
        order, other = make_guest_order(), make_guest_order()
        erase_guest_data(order_id=order.pk)
        order.refresh_from_db()
        assert (order.email, order.token_digest, order.contact) == ("", "", None)
        assert order.lines.count() == 1
        assert OutgoingEmail.objects.get().context["order_id"] == other.pk
        for guest in make_shoppers():
            assert guest.read(order.number, order.token).code == "NOT_FOUND"
            assert guest.read(other.number, other.token).code is None

    def test_erased_order_is_processed_without_mails(self) -> None:
        order = make_guest_order()
        erase_guest_data(order_id=order.pk)
        change_order_status(order_id=order.pk, status="cancelled", changed_by=make_user(is_staff=True).pk)
        assert not OutgoingEmail.objects.exists()


class MailTest(GuestCase):
    def test_mails_are_enqueued_without_the_token(self) -> None:
        order = make_guest_order()
        change_order_status(order_id=order.pk, status="paid", changed_by=make_user(is_staff=True).pk)
        mails = OutgoingEmail.objects.order_by("pk").values_list("task", "recipient", "language", "context")
        assert list(mails) == [
            (
                "orders.send_guest_confirmation",
                GUEST_EMAIL,
                "en",
                {"order_id": order.pk, **describe_contents(order, order.lines.all())},
            ),
            (
                "orders.send_guest_status",
                GUEST_EMAIL,
                "en",
                {"order_id": order.pk, "status": "paid", "total": str(order.total)},
            ),
        ]

    def test_mails_have_the_language_of_the_request(self) -> None:
        for header, language in (
            ("en", "en"),
            ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
            ("de,en;q=0.5,ru;q=0.4", "en"),
            ("en;q=0,de", "en"),
            ("de", "en"),
            ("*", "en"),
            ("", "en"),
            ("\xff;q=x", "en"),
            ("x" * 5000, "en"),
        ):
            for guest in self.make_guests():
                clear_redis()
                guest.client.defaults["HTTP_ACCEPT_LANGUAGE"] = header
                self.order(guest)
                order = Order.objects.latest("pk")
                assert order.language == OutgoingEmail.objects.latest("pk").language == language, header

    def test_repeated_order_keeps_the_language(self) -> None:
        token = make_guest_cart()
        order_as_guest(token, key="k", language="ru")
        order_as_guest(token, key="k", language="en")
        assert Order.objects.get().language == "ru"


def _confirm_account(email: str) -> None:
    make_unconfirmed_user(email)
    confirm_account(email=email, code=new_code(Purpose.CONFIRMATION, email), address=ADDRESS)
