"""Operations with the identifiers of another account neither disclose nor change its data.

The lists of operations are compared with the schema and the OpenAPI document, so a new operation fails the
tests until it has an example in tests/support/operations.py.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from django.test import Client, TestCase
from graphql import is_non_null_type, is_required_argument

from backend.accounts.models import Session, User
from backend.addresses.models import SavedAddress
from backend.api.graphql import schema
from backend.api.rest import api
from backend.carts.models import Cart, CartLine, PromoCodeUse
from backend.notifications.models import OutgoingEmail
from backend.orders.models import (
    Order,
    OrderContact,
    OrderLine,
    OrderLineCancellation,
    OrderNote,
    OrderStatusChange,
    Payment,
)
from backend.orders.services import (
    add_order_note,
    cancel_order_lines,
    mark_paid,
)
from backend.orders.tasks import _render_email
from backend.wishlists.models import WishlistItem
from tests.accounts.cases import FAST_HASHER, clear_redis
from tests.carts.factories import make_products, make_promo_code
from tests.support.operations import (
    ADDRESS_ID,
    UNKNOWN_ORDER_TOKEN,
    list_graphql_operations,
    list_rest_operations,
)
from tests.support.people import make_user, open_session_token
from tests.support.shopping import RestShopper

SECRET = "Turgenev"
PROMO_CODE = "FOR-THE-VICTIM"
NOTE = "Suspicious customer"
REFERENCE = "reference-17"
# The time at which the victim has added a product to the wishlist.
ADDED_AT = datetime(2020, 2, 29, tzinfo=UTC)


@FAST_HASHER
class PrivacyTest(TestCase):
    def setUp(self) -> None:
        clear_redis()
        (self.product,) = make_products(1)
        self.victim = make_user("victim@example.com", "correct horse", name=SECRET)
        self.shopper = RestShopper(self.victim)
        self.shopper.add(self.product.pk, 3)
        make_promo_code(PROMO_CODE, max_uses=5)
        self.shopper.apply_code(PROMO_CODE)
        for default in (False, True):
            SavedAddress.objects.create(
                pk=ADDRESS_ID + default, user=self.victim, name=SECRET, line1=SECRET, is_default=default
            )
        self.number = self.shopper.order(
            {
                "contact": {"name": SECRET, "phone": "+7 900 123-45-67"},
                "delivery_address": {
                    "line1": SECRET,
                    "city": SECRET,
                    "postal_code": "101000",
                    "country": "RU",
                },
                "comment": SECRET,
            },
            "the victim's key",
        ).data["number"]
        self.change_as_staff()
        self.shopper.add(self.product.pk, 7)
        self.shopper.apply_code(PROMO_CODE)
        WishlistItem.objects.create(user=self.victim, product=self.product, added_at=ADDED_AT, notify=True)
        clear_redis()

    def change_as_staff(self) -> None:
        """Cancel a unit of the order, record its payment, and write a note about it."""
        order, staff = Order.objects.get(number=self.number), make_user(is_staff=True)
        cancel_order_lines(
            order_id=order.pk,
            quantities={order.lines.get().pk: 1},
            expected_total=order.total,
            changed_by=staff.pk,
        )
        order.refresh_from_db()
        mark_paid(
            number=self.number,
            reference=REFERENCE,
            amount=order.total,
            currency=order.currency,
            provider="sandbox",
        )
        add_order_note(order_id=order.pk, text=NOTE, author=staff.pk)

    def list_graphql_operations(self) -> dict[str, str]:
        return list_graphql_operations(self.victim.email, self.product.pk, self.number)

    def list_rest_operations(self) -> dict[tuple[str, str], dict[str, Any]]:
        return list_rest_operations(self.victim.email, self.product.pk, self.number)

    def attackers(self) -> list[dict[str, str]]:
        """Return the headers of a guest and of another account, each with an unknown cart token."""
        attacker = make_user(password="correct horse")
        return [
            {"X-Cart-Token": "x" * 43},
            {"X-Cart-Token": "y" * 43, "Authorization": f"Bearer {open_session_token(attacker)}"},
        ]

    def victim_rows(self) -> list[Any]:
        """Return all rows that belong to the victim."""
        of_victim = {"order__user": self.victim}
        rows = [
            User.objects.filter(pk=self.victim.pk),
            Session.objects.filter(user=self.victim),
            SavedAddress.objects.filter(user=self.victim),
            Cart.objects.filter(user=self.victim),
            CartLine.objects.filter(cart__user=self.victim),
            PromoCodeUse.objects.filter(user=self.victim),
            WishlistItem.objects.filter(user=self.victim),
            Order.objects.filter(user=self.victim),
            OrderLine.objects.filter(**of_victim),
            OrderContact.objects.filter(**of_victim),
            OrderStatusChange.objects.filter(**of_victim),
            OrderNote.objects.filter(**of_victim),
            Payment.objects.filter(**of_victim),
            OrderLineCancellation.objects.filter(line__order__user=self.victim),
            OutgoingEmail.objects.filter(recipient=self.victim.email, task__startswith="orders."),
        ]
        return [list(found.order_by("pk").values()) for found in rows]

    def assert_nothing_disclosed_or_changed(self, response: str, before: list[Any]) -> None:
        added_on = f"{ADDED_AT:%Y-%m-%d}"
        for secret in (SECRET, PROMO_CODE, NOTE, REFERENCE, added_on, self.number, self.victim.email):
            assert secret not in response
        assert '"quantity":7' not in response.replace(" ", "")
        assert self.victim_rows() == before

    def test_graphql_operations_do_not_disclose_or_change_data_of_others(self) -> None:
        operations = self.list_graphql_operations()
        types = (schema._schema.query_type, schema._schema.mutation_type)
        assert {name for kind in types for name in kind.fields} == set(operations)
        before = self.victim_rows()
        for attacker in range(2):
            for name, query in operations.items():
                with self.subTest(name, guest=not attacker):
                    response = Client().post(
                        "/graphql",
                        json.dumps({"query": query}),
                        content_type="application/json",
                        headers=self.attackers()[attacker],
                    )
                    # An invalid query would not test anything.
                    for error in response.json().get("errors", ()):
                        assert error["extensions"]["code"] in ("UNAUTHENTICATED", "RATE_LIMITED")
                    self.assert_nothing_disclosed_or_changed(response.content.decode(), before)

    def test_persisted_queries_of_the_owner_do_not_disclose_data(self) -> None:
        """The owner registers a document, and others send its hash."""
        for name, query in self.list_graphql_operations().items():
            if query.startswith("mutation"):
                continue
            query_hash = hashlib.sha256(query.encode()).hexdigest()
            body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": query_hash}}}
            owner = self.send(body | {"query": query}, self.shopper.headers)
            assert "errors" not in owner.json()
            before = self.victim_rows()
            for headers in self.attackers():
                with self.subTest(name):
                    response = self.send(body, headers)
                    codes = [error["extensions"]["code"] for error in response.json().get("errors", ())]
                    assert "PERSISTED_QUERY_NOT_FOUND" not in codes
                    self.assert_nothing_disclosed_or_changed(response.content.decode(), before)

    def send(self, body: dict[str, Any], headers: dict[str, str]) -> Any:
        return Client().post("/graphql", json.dumps(body), content_type="application/json", headers=headers)

    def test_operations_pass_every_required_argument(self) -> None:
        """Otherwise a new argument with the identifier of an object would not be tested."""
        operations = self.list_graphql_operations()
        for kind in (schema._schema.query_type, schema._schema.mutation_type):
            for name, field in kind.fields.items():
                for argument, definition in field.args.items():
                    if is_required_argument(definition) or is_non_null_type(definition.type):
                        assert f"{argument}:" in operations[name]

    def test_rest_routes_do_not_disclose_or_change_data_of_others(self) -> None:
        operations = self.list_rest_operations()
        paths = api.get_openapi_schema()["paths"]
        assert {(method, path) for path in paths for method in paths[path]} == set(operations)
        before = self.victim_rows()
        for attacker in range(2):
            for (method, path), parameters in operations.items():
                with self.subTest(f"{method} {path}", guest=not attacker):
                    response = Client().generic(
                        method.upper(),
                        path,
                        json.dumps(parameters["body"]) if "body" in parameters else "",
                        content_type="application/json",
                        headers=self.attackers()[attacker] | parameters.get("headers", {}),
                        query_params=parameters.get("query", {}),
                    )
                    assert response.status_code < 500
                    assert response.status_code not in (400, 405, 415)
                    self.assert_nothing_disclosed_or_changed(response.content.decode(), before)

    def test_notes_and_payments_are_not_disclosed_to_the_owner(self) -> None:
        for name, query in self.list_graphql_operations().items():
            if not query.startswith("mutation"):
                with self.subTest(name):
                    response = self.send({"query": query}, self.shopper.headers).content.decode()
                    assert NOTE not in response
                    assert REFERENCE not in response
        for (method, path), parameters in self.list_rest_operations().items():
            if method == "get" or path == "/order/cancel":
                with self.subTest(path):
                    response = Client().generic(
                        method.upper(),
                        path,
                        headers=self.shopper.headers,
                        query_params=parameters.get("query", {}),
                    )
                    assert (self.number in response.content.decode()) == path.startswith("/order")
                    assert NOTE not in response.content.decode()
                    assert REFERENCE not in response.content.decode()
        templates = {"orders.send_confirmation": "order-placed"}
        templates["orders.send_line_cancellation"] = "order-lines-cancelled"
        mails = OutgoingEmail.objects.filter(recipient=self.victim.email, task__startswith="orders.")
        assert mails.count() == 4
        for email in mails:
            template = templates.get(email.task) or f"order-{email.context['status']}"
            content = _render_email(email, template)
            assert content is not None
            for text in (content.subject, content.text, content.html, json.dumps(email.context)):
                assert NOTE not in text
                assert REFERENCE not in text

    def test_requests_by_the_owner_fail_the_assertion(self) -> None:
        """The same requests with the credentials of the victim disclose or change data."""
        headers = self.shopper.headers
        for name in (
            *("me", "cart", "wishlist", "cartPromoCodeRemove", "orderCancel", "wishlistRemove"),
            *("addressUpdate", "addressSetDefault", "addressDelete"),
            "cartClear",
        ):
            before = self.victim_rows()
            response = Client().post(
                "/graphql",
                json.dumps({"query": self.list_graphql_operations()[name]}),
                content_type="application/json",
                headers=headers,
            )
            with self.subTest(name), self.assertRaises(AssertionError):
                self.assert_nothing_disclosed_or_changed(response.content.decode(), before)


class GuestPrivacyTest(TestCase):
    """The number of a guest's order, its e-mail address and its cart give no access to it."""

    def setUp(self) -> None:
        clear_redis()
        (self.product,) = make_products(1)
        self.guest = RestShopper()
        self.guest.add(self.product.pk)
        placed = self.guest.order(
            {
                "email": "victim@example.com",
                "contact": {"name": SECRET, "phone": "+7 900 123-45-67"},
                "comment": SECRET,
            },
            "the victim's key",
        )
        self.number = placed.data["number"]
        self.token = self.guest.order_tokens[self.number]

    def list_requests(self) -> list[dict[str, Any]]:
        """Return a request to every operation, with the identifiers of the victim."""
        documents = list_graphql_operations("victim@example.com", self.product.pk, self.number)
        documents["orderCancel with a token"] = (
            f'mutation {{ orderCancel(number: "{self.number}", token: "{UNKNOWN_ORDER_TOKEN}") '
            "{ order { number comment } errors { code } } }"
        )
        documents["orderCreate with an address"] = (
            'mutation { orderCreate(input: { email: "victim@example.com", contact: { name: "A", phone: '
            '"+7 900 123-45-67" }, idempotencyKey: "the victim\'s key" }) '
            "{ order { number } token errors { code } } }"
        )
        routes = list_rest_operations("victim@example.com", self.product.pk, self.number)
        return [
            *({"method": "POST", "path": "/graphql", "body": {"query": text}} for text in documents.values()),
            *(
                {"method": method.upper(), "path": path} | parameters
                for (method, path), parameters in routes.items()
            ),
        ]

    def send(self, request: dict[str, Any], headers: dict[str, str]) -> str:
        response = Client().generic(
            request["method"],
            request["path"],
            json.dumps(request["body"]) if "body" in request else "",
            content_type="application/json",
            headers=headers | request.get("headers", {}),
            query_params=request.get("query", {}),
        )
        assert response.status_code < 500
        return response.content.decode()

    def victim_rows(self) -> list[Any]:
        orders = Order.objects.filter(number=self.number)
        return [
            list(rows.order_by("pk").values())
            for rows in (
                orders,
                OrderContact.objects.filter(order__in=orders),
                OrderStatusChange.objects.filter(order__in=orders),
                OutgoingEmail.objects.filter(task__startswith="orders."),
            )
        ]

    def assert_nothing_disclosed_or_changed(self, response: str, before: list[Any]) -> None:
        for secret in (SECRET, self.number, self.token):
            assert secret not in response
        assert self.victim_rows() == before

    def test_operations_do_not_disclose_or_change_the_order(self) -> None:
        before = self.victim_rows()
        account = make_user("attacker@example.com")
        same_address = make_user("victim@example.com")
        for credentials in (
            {},
            {"Authorization": f"Bearer {open_session_token(account)}"},
            {"Authorization": f"Bearer {open_session_token(same_address)}"},
        ):
            for request in self.list_requests():
                with self.subTest(request, credentials=credentials):
                    headers = credentials | {"X-Cart-Token": "x" * 43, "X-Order-Token": UNKNOWN_ORDER_TOKEN}
                    self.assert_nothing_disclosed_or_changed(self.send(request, headers), before)

    def test_requests_by_the_guest_fail_the_assertion(self) -> None:
        for request in (
            {"method": "GET", "path": "/order", "query": {"number": self.number}},
            {"method": "POST", "path": "/order/cancel", "query": {"number": self.number}},
        ):
            before = self.victim_rows()
            response = self.send(request, {"X-Order-Token": self.token})
            with self.assertRaises(AssertionError):
                self.assert_nothing_disclosed_or_changed(response, before)
