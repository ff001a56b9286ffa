"""Refusals outside the two APIs' own code: hosts, methods, failures of PostgreSQL and Redis."""

import io
import logging
from typing import Any
from unittest import mock

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory, TestCase, override_settings
from redis.exceptions import ConnectionError as RedisConnectionError

from backend.accounts.models import User
from backend.core.middleware import read_body_limit
from tests.catalog.factories import make_product
from tests.support.clients import GraphQLClient, RestClient

FAILURE = OperationalError('connection to server at "db" failed: refused\n\tIs the server running?\n')


class LogCase(TestCase):
    def setUp(self) -> None:
        self.client = Client(raise_request_exception=False)

    def logged(self, send: Any) -> tuple[HttpResponse, list[logging.LogRecord]]:
        """Return the response of a call, and what it logs."""
        with self.assertLogs(level="INFO") as logs:
            response = send()
        return response, logs.records

    def assert_one_line(self, records: list[logging.LogRecord], *texts: str) -> None:
        """Assert that one warning without a stack trace was logged."""
        (record,) = records
        assert (record.levelname, record.exc_info) == ("WARNING", None)
        assert "\n" not in record.getMessage()
        for text in texts:
            assert text in record.getMessage()


class HostTest(LogCase):
    def send(self, path: str, host: str) -> HttpResponse:
        if path == "/graphql":
            body = {"query": "{ categories { id } }"}
            return self.client.post(path, body, content_type="application/json", headers={"Host": host})
        return self.client.get(path, headers={"Host": host})

    def test_unknown_host_is_named_as_the_reason(self) -> None:
        for host in ("evil.example", "two words", "localhost.evil.example:8000"):
            for path in ("/products", "/graphql", "/health/ready", "/admin/"):
                with self.subTest(path=path, host=host):
                    response, records = self.logged(lambda: self.send(path, host))  # noqa: B023
                    assert response.status_code == 400
                    assert response["Cache-Control"] == "no-store"
                    self.assert_one_line(records, repr(host), "ALLOWED_HOSTS")
                    message = "The host in the Host header is not allowed."
                    if path == "/graphql":
                        (error,) = response.json()["errors"]
                        assert error["message"] == message
                        assert error["extensions"] == {"code": "MALFORMED", "field": ["Host"]}
                    else:
                        assert response["Content-Type"] == "application/problem+json"
                        problem = response.json()
                        assert (problem["code"], problem["detail"], problem["field"]) == (
                            "MALFORMED",
                            message,
                            "Host",
                        )

    def test_refused_host_is_answered_in_the_preferred_media_type_of_graphql(self) -> None:
        accepted = {
            "application/graphql-response+json": "application/graphql-response+json; charset=utf-8",
            "application/graphql-response+json;q=0.5, application/json": "application/json",
            "*/*": "application/json",
        }
        for accept, media_type in accepted.items():
            with self.subTest(accept):
                response = self.client.get("/graphql", headers={"Host": "evil.example", "Accept": accept})
                assert (response.status_code, response["Content-Type"]) == (400, media_type)
                assert "Accept" in response["Vary"]

    def test_logged_host_is_short_and_escaped(self) -> None:
        _, records = self.logged(lambda: self.send("/products", "x" * 5000))
        assert len(records[0].getMessage()) < 200
        _, records = self.logged(lambda: self.send("/products", "a\x1b[31mb"))
        assert "\x1b" not in records[0].getMessage()

    def test_known_host_is_served_and_nothing_is_logged(self) -> None:
        with self.assertNoLogs(level="INFO"):
            for path in ("/products", "/graphql"):
                assert self.send(path, "localhost:8000").status_code == 200


class MethodTest(TestCase):
    def test_changing_methods_of_pages_that_only_read_are_refused(self) -> None:
        # The test client skips the CSRF check by default.
        client = Client(enforce_csrf_checks=True)
        for path in ("/", "/health/live", "/health/ready", "/media/x", "/docs", "/openapi.json"):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                with self.subTest(path=path, method=method):
                    response = client.generic(method, path)
                    assert response.status_code == 405
                    assert response["Content-Type"] == "application/problem+json"
                    assert response["Allow"] == "GET, HEAD"
                    assert response.json()["code"] == "METHOD_NOT_ALLOWED"

    def test_pages_can_be_read(self) -> None:
        for path, status in {
            "/": 200,
            "/health/live": 200,
            "/health/ready": 200,
            "/media/x": 404,
            "/docs": 200,
            "/openapi.json": 200,
        }.items():
            for method in ("GET", "HEAD"):
                with self.subTest(path=path, method=method):
                    assert self.client.generic(method, path).status_code == status

    def test_forms_of_the_admin_still_require_a_csrf_token(self) -> None:
        response = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a", "password": "b"})
        assert response.status_code == 403
        assert "CSRF" in response.content.decode()


class UnavailableTest(LogCase):
    """Failures of PostgreSQL and Redis: status 503, `Retry-After`, and one line in the log."""

    def assert_unavailable(self, response: HttpResponse) -> None:
        assert response.status_code == 503
        assert response["Retry-After"] == "5"
        assert response["Cache-Control"] == "no-store"

    def test_failure_of_the_database_in_rest(self) -> None:
        for failure in (FAILURE, InterfaceError("connection already closed")):
            with mock.patch("backend.catalog.selectors.list_products", side_effect=failure):
                response, records = self.logged(lambda: self.client.get("/products"))
            self.assert_unavailable(response)
            assert response.json()["code"] == "UNAVAILABLE"
            self.assert_one_line(records, "The database does not respond: con")

    def test_failure_of_the_database_in_graphql(self) -> None:
        query = "{ " + " ".join(f"a{number}: products {{ totalCount }}" for number in range(3)) + " }"
        with mock.patch("backend.catalog.selectors.list_products", side_effect=FAILURE):
            response, records = self.logged(lambda: GraphQLClient(self.client).post(query))
        self.assert_unavailable(response)
        assert response.json()["errors"][0]["extensions"] == {
            "code": "UNAVAILABLE",
            "field": None,
            "retryAfter": 5,
        }
        self.assert_one_line(records, "The database does not respond: connection", "Is the server running?")

    def test_failure_of_the_database_in_the_admin(self) -> None:
        with mock.patch("django.contrib.admin.sites.AdminSite.each_context", side_effect=FAILURE):
            response, records = self.logged(lambda: self.client.get("/admin/login/"))
        self.assert_unavailable(response)
        assert response.json()["code"] == "UNAVAILABLE"
        self.assert_one_line(records, "The database does not respond: connection")

    def test_failure_of_the_database_in_middleware(self) -> None:
        staff = User.objects.create_superuser("staff@example.com", "correct horse battery")
        self.client.force_login(staff)
        store = "django.contrib.sessions.backends.db.SessionStore"
        picture = {"file": io.BytesIO(b"picture")}
        with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
            for method, send in {
                # The session is saved after the view, and read before it to find the size limit of the form.
                "save": lambda: self.client.get("/admin/"),
                "load": lambda: self.client.post("/admin/", picture),
            }.items():
                for failure in (FAILURE, InterfaceError("connection already closed")):
                    with self.subTest(method), mock.patch(f"{store}.{method}", side_effect=failure):
                        response, records = self.logged(send)
                        self.assert_unavailable(response)
                        assert response["Content-Type"] == "application/problem+json"
                        assert response.json()["code"] == "UNAVAILABLE"
                        # The session middleware reads the session once more, after the refusal of the form.
                        for record in records:
                            self.assert_one_line([record], "The database does not respond: con")

    def test_failure_of_the_database_while_the_size_limit_is_read(self) -> None:
        environ = (
            RequestFactory().post("/admin/", headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}=x"}).environ
        )
        with mock.patch("django.contrib.sessions.backends.db.SessionStore.load", side_effect=FAILURE):
            assert read_body_limit(environ) == settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def test_failed_readiness_check(self) -> None:
        with mock.patch("django.db.backends.base.base.BaseDatabaseWrapper.cursor", side_effect=FAILURE):
            response, records = self.logged(lambda: self.client.get("/health/ready"))
        self.assert_unavailable(response)
        assert response.json() == {"database": "unavailable", "cache": "ok"}
        self.assert_one_line(records, "Health checks failed. Database: ")

    def test_failure_of_redis(self) -> None:
        login = {"email": "vera@example.com", "password": "wrong"}
        mutation = (
            'mutation { tokenCreate(input: {email: "vera@example.com", password: "wrong"}) '
            "{ errors { code } } }"
        )
        with mock.patch("backend.core.throttling._get_limiter") as limiter:
            limiter.return_value.hit.side_effect = RedisConnectionError
            for send in (
                lambda: RestClient(self.client).post("/auth/login", login),
                lambda: GraphQLClient(self.client).post(mutation),
            ):
                response, records = self.logged(send)
                self.assert_unavailable(response)
                self.assert_one_line(records, "Redis failed: ConnectionError")

    def test_bugs_are_logged_once_with_their_stack_trace(self) -> None:
        bug = RuntimeError("a bug")
        requests = {
            "backend.catalog.selectors.list_products": (
                lambda: self.client.get("/products"),
                lambda: GraphQLClient(self.client).post("{ products { totalCount } }"),
            ),
            "django.contrib.admin.sites.AdminSite.each_context": (lambda: self.client.get("/admin/login/"),),
            "django.contrib.sessions.middleware.SessionMiddleware.process_response": (
                lambda: self.client.get("/admin/login/"),
            ),
        }
        for target, calls in requests.items():
            for send in calls:
                with mock.patch(target, side_effect=bug):
                    response, records = self.logged(send)
                assert "Retry-After" not in response
                (record,) = records
                assert record.levelname == "ERROR"
                assert (record.exc_info or (None, None))[1] is bug


class RepeatedParametersTest(TestCase):
    def test_repeated_parameter_is_refused_by_both_apis(self) -> None:
        query = "query=%7B__typename%7D"
        for path, name in (
            ("/products?limit=1&limit=2", "limit"),
            ("/products?search=a&characteristics=a:b&search=a", "search"),
            ("/product?slug=a&slug=b", "slug"),
            ("/orders?cursor=a&limit=1&cursor=b", "cursor"),
            (f"/graphql?{query}&{query}", "query"),
            (f"/graphql?{query}&operationName=A&operationName=B", "operationName"),
        ):
            with self.subTest(path):
                response = self.client.get(path)
                assert response.status_code == 422
                body = response.json()
                if path.startswith("/graphql"):
                    (error,) = body["errors"]
                    assert error["extensions"] == {"code": "INVALID", "field": [name]}
                    message = error["message"]
                else:
                    assert (body["code"], body["field"]) == ("INVALID", name)
                    message = body["detail"]
                assert message == f"The parameter '{name}' must not be repeated."
        response = self.client.post("/order/cancel?number=1&number=2")
        assert (response.status_code, response.json()["field"]) == (422, "number")

    def test_list_parameter_can_be_repeated(self) -> None:
        make_product("dress", None, {"Color": "red"})
        response = self.client.get("/products?characteristics=Color:red&characteristics=Color:blue")
        assert (response.status_code, response.json()["total"]) == (200, 1)


class UnauthenticatedTest(TestCase):
    def test_every_401_names_the_scheme(self) -> None:
        invalid = {"Authorization": "Bearer x"}
        rest, graphql = RestClient(self.client), GraphQLClient(self.client)
        for response in (
            rest.get("/orders"),
            rest.get("/cart", **invalid),
            rest.get("/addresses"),
            rest.post("/auth/login", {"email": "vera@example.com", "password": "wrong"}),
            graphql.post("{ me { id } }", **invalid),
        ):
            with self.subTest(response.request["PATH_INFO"]):
                assert response.status_code == 401
                assert response["WWW-Authenticate"] == "Bearer"
        assert "WWW-Authenticate" not in rest.get("/cart")

    def test_scheme_is_read_in_any_case(self) -> None:
        for scheme in ("bearer", "BEARER", "Bearer"):
            headers = {"Authorization": f"{scheme} x"}
            assert RestClient(self.client).get("/cart", **headers).json()["code"] == "TOKEN_INVALID"
            (error,) = GraphQLClient(self.client).post("{ cart { total } }", **headers).json()["errors"]
            assert error["extensions"]["code"] == "TOKEN_INVALID"
