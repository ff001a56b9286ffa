"""GraphQL over HTTP: media types, status codes and empty parameters."""

import json
from typing import Any
from unittest import mock

from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, TestCase, override_settings

from backend.catalog import selectors
from backend.core.errors import RateLimited
from tests.accounts.cases import clear_redis
from tests.support.clients import GraphQLClient

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
NAME = "{ __typename }"


class HttpTest(TestCase):
    def post(self, body: Any, accept: str = JSON, content_type: str = JSON, **headers: str) -> HttpResponse:
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"Accept": accept, **headers}
        return self.client.post("/graphql", content, content_type=content_type, headers=headers)

    def media_type(self, response: HttpResponse) -> str:
        return response["Content-Type"].split(";")[0]

    def code(self, response: HttpResponse) -> str:
        return str(response.json()["errors"][0]["extensions"]["code"])


class MediaTypeTest(HttpTest):
    def test_media_type_is_negotiated(self) -> None:
        for accept, expected in {
            "*/*": JSON,
            "application/*": JSON,
            "application/json": JSON,
            "text/plain": JSON,
            "application/graphql-response+json": RESPONSE_JSON,
            "Application/GraphQL-Response+JSON": RESPONSE_JSON,
            "application/graphql-response+json;charset=utf-8, application/json;charset=utf-8": RESPONSE_JSON,
            # Apollo Client, urql.
            "application/graphql-response+json,application/json;q=0.9": RESPONSE_JSON,
            "application/graphql-response+json, application/graphql+json, application/json": RESPONSE_JSON,
            "application/json, application/graphql-response+json": RESPONSE_JSON,
            "application/json;q=0.9, application/graphql-response+json;q=0.8": JSON,
            "application/json;q=0.8, application/graphql-response+json;q=0.9": RESPONSE_JSON,
            "application/graphql-response+json;q=0.5, */*": JSON,
            "application/graphql-response+json, */*;q=0.1": RESPONSE_JSON,
            "application/graphql-response+json;q=0, application/json;q=0.1": JSON,
            "application/graphql-response+json;q=0, */*;q=0.1": JSON,
            "application/graphql-response+json;q=nonsense": RESPONSE_JSON,
        }.items():
            with self.subTest(accept):
                for response in (
                    self.post({"query": NAME}, accept),
                    self.client.get("/graphql", {"query": NAME}, headers={"Accept": accept}),
                ):
                    assert (response.status_code, self.media_type(response)) == (200, expected)
                    assert "Accept" in response["Vary"]

    def test_request_without_accept_gets_json(self) -> None:
        response = self.client.post("/graphql", json.dumps({"query": NAME}), content_type=JSON)
        assert response["Content-Type"] == JSON

    def test_encoding_is_declared(self) -> None:
        response = self.post({"query": NAME}, RESPONSE_JSON)
        assert response["Content-Type"] == f"{RESPONSE_JSON}; charset=utf-8"


class RefusalTest(HttpTest):
    """Requests that are refused before execution."""

    def test_refused_request_has_a_code_and_no_data_in_every_media_type(self) -> None:
        for name, body, code, json_status, strict_status in [
            ("no JSON", '{"', "MALFORMED", 400, 400),
            ("no UTF-8", b'{"query": "\xff"}', "MALFORMED", 400, 400),
            ("an array", [{"query": NAME}], "MALFORMED", 400, 400),
            ("no query", {"qeury": NAME}, "MALFORMED", 400, 400),
            ("a query that is no string", {"query": 1}, "MALFORMED", 400, 400),
            ("variables that are a list", {"query": NAME, "variables": []}, "MALFORMED", 400, 400),
            ("extensions that are a list", {"query": NAME, "extensions": []}, "MALFORMED", 400, 400),
            ("a name that is no string", {"query": NAME, "operationName": 1}, "MALFORMED", 400, 400),
            ("a long document", {"query": NAME + " " * 32_768}, "TOO_LARGE", 413, 413),
            ("a large body", {"query": NAME, "x": "x" * 2**20}, "TOO_LARGE", 413, 413),
            ("a syntax error", {"query": "{"}, "MALFORMED", 200, 400),
            ("an unknown field", {"query": "{ unknown }"}, "INVALID", 200, 400),
            ("an unknown operation", {"query": NAME, "operationName": "A"}, "MALFORMED", 200, 400),
            ("a deep query", {"query": "{ categories " * 201 + "}" * 201}, "TOO_COMPLEX", 200, 400),
            (
                "a missing variable",
                {"query": "query($id: ID!) { node(id: $id) { id } }"},
                "INVALID",
                200,
                400,
            ),
        ]:
            with self.subTest(name):
                for accept, status in ((JSON, json_status), (RESPONSE_JSON, strict_status)):
                    response = self.post(body, accept)
                    assert (response.status_code, self.code(response), self.media_type(response)) == (
                        status,
                        code,
                        accept,
                    )
                    assert "data" not in response.json()
                    assert response["Cache-Control"] == "no-store"

    def test_refused_method_and_content_type_have_the_accepted_media_type(self) -> None:
        for accept in (JSON, RESPONSE_JSON):
            headers = {"Accept": accept}
            response = self.client.delete("/graphql", headers=headers)
            assert (
                response.status_code,
                response["Allow"],
                self.code(response),
                self.media_type(response),
            ) == (405, "GET, POST", "METHOD_NOT_ALLOWED", accept)
            mutation = {"query": "mutation { cartClear { errors { code } } }"}
            response = self.client.get("/graphql", mutation, headers=headers)
            assert (
                response.status_code,
                response["Allow"],
                self.code(response),
                self.media_type(response),
            ) == (405, "POST", "METHOD_NOT_ALLOWED", accept)
            response = self.post({"query": NAME}, accept, content_type="text/plain")
            assert (response.status_code, self.code(response), self.media_type(response)) == (
                415,
                "UNSUPPORTED_MEDIA_TYPE",
                accept,
            )

    def test_large_response_is_refused(self) -> None:
        with override_settings(GRAPHQL_MAX_RESPONSE_BYTES=10):
            for accept, status in ((JSON, 200), (RESPONSE_JSON, 400)):
                response = self.post({"query": NAME}, accept)
                assert (response.status_code, self.code(response)) == (status, "TOO_COMPLEX")
                assert "data" not in response.json()

    def test_request_over_budget_is_refused(self) -> None:
        with override_settings(GRAPHQL_MAX_COST=1_000):
            for accept, status in ((JSON, 200), (RESPONSE_JSON, 400)):
                response = self.post({"query": "{ products { totalCount } }"}, accept)
                assert (response.status_code, self.code(response)) == (status, "TOO_COMPLEX")


class ErrorTest(HttpTest):
    """Errors of resolvers."""

    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)

    def test_error_that_leaves_no_data_keeps_its_status(self) -> None:
        for accept in (JSON, RESPONSE_JSON):
            response = self.post({"query": "{ cart { total } }"}, accept, Authorization="Bearer nonsense")
            assert (response.status_code, self.code(response)) == (401, "TOKEN_INVALID")
            assert response.json()["data"] is None
            with (
                mock.patch.object(selectors, "read_category_tree", side_effect=OperationalError),
                self.assertLogs("backend.core.problems", "WARNING"),
            ):
                response = self.post({"query": "{ categories { name } }"}, accept)
            assert (response.status_code, self.code(response)) == (503, "UNAVAILABLE")
            assert response.json()["data"] is None

    def test_partial_response_is_200_in_the_media_type_of_the_specification(self) -> None:
        for accept, status in ((JSON, 401), (RESPONSE_JSON, 200)):
            response = self.post({"query": "{ me { name } }"}, accept, Authorization="Bearer nonsense")
            assert (response.status_code, self.code(response)) == (status, "TOKEN_INVALID")
            assert response.json()["data"] == {"me": None}

    def test_rate_limit_has_retry_after_in_every_media_type(self) -> None:
        login = 'mutation { tokenCreate(input: { email: "a@example.com", password: "x" }) { expiresIn } }'
        for accept, status in ((JSON, 429), (RESPONSE_JSON, 200)):
            with mock.patch("backend.accounts.services.log_in", side_effect=RateLimited(17)):
                response = self.post({"query": login}, accept)
            assert (response.status_code, self.code(response)) == (status, "RATE_LIMITED")
            assert response["Retry-After"] == "17"

    def test_internal_error_before_execution_is_500_in_the_media_type_of_the_specification(self) -> None:
        for accept, status in ((JSON, 200), (RESPONSE_JSON, 500)):
            with (
                mock.patch("backend.core.graphql.documents._check_operation", side_effect=RuntimeError),
                self.assertLogs("backend.core.graphql.errors", "ERROR"),
            ):
                response = self.post({"query": NAME}, accept)
            assert (response.status_code, self.code(response)) == (status, "INTERNAL")
            assert "data" not in response.json()


class ParametersTest(HttpTest):
    """Parameters of GET."""

    def get(self, **parameters: str) -> HttpResponse:
        return self.client.get("/graphql", {"query": NAME, **parameters}, headers={"Accept": JSON})

    def test_empty_parameter_is_the_same_as_none(self) -> None:
        plain = self.get()
        for parameters in (
            {"operationName": ""},
            {"variables": ""},
            {"extensions": ""},
            {"variables": "null", "extensions": "null"},
            {"variables": "{}", "extensions": "{}"},
            {"operationName": "", "variables": "", "extensions": ""},
        ):
            with self.subTest(parameters):
                response = self.get(**parameters)
                assert (response.status_code, response.json()) == (200, plain.json())

    def test_parameter_that_is_no_json_object_is_refused(self) -> None:
        for name in ("variables", "extensions"):
            for value in (
                "{",
                "[]",
                "1",
                '"text"',
                "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
            ):
                with self.subTest(name=name, value=value):
                    response = self.get(**{name: value})
                    assert (response.status_code, self.code(response)) == (400, "MALFORMED")
                    assert name in response.json()["errors"][0]["message"]

    def test_browser_gets_graphiql_unless_it_sends_a_query(self) -> None:
        html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        client = Client()
        assert "text/html" in client.get("/graphql", headers=html)["Content-Type"]
        assert client.get("/graphql", {"query": NAME}, headers=html)["Content-Type"] == JSON
        assert client.get("/graphql", {"extensions": "{}"}, headers=html).status_code == 400


class ShapeTest(TestCase):
    def test_data_is_present_if_the_request_was_executed(self) -> None:
        assert list(GraphQLClient().post(NAME).json()) == ["data", "extensions"]
