"""Error pages for people: HTML instead of the problem documents that API clients get."""

from collections.abc import Callable

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import is_valid_path, reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _

from backend.core.errors import ErrorCode
from backend.core.problems import PROBLEM_JSON, refuse
from backend.core.request_language import render_message
from backend.core.request_record import get_record


def show_error_pages(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Send problem documents outside the REST API as HTML to clients whose Accept header names HTML."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if (
            isinstance(response, HttpResponse)
            and response.headers.get("Content-Type") == PROBLEM_JSON
            and not _is_rest(request)
        ):
            patch_vary_headers(response, ["Accept"])
            # The response to HEAD has no content.
            if response.content and _names_html(request):
                _turn_into_page(request, response)
        return response

    return middleware


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the response to a user of the admin who lacks a permission."""
    return refuse(ErrorCode.FORBIDDEN, _("Your account does not have the permission for this page."))


def refuse_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the response to a form without a valid CSRF token."""
    return refuse(
        ErrorCode.FORBIDDEN,
        _("The form has expired: its CSRF token is missing or wrong. Reload the page and try again."),
    )


def _is_rest(request: HttpRequest) -> bool:
    return request.resolver_match is not None and "ninja" in request.resolver_match.app_names


def _names_html(request: HttpRequest) -> bool:
    return any(
        accepted.quality and f"{accepted.main_type}/{accepted.sub_type}".lower() == "text/html"
        for accepted in request.accepted_types
    )


def _turn_into_page(request: HttpRequest, response: HttpResponse) -> None:
    problem = orjson.loads(response.content)
    target, label = _choose_way_back(request)
    record = get_record()
    page = render_to_string(
        "core/error.html",
        {
            "title": problem["title"],
            "detail": problem["detail"],
            "request_id": problem.get("request_id"),
            "target": target,
            "label": label,
            "language": (record and record.message_language) or settings.DEFAULT_LANGUAGE,
        },
    )
    response.content = page.encode()
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    response.headers["Content-Length"] = str(len(response.content))


def _choose_way_back(request: HttpRequest) -> tuple[str, str]:
    """Return the URL and the text of the link in the page; empty texts if there is nothing to link to."""
    admin = reverse("admin:index")
    if request.path.startswith(admin) and request.path != admin:
        return admin, render_message(_("Back to the shop administration"))
    shop = settings.STOREFRONT_URL or ("/" if is_valid_path("/") else "")
    return (shop, render_message(_("Back to the shop"))) if shop else ("", "")
