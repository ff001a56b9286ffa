"""`Cache-Control` of every route and root field: only anonymous reads of the catalogue are cacheable."""

import json
from typing import Any
from unittest import mock

from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, TestCase
from limits import parse_many

from backend.api.graphql import schema
from backend.api.rest import api
from backend.carts import locks
from backend.catalog import selectors
from tests.accounts.cases import FAST_HASHER, clear_redis
from tests.carts.factories import forged_token, make_products
from tests.catalog.factories import make_image
from tests.support.operations import list_graphql_operations, list_rest_operations
from tests.support.people import make_user, open_session_token
from tests.support.shopping import RestShopper

CACHEABLE_ROUTES = {("get", "/products"), ("get", "/product"), ("get", "/brand"), ("get", "/categories")}
CACHEABLE_FIELDS = {"node", "nodes", "products", "product", "categories", "category", "brands", "brand"}


@FAST_HASHER
class CachingTest(TestCase):
    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)
        (self.product,) = make_products(1)
        self.user = make_user(password="correct horse")
        shopper = RestShopper(self.user)
        shopper.add(self.product.pk)
        self.number = shopper.order().data["number"]

    def clients(self) -> dict[str, Client]:
        """Return a client for each kind of credentials."""
        staff = Client()
        staff.force_login(self.user)
        guest = RestShopper()
        guest.add(self.product.pk)
        return {
            "no credentials": Client(),
            "access token": Client(headers={"Authorization": f"Bearer {open_session_token(self.user)}"}),
            "invalid access token": Client(headers={"Authorization": "Bearer nonsense"}),
            "cart token": Client(headers={"X-Cart-Token": guest.cart_token or ""}),
            "unknown cart token": Client(headers={"X-Cart-Token": forged_token()}),
            "session cookie": staff,
        }

    def assert_cacheable(self, response: HttpResponse) -> None:
        assert "public" in response["Cache-Control"]
        assert "no-store" not in response["Cache-Control"]
        vary = {name.strip() for name in response["Vary"].split(",")}
        assert {"Authorization", "X-Cart-Token"} <= vary

    def assert_not_cacheable(self, response: HttpResponse) -> None:
        assert response["Cache-Control"] == "no-store"


class RestTest(CachingTest):
    def send(self, client: Client, method: str, path: str, request: dict[str, Any]) -> HttpResponse:
        return client.generic(
            method.upper(),
            path,
            json.dumps(request["body"]) if "body" in request else "",
            content_type="application/json",
            headers=request.get("headers", {}),
            query_params=request.get("query", {}),
        )

    def test_only_anonymous_catalogue_reads_are_cacheable(self) -> None:
        operations = list_rest_operations(self.user.email, self.product.pk, self.number)
        paths = api.get_openapi_schema()["paths"]
        assert {(method, path) for path in paths for method in paths[path]} == set(operations)
        for credentials, client in self.clients().items():
            for (method, path), request in operations.items():
                with self.subTest(f"{method} {path}", credentials=credentials):
                    response = self.send(client, method, path, request)
                    if (method, path) in CACHEABLE_ROUTES and credentials == "no credentials":
                        assert response.status_code == 200
                        self.assert_cacheable(response)
                    else:
                        self.assert_not_cacheable(response)

    def test_head_is_cacheable_like_get(self) -> None:
        self.assert_cacheable(self.client.head("/categories"))
        self.assert_not_cacheable(self.client.head("/cart"))

    def test_revalidated_response_is_cacheable(self) -> None:
        etag = self.client.get("/categories")["ETag"]
        response = self.client.get("/categories", headers={"If-None-Match": etag})
        assert response.status_code == 304
        self.assert_cacheable(response)

    def test_errors_are_not_cacheable(self) -> None:
        responses = {
            404: self.client.get("/product", {"id": 0}),
            405: self.client.patch("/products"),
            422: self.client.get("/products", {"limit": 1000}),
            401: self.client.get("/orders"),
        }
        with mock.patch.object(selectors, "get_product", side_effect=OperationalError):
            responses[503] = self.client.get("/product", {"id": self.product.pk})
        with mock.patch.object(locks, "GUEST_CARTS_PER_ADDRESS", parse_many("1/minute")):
            for _ in range(2):
                responses[429] = self.client.post(
                    "/cart", {"product_id": self.product.pk}, content_type="application/json"
                )
        for status, response in responses.items():
            with self.subTest(status):
                assert response.status_code == status
                self.assert_not_cacheable(response)

    def test_other_routes_are_not_cacheable(self) -> None:
        for path in ("/docs", "/openapi.json", "/health/live", "/nowhere", "/media/nothing.jpg"):
            with self.subTest(path):
                self.assert_not_cacheable(self.client.get(path))
        self.assert_not_cacheable(self.client.get("/graphql", headers={"Accept": "text/html"}))
        self.assert_not_cacheable(self.client.get("/categories", headers={"Host": "other.example.com"}))

    def test_pictures_are_cacheable_for_staff_too(self) -> None:
        path = make_image(self.product).picture.url.partition("/media/")[2]
        for credentials, client in self.clients().items():
            with self.subTest(credentials=credentials):
                response = client.get(f"/media/{path}")
                assert response.status_code == 200
                assert "public" in response["Cache-Control"]
                assert "X-Cart-Token" not in response.get("Vary", "")


class GraphQLTest(CachingTest):
    def post(self, client: Client, query: str) -> HttpResponse:
        return client.post("/graphql", {"query": query}, content_type="application/json")

    def get(self, client: Client, query: str, **headers: str) -> HttpResponse:
        return client.get("/graphql", {"query": query}, headers=headers)

    def operations(self) -> dict[str, str]:
        operations = list_graphql_operations(self.user.email, self.product.pk, self.number)
        types = (schema._schema.query_type, schema._schema.mutation_type)
        assert {name for kind in types for name in kind.fields} == set(operations)
        return operations

    def test_no_post_is_cacheable(self) -> None:
        for credentials, client in self.clients().items():
            for name, query in self.operations().items():
                with self.subTest(name, credentials=credentials):
                    self.assert_not_cacheable(self.post(client, query))

    def test_only_anonymous_gets_that_do_not_read_the_viewer_are_cacheable(self) -> None:
        for credentials, client in self.clients().items():
            for name, query in self.operations().items():
                with self.subTest(name, credentials=credentials):
                    response = self.get(client, query)
                    if name in CACHEABLE_FIELDS and credentials == "no credentials":
                        assert "errors" not in response.json()
                        self.assert_cacheable(response)
                        assert "Accept" in response["Vary"]
                    else:
                        self.assert_not_cacheable(response)

    def test_a_field_of_the_viewer_beside_public_fields_is_not_cacheable(self) -> None:
        self.assert_not_cacheable(self.get(self.client, "{ categories { id } cart { total } }"))

    def test_errors_are_not_cacheable(self) -> None:
        for query in ("{", "{ nothing }", '{ products(category: "0") { totalCount } }'):
            with self.subTest(query):
                response = self.get(self.client, query)
                assert response.json()["errors"]
                self.assert_not_cacheable(response)

    def test_cacheable_response_can_be_revalidated(self) -> None:
        first = self.get(self.client, "{ categories { id } }")
        second = self.get(self.client, "{ categories { id } }", **{"If-None-Match": first["ETag"]})
        assert second.status_code == 304
        self.assert_cacheable(second)
