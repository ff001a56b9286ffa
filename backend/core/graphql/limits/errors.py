"""Errors of requests that exceed a limit."""

from django.conf import settings
from graphql import GraphQLError

from backend.core.errors import ErrorCode


def describe_exceeded_cost() -> str:
    """Return the message for a request that costs too much."""
    return f"The query costs more than {settings.GRAPHQL_MAX_COST}. Request fewer items or fields."


def describe_exceeded_size() -> str:
    """Return the message for a request whose response is too large."""
    maximum = settings.GRAPHQL_MAX_RESPONSE_BYTES
    return f"The response has more than {maximum} bytes. Request fewer items or fields."


def make_too_complex_error(message: str) -> GraphQLError:
    """Return the error of a request that exceeds a limit."""
    return GraphQLError(message, extensions={"code": ErrorCode.TOO_COMPLEX})
