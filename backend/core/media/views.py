"""The view at /media/, for shops whose pictures are not served by the bucket or a CDN."""

import logging

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.views.static import serve

from backend.core.errors import ErrorCode
from backend.core.media.storage import StorageUnavailable, choose_cache_control, fetch_stored
from backend.core.problems import page_not_found, refuse

logger = logging.getLogger(__name__)


def serve_media(request: HttpRequest, path: str) -> HttpResponseBase:
    """Return a file from `MEDIA_ROOT`, or from the object storage if `MEDIA_THROUGH_SHOP` is set.

    Return 404 for a missing file and for a path outside the storage.
    """
    try:
        response = serve(request, path, document_root=str(settings.MEDIA_ROOT))
        response["Cache-Control"] = choose_cache_control(path)
        return response
    except (Http404, SuspiciousFileOperation, OSError, ValueError):
        return _serve_stored(request, path) if settings.MEDIA_THROUGH_SHOP else page_not_found(request)


def _serve_stored(request: HttpRequest, path: str) -> HttpResponse:
    try:
        data, headers = fetch_stored(path)
    except (SuspiciousOperation, FileNotFoundError):
        return page_not_found(request)
    except StorageUnavailable as error:
        logger.warning("%s", error.message)
        return refuse(
            ErrorCode.UNAVAILABLE, _("Pictures are temporarily unavailable. Try again in a moment.")
        )
    return HttpResponse(data, headers=headers)
