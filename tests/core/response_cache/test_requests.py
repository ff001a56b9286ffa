"""Requests that are answered from the cache, and all others."""

import hashlib
import json
from typing import Any
from unittest import mock

from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.utils import translation

from backend.accounts.selectors import authenticate
from backend.api.graphql import CACHED_FIELDS, schema
from backend.api.rest import api
from backend.catalog import selectors
from backend.core.graphql import GraphQLView
from backend.core.response_cache import respond, responses
from tests.carts.factories import forged_token
from tests.core.response_cache.cases import CacheCase, Read, count_stored, drop_entries
from tests.support.operations import list_graphql_operations, list_rest_operations
from tests.support.people import make_user, open_session_token

CACHED_ROUTES = {
    ("get", "/products"),
    ("post", "/products"),
    ("get", "/product"),
    ("get", "/brand"),
    ("get", "/categories"),
}
RESPONSE_JSON = "application/graphql-response+json"


def headers_of(response: HttpResponse) -> dict[str, str]:
    """Return the headers except the id, which each request has of its own."""
    return {name: value for name, value in response.headers.items() if name != "X-Request-ID"}


class HitsTest(CacheCase):
    def test_repeated_read_is_answered_without_the_database(self) -> None:
        for name, read in self.reads().items():
            for source, prepare in (("this process", lambda: None), ("Redis", drop_entries)):
                with self.subTest(name, source=source):
                    first = self.assert_miss(read) if source == "this process" else read()
                    prepare()
                    again = self.assert_hit(read)
                    assert again.status_code == 200
                    assert again.content == first.content
                    assert headers_of(again) == headers_of(first)

    def test_hit_parses_no_query(self) -> None:
        read = self.reads()["POST /graphql"]
        read()
        with mock.patch.object(GraphQLView, "run", side_effect=AssertionError):
            assert read().status_code == 200

    def test_each_route_field_and_method_has_an_entry_of_its_own(self) -> None:
        pages = {name: read().content for name, read in self.reads().items()}
        assert count_stored() == len(pages)
        for name, read in self.reads().items():
            assert read().content == pages[name]
        self.assert_miss(lambda: self.rest("/products?in_stock=false"))
        self.assert_miss(lambda: self.rest("/products", {"in_stock": False}))
        self.assert_miss(lambda: self.rest("/products", {"in_stock": True, "limit": 1}))

    def test_every_cached_field_is_cached(self) -> None:
        operations = list_graphql_operations("vera@example.com", self.product.pk, "1")
        for name in CACHED_FIELDS:
            with self.subTest(name):
                self.assert_miss(lambda: self.graphql(operations[name]))  # noqa: B023
                self.assert_hit(lambda: self.graphql(operations[name]))  # noqa: B023

    def test_variables_and_operation_are_part_of_the_key(self) -> None:
        other = self.graphql_name("query A($id: ID) { product(id: $id) { name } }", str(self.product.pk))
        missing = self.graphql_name("query A($id: ID) { product(id: $id) { name } }", "999999")
        assert (other, missing) == ({"name": "Sencha"}, None)

    def graphql_name(self, query: str, product_id: str) -> Any:
        return self.graphql(query, {"id": product_id}).json()["data"]["product"]

    def test_persisted_query_is_cached(self) -> None:
        query = "{ categories { name } }"
        extension = {
            "persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(query.encode()).hexdigest()}
        }
        self.client.get("/graphql", {"query": query, "extensions": json.dumps(extension)})

        def send_hash() -> HttpResponse:
            return self.client.get(
                "/graphql", {"extensions": json.dumps(extension)}, headers={"Accept": "*/*"}
            )

        first = self.assert_miss(send_hash)
        assert self.assert_hit(send_hash).content == first.content
        assert "public" in first["Cache-Control"]

    @override_settings(CATALOG_CACHE_SECONDS=0)
    def test_cache_can_be_switched_off(self) -> None:
        for read in self.reads().values():
            read()
            self.assert_miss(read)
        assert (count_stored(), len(responses._memory)) == (0, 0)


class KeysTest(CacheCase):
    def test_media_types_are_separate(self) -> None:
        read = self.reads()["POST /graphql"]
        for _ in range(2):
            assert read(Accept="application/json")["Content-Type"] == "application/json"
            assert read(Accept=RESPONSE_JSON)["Content-Type"].startswith(RESPONSE_JSON)
        assert count_stored() == 2

    def test_languages_are_separate(self) -> None:
        for name, read in self.reads().items():
            with self.subTest(name):
                read()
                with translation.override("ru"):
                    self.assert_miss(read)
                    self.assert_hit(read)

    def test_head_is_answered_from_the_entry_of_get(self) -> None:
        page = self.rest("/categories")
        head = self.assert_hit(lambda: self.client.head("/categories"))
        assert (head.content, head["ETag"]) == (b"", page["ETag"])
        assert head["Content-Length"] == str(len(page.content))


class RevalidationTest(CacheCase):
    def gets(self) -> dict[str, Read]:
        return {name: read for name, read in self.reads().items() if name.startswith("GET")}

    def test_hit_has_the_caching_headers_of_a_computed_response(self) -> None:
        for name, read in self.gets().items():
            with self.subTest(name):
                with self.settings(CATALOG_CACHE_SECONDS=0):
                    computed = read()
                read()
                hit = self.assert_hit(read)
                assert headers_of(hit) == headers_of(computed)
                assert hit["Cache-Control"] == "public, max-age=0, must-revalidate"
                assert "ETag" in hit

    def test_matching_etag_returns_304_without_hashing_the_body(self) -> None:
        for name, read in self.gets().items():
            with self.subTest(name):
                etag = read()["ETag"]
                with mock.patch("django.utils.cache.md5", side_effect=AssertionError):
                    fresh = self.assert_hit(lambda: read(**{"If-None-Match": etag}))  # noqa: B023
                    changed = self.assert_hit(lambda: read(**{"If-None-Match": '"other"'}))  # noqa: B023
                assert (fresh.status_code, fresh.content) == (304, b"")
                assert (changed.status_code, changed["ETag"]) == (200, etag)

    def test_304_of_a_miss_stores_the_whole_response(self) -> None:
        for name, read in self.gets().items():
            with self.subTest(name):
                etag = read()["ETag"]
                responses._version.increase()
                assert self.assert_miss(lambda: read(**{"If-None-Match": etag})).status_code == 304  # noqa: B023
                assert self.assert_hit(read).status_code == 200

    def test_post_is_not_stored_by_clients(self) -> None:
        for name in ("POST /graphql", "POST /products"):
            for _ in range(2):
                assert self.reads()[name]()["Cache-Control"] == "no-store"


class CredentialsTest(CacheCase):
    def credentials(self) -> dict[str, dict[str, str]]:
        return {
            "access token": {"Authorization": f"Bearer {open_session_token(make_user())}"},
            "cart token": {"X-Cart-Token": forged_token()},
            "cookie": {"Cookie": "theme=dark"},
        }

    def test_request_with_credentials_is_computed(self) -> None:
        for credential, headers in self.credentials().items():
            for name, read in self.reads().items():
                with self.subTest(name, credential=credential):
                    read()
                    self.assert_hit(read)
                    self.assert_miss(lambda: read(**headers))  # noqa: B023

    def test_response_to_credentials_is_not_stored(self) -> None:
        for credential, headers in self.credentials().items():
            for name, read in self.reads().items():
                with self.subTest(name, credential=credential):
                    assert read(**headers).status_code == 200
                    assert (count_stored(), len(responses._memory)) == (0, 0)


class UncachedTest(CacheCase):
    def assert_not_stored(self, response: HttpResponse) -> None:
        assert count_stored() == 0, response.content

    def test_other_root_fields_are_not_cached(self) -> None:
        operations = list_graphql_operations("vera@example.com", self.product.pk, "1")
        for name, query in operations.items():
            if name not in CACHED_FIELDS:
                for _ in range(2):
                    with self.subTest(name):
                        self.assert_not_stored(self.graphql(query))

    def test_cached_field_beside_another_one_is_not_cached(self) -> None:
        for query in (
            "{ categories { name } cart { total } }",
            "{ categories { name } ... on Query { cart { total } } }",
            "{ categories { name } ...rest } fragment rest on Query { __typename ... { me { email } } }",
            "{ categories { name } cart @skip(if: true) { total } }",
            "{ categories { name } categories2: recommendations(first: 1) { name } }",
            "{ categories { name } __schema { queryType { name } } }",
            "{ __schema { queryType { name } } }",
            '{ __type(name: "Product") { name } }',
        ):
            with self.subTest(query):
                for _ in range(2):
                    response = self.graphql(query)
                    assert "errors" not in response.json()
                    self.assert_not_stored(response)

    def test_only_the_executed_operation_counts(self) -> None:
        document = "query A { categories { name } } query B { cart { total } }"
        for name, stored in (("B", 0), ("A", 1)):
            body = json.dumps({"query": document, "operationName": name})
            self.client.post("/graphql", body, content_type="application/json")
            assert count_stored() == stored

    def test_other_routes_are_not_cached(self) -> None:
        operations = list_rest_operations("vera@example.com", self.product.pk, "1")
        for (method, path), call in operations.items():
            if (method, path) not in CACHED_ROUTES:
                with self.subTest(path, method=method):
                    send = getattr(self.client, method)
                    query = f"?{'&'.join(f'{k}={v}' for k, v in call.get('query', {}).items())}"
                    options: dict[str, Any] = {"headers": call.get("headers", {})}
                    if "body" in call:
                        options |= {"data": json.dumps(call["body"]), "content_type": "application/json"}
                    self.assert_not_stored(send(path + query, **options))
        assert set(operations) == {(m, p) for p, ms in self.document()["paths"].items() for m in ms}

    def document(self) -> Any:
        return api.get_openapi_schema(path_prefix="")

    def test_mutation_runs_each_time(self) -> None:
        mutation = (
            f'mutation {{ cartLinesAdd(lines: [{{ productId: "{self.product.pk}", quantity: 1 }}]) '
            "{ cart { token } errors { code } } }"
        )
        tokens = [self.graphql(mutation).json()["data"]["cartLinesAdd"]["cart"]["token"] for _ in range(3)]
        assert len(set(tokens)) == 3
        assert count_stored() == 0

    def test_response_that_depends_on_the_viewer_is_not_cached(self) -> None:
        view = GraphQLView.as_view(
            schema=schema, authenticate=authenticate, cached_fields=frozenset({"cart", "categories"})
        )
        for query, stored in (("{ cart { total } }", 0), ("{ categories { name } }", 1)):
            body = json.dumps({"query": query})
            request = RequestFactory().post("/graphql", body, content_type="application/json")
            assert view(request).status_code == 200
            assert count_stored() == stored

    def test_graphiql_is_not_cached(self) -> None:
        page = self.client.get("/graphql", headers={"Accept": "text/html"})
        self.assertContains(page, "<html")
        self.assert_not_stored(page)

    def test_response_with_a_cookie_is_not_cached(self) -> None:
        def compute() -> HttpResponse:
            response = HttpResponse(b"{}")
            response.set_cookie("name", "value")
            return response

        assert "name" in respond(RequestFactory().get("/products"), compute).cookies
        assert count_stored() == 0
        respond(RequestFactory().get("/products"), lambda: HttpResponse(b"{}"))
        assert count_stored() == 0, "the request is not tried again for some seconds"
        respond(RequestFactory().get("/product"), lambda: HttpResponse(b"{}"))
        assert count_stored() == 1

    def test_form_is_not_read(self) -> None:
        assert self.client.post("/products", {"limit": "1"}).status_code == 415
        assert count_stored() == 0


class ErrorsTest(CacheCase):
    def test_refusals_are_not_cached(self) -> None:
        for send in (
            lambda: self.rest("/product?id=999999"),
            lambda: self.rest("/products?limit=1000"),
            lambda: self.rest("/products", {"limit": 1000}),
            lambda: self.rest("/products", {"category": "unknown"}),
            lambda: self.graphql("{ products(first: 1000) { nodes { id } } }"),
            lambda: self.graphql('{ categories { id } product(id: "1", slug: "2") { id } }'),
            lambda: self.graphql("{ unknown }"),
            lambda: self.graphql("{"),
            lambda: self.graphql("{ products(first: 1000) { nodes { id } } }", Accept=RESPONSE_JSON),
        ):
            for _ in range(2):
                response = send()
                body = response.json()
                assert response.status_code >= 400 or body["errors"], body
                assert count_stored() == 0, body

    def test_failure_of_the_database_is_not_cached(self) -> None:
        reads = {name: read for name, read in self.reads().items() if "/products" in name}
        for name, read in reads.items():
            with self.subTest(name):
                with mock.patch.object(selectors, "list_products", side_effect=OperationalError):
                    assert read().status_code == 503
                assert self.assert_miss(read).status_code == 200
                assert self.assert_hit(read).status_code == 200

    def test_exception_is_raised_and_releases_the_lock(self) -> None:
        def fail() -> HttpResponse:
            raise ZeroDivisionError

        request = RequestFactory().get("/products")
        with self.assertRaises(ZeroDivisionError):
            respond(request, fail)
        assert count_stored() == 0
        assert respond(request, lambda: HttpResponse(b"{}")).status_code == 200
        assert count_stored() == 1


class SizesTest(CacheCase):
    def test_large_response_is_not_cached(self) -> None:
        size = len(self.rest("/categories").content)
        for maximum, stored in ((size - 1, 0), (size, 1)):
            responses._version.increase()
            before = count_stored()
            with self.settings(RESPONSE_CACHE_MAX_BODY_BYTES=maximum):
                assert self.rest("/categories").status_code == 200
            assert count_stored() - before == stored

    def test_long_request_is_not_cached(self) -> None:
        body = '{"query": "{ categories { name } }"}'
        for length, stored in ((responses.MAX_REQUEST_BYTES + 1, 0), (responses.MAX_REQUEST_BYTES, 1)):
            response = self.client.post("/graphql", body.ljust(length), content_type="application/json")
            assert response.status_code == 200
            assert count_stored() == stored

    def test_content_length_that_is_no_number_is_left_to_the_view(self) -> None:
        response = self.client.get("/categories", CONTENT_LENGTH="many")
        assert (response.status_code, count_stored()) == (200, 0)

    def test_body_above_the_upload_limit_is_refused_as_before(self) -> None:
        for path in ("/products", "/graphql"):
            response = self.client.post(path, b" " * (1024 * 1024 + 1), content_type="application/json")
            assert response.status_code == 413


class OtherClientsTest(CacheCase):
    def test_clients_share_entries(self) -> None:
        for read in self.reads().values():
            read()
        self.client = Client(REMOTE_ADDR="192.0.2.7", headers={"User-Agent": "another"})
        for read in self.reads().values():
            self.assert_hit(read)
