"""Swagger UI and its access control."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from ninja.openapi.docs import Swagger

from backend.core.errors import Forbidden, NotFound, ShopError, Unauthenticated
from backend.core.problems import refuse_shop_error
from backend.core.viewer import Authenticate, Viewer, get_viewer

SWAGGER = Swagger(settings={"docExpansion": "list", "tryItOutEnabled": True, "defaultModelsExpandDepth": 0})


def require_docs_permission(
    view: Callable[..., HttpResponse], *, authenticate: Authenticate
) -> Callable[..., HttpResponse]:
    """Serve the documentation only to the viewers that SWAGGER_PERMISSION allows."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            _check_permission(request, authenticate)
        except ShopError as error:
            return refuse_shop_error(request, error)
        return view(request, *args, **kwargs)

    return guarded


def _check_permission(request: HttpRequest, authenticate: Authenticate) -> None:
    permission = settings.SWAGGER_PERMISSION
    if permission == "NONE":
        raise NotFound(_("This URL does not exist."))
    if permission == "ALL":
        return
    # A browser sends the session of the admin, other clients an access token.
    user = request.user
    viewer = (
        Viewer(user.pk, is_staff=user.is_staff)
        if user.is_authenticated
        else get_viewer(request, authenticate)
    )
    if viewer.user_id is None:
        raise Unauthenticated(_("Log in to read the documentation."))
    if permission == "STAFF" and not viewer.is_staff:
        raise Forbidden(_("Only staff can read the documentation."))
