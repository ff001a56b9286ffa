"""Assembly of the REST API: strict parsing, problem responses, authentication."""

from collections.abc import Callable
from functools import partial, update_wrapper
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.responses import Status
from ninja.security.http import HttpAuthBase
from pydantic import BaseModel

from backend import __version__
from backend.core import problems
from backend.core.errors import (
    ErrorCode,
    Malformed,
    ShopError,
    UnsupportedMediaType,
    refuse_repeated_parameters,
)
from backend.core.problems import FieldProblem, make_problem_response, refuse
from backend.core.request_language import render_message
from backend.core.rest.docs import SWAGGER, require_docs_permission
from backend.core.rest.serializers import compile_serializer
from backend.core.viewer import Authenticate, Viewer, get_viewer

_LOGIN_REQUIRED = "x-login-required"
# The `openapi_extra` of a route that guests cannot use.
LOGIN_REQUIRED = {_LOGIN_REQUIRED: True}

# Messages of Pydantic, and of validators that raise `PydanticCustomError`, by the type of the error. Pydantic
# describes dataclasses in terms of Python.
_MESSAGES = {
    "bool_parsing": _("Input should be a valid boolean, unable to interpret input"),
    "bool_type": _("Input should be a valid boolean"),
    "dataclass_type": _("Input should be an object"),
    "decimal_max_digits": _("Decimal input should have no more than %(max_digits)s digits in total"),
    "decimal_max_places": _("Decimal input should have no more than %(decimal_places)s decimal places"),
    "decimal_parsing": _("Input should be a valid decimal"),
    "decimal_type": _("Decimal input should be an integer, float, string or Decimal object"),
    "dict_type": _("Input should be a valid dictionary"),
    "enum": _("Input should be %(expected)s"),
    "extra_forbidden": _("Extra inputs are not permitted"),
    "finite_number": _("Input should be a finite number"),
    "greater_than": _("Input should be greater than %(gt)s"),
    "greater_than_equal": _("Input should be greater than or equal to %(ge)s"),
    "id_or_slug": _("%(name)s must be an id or a slug."),
    "int_from_float": _("Input should be a valid integer, got a number with a fractional part"),
    "int_parsing": _("Input should be a valid integer, unable to parse string as an integer"),
    "int_parsing_size": _("Unable to parse input string as an integer, exceeded maximum size"),
    "int_type": _("Input should be a valid integer"),
    "less_than": _("Input should be less than %(lt)s"),
    "less_than_equal": _("Input should be less than or equal to %(le)s"),
    "list_type": _("Input should be a valid list"),
    "literal_error": _("Input should be %(expected)s"),
    "missing": _("Field required"),
    "model_attributes_type": _("Input should be a valid dictionary or object to extract fields from"),
    "model_type": _("Input should be a valid dictionary"),
    "object_id": _("An id must be an integer or a string."),
    "strict_decimal": _('Input should be a finite number such as "28.99", not %(value)s'),
    "string_type": _("Input should be a valid string"),
    "string_unicode": _("Input should be a valid string, unable to parse raw data as a unicode string"),
    "unexpected_keyword_argument": _("Extra inputs are not permitted"),
}


def make_api(title: str, description: str, authenticate: Authenticate, *, tags: dict[str, str]) -> NinjaAPI:
    """Return an API with strict parsing, problem responses and its own documentation at /docs.

    Args:
        tags: the descriptions of the tags of its routes, in the order of the documentation.
    """
    api = _Api(
        title=title,
        description=description,
        version=__version__,
        parser=_Parser(),
        renderer=_Renderer(),
        auth=AccessToken(authenticate),
        docs=SWAGGER,
        docs_decorator=partial(require_docs_permission, authenticate=authenticate),
        urls_namespace="rest",
        servers=[{"url": "/", "description": "This shop"}],
        openapi_extra={
            "info": {"contact": {"name": "The operator of this shop"}},
            "tags": [{"name": name, "description": text} for name, text in tags.items()],
        },
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
    openapi_bearerFormat = "JWT"  # noqa: N815 - the name in OpenAPI
    openapi_description = "The `access_token` that `POST /auth/login` returns."

    def __init__(self, authenticate: Authenticate) -> None:
        super().__init__()
        self._authenticate = authenticate

    def __call__(self, request: HttpRequest) -> Viewer:
        return get_viewer(request, self._authenticate)


class _Parser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != "application/json":
            raise UnsupportedMediaType(_("The body must be sent as application/json."))
        try:
            parsed = orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise Malformed(_("The body must be valid JSON: %(error)s."), params={"error": error}) from None
        if not isinstance(parsed, dict):
            raise Malformed(_("The body must be a JSON object."))
        return parsed

    def parse_querydict(
        self, data: MultiValueDict[str, str], list_fields: list[str], request: HttpRequest
    ) -> Any:
        refuse_repeated_parameters(data.lists(), list_fields)
        return super().parse_querydict(data, list_fields, request)


class _Renderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return orjson.dumps(data, default=str)


class Endpoint:
    """The view of an operation. Its results become responses without validation by Pydantic.

    Ninja sends a response unchanged. It makes the responses to results that have no response model.
    """

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.view = operation.view_func
        self._serializers = {
            status: compile_serializer(model.model_fields["response"])
            for status, model in operation.response_models.items()
            if isinstance(model, type) and issubclass(model, BaseModel)
        }
        # Ninja names operations after their views.
        update_wrapper(self, self.view)

    def __call__(self, request: HttpRequest, **arguments: Any) -> Any:
        return self.respond(request, self.view(request, **arguments))

    def respond(self, request: HttpRequest, result: Any) -> Any:
        """Return the response for a result of the view, or the result if Ninja makes the response."""
        status, value = HTTPStatus.OK.value, result
        if isinstance(result, Status):
            status, value = result.status_code, result.value
        if status not in self._serializers or isinstance(value, HttpResponseBase):
            return result
        serialize = self._serializers[status]
        data = value if serialize is None else serialize(value)
        return self.operation.api.create_response(request, data, status=status)


def _has_options(operation: Operation) -> bool:
    """Return whether a response depends on more than the result and the response model."""
    return bool(
        operation.is_async
        or operation.stream_format
        or operation.signature.response_arg
        or operation.by_alias
        or operation.exclude_unset
        or operation.exclude_defaults
        or operation.exclude_none
    )


class _Api(NinjaAPI):
    # Generating the document takes more CPU than any other response, and the result never changes.
    _document: OpenAPISchema | None = None

    def _get_urls(self) -> list[Any]:
        """Return the URL patterns, and replace the views of the operations by endpoints.

        The views of the patterns have the operation ids by method, for the metrics.
        """
        ids: dict[str, dict[str, str]] = {}
        for router in self._get_bound_routers():
            for path, view in router.path_operations.items():
                for operation in view.operations:
                    operation_id = operation.operation_id or self.get_openapi_operation_id(operation)
                    ids.setdefault(path.strip("/"), {}).update(dict.fromkeys(operation.methods, operation_id))
                    if not _has_options(operation):
                        operation.view_func = Endpoint(operation)
        patterns = super()._get_urls()
        for pattern in patterns:
            if str(pattern.pattern) in ids:
                vars(pattern.callback)["operation_ids"] = ids[str(pattern.pattern)]
        return patterns

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
        for methods in document["paths"].values():
            for operation in methods.values():
                responses = operation["responses"]
                login_required = operation.pop(_LOGIN_REQUIRED, False)
                if operation.setdefault("security", []):
                    if not login_required:
                        operation["security"] = [{}, *operation["security"]]
                    responses.setdefault(HTTPStatus.UNAUTHORIZED.value, _describe_problem(401))
                responses.setdefault(HTTPStatus.TOO_MANY_REQUESTS.value, _describe_problem(429))
                if "requestBody" in operation:
                    responses.setdefault(413, _describe_problem(413))
                else:
                    responses.pop(415, None)
                if any(parameter["in"] == "query" for parameter in operation["parameters"]):
                    # The web server refuses long request lines.
                    responses.setdefault(414, _describe_problem(414))
                for status, response in responses.items():
                    if "content" in response and status >= 400:
                        response |= _describe_problem(status)
                for parameter in operation["parameters"]:
                    _describe_parameter(parameter)
        _remove_unused_schemas(document)
        return document


# RFC 9110's phrases, where versions of Python differ.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


def _describe_problem(status: int) -> dict[str, Any]:
    """Return the description of an error response."""
    schema = {"$ref": "#/components/schemas/Problem"}
    description: dict[str, Any] = {
        "description": _PHRASES.get(status) or HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": schema}},
    }
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        retry_after = {
            "description": "Seconds until the next attempt.",
            "schema": {"type": "integer", "minimum": 1},
        }
        description["headers"] = {"Retry-After": retry_after}
    if status == HTTPStatus.UNAUTHORIZED:
        scheme = {
            "description": "The accepted scheme, RFC 6750.",
            "schema": {"type": "string", "const": "Bearer"},
        }
        description["headers"] = {"WWW-Authenticate": scheme}
    return description


def _describe_parameter(parameter: dict[str, Any]) -> None:
    """Correct the description of a parameter.

    A parameter is left out instead of being null. Its examples stay in its schema, where OpenAPI allows a
    list.
    """
    schema = parameter["schema"]
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        parameter["schema"] = {**options[0], **{key: schema[key] for key in schema if key != "anyOf"}}
    elif options:
        schema["anyOf"] = options
    if isinstance(parameter.get("examples"), list):
        del parameter["examples"]


def _remove_unused_schemas(document: dict[str, Any]) -> None:
    """Remove the schemas that nothing refers to, such as those of query parameters."""
    schemas = document["components"]["schemas"]
    while unused := [name for name in schemas if not _refers_to(document, name)]:
        for name in unused:
            del schemas[name]


def _refers_to(document: dict[str, Any], schema: str) -> bool:
    return f'"#/components/schemas/{schema}"'.encode() in orjson.dumps(
        document, option=orjson.OPT_NON_STR_KEYS
    )


def _refuse_invalid_input(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Render Pydantic's errors.

    The first two parts of a location are the source of the value (body, query) and the name of the view's
    argument. Messages of validators of our own begin with the class of their exception.
    """
    return make_problem_response(
        ErrorCode.INVALID,
        [
            FieldProblem(
                code=ErrorCode.INVALID,
                detail=_describe_invalid_input(problem),
                field=".".join(str(part) for part in problem["loc"][1:] if part != "payload") or None,
            )
            for problem in error.errors
        ],
    )


def _describe_invalid_input(problem: dict[str, Any]) -> str:
    """Return the message of a Pydantic error. Messages that are not listed stay in English."""
    params = problem.get("ctx")
    if problem["type"] in _MESSAGES:
        return render_message(_MESSAGES[problem["type"]], params)
    return render_message(problem["msg"].removeprefix("Value error, "))


def _refuse_unreadable_body(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Render what `_Parser` raised, which Ninja wraps in an error of its own."""
    if isinstance(error.__cause__, ShopError):
        return problems.refuse_shop_error(request, error.__cause__)
    if isinstance(error.__cause__, RequestDataTooBig):
        return problems.refuse_large_body(request, error.__cause__)
    return refuse(ErrorCode.MALFORMED, error.message)
