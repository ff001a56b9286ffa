"""Middleware for all routes: request ids, metrics, content policy, caching, HEAD, errors, size of bodies."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.db import InterfaceError, OperationalError, close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _

from backend.core.errors import UNAVAILABLE_RETRY_SECONDS, ErrorCode
from backend.core.metrics import count_request
from backend.core.problems import refuse
from backend.core.request_record import (
    REQUEST_ID_HEADER,
    RequestRecord,
    choose_request_id,
    reset_record,
    set_record,
)

# Request headers that identify a viewer.
CREDENTIAL_HEADERS = ("Authorization", "X-Cart-Token")
# Names of the routes that never read credentials, so that staff, who send a session cookie, can cache them.
ROUTES_WITHOUT_VIEWER = frozenset({"media", "storefront"})
_CACHEABLE_STATUSES = frozenset({200, 304})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def observe_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Give every request an id, which its logs and its response have, and count it.

    A response with messages names their language.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started_at = time.perf_counter()
        record = RequestRecord(
            choose_request_id(request.headers.get(REQUEST_ID_HEADER)),
            accept_language=request.META.get("HTTP_ACCEPT_LANGUAGE", ""),
        )
        token = set_record(record)
        try:
            response = get_response(request)
            response.headers[REQUEST_ID_HEADER] = record.request_id
            if record.message_language:
                response.headers["Content-Language"] = record.message_language
                patch_vary_headers(response, ["Accept-Language"])
            seconds = time.perf_counter() - started_at
            count_request(request.method, request.resolver_match, response.status_code, seconds, record)
            return response
        finally:
            reset_record(token)

    return middleware


# Attributes that Django's middleware adds to a request, and that refer to the request.
_CYCLIC_ATTRIBUTES = ("user", "auser", "_messages")


def free_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Remove reference cycles from each request, so that it is freed without the garbage collector.

    The collector runs seldom, and until then a request would hold its body and everything its view refers to.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        try:
            return get_response(request)
        finally:
            for name in _CYCLIC_ATTRIBUTES:
                request.__dict__.pop(name, None)

    return middleware


def accept_scrapes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Accept any Host header at `/metrics`, since Prometheus sends the address that it connects to.

    The page requires a token and has no links.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path == "/metrics":
            request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0].removeprefix(".").replace("*", "localhost")
        return get_response(request)

    return middleware


# A response that is not a page, such as JSON or a picture, loads and runs nothing if a browser opens it.
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def send_content_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Send a `Content-Security-Policy` with every response that has a body. A view can set its own."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if is_page:
            response.headers.setdefault("Permissions-Policy", _PERMISSIONS_POLICY)
        # A 304 has no content type, and browsers apply its headers to the stored page.
        if (
            "Content-Security-Policy" not in response.headers
            and response.status_code != HTTPStatus.NOT_MODIFIED
        ):
            response.headers["Content-Security-Policy"] = (
                _make_page_policy(request) if is_page else _DATA_POLICY
            )
        return response

    return middleware


def _make_page_policy(request: HttpRequest) -> str:
    """Return the policy of the storefront, the admin and Swagger UI.

    No text in a page is a script or a style sheet.
    """
    static, media = _get_origin(settings.STATIC_URL), _get_origin(settings.MEDIA_URL)
    # Templates of Django and mptt set styles of single elements, such as the indentation of a category.
    styles = "style-src-attr 'unsafe-inline'; " if _is_admin(request) else ""
    return (
        "default-src 'none'; "
        f"script-src 'self'{static}; "
        f"style-src 'self'{static}; {styles}"
        f"img-src 'self' data: blob:{static}{media}; "
        f"font-src 'self'{static}; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _get_origin(url: str) -> str:
    """Return the origin of an absolute URL after a space, or nothing for a path of this host."""
    parts = urlsplit(url)
    return f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""


def forbid_caching(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Send `Cache-Control: no-store` with every response that is not explicitly cacheable.

    A view opts in with `Cache-Control: public`. Errors, other methods than GET and HEAD, and requests with
    an access token, a cart token or a session cookie are never cacheable, whatever the view says.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not _is_cacheable(request, response):
            response.headers["Cache-Control"] = "no-store"
        elif not _is_without_viewer(request):
            # An invalid token is refused, so a stored response is not valid for requests that carry one.
            patch_vary_headers(response, CREDENTIAL_HEADERS)
        return response

    return middleware


def _is_cacheable(request: HttpRequest, response: HttpResponseBase) -> bool:
    return (
        "public" in response.headers.get("Cache-Control", "")
        and request.method in ("GET", "HEAD")
        and response.status_code in _CACHEABLE_STATUSES
        and (_is_without_viewer(request) or not _has_credentials(request))
    )


def _has_credentials(request: HttpRequest) -> bool:
    return settings.SESSION_COOKIE_NAME in request.COOKIES or any(
        name in request.headers for name in CREDENTIAL_HEADERS
    )


def _is_without_viewer(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.url_name in ROUTES_WITHOUT_VIEWER


def support_head(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Handle HEAD like GET, without the body of the response."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method != "HEAD":
            return get_response(request)
        request.method = "GET"
        response = get_response(request)
        request.method = "HEAD"
        if isinstance(response, StreamingHttpResponse):
            response.streaming_content = []
        elif isinstance(response, HttpResponse):
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response

    return middleware


def limit_uploads(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Refuse a form with files that exceeds the size limit of its sender, before it is read.

    Django limits every other body to `DATA_UPLOAD_MAX_MEMORY_SIZE`, but writes files of any size to disk.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.content_type == "multipart/form-data":
            limit = _get_body_limit(request)
            if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
                return refuse(
                    ErrorCode.TOO_LARGE,
                    _("The request body must have at most %(maximum)s bytes."),
                    params={"maximum": limit},
                )
        return get_response(request)

    return middleware


class RefuseMethods:
    """Send a problem document for a method that a URL does not accept.

    Outside the admin, views that change something take tokens and no cookies, so they are exempt from the
    CSRF check. All other views only read. Without this middleware, the CSRF check would refuse their POST
    requests with a page about cookies.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        problem = refuse(
            ErrorCode.METHOD_NOT_ALLOWED,
            _("This URL accepts %(methods)s."),
            params={"methods": response["Allow"]},
        )
        problem["Allow"] = response["Allow"]
        return problem

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Refuse a method that changes something if the view only reads."""
        is_read_only = not getattr(view, "csrf_exempt", False) and not _is_admin(request)
        if is_read_only and request.method not in _SAFE_METHODS:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return None


def complete_errors(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Send `Retry-After` with every 503 and `WWW-Authenticate` with every 401."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if response.status_code == ErrorCode.UNAVAILABLE.http_status:
            response.headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
        elif response.status_code == ErrorCode.UNAUTHENTICATED.http_status:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    return middleware


def _is_admin(request: HttpRequest) -> bool:
    return request.path.startswith(reverse("admin:index"))


def _get_body_limit(request: HttpRequest) -> int:
    """Return the maximum size of a request body in bytes. It is larger for staff, who upload pictures."""
    if _is_admin(request) and getattr(request.user, "is_staff", False):
        return settings.STAFF_UPLOAD_MAX_BYTES
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def read_body_limit(environ: dict[str, Any]) -> int:
    """Return the maximum size of a request body in bytes, based on the headers only.

    Args:
        environ: the WSGI environment of a request whose body has not been read.
    """
    # Django does this at the start of a request, which is later.
    close_old_connections()
    request = WSGIRequest(environ)
    SessionMiddleware(_return_empty_response).process_request(request)
    AuthenticationMiddleware(_return_empty_response).process_request(request)
    try:
        return _get_body_limit(request)
    except (OperationalError, InterfaceError):
        # The request fails for the same reason, with a clear response.
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _return_empty_response(request: HttpRequest) -> HttpResponse:
    return HttpResponse()
