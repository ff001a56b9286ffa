"""Every operation, type field and URL is declared public, owner-only or staff-only, and behaves like that.

`tests/test_privacy.py` shows that owner-only operations do not disclose or change data of others.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client, TestCase
from django.urls import URLPattern, URLResolver, get_resolver
from gqlauth.models import UserStatus
from graphql import GraphQLNamedType, GraphQLObjectType, get_named_type, is_interface_type, is_object_type

from backend.addresses.models import SavedAddress
from backend.api.graphql import schema
from backend.api.rest import api
from tests.accounts.cases import clear_redis
from tests.carts.factories import make_products
from tests.support.access import (
    ADMIN_URLS,
    OWNER,
    PUBLIC,
    REST_ROUTES,
    ROOT_FIELDS,
    TYPES,
    URLS,
    Access,
)
from tests.support.clients import GraphQLClient
from tests.support.operations import list_graphql_operations, list_rest_operations
from tests.support.people import make_user, open_session_token
from tests.support.shopping import GraphQLShopper, order_and_refill

# The pages of the admin that only accept POST.
CHANGES = ("/status/", "/tracking/", "/cancel-lines/", "/note/")
ROOTS = [schema._schema.query_type, schema._schema.mutation_type]


def list_types() -> dict[str, Any]:
    """Return the object types and interfaces of the schema, without the root types and introspection."""
    return {
        name: kind
        for name, kind in schema._schema.type_map.items()
        if (is_object_type(kind) or is_interface_type(kind)) and kind not in ROOTS and name[:2] != "__"
    }


def list_urls(patterns: Sequence[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from list_urls(pattern.url_patterns, path)
        else:
            yield path


def find_undeclared(declared: Any, existing: Any) -> set[Any]:
    """Return what is not declared, and what is declared and does not exist."""
    return set(declared) ^ set(existing)


class DeclarationTest(TestCase):
    def test_every_root_field_is_declared(self) -> None:
        assert not find_undeclared(ROOT_FIELDS, [name for root in ROOTS for name in root.fields])

    def test_every_type_field_is_declared(self) -> None:
        declared = {f"{name}.{field}" for name, (_, fields) in TYPES.items() for field in fields.split()}
        existing = {f"{name}.{field}" for name, kind in list_types().items() for field in kind.fields}
        assert not find_undeclared(declared, existing)

    def test_every_rest_route_is_declared(self) -> None:
        paths = api.get_openapi_schema()["paths"]
        assert not find_undeclared(REST_ROUTES, [(method, path) for path in paths for method in paths[path]])

    def test_every_url_is_declared(self) -> None:
        routes = {path.removeprefix("/") for _, path in REST_ROUTES}
        urls = {path for path in list_urls(get_resolver().url_patterns) if not path.startswith("admin/")}
        assert not find_undeclared(URLS, urls - routes)

    def test_undeclared_and_missing_names_are_found(self) -> None:
        assert find_undeclared({"old": PUBLIC, "same": PUBLIC}, ["same", "new"]) == {"old", "new"}

    def test_public_fields_lead_to_public_types_only(self) -> None:
        def get_access(kind: GraphQLNamedType) -> Access:
            return TYPES[kind.name][0] if kind.name in TYPES else PUBLIC

        fields = [
            (f"{kind.name}.{name}", access, field)
            for kind, access_of in [
                *[(root, ROOT_FIELDS) for root in ROOTS],
                *[(kind, dict.fromkeys(kind.fields, TYPES[name][0])) for name, kind in list_types().items()],
            ]
            for name, field in kind.fields.items()
            for access in [access_of[name]]
        ]
        for path, access, field in fields:
            with self.subTest(path):
                assert access is OWNER or get_access(get_named_type(field.type)) is PUBLIC
        # The assertion can fail: owner-only types are reached.
        assert {path for path, _, field in fields if get_access(get_named_type(field.type)) is OWNER} >= {
            "Query.me",
            "Query.node",
            "User.orders",
        }


class PublicTest(TestCase):
    """Public reads return the same to a guest and to an account with a cart and an order."""

    def setUp(self) -> None:
        clear_redis()
        (self.product,) = make_products(1)
        self.user = make_user()
        self.shopper = GraphQLShopper(self.user)
        self.number = order_and_refill(self.shopper, self.product.pk)
        SavedAddress.objects.create(user=self.user, is_default=True)

    def test_graphql(self) -> None:
        operations = list_graphql_operations(self.user.email, self.product.pk, self.number)
        for name in [name for name, access in ROOT_FIELDS.items() if access is PUBLIC]:
            with self.subTest(name):
                guest = GraphQLClient().post(operations[name]).json()
                assert "errors" not in guest
                assert GraphQLClient().post(operations[name], **self.shopper.headers).json() == guest
        # The comparison can fail.
        owned = [
            GraphQLClient().post(operations["cart"], **headers).json()
            for headers in ({}, self.shopper.headers)
        ]
        assert owned[0] != owned[1]

    def test_rest(self) -> None:
        operations = list_rest_operations(self.user.email, self.product.pk, self.number)
        for route in [route for route, access in REST_ROUTES.items() if access is PUBLIC]:
            with self.subTest(route):
                guest, owner = [
                    self.send(route, operations[route], headers) for headers in ({}, self.shopper.headers)
                ]
                assert guest.status_code in (200, 204)
                assert guest.content == owner.content
        cart = ("get", "/cart")
        assert self.send(cart, {}, {}).content != self.send(cart, {}, self.shopper.headers).content

    def send(self, route: tuple[str, str], parameters: dict[str, Any], headers: dict[str, str]) -> Any:
        return Client().generic(
            route[0].upper(),
            route[1],
            json.dumps(parameters["body"]) if "body" in parameters else "",
            content_type="application/json",
            headers=headers,
            query_params=parameters.get("query", {}),
        )

    def test_nodes_of_owner_only_types_are_null_for_others(self) -> None:
        query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
        document = """query($number: String!) {
            cart { id lines { id } } wishlist { id }
            me { id addresses { id } order(number: $number) { id lines { id } } } }"""
        data = GraphQLClient().post(document, {"number": self.number}, **self.shopper.headers).json()["data"]
        order = data["me"]["order"]
        ids = [data["cart"]["id"], data["cart"]["lines"][0]["id"], data["me"]["id"], order["id"]]
        ids += [order["lines"][0]["id"], data["wishlist"]["id"], data["me"]["addresses"][0]["id"]]
        own = GraphQLClient().post(query, {"ids": ids}, **self.shopper.headers).json()["data"]["nodes"]
        nodes = schema._schema.get_possible_types(schema._schema.type_map["Node"])
        assert {node["__typename"] for node in own} == {
            kind.name
            for kind in nodes
            if isinstance(kind, GraphQLObjectType) and TYPES[kind.name][0] is OWNER
        }
        staff = make_user("staff@example.com", is_staff=True)
        for headers in (
            {},
            *({"Authorization": f"Bearer {open_session_token(user)}"} for user in (make_user(), staff)),
        ):
            found = GraphQLClient().post(query, {"ids": ids}, **headers).json()
            assert found["data"] == {"nodes": [None] * len(ids)}


class StaffTest(TestCase):
    """Every page of the admin that is not declared public refuses everybody except staff."""

    def setUp(self) -> None:
        self.staff = make_user("staff@example.com", is_staff=True)
        urls = {path for path in list_urls(get_resolver().url_patterns) if path.startswith("admin/")}
        assert urls > set(ADMIN_URLS)
        assert {url for url in urls if "feed" in url}
        self.urls = {
            url: re.sub(
                r"<[^>]*format>|<[^>]*>|\^?\(\?P<app_label>[^)]*\)|\(\?P<url>[^)]*\)",
                lambda match: (
                    "csv" if "format" in match[0] else "catalog" if "app_label" in match[0] else "1"
                ),
                url,
            ).rstrip("$")
            for url in urls - set(ADMIN_URLS)
        }

    def test_guests_and_customers_are_sent_to_the_login(self) -> None:
        archived = make_user("archived@example.com", is_staff=True)
        UserStatus.objects.filter(user=archived).update(archived=True)
        for user in (None, make_user(), archived):
            client = Client()
            if user:
                client.force_login(user)
            for url, path in self.urls.items():
                for method in ("GET", "POST"):
                    with self.subTest(url, method=method, user=user):
                        response = client.generic(method, f"/{path}")
                        assert response.status_code == 302
                        assert response["Location"].startswith("/admin/login/?next=")

    def test_access_token_does_not_open_the_admin(self) -> None:
        headers = {"Authorization": f"Bearer {open_session_token(self.staff)}"}
        for path in self.urls.values():
            assert Client().get(f"/{path}", headers=headers)["Location"].startswith("/admin/login/?next=")

    def test_staff_without_permissions_see_no_model(self) -> None:
        client = Client()
        client.force_login(self.staff)
        for url, path in self.urls.items():
            if url.count("/") < 3 or url.startswith(
                ("admin/r/", "admin/password_change/", "admin/^", "admin/(")
            ):
                continue
            with self.subTest(url):
                send = client.post if url.endswith(CHANGES) else client.get
                response = send(f"/{path}", follow=True)
                # Some pages look for the object before they check the permission, and lead to the index.
                assert response.status_code == 403 or response.redirect_chain[-1:] == [("/admin/", 302)]

    def test_superusers_see_the_lists(self) -> None:
        client = Client()
        client.force_login(make_user("boss@example.com", is_staff=True, is_superuser=True))
        lists = [path for url, path in self.urls.items() if re.fullmatch(r"admin/\w+/\w+/", url)]
        assert len(lists) >= 6
        for path in (*lists, "admin/catalog/product/feed/import/"):
            assert client.get(f"/{path}").status_code == 200

    def test_permission_opens_its_model_only(self) -> None:
        self.staff.user_permissions.add(Permission.objects.get(codename="view_order"))
        client = Client()
        client.force_login(self.staff)
        assert client.get("/admin/orders/order/").status_code == 200
        assert client.get("/admin/catalog/product/").status_code == 403
