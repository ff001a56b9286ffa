"""A check of REST responses: they must equal those that Ninja makes with Pydantic's validation."""

from collections import defaultdict
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from pydantic import ValidationError

from backend.core.rest.api import Endpoint

# The checked bodies of this process by operation id.
checked: defaultdict[str, list[bytes]] = defaultdict(list)


def check_rest_responses() -> None:
    """Make every test fail whose REST response differs from that of Ninja, or has a value of a wrong type."""
    respond = Endpoint.respond

    def respond_and_check(self: Endpoint, request: HttpRequest, result: Any) -> Any:
        response = respond(self, request, result)
        if response is not result:
            _compare(self, response, _respond_with_validation(self, request, result))
        return response

    Endpoint.respond = respond_and_check  # type: ignore[method-assign]


def _respond_with_validation(endpoint: Endpoint, request: HttpRequest, result: Any) -> HttpResponse:
    operation = endpoint.operation
    prepared = operation.api.create_temporal_response(request)
    try:
        response = operation._result_to_response(request, result, prepared)
    except ValidationError as error:
        # Unlike AssertionError, this is not caught by the error handler of the API.
        pytest.fail(f"{operation.operation_id} returns a value of a wrong type: {error}")
    assert isinstance(response, HttpResponse)
    return response


def _compare(endpoint: Endpoint, response: HttpResponse, expected: HttpResponse) -> None:
    operation_id = endpoint.operation.operation_id
    if (response.status_code, dict(response.headers)) != (expected.status_code, dict(expected.headers)):
        pytest.fail(f"{operation_id} responds with another status or other headers than Ninja.")
    if response.content != expected.content:
        pytest.fail(f"{operation_id} returns {response.content!r}, but Ninja {expected.content!r}.")
    checked[str(operation_id)].append(response.content)
