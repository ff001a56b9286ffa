"""Error responses as RFC 9457 problem documents, for the REST API and every page outside the two APIs."""

import logging
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from backend.core.errors import SERVICE_UNAVAILABLE, ErrorCode, Malformed, RateLimited, ShopError
from backend.core.request_language import render_message
from backend.core.request_record import get_request_id, record_error_code

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

logger = logging.getLogger(__name__)

INTERNAL_ERROR = _("An internal error occurred. It has been logged.")
_MAX_LOGGED_LENGTH = 100

# The media types of GraphQL responses, see https://graphql.github.io/graphql-over-http/draft/.
JSON = "application/json"
GRAPHQL_RESPONSE_JSON = "application/graphql-response+json"
# RFC 9457.
PROBLEM_JSON = "application/problem+json"


# The phrases of Python 3.11; newer versions have those of RFC 9110.
_TITLES = {
    400: _("Bad Request"),
    401: _("Unauthorized"),
    403: _("Forbidden"),
    404: _("Not Found"),
    405: _("Method Not Allowed"),
    409: _("Conflict"),
    413: _("Request Entity Too Large"),
    414: _("Request-URI Too Long"),
    415: _("Unsupported Media Type"),
    422: _("Unprocessable Entity"),
    429: _("Too Many Requests"),
    431: _("Request Header Fields Too Large"),
    500: _("Internal Server Error"),
    503: _("Service Unavailable"),
}


class FieldProblem(BaseModel):
    """One error of a request."""

    code: ErrorCode
    detail: str
    field: str | None = None


class Problem(FieldProblem):
    """An error response (RFC 9457). The first of `errors` is repeated at the top level."""

    type: str = "about:blank"
    title: str
    status: int
    errors: list[FieldProblem]
    request_id: str | SkipJsonSchema[None] = Field(
        default=None, description="Id of the request in the log of the shop; sent with status 500."
    )


def declare_problems(*statuses: int) -> dict[int, type[Problem]]:
    """Return the error responses of a route, for Ninja's `response` argument."""
    return dict.fromkeys(statuses, Problem)


def make_problem_response(code: ErrorCode, errors: Sequence[FieldProblem]) -> HttpResponse:
    """Return the problem document for one or more errors."""
    content = encode_problem(HTTPStatus(code.http_status), errors)
    record_error_code(code)
    return HttpResponse(content, status=code.http_status, content_type=PROBLEM_JSON)


def encode_problem(status: HTTPStatus, errors: Sequence[FieldProblem]) -> bytes:
    """Return the content of a problem document."""
    title = render_message(_TITLES[status]) if status in _TITLES else status.phrase
    problem = Problem(**errors[0].model_dump(), title=title, status=status.value, errors=list(errors))
    content = problem.model_dump(exclude={"request_id"})
    if problem.code == ErrorCode.INTERNAL and (request_id := get_request_id()):
        content["request_id"] = request_id
    return orjson.dumps(content)


def refuse(
    code: ErrorCode, detail: "StrOrPromise", *, params: Mapping[str, object] | None = None
) -> HttpResponse:
    """Return the problem document for a single error that is not a `ShopError`; see there."""
    return make_problem_response(code, [FieldProblem(code=code, detail=render_message(detail, params))])


def refuse_shop_error(request: HttpRequest, error: ShopError) -> HttpResponse:
    """Return the problem document for an error that a service raised."""
    problems = [
        FieldProblem(code=each.code, detail=each.message, field=".".join(each.path) or None)
        for each in (error, *error.others)
    ]
    response = make_problem_response(error.code, problems)
    if isinstance(error, RateLimited):
        response["Retry-After"] = str(error.retry_after)
    return response


def refuse_large_body(request: HttpRequest, error: Exception | None = None) -> HttpResponse:
    """Return the response to a request body that exceeds the size limit."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return refuse(
        ErrorCode.TOO_LARGE,
        _("The request body must have at most %(maximum)s bytes."),
        params={"maximum": limit},
    )


def refuse_without_database(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the response to a request that failed because PostgreSQL is unavailable."""
    log_database_failure(error)
    return refuse(ErrorCode.UNAVAILABLE, SERVICE_UNAVAILABLE)


def log_database_failure(error: Exception) -> None:
    """Log in one line that a request failed because PostgreSQL is unavailable."""
    # Messages of libpq have several lines.
    logger.warning("The database does not respond: %s", " ".join(str(error).split()))


class BugFilter(logging.Filter):
    """Accept records of exceptions, except those of a failed database, which are logged in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is not None and not isinstance(error, OperationalError | InterfaceError)


def report_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    """Log an unexpected error and return a response without its details."""
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return server_error(request)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the response for a URL that does not exist."""
    return refuse(ErrorCode.NOT_FOUND, _("This URL does not exist."))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the response to a request that Django refuses, for example for an unknown Host header."""
    if isinstance(exception, DisallowedHost):
        return _refuse_host(request)
    return refuse(ErrorCode.MALFORMED, _("The request is malformed."))


def choose_graphql_media_type(request: HttpRequest) -> str:
    """Return `GRAPHQL_RESPONSE_JSON` if the client prefers it to `JSON`, else `JSON`.

    It has to be named: a client that accepts anything gets `JSON`.
    """
    qualities = {
        f"{accepted.main_type}/{accepted.sub_type}".lower(): accepted.quality
        for accepted in request.accepted_types
    }
    json_quality = next((qualities[name] for name in (JSON, "application/*", "*/*") if name in qualities), 0)
    return GRAPHQL_RESPONSE_JSON if 0 < qualities.get(GRAPHQL_RESPONSE_JSON, 0) >= json_quality else JSON


def make_graphql_response(request: HttpRequest, content: bytes, status: int) -> HttpResponse:
    """Return a response of the GraphQL endpoint in the media type that the client prefers."""
    media_type = choose_graphql_media_type(request)
    if media_type == GRAPHQL_RESPONSE_JSON:
        media_type += "; charset=utf-8"
    response = HttpResponse(content, status=status, content_type=media_type)
    patch_vary_headers(response, ["Accept"])
    return response


def refuse_in_either_api(request: HttpRequest, error: ShopError) -> HttpResponse:
    """Return the response to a request that is refused before its view, in the format of its API."""
    if request.path != reverse("graphql"):
        return refuse_shop_error(request, error)
    record_error_code(error.code)
    extensions: dict[str, Any] = {"code": error.code, "field": list(error.path) or None}
    if isinstance(error, RateLimited):
        extensions["retryAfter"] = error.retry_after
    content = orjson.dumps({"errors": [{"message": error.message, "extensions": extensions}]})
    response = make_graphql_response(request, content, error.code.http_status)
    if isinstance(error, RateLimited):
        response["Retry-After"] = str(error.retry_after)
    return response


def _refuse_host(request: HttpRequest) -> HttpResponse:
    host = request.META.get("HTTP_HOST", "")
    logger.warning("The host %r is not in ALLOWED_HOSTS", host[:_MAX_LOGGED_LENGTH])
    error = Malformed(_("The host in the Host header is not allowed."), field="Host")
    return refuse_in_either_api(request, error)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the response to a request that failed in a view or in middleware, such as a session's.

    Django calls it while it handles the exception, and logs the bugs that `BugFilter` accepts.
    """
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return refuse_without_database(request, error)
    return refuse(ErrorCode.INTERNAL, INTERNAL_ERROR)
