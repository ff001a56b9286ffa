"""Error responses as RFC 9457 problem documents, for the REST API and every page outside the two APIs."""

import logging
from collections.abc import Sequence
from http import HTTPStatus

import orjson
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from pydantic import BaseModel

from backend.core.errors import ErrorCode, RateLimited, ShopError

logger = logging.getLogger(__name__)

_MAX_LOGGED_LENGTH = 100


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


def problems(*statuses: int) -> dict[int, type[Problem]]:
    """Return the error responses of a route, for Ninja's `response` argument."""
    return dict.fromkeys(statuses, Problem)


def problem_response(code: ErrorCode, errors: Sequence[FieldProblem]) -> HttpResponse:
    """Return the problem document for one or more errors."""
    status = HTTPStatus(code.http_status)
    problem = Problem(**errors[0].model_dump(), title=status.phrase, status=status.value, errors=list(errors))
    return HttpResponse(
        orjson.dumps(problem.model_dump()), status=status.value, content_type="application/problem+json"
    )


def refuse(code: ErrorCode, detail: str, field: str | None = None) -> HttpResponse:
    """Return the problem document for a single error."""
    return problem_response(code, [FieldProblem(code=code, detail=detail, field=field)])


def refuse_shop_error(request: HttpRequest, error: ShopError) -> HttpResponse:
    """Return the problem document for an error that a service raised."""
    response = refuse(error.code, error.message, ".".join(error.path) or None)
    if isinstance(error, RateLimited):
        response["Retry-After"] = str(error.retry_after)
    return response


def refuse_large_body(request: HttpRequest, error: Exception | None = None) -> HttpResponse:
    """Return the response to a request body that exceeds the size limit."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return refuse(ErrorCode.TOO_LARGE, f"The request body must have at most {limit} bytes.")


def refuse_without_database(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the response to a request that failed because PostgreSQL is unavailable."""
    log_database_failure(error)
    return refuse(ErrorCode.UNAVAILABLE, "The service is temporarily unavailable. Try again in a moment.")


def log_database_failure(error: Exception) -> None:
    """Log in one line that a request failed because PostgreSQL is unavailable."""
    # Messages of libpq have several lines.
    logger.warning("The database does not respond: %s", " ".join(str(error).split()))


def report_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    """Log an unexpected error and return a response without its details."""
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return server_error(request)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the response for a URL that does not exist."""
    return refuse(ErrorCode.NOT_FOUND, "This URL does not exist.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the response to a request that Django refuses, for example for an unknown Host header."""
    if isinstance(exception, DisallowedHost):
        return _refuse_host(request)
    return refuse(ErrorCode.MALFORMED, "The request is malformed.")


def _refuse_host(request: HttpRequest) -> HttpResponse:
    host = request.META.get("HTTP_HOST", "")
    logger.warning("The host %r is not in ALLOWED_HOSTS", host[:_MAX_LOGGED_LENGTH])
    code, message, header = ErrorCode.MALFORMED, "The host in the Host header is not allowed.", "Host"
    if request.path == reverse("graphql"):
        error = {"message": message, "extensions": {"code": code, "field": [header]}}
        body = orjson.dumps({"errors": [error]})
        return HttpResponse(body, status=code.http_status, content_type="application/json")
    return refuse(code, message, header)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the response for a view that failed. Django has logged the error."""
    return refuse(ErrorCode.INTERNAL, "An internal error occurred. It has been logged.")
