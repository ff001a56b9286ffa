"""Assembly of the REST API: strict parsing, problem responses, authentication."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.security.http import HttpAuthBase

from backend.core import problems
from backend.core.errors import ErrorCode, Malformed, ShopError, UnsupportedMediaType
from backend.core.problems import FieldProblem, problem_response, refuse
from backend.core.rest.docs import SWAGGER, require_docs_permission
from backend.core.viewer import Authenticate, Viewer, get_viewer

_LOGIN_REQUIRED = "x-login-required"
# The `openapi_extra` of a route that guests cannot use.
LOGIN_REQUIRED = {_LOGIN_REQUIRED: True}

# Pydantic describes dataclasses in terms of Python.
_MESSAGES = {
    "dataclass_type": "Input should be an object",
    "unexpected_keyword_argument": "Extra inputs are not permitted",
}


def make_api(title: str, description: str, authenticate: Authenticate) -> NinjaAPI:
    """Return an API with strict parsing, problem responses and its own documentation at /docs."""
    api = _Api(
        title=title,
        description=description,
        version="1.0.0",
        parser=_Parser(),
        renderer=_Renderer(),
        auth=AccessToken(authenticate),
        docs=SWAGGER,
        docs_decorator=partial(require_docs_permission, authenticate=authenticate),
        urls_namespace="rest",
    )
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        ShopError: problems.refuse_shop_error,
        ValidationError: _refuse_invalid_input,
        HttpError: _refuse_unreadable_body,
        RequestDataTooBig: problems.refuse_large_body,
        OperationalError: problems.refuse_without_database,
        InterfaceError: problems.refuse_without_database,
        Http404: problems.page_not_found,
        Exception: problems.report_bug,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)
    return api


class ApiRequest(HttpRequest):
    """A request to a REST endpoint that is not declared with `auth=None`."""

    # Ninja stores the return value of `AccessToken` here.
    auth: Viewer


class AccessToken(HttpAuthBase):
    """Authenticate requests with an access token, if any. OpenAPI shows the class name."""

    openapi_scheme = "bearer"

    def __init__(self, authenticate: Authenticate) -> None:
        super().__init__()
        self._authenticate = authenticate

    def __call__(self, request: HttpRequest) -> Viewer:
        return get_viewer(request, self._authenticate)


class _Parser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != "application/json":
            raise UnsupportedMediaType("The body must be sent as application/json.")
        try:
            return orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise Malformed(f"The body must be valid JSON: {error}.") from None


class _Renderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return orjson.dumps(data, default=str)


class _Api(NinjaAPI):
    # Generating the document takes more CPU than any other response, and the result never changes.
    _document: OpenAPISchema | None = None

    def get_openapi_schema(self, **arguments: Any) -> OpenAPISchema:
        """Return the OpenAPI document."""
        self._document = self._document or self._generate_document(**arguments)
        return self._document

    def _generate_document(self, **arguments: Any) -> OpenAPISchema:
        """Generate the document and add what Ninja cannot express.

        Problems have their own media type. Guests need no token unless a route is `LOGIN_REQUIRED`, and an
        invalid token is refused except by routes that read none (`auth=None`).
        """
        document = super().get_openapi_schema(**arguments)
        unauthorized = {
            "description": HTTPStatus.UNAUTHORIZED.phrase,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for methods in document["paths"].values():
            for operation in methods.values():
                login_required = operation.pop(_LOGIN_REQUIRED, False)
                if "security" in operation:
                    if not login_required:
                        operation["security"] = [{}, *operation["security"]]
                    operation["responses"].setdefault(HTTPStatus.UNAUTHORIZED.value, unauthorized)
                for status, response in operation["responses"].items():
                    content = response.get("content", {})
                    if int(status) >= 400 and "application/json" in content:
                        content["application/problem+json"] = content.pop("application/json")
        return document


def _refuse_invalid_input(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Render Pydantic's errors.

    The first two parts of a location are the source of the value (body, query) and the name of the view's
    argument. Messages of validators of our own begin with the class of their exception.
    """
    return problem_response(
        ErrorCode.INVALID,
        [
            FieldProblem(
                code=ErrorCode.INVALID,
                detail=_MESSAGES.get(problem["type"]) or problem["msg"].removeprefix("Value error, "),
                field=".".join(str(part) for part in problem["loc"][1:] if part != "payload") or None,
            )
            for problem in error.errors
        ],
    )


def _refuse_unreadable_body(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Render what `_Parser` raised, which Ninja wraps in an error of its own."""
    if isinstance(error.__cause__, ShopError):
        return problems.refuse_shop_error(request, error.__cause__)
    if isinstance(error.__cause__, RequestDataTooBig):
        return problems.refuse_large_body(request, error.__cause__)
    return refuse(ErrorCode.MALFORMED, error.message)
