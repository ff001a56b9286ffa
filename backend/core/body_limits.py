"""The size that a request body may have."""

from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.urls import reverse


def body_limit(request: HttpRequest) -> int:
    """Return how many bytes a request body may have: more for staff in the admin, who send pictures."""
    if request.path.startswith(reverse("admin:index")) and getattr(request.user, "is_staff", False):
        return settings.STAFF_UPLOAD_MAX_BYTES
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def read_body_limit(environ: dict[str, Any]) -> int:
    """Return how many bytes the body of a request may have, from its headers alone.

    Args:
        environ: the WSGI environment of a request whose body has not been read.
    """
    # As Django does at the start of a request.
    close_old_connections()
    request = WSGIRequest(environ)
    SessionMiddleware(_no_response).process_request(request)
    AuthenticationMiddleware(_no_response).process_request(request)
    return body_limit(request)


def _no_response(request: HttpRequest) -> HttpResponse:
    return HttpResponse()
