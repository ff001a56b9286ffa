"""The view at /graphql."""

from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import islice
from typing import Any

import orjson
from cross_web import HTTPException, SyncHTTPRequestAdapter
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext_lazy as _
from strawberry.django.views import GraphQLView as StrawberryGraphQLView
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.http.types import QueryParams
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult

from backend.core.errors import (
    ErrorCode,
    Malformed,
    ShopError,
    TooComplex,
    TooLarge,
    UnsupportedMediaType,
    refuse_repeated_parameters,
)
from backend.core.graphql.context import Context
from backend.core.graphql.documents import check_document_size
from backend.core.graphql.errors import render_errors
from backend.core.graphql.limits import describe_exceeded_cost, describe_exceeded_size, make_too_complex_error
from backend.core.graphql.persisted_queries import (
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
    read_persisted_query,
    read_query_hash,
)
from backend.core.graphql.schema import Schema
from backend.core.metrics import name_graphql_operation
from backend.core.problems import (
    GRAPHQL_RESPONSE_JSON,
    JSON,
    choose_graphql_media_type,
    make_graphql_response,
)
from backend.core.request_record import get_record, record_error_code
from backend.core.response_cache import respond
from backend.core.viewer import Authenticate

_CODES = {405: ErrorCode.METHOD_NOT_ALLOWED, 404: ErrorCode.NOT_FOUND}
# Errors with statuses that a client can act on without reading the body: retry later, or get another token.
_ACTIONABLE = (
    ErrorCode.UNAVAILABLE,
    ErrorCode.TOKEN_INVALID,
    ErrorCode.TOKEN_EXPIRED,
    ErrorCode.RATE_LIMITED,
)
# Refusals of well-formed requests, which have status 200 in `application/json`.
_WELL_FORMED = {
    ErrorCode.TOO_COMPLEX,
    ErrorCode.PERSISTED_QUERY_NOT_FOUND,
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED,
}

# Pictures in results can be in any object storage. Its editors set styles of single elements.
_GRAPHIQL_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; font-src data:; img-src * data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class GraphQLView(StrawberryGraphQLView):
    """GraphQL over HTTP: one operation per request, GraphiQL for browsers, a code in every error.

    Args:
        authenticate: returns the viewer of an Authorization header.
        cached_fields: names of the query fields whose responses are cached for requests without credentials.
    """

    # `as_view` accepts only arguments that are class attributes.
    authenticate: Authenticate | None = None
    cached_fields: Set[str] = frozenset()
    schema: Schema

    def __init__(
        self, *, authenticate: Authenticate, cached_fields: Set[str] = frozenset(), **options: Any
    ) -> None:
        super().__init__(**options)
        self._authenticate = authenticate
        self._cached_fields = cached_fields | {"__typename"}
        self._is_shareable = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if request.method == "POST" and request.content_type != JSON:
                raise UnsupportedMediaType(_("Content-Type must be application/json."))
            refuse_repeated_parameters(request.GET.lists())
            response = respond(
                request, lambda: self.run(request=request), is_shareable=lambda: self._is_shareable
            )
        except ShopError as error:
            response = self._refuse(error)
        except UnicodeDecodeError:
            response = self._refuse(Malformed(_("The request must be encoded in UTF-8.")))
        except RequestDataTooBig:
            maximum = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            response = self._refuse(
                TooLarge(
                    _("The request body must have at most %(maximum)s bytes."), params={"maximum": maximum}
                )
            )
        except HTTPException as error:
            code = _CODES.get(error.status_code, ErrorCode.MALFORMED)
            response = self._make_error_response(code, error.reason, error.status_code)
        self._record_operation(response)
        if response.status_code == ErrorCode.METHOD_NOT_ALLOWED.http_status:
            response.headers["Allow"] = "POST" if request.method == "GET" else "GET, POST"
        patch_vary_headers(response, ["Accept"])
        return response

    def _record_operation(self, response: HttpResponseBase) -> None:
        """Name the operation for the metrics. A response from the cache carries the name."""
        record = get_record()
        name = getattr(response, "operation", "")
        if record and name:
            record.operation = name

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        # A persisted query is requested by its hash alone.
        return "extensions" not in request.query_params and super().should_render_graphql_ide(request)

    def get_context(self, request: HttpRequest, response: HttpResponse) -> Any:
        self._context = Context(request, self._authenticate, self._cached_fields)
        return self._context

    def parse_json(self, data: str | bytes) -> Any:
        try:
            parsed = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise Malformed(
                _("The request must be valid JSON: %(error)s."), params={"error": error}
            ) from None
        if not isinstance(parsed, dict):
            raise Malformed(_("A request must be one JSON object with query, variables and operationName."))
        return parsed

    def parse_query_params(self, params: QueryParams) -> dict[str, Any]:
        # GraphQL over HTTP: an empty parameter is the same as none.
        given = {name: value for name, value in params.items() if value}
        for name in ("variables", "extensions"):
            if name in given:
                try:
                    given[name] = orjson.loads(given[name])
                except orjson.JSONDecodeError as error:
                    raise Malformed(
                        _("%(name)s must be valid JSON: %(error)s."),
                        field=name,
                        params={"name": name, "error": error},
                    ) from None
        return given

    def parse_http_body(
        self, request: SyncHTTPRequestAdapter
    ) -> GraphQLRequestData | list[GraphQLRequestData]:
        data = super().parse_http_body(request)
        # Only a JSON array gives a list, and `parse_json` refuses arrays.
        assert isinstance(data, GraphQLRequestData)
        if not isinstance(data.operation_name, str | None):
            raise Malformed(_("operationName must be a string."))
        if data.query:
            check_document_size(data.query)
        _check_variables_size(data.variables or {})
        # GraphQL over HTTP: an empty operationName is the same as none.
        return replace(data, query=self._find_query(data), operation_name=data.operation_name or None)

    def _find_query(self, data: GraphQLRequestData) -> str | None:
        """Return the document of a request, which may name it by its hash alone."""
        query_hash = read_query_hash(data.extensions or {}, data.query)
        if query_hash is None or (data.query and not settings.GRAPHQL_PERSISTED_QUERIES):
            return data.query
        if not settings.GRAPHQL_PERSISTED_QUERIES:
            raise PersistedQueryNotSupported
        # `DocumentLoader` registers the document once it is valid. A client sends the text after its hash was
        # refused, so the text is written to Redis even if this process knows it.
        self._context.query_hash = query_hash
        self._context.registers_query = bool(data.query)
        query = data.query or self.schema.documents.find_text(query_hash) or read_persisted_query(query_hash)
        if query is None:
            raise PersistedQueryNotFound
        return query

    def execute_single(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        context = kwargs["context"]
        try:
            result = super().execute_single(*args, **kwargs)
        except HTTPException as error:
            if isinstance(error.__cause__, InvalidOperationTypeError):
                raise HTTPException(405, "Mutations must be sent by POST.") from None
            raise
        if context.is_over_budget:
            message = describe_exceeded_size() if context.is_too_large else describe_exceeded_cost()
            return ExecutionResult(
                data=None, errors=[make_too_complex_error(message)], extensions=result.extensions
            )
        return result

    def process_result(self, request: HttpRequest, result: ExecutionResult) -> GraphQLHTTPResponse:
        response: GraphQLHTTPResponse = {}
        # A request that was not executed has no data. Errors of execution have a path.
        if not result.errors or result.data is not None or any(error.path for error in result.errors):
            response["data"] = result.data
        if result.errors:
            response["errors"] = render_errors(result.errors)
        if result.extensions:
            response["extensions"] = result.extensions
        return response

    def create_response(self, response_data: Any, sub_response: HttpResponse) -> HttpResponseBase:
        content = self.encode_json(response_data)
        # A mutation has been carried out, so its response is sent whatever its size.
        if len(content) > settings.GRAPHQL_MAX_RESPONSE_BYTES and not self._context.is_mutation:
            return self._refuse(TooComplex(describe_exceeded_size()), response_data.get("extensions"))
        errors = [error["extensions"] for error in response_data.get("errors", ())]
        codes = {error["code"] for error in errors}
        response = make_graphql_response(self.request, content, self._choose_status(response_data, codes))
        response.operation = name_graphql_operation(self._context.root_fields)  # type: ignore[attr-defined]
        if errors:
            record_error_code(errors[0]["code"])
        if ErrorCode.RATE_LIMITED in codes:
            response.headers["Retry-After"] = str(max(error.get("retryAfter", 0) for error in errors))
        is_public = not errors and not self._context.has_read_viewer
        self._is_shareable = is_public and self._context.reads_only_catalogue
        if self.request.method == "GET" and is_public:
            # `forbid_caching` marks every other response `no-store`. The URL holds the query or its hash.
            patch_cache_control(response, public=True, max_age=0, must_revalidate=True)
        return response

    @property
    def _prefers_response_json(self) -> bool:
        """True if the client prefers `application/graphql-response+json` to `application/json`."""
        return choose_graphql_media_type(self.request) == GRAPHQL_RESPONSE_JSON

    def _choose_status(self, response_data: GraphQLHTTPResponse, codes: Set[str]) -> int:
        """Return the status of the response to an operation.

        Args:
            codes: the codes of its errors.
        """
        if self._prefers_response_json and response_data.get("data") is not None:
            return 200
        for code in _ACTIONABLE:
            if code in codes:
                return code.http_status
        if self._prefers_response_json and "data" not in response_data:
            return 500 if ErrorCode.INTERNAL in codes else 400
        return 200

    def _refuse(self, error: ShopError, extensions: dict[str, Any] | None = None) -> HttpResponse:
        """Return the response to a request that is refused as a whole."""
        status = error.code.http_status
        if error.code in _WELL_FORMED and not self._prefers_response_json:
            status = 200
        return self._make_error_response(error.code, error.message, status, error.path, extensions)

    def _make_error_response(
        self,
        code: ErrorCode,
        message: str,
        status: int,
        path: Sequence[str] = (),
        extensions: dict[str, Any] | None = None,
    ) -> HttpResponse:
        error = {"message": message, "extensions": {"code": code, "field": list(path) or None}}
        record_error_code(code)
        body = {"errors": [error]} | ({"extensions": extensions} if extensions else {})
        return make_graphql_response(self.request, self.encode_json(body), status)

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)

    def render_graphql_ide(self, request: HttpRequest) -> HttpResponse:
        response = render(request, "core/graphiql.html")
        response.headers["Content-Security-Policy"] = _GRAPHIQL_POLICY
        return response


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
                raise TooLarge(
                    _("The variables must hold at most %(maximum)s values in all."),
                    params={"maximum": maximum},
                )
            pending.extend(inner)
