"""The address book in both APIs: equal responses, equal errors that write nothing, and the default."""

from typing import Any

from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from backend.accounts.models import User
from backend.addresses.models import MAX_ADDRESSES, SavedAddress
from tests.orders.factories import FULL_DELIVERY
from tests.support.clients import GraphQLClient
from tests.support.people import make_user
from tests.support.shopping import ApiResponse, GraphQLShopper, RestShopper, _error, _to_camel_case, _to_rest

SAVED = """id: databaseId label contact { name phone phoneAsTyped }
    deliveryAddress { line1 line2 city postalCode country } isDefault"""
FIELDS = {
    "label": "Home",
    "contact": {"name": "Vera Inber", "phone": "+7 921 555-01-02"},
    "delivery_address": {
        "line1": "Nevsky 1",
        "city": "St Petersburg",
        "postal_code": "191186",
        "country": "RU",
    },
}


class RestBook(RestShopper):
    def book(self) -> ApiResponse:
        response = self.send("GET", "/addresses")
        return ApiResponse(response.status, response.code, data=response.data and response.data["items"])

    def create(self, fields: Any) -> ApiResponse:
        return self.send("POST", "/addresses", fields)

    def update(self, id: Any, fields: Any) -> ApiResponse:
        return self.send("PUT", "/addresses", {"id": id, **fields})

    def delete(self, id: Any) -> ApiResponse:
        response = self.send("DELETE", "/addresses", query={"id": id})
        data = None if response.data is None else {"addresses": response.data["items"]}
        return ApiResponse(response.status, response.code, response.field, response.message, data)

    def set_default(self, id: Any) -> ApiResponse:
        return self.send("POST", "/addresses/default", query={"id": id})


class GraphQLBook(GraphQLShopper):
    def book(self) -> ApiResponse:
        body = (
            GraphQLClient(self.client).post(f"{{ me {{ addresses {{ {SAVED} }} }} }}", **self.headers).json()
        )
        if body["data"]["me"] is None:
            # REST returns an error where GraphQL returns null.
            return ApiResponse(401, "UNAUTHENTICATED")
        return ApiResponse(200, data=_to_rest(body["data"]["me"]["addresses"]))

    def create(self, fields: Any) -> ApiResponse:
        response = self._send("addressCreate", "input", "SavedAddressInput!", _to_camel_case(fields))
        return ApiResponse(201, data=response.data) if response.code is None else response

    def update(self, id: Any, fields: Any) -> ApiResponse:
        fields = _to_camel_case(fields) | {"id": id}
        return self._send("addressUpdate", "input", "SavedAddressUpdateInput!", fields)

    def delete(self, id: Any) -> ApiResponse:
        return self._send("addressDelete", "id", "ID!", id)

    def set_default(self, id: Any) -> ApiResponse:
        return self._send("addressSetDefault", "id", "ID!", id)

    def _send(self, mutation: str, argument: str, kind: str, value: Any) -> ApiResponse:
        payload = f"address {{ {SAVED} }} addresses {{ {SAVED} }} errors {{ code message field }}"
        response = GraphQLClient(self.client).post(
            f"mutation(${argument}: {kind}) {{ {mutation}({argument}: ${argument}) {{ {payload} }} }}",
            {argument: value},
            **self.headers,
        )
        body = response.json()
        if errors := body.get("errors"):
            extensions = errors[0]["extensions"]
            return _error(extensions["code"], extensions["field"], errors[0]["message"])
        found = body["data"][mutation]
        if found["errors"]:
            assert found["address"] is found["addresses"] is None
            (error,) = found["errors"]
            return _error(error["code"], error["field"], error["message"])
        assert _to_rest(found["addresses"]) == self.book().data
        data = found["address"] or {"addresses": found["addresses"]}
        return ApiResponse(response.status_code, data=_to_rest(data))


def make_books(user: User | None) -> tuple[Any, Any]:
    """Return a client of each API for the address book of one account."""
    return GraphQLBook(user), RestBook(user)


class AddressBookTest(TestCase):
    def setUp(self) -> None:
        self.user = make_user()
        self.books = make_books(self.user)

    def labels(self) -> list[str]:
        """Return the labels in the book, which is equal in both APIs; that of the default has a star."""
        graphql, rest = (book.book().data for book in self.books)
        assert graphql == rest
        return [saved["label"] + "*" * saved["is_default"] for saved in rest]

    def create(self, *labels: str) -> list[int]:
        """Save addresses, through the two APIs in turns, and return their ids."""
        return [
            self.books[number % 2].create(FIELDS | {"label": label}).data["id"]
            for number, label in enumerate(labels)
        ]

    def test_saved_address_is_returned_as_it_is_stored(self) -> None:
        responses = [book.create(FIELDS) for book in self.books]
        for number, response in enumerate(responses):
            assert response.status == 201
            assert response.data == {
                "id": response.data["id"],
                "label": "Home",
                "contact": {
                    "name": "Vera Inber",
                    "phone": "+79215550102",
                    "phone_as_typed": "+7 921 555-01-02",
                },
                "delivery_address": FIELDS["delivery_address"] | {"line2": ""},
                "is_default": number == 0,
            }

    def test_first_address_is_the_default_and_the_rest_are_newest_first(self) -> None:
        self.create("a", "b", "c")
        assert self.labels() == ["a*", "c", "b"]
        query = "{ me { defaultAddress { label } } }"
        data = GraphQLClient().post(query, **self.books[0].headers).json()["data"]
        assert data == {"me": {"defaultAddress": {"label": "a"}}}

    def test_default_is_changed(self) -> None:
        _, b, c = self.create("a", "b", "c")
        for book, id, expected in zip(self.books, (b, c), (["b*", "c", "a"], ["c*", "b", "a"]), strict=True):
            for _ in range(2):
                assert book.set_default(id).data["is_default"]
                assert self.labels() == expected

    def test_newest_becomes_the_default_when_the_default_is_deleted(self) -> None:
        a, b, c, d = self.create("a", "b", "c", "d")
        graphql, rest = self.books
        assert [saved["label"] for saved in graphql.delete(a).data["addresses"]] == ["d", "c", "b"]
        assert self.labels() == ["d*", "c", "b"]
        rest.delete(b)
        assert self.labels() == ["d*", "c"]
        rest.delete(d)
        assert self.labels() == ["c*"]
        graphql.delete(c)
        assert self.labels() == []
        self.create("e")
        assert self.labels() == ["e*"]

    def test_address_is_replaced(self) -> None:
        a, b = self.create("a", "b")
        place = {"line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE"}
        for book, id in zip(self.books, (a, b), strict=True):
            changed = book.update(id, {"contact": FIELDS["contact"], "delivery_address": place}).data
            assert changed["delivery_address"] == place | {"line2": ""}
            assert (changed["label"], changed["is_default"]) == ("", id == a)

    def test_address_20_is_accepted_and_address_21_is_refused(self) -> None:
        ids = self.create(*"x" * (MAX_ADDRESSES - 1))
        for book in self.books:
            saved = book.create(FIELDS)
            assert saved.code is None
            for other in self.books:
                refused = other.create(FIELDS)
                assert (refused.status, refused.code, refused.field) == (422, "TOO_LONG", None)
            book.delete(saved.data["id"])
        assert SavedAddress.objects.count() == len(ids)

    def test_invalid_fields_are_refused(self) -> None:
        (id,) = self.create("a")
        cases: list[tuple[Any, str, str]] = [
            (FIELDS | {"label": "x" * 51}, "TOO_LONG", "label"),
            (FIELDS | {"label": "\0"}, "INVALID", "label"),
            (FIELDS | {"contact": {"name": "", "phone": "+7 921 555-01-02"}}, "INVALID", "contact.name"),
            (FIELDS | {"contact": {"name": "A", "phone": "1"}}, "INVALID", "contact.phone"),
            (
                FIELDS | {"delivery_address": {"line1": "Nevsky 1", "city": "M", "country": "RU"}},
                "INVALID",
                "delivery_address.postal_code",
            ),
            ({name: FIELDS[name] for name in ("label", "contact")}, "INVALID", "delivery_address"),
        ]
        before = list(SavedAddress.objects.values())
        for book in self.books:
            for fields, code, field in cases:
                for refused in (book.create(fields), book.update(id, fields)):
                    with self.subTest(fields, api=book.api):
                        assert (refused.code, refused.field) == (code, field)
            assert book.create(FIELDS | {"label": "x" * 50}).code is None
            SavedAddress.objects.exclude(pk=id).delete()
        assert list(SavedAddress.objects.values()) == before

    def test_addresses_of_others_and_unknown_ids_are_not_found(self) -> None:
        (others,) = [RestBook(make_user()).create(FIELDS).data["id"]]
        before = list(SavedAddress.objects.values())
        for book in self.books:
            for id in (others, 0, -1, 2**63, "abc", ""):
                for response in (book.update(id, FIELDS), book.delete(id), book.set_default(id)):
                    with self.subTest(id=id, api=book.api):
                        assert (response.status, response.code, response.field) == (404, "NOT_FOUND", "id")
        assert list(SavedAddress.objects.values()) == before

    def test_guests_are_refused(self) -> None:
        (id,) = self.create("a")
        for guest in make_books(None):
            for response in (
                guest.book(),
                guest.create(FIELDS),
                guest.update(id, FIELDS),
                guest.delete(id),
                guest.set_default(id),
            ):
                assert (response.status, response.code) == (401, "UNAUTHENTICATED")
        assert self.labels() == ["a*"]

    def test_addresses_go_with_the_account(self) -> None:
        self.create("a", "b")
        self.user.delete()
        assert not SavedAddress.objects.exists()

    def test_validation_is_that_of_orders(self) -> None:
        assert FULL_DELIVERY.address is not None
        assert FULL_DELIVERY.contact is not None
        fields = FIELDS | {
            "delivery_address": vars(FULL_DELIVERY.address),
            "contact": vars(FULL_DELIVERY.contact),
        }
        for book in self.books:
            assert book.create(fields).data["delivery_address"] == vars(FULL_DELIVERY.address)

    def test_query_count_does_not_depend_on_the_number_of_addresses(self) -> None:
        counts = set()
        for number in (1, 19):
            self.create(*"x" * number)
            for book in self.books:
                with CaptureQueriesContext(connection) as queries:
                    book.book()
                counts.add((book.api, len(queries)))
        # The viewer and the addresses; in GraphQL also the account.
        assert counts == {("REST", 2), ("GraphQL", 3)}
