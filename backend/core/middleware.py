"""Middleware for all routes."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

# Request headers that identify a viewer.
CREDENTIAL_HEADERS = ("Authorization", "X-Cart-Token")
# Names of the routes that never read credentials, so that staff, who send a session cookie, can cache them.
ROUTES_WITHOUT_VIEWER = frozenset({"media"})
_CACHEABLE_STATUSES = frozenset({200, 304})


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
