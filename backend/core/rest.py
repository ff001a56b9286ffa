"""The REST edge: errors as RFC 9457 problem documents, strict bodies, and who may see the Swagger UI."""

import logging
from collections.abc import Callable, Sequence
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousFileOperation, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.static import serve
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.security.http import HttpAuthBase
from pydantic import BaseModel, BeforeValidator, ConfigDict

from backend.core.body_limits import body_limit
from backend.core.errors import (
    ErrorCode,
    Forbidden,
    Malformed,
    NotFound,
    RateLimited,
    ShopError,
    Unauthenticated,
    UnsupportedMediaType,
)
from backend.core.media import StorageUnavailable, fetch_stored, media_cache_control
from backend.core.viewer import Authenticate, Viewer, get_viewer

logger = logging.getLogger(__name__)


class Shown(BaseModel):
    """A part of an answer, read off the attributes of what a service returns.

    Pydantic's own model: Ninja's `Schema` asks for every attribute through a chain of Python calls.
    """

    model_config = ConfigDict(from_attributes=True)


# Of a relation to many: its rows, which are loaded.
Loaded = BeforeValidator(lambda relation: list(relation.all()))


class FieldProblem(Schema):
    """One thing that was wrong with the request."""

    code: ErrorCode
    detail: str
    field: str | None = None


class Problem(FieldProblem):
    """Why a request was refused (RFC 9457); the first of `errors` stands at the top."""

    type: str = "about:blank"
    title: str
    status: int
    errors: list[FieldProblem]


class _Parser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != "application/json":
            raise UnsupportedMediaType("Send the body as application/json.")
        try:
            return orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise Malformed(f"The body is not valid JSON: {error}.") from None


class _Renderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return orjson.dumps(data, default=str)


_LOGIN_REQUIRED = "x-login-required"
# The `openapi_extra` of a route that is not for guests.
LOGIN_REQUIRED = {_LOGIN_REQUIRED: True}


class _Api(NinjaAPI):
    def get_openapi_schema(self, **arguments: Any) -> OpenAPISchema:
        """Document what Ninja cannot be told.

        Problems have a media type of their own; a guest needs no token unless `LOGIN_REQUIRED` says so,
        and a token that is not good is refused, save by the routes that read none (`auth=None`).
        """
        document = super().get_openapi_schema(**arguments)
        unauthorized = {
            "description": HTTPStatus.UNAUTHORIZED.phrase,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for methods in document["paths"].values():
            for operation in methods.values():
                login_required = operation.pop(_LOGIN_REQUIRED, False)
                if "security" in operation:
                    if not login_required:
                        operation["security"] = [{}, *operation["security"]]
                    operation["responses"].setdefault(HTTPStatus.UNAUTHORIZED.value, unauthorized)
                for status, response in operation["responses"].items():
                    if int(status) >= 400 and "application/json" in response.get("content", {}):
                        response["content"]["application/problem+json"] = response["content"].pop(
                            "application/json"
                        )
        return document


class ApiRequest(HttpRequest):
    """A request to a REST endpoint that is not declared with `auth=None`."""

    # Ninja stores the return value of `AccessToken` here.
    auth: Viewer


class AccessToken(HttpAuthBase):
    """Authenticate requests with an access token, if any. OpenAPI shows the class name."""

    openapi_scheme = "bearer"

    def __init__(self, authenticate: Authenticate) -> None:
        super().__init__()
        self._authenticate = authenticate

    def __call__(self, request: HttpRequest) -> Viewer:
        return get_viewer(request, self._authenticate)


def make_api(title: str, description: str, authenticate: Authenticate) -> NinjaAPI:
    """Return an API with strict parsing, problem responses and its own documentation at /docs."""
    api = _Api(
        title=title,
        description=description,
        version="1.0.0",
        parser=_Parser(),
        renderer=_Renderer(),
        auth=AccessToken(authenticate),
        docs=Swagger(
            settings={"docExpansion": "list", "tryItOutEnabled": True, "defaultModelsExpandDepth": 0}
        ),
        docs_decorator=partial(_require_docs_permission, authenticate=authenticate),
        urls_namespace="rest",
    )
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        ShopError: _on_shop_error,
        ValidationError: _on_validation_error,
        HttpError: _on_http_error,
        RequestDataTooBig: _on_too_big,
        OperationalError: _on_database_down,
        InterfaceError: _on_database_down,
        Http404: page_not_found,
        Exception: _on_fault,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)
    return api


def problem_response(code: ErrorCode, problems: Sequence[FieldProblem]) -> HttpResponse:
    """Return the problem document for what was wrong, at least one thing."""
    status = HTTPStatus(code.http_status)
    problem = Problem(**problems[0].dict(), title=status.phrase, status=status.value, errors=list(problems))
    return HttpResponse(
        orjson.dumps(problem.dict()), status=status.value, content_type="application/problem+json"
    )


def _refuse(code: ErrorCode, detail: str, field: str | None = None) -> HttpResponse:
    return problem_response(code, [FieldProblem(code=code, detail=detail, field=field)])


def _on_shop_error(request: HttpRequest, error: ShopError) -> HttpResponse:
    response = _refuse(error.code, error.message, ".".join(error.path) or None)
    if isinstance(error, RateLimited):
        response["Retry-After"] = str(error.retry_after)
    return response


# Pydantic describes dataclasses in terms of Python.
_MESSAGES = {
    "dataclass_type": "Input should be an object",
    "unexpected_keyword_argument": "Extra inputs are not permitted",
}


def _on_validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Pydantic's locations start with where the value was and the parameter that took it.

    Its messages start with what kind of exception a check of ours raised.
    """
    return problem_response(
        ErrorCode.INVALID,
        [
            FieldProblem(
                code=ErrorCode.INVALID,
                detail=_MESSAGES.get(problem["type"]) or problem["msg"].removeprefix("Value error, "),
                field=".".join(str(part) for part in problem["loc"][1:] if part != "payload") or None,
            )
            for problem in error.errors
        ],
    )


def _on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What `_Parser` raises reaches us as the cause of Ninja's own error."""
    if isinstance(error.__cause__, ShopError):
        return _on_shop_error(request, error.__cause__)
    if isinstance(error.__cause__, RequestDataTooBig):
        return _on_too_big(request, error.__cause__)
    return _refuse(ErrorCode.MALFORMED, error.message)


def _on_too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return _refuse(ErrorCode.TOO_LARGE, f"A body has at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.")


def _on_database_down(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.warning("The database does not answer: %s", error)
    return _refuse(ErrorCode.UNAVAILABLE, "The service is temporarily unavailable. Try again in a moment.")


def _on_fault(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return _refuse(ErrorCode.INTERNAL, "An internal error occurred. It has been logged.")


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an address that the shop does not have."""
    return _refuse(ErrorCode.NOT_FOUND, "There is nothing at this address.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a request that Django itself refuses, such as one with a wrong Host header."""
    return _refuse(ErrorCode.MALFORMED, "The request is malformed.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer when a view outside the APIs failed; Django has logged why."""
    return _refuse(ErrorCode.INTERNAL, "An internal error occurred. It has been logged.")


def serve_media(request: HttpRequest, path: str) -> HttpResponseBase:
    """Send a file out of `MEDIA_ROOT`, or out of the object storage where that is shown through the shop;
    what is not there, or outside of it, is a plain 404."""
    try:
        response = serve(request, path, document_root=str(settings.MEDIA_ROOT))
        response["Cache-Control"] = media_cache_control(path)
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
        return _refuse(ErrorCode.UNAVAILABLE, "The pictures cannot be read now. Try again in a moment.")
    return HttpResponse(data, headers=headers)


def answer_head(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware: HEAD is answered wherever GET is, with GET's headers and without its body."""

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
    """Middleware: refuse a form with files that is larger than its sender may upload, before it is read.

    Django itself bounds every other body by `DATA_UPLOAD_MAX_MEMORY_SIZE`; files it writes to disk.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.content_type == "multipart/form-data":
            limit = body_limit(request)
            if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
                return _refuse(ErrorCode.TOO_LARGE, f"The request body must have at most {limit} bytes.")
        return get_response(request)

    return middleware


def refuse_methods(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Middleware: a method that an address does not have is a problem like any other."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        problem = _refuse(ErrorCode.METHOD_NOT_ALLOWED, f"This address answers {response['Allow']}.")
        problem["Allow"] = response["Allow"]
        return problem

    return middleware


def _require_docs_permission(
    view: Callable[..., HttpResponse], *, authenticate: Authenticate
) -> Callable[..., HttpResponse]:
    """Serve the documentation only to the viewers that SWAGGER_PERMISSION allows."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        permission = settings.SWAGGER_PERMISSION
        try:
            if permission == "NONE":
                raise NotFound("There is nothing at this address.")
            if permission != "ALL":
                # A browser sends the session of the admin, other clients an access token.
                user = request.user
                viewer = (
                    Viewer(user.pk, is_staff=user.is_staff)
                    if user.is_authenticated
                    else get_viewer(request, authenticate)
                )
                if viewer.user_id is None:
                    raise Unauthenticated("Log in to read the documentation.")
                if permission == "STAFF" and not viewer.is_staff:
                    raise Forbidden("The documentation is for staff.")
        except ShopError as error:
            return _on_shop_error(request, error)
        return view(request, *args, **kwargs)

    return guarded
