"""The view at /graphql."""

from dataclasses import replace
from itertools import islice
from typing import Any, cast

import orjson
from cross_web import HTTPException, SyncHTTPRequestAdapter
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from strawberry.django.views import GraphQLView as StrawberryGraphQLView
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.types import ExecutionResult

from backend.core.errors import ErrorCode, Malformed, ShopError, TooLarge, UnsupportedMediaType
from backend.core.graphql.context import Context
from backend.core.graphql.documents import check_document_size
from backend.core.graphql.errors import render_errors
from backend.core.graphql.limits import over_budget_message, too_complex, too_large_message
from backend.core.viewer import Authenticate

_CODES = {405: ErrorCode.METHOD_NOT_ALLOWED, 404: ErrorCode.NOT_FOUND}


class GraphQLView(StrawberryGraphQLView):
    """GraphQL over HTTP: one operation per request, GraphiQL for browsers, a code in every error."""

    # `as_view` accepts only arguments that are class attributes.
    authenticate: Authenticate | None = None

    def __init__(self, *, authenticate: Authenticate, **options: Any) -> None:
        super().__init__(**options)
        self._authenticate = authenticate

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if request.method == "POST" and request.content_type != "application/json":
                raise UnsupportedMediaType("Content-Type must be application/json.")
            return self.run(request=request)
        except ShopError as error:
            return _error_response(error.code, error.message, error.code.http_status)
        except UnicodeDecodeError:
            return _error_response(
                ErrorCode.MALFORMED, "The request must be encoded in UTF-8.", ErrorCode.MALFORMED.http_status
            )
        except RequestDataTooBig:
            maximum = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            message = f"The request body must have at most {maximum} bytes."
            return _error_response(ErrorCode.TOO_LARGE, message, ErrorCode.TOO_LARGE.http_status)
        except HTTPException as error:
            return _error_response(
                _CODES.get(error.status_code, ErrorCode.MALFORMED), error.reason, error.status_code
            )

    def get_context(self, request: HttpRequest, response: HttpResponse) -> Any:
        self._context = Context(request, self._authenticate)
        return self._context

    def parse_json(self, data: str | bytes) -> Any:
        try:
            parsed = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise Malformed(f"The request must be valid JSON: {error}.") from None
        if not isinstance(parsed, dict):
            raise Malformed("A request must be one JSON object with query, variables and operationName.")
        return parsed

    def parse_http_body(
        self, request: SyncHTTPRequestAdapter
    ) -> GraphQLRequestData | list[GraphQLRequestData]:
        data = super().parse_http_body(request)
        # Only a JSON array gives a list, and `parse_json` refuses arrays.
        assert isinstance(data, GraphQLRequestData)
        if not isinstance(data.operation_name, str | None):
            raise Malformed("operationName must be a string.")
        if data.query:
            check_document_size(data.query)
        _check_variables_size(data.variables or {})
        # GraphQL over HTTP: an empty operationName is the same as none.
        return replace(data, operation_name=data.operation_name or None)

    def execute_single(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        result = super().execute_single(*args, **kwargs)
        context = kwargs["context"]
        if context.is_over_budget:
            message = too_large_message() if context.is_too_large else over_budget_message()
            return ExecutionResult(data=None, errors=[too_complex(message)])
        return result

    def process_result(self, request: HttpRequest, result: ExecutionResult) -> GraphQLHTTPResponse:
        response: GraphQLHTTPResponse = {"data": result.data}
        if result.errors:
            response["errors"] = render_errors(result.errors)
        if result.extensions:
            response["extensions"] = result.extensions
        return response

    def create_response(self, response_data: Any, sub_response: HttpResponse) -> HttpResponseBase:
        response = super().create_response(response_data, sub_response)
        size = len(cast(HttpResponse, response).content)
        # A mutation has been carried out, so its response is sent whatever its size.
        if size > settings.GRAPHQL_MAX_RESPONSE_BYTES and not self._context.is_mutation:
            return _error_response(ErrorCode.TOO_COMPLEX, too_large_message(), 200)
        errors = [error["extensions"] for error in response_data.get("errors", ())]
        codes = {error["code"] for error in errors}
        # Statuses that a client can act on without reading the body: retry later, or get another token.
        for code in (
            ErrorCode.UNAVAILABLE,
            ErrorCode.TOKEN_INVALID,
            ErrorCode.TOKEN_EXPIRED,
            ErrorCode.RATE_LIMITED,
        ):
            if code in codes:
                response.status_code = code.http_status
                break
        if ErrorCode.RATE_LIMITED in codes:
            response.headers["Retry-After"] = str(max(error.get("retryAfter", 0) for error in errors))
        if self.request.method == "GET" and not errors and not self._context.has_read_viewer:
            # `forbid_caching` marks every other response `no-store`. The URL holds the whole query.
            patch_cache_control(response, public=True, max_age=0, must_revalidate=True)
            patch_vary_headers(response, ["Accept"])
        return response

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)

    def render_graphql_ide(self, request: HttpRequest) -> HttpResponse:
        return render(request, "core/graphiql.html")


def _check_variables_size(variables: dict[str, Any]) -> None:
    """Refuse variables that take long to coerce, before their types are known.

    Raises:
        TooLarge: the variables hold more than `GRAPHQL_MAX_VARIABLE_VALUES` values in all.
    """
    maximum = settings.GRAPHQL_MAX_VARIABLE_VALUES
    # A longer list is refused by `QueryLimits`, whatever is in it.
    list_maximum = settings.GRAPHQL_MAX_LIST_ITEMS + 1
    count = 0
    pending: list[Any] = [variables]
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list):
            inner = list(value.values() if isinstance(value, dict) else islice(value, list_maximum))
            count += len(inner)
            if count > maximum:
                raise TooLarge(f"The variables must hold at most {maximum} values in all.")
            pending.extend(inner)


def _error_response(code: ErrorCode, message: str, status: int) -> HttpResponse:
    body = {"data": None, "errors": [{"message": message, "extensions": {"code": code, "field": None}}]}
    return HttpResponse(orjson.dumps(body), status=status, content_type="application/json")
