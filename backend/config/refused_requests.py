"""Responses to requests that gunicorn refuses before Django sees them."""

from http import HTTPStatus
from typing import Any

from gunicorn.http import errors as http_errors

# Their statuses by the class of the error.
REFUSED_REQUESTS = {
    http_errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    http_errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    **dict.fromkeys(
        (
            http_errors.InvalidRequestLine,
            http_errors.InvalidRequestMethod,
            http_errors.InvalidHTTPVersion,
            http_errors.InvalidHeader,
            http_errors.InvalidHeaderName,
            http_errors.ObsoleteFolding,
            http_errors.InvalidChunkSize,
            http_errors.InvalidChunkExtension,
            http_errors.ChunkMissingTerminator,
        ),
        HTTPStatus.BAD_REQUEST,
    ),
}


def make_refusal(status: HTTPStatus, limits: Any) -> bytes:
    """Return the response to a request that gunicorn refuses.

    Args:
        limits: the configuration of gunicorn.
    """
    # Django must be set up first.
    from backend.core.errors import ErrorCode
    from backend.core.problems import PROBLEM_JSON, FieldProblem, encode_problem

    code = ErrorCode.TOO_LARGE
    if status == HTTPStatus.REQUEST_URI_TOO_LONG:
        detail = f"The request line must have at most {limits.limit_request_line} bytes. Send more by POST."
    elif status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        # gunicorn counts the line break.
        detail = (
            f"A request can have at most {limits.limit_request_fields} headers of at most "
            f"{limits.limit_request_field_size - 2} bytes each."
        )
    else:
        code, detail = ErrorCode.MALFORMED, "The request is not valid HTTP."
    body = encode_problem(status, [FieldProblem(code=code, detail=detail)])
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n\r\n"
    )
    return head.encode() + body
