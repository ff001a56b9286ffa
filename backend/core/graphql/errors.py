"""Error codes, payload errors and top-level errors in GraphQL."""

import logging
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar, get_args

import strawberry
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext_lazy as _
from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSyntaxError,
    Node,
    ObjectFieldNode,
)
from graphql.validation.validate import ValidationAbortedError
from strawberry.utils.str_converters import to_camel_case

from backend.core.errors import (
    SERVICE_UNAVAILABLE,
    UNAVAILABLE_RETRY_SECONDS,
    ErrorCode,
    RateLimited,
    ShopError,
)
from backend.core.graphql.enums import describe_enum
from backend.core.problems import INTERNAL_ERROR, log_database_failure
from backend.core.request_language import render_message
from backend.core.request_record import get_request_id

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

describe_enum(
    ErrorCode,
    "Code of a refusal. Clients branch on codes; messages are for people.",
    {code.name: code.description for code in ErrorCode},
)

# Messages of graphql-core repeat the input, which can be as long as the request.
MAX_MESSAGE_LENGTH = 500
_MAX_NAME_LENGTH = 100

# graphql-core's message for an integer that is well-formed and too large.
_BEYOND_INT = "Int cannot represent non 32-bit signed integer value"
# Its messages for a document that exceeds a limit of the parser.
_BEYOND_PARSER = ("Document contains more than", "Document is nested too deeply")
_INVALID_VARIABLE = re.compile(
    r"Variable '\$(\w+)' has invalid value(?: at ([\w.\[\]]+))?:"
    r"(?: Expected value of type '\w+' (?:not )?to include \w+ field '(\w+)')?"
)


@strawberry.type
class UserError:
    """Reason why a mutation was refused. Nothing was written."""

    code: ErrorCode = strawberry.field(description="Code of the refusal.")
    message: str = strawberry.field(description="Message for people: the cause and the accepted values.")
    field: list[str] | None = strawberry.field(
        description='Path of the argument in error, such as `["input", "email"]`, or of the line in an '
        'ordered cart, such as `["lines", "0", "productId"]`; null if the error is about neither.'
    )


# Refusals of the whole request, which no change of an argument can avoid.
_TOP_LEVEL = {
    ErrorCode.UNAUTHENTICATED,
    ErrorCode.FORBIDDEN,
    ErrorCode.RATE_LIMITED,
    ErrorCode.UNAVAILABLE,
}


def refusals_as_payload(*within: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate the resolver of a mutation, so that a refusal becomes the `errors` of its payload.

    The payload is the type that the resolver is annotated to return; all of its fields have defaults.
    Refusals of the whole request are raised, and become top-level errors.

    Args:
        within: path of the argument that holds the fields, such as "input".
    """

    def decorate(resolver: Callable[P, T]) -> Callable[P, T]:
        payload: Callable[..., T] = get_args(resolver.__annotations__["return"])[0]

        @wraps(resolver)
        def resolve(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return resolver(*args, **kwargs)
            except ShopError as error:
                if error.code in _TOP_LEVEL or error.is_about_viewer:
                    raise
                return payload(errors=[_make_user_error(each, within) for each in (error, *error.others)])

        return resolve

    return decorate


def _make_user_error(error: ShopError, within: Sequence[str]) -> UserError:
    path = [to_camel_case(part) for part in error.path]
    if path and error.is_about_argument:
        path = [*within, *path]
    return UserError(code=error.code, message=error.message, field=path or None)


def render_errors(errors: Sequence[GraphQLError]) -> list[object]:
    """Render the top-level errors of a response, at most `GRAPHQL_MAX_ERRORS` and a notice of the others."""
    maximum = settings.GRAPHQL_MAX_ERRORS
    listed = [_render_error(error) for error in errors[:maximum]]
    if len(errors) == len(listed):
        return list(listed)
    notice = {
        "message": render_message(
            _("There are more errors; only the first %(maximum)s are listed."), {"maximum": maximum}
        ),
        "extensions": {"code": listed[-1]["extensions"]["code"], "field": None},
    }
    return [*listed, notice]


def _render_error(error: GraphQLError) -> dict[str, Any]:
    """Render an error with a code, and without internal details.

    Errors in the document and its variables stay in English: they are for developers, and graphql-core
    makes most of them.
    """
    rendered: dict[str, Any] = {"message": _shorten(error.message, MAX_MESSAGE_LENGTH)}
    if error.locations:
        rendered["locations"] = [location.formatted for location in error.locations]
    if error.path:
        rendered["path"] = error.path
    if isinstance(error, ValidationAbortedError):
        rendered["message"] = (
            "The query is too complex to be validated. Select each field once and nest fragments less deeply."
        )
    original = error.original_error
    if isinstance(original, ShopError):
        rendered["message"] = _shorten(original.message, MAX_MESSAGE_LENGTH)
        rendered["extensions"] = {"code": original.code, "field": list(original.path) or None}
        if isinstance(original, RateLimited):
            rendered["extensions"]["retryAfter"] = original.retry_after
    elif isinstance(original, OperationalError | InterfaceError):
        rendered["message"] = render_message(SERVICE_UNAVAILABLE)
        rendered["extensions"] = {"code": ErrorCode.UNAVAILABLE, "field": None}
    elif original is None or isinstance(original, GraphQLError):
        rendered["extensions"] = {
            "code": _get_code(error),
            "field": (error.extensions or {}).get("field"),
        }
    else:
        rendered["message"] = render_message(INTERNAL_ERROR)
        rendered["extensions"] = {
            "code": ErrorCode.INTERNAL,
            "field": None,
            "requestId": get_request_id(),
        }
    if rendered["extensions"]["code"] == ErrorCode.UNAVAILABLE:
        rendered["extensions"]["retryAfter"] = UNAVAILABLE_RETRY_SECONDS
    return rendered


def log_errors(errors: Sequence[GraphQLError]) -> None:
    """Log the failures of the server: bugs with their tracebacks, a failed database in one line.

    Refusals are not logged.
    """
    database_failures = []
    for error in errors:
        original = error.original_error
        if original is None or isinstance(original, ShopError | GraphQLError):
            continue
        if isinstance(original, OperationalError | InterfaceError):
            database_failures.append(original)
        else:
            logger.error("A resolver failed at %s", error.path, exc_info=original)
    if database_failures:
        # Every field of the request fails for the same reason.
        log_database_failure(database_failures[0])


def locate_errors(errors: Sequence[GraphQLError], document: DocumentNode) -> None:
    """Add the path of the argument in error to the extensions of each error that will be rendered.

    Args:
        errors: errors of validation, of coercion or of resolvers.
        document: the document that their nodes belong to.
    """
    errors = errors[: settings.GRAPHQL_MAX_ERRORS]
    paths = _find_argument_paths(document, [error.nodes[0] for error in errors if error.nodes])
    for error in errors:
        path = _find_variable_path(error.message)
        if path is None and error.nodes:
            node = error.nodes[0]
            path = paths.get(id(node))
            if not path and isinstance(node, FieldNode):
                path = [node.name.value]
        if path:
            error.extensions = {
                **(error.extensions or {}),
                "field": [_shorten(name, _MAX_NAME_LENGTH) for name in path],
            }


def _get_code(error: GraphQLError) -> ErrorCode:
    if isinstance(error, ValidationAbortedError):
        return ErrorCode.TOO_COMPLEX
    if isinstance(error, GraphQLSyntaxError):
        return ErrorCode.TOO_COMPLEX if error.description.startswith(_BEYOND_PARSER) else ErrorCode.MALFORMED
    # The message of an invalid variable is prefixed; the original error has the message alone.
    original = error.original_error
    message = original.message if isinstance(original, GraphQLError) else error.message
    if message.startswith(_BEYOND_INT):
        return ErrorCode.OUT_OF_RANGE
    return ErrorCode((error.extensions or {}).get("code", ErrorCode.INVALID))


def _find_variable_path(message: str) -> list[str] | None:
    """Return the path into an invalid variable, which graphql-core reports only in its message."""
    match = _INVALID_VARIABLE.match(message)
    if not match:
        return None
    variable, path, field = match.groups()
    return [variable, *re.findall(r"\w+", path or ""), *([field] if field else [])]


def _find_argument_paths(document: DocumentNode, nodes: Sequence[Node]) -> dict[int, list[str]]:
    """Find the names of the arguments and input fields that enclose each node, outermost first.

    Nodes do not know their parents, so one walk through the document finds the paths of all of them.

    Returns:
        the path of each node that the document contains, by `id(node)`.
    """
    wanted = {id(node) for node in nodes}
    paths: dict[int, list[str]] = {}
    # A stack, because a document can be nested more deeply than Python's recursion limit allows.
    pending: list[tuple[Node, list[str]]] = [(document, [])]
    while pending and len(paths) < len(wanted):
        node, path = pending.pop()
        if isinstance(node, ArgumentNode | ObjectFieldNode):
            path = [*path, node.name.value]
        if id(node) in wanted:
            paths[id(node)] = path
        for key in node.keys:
            value = getattr(node, key)
            children = value if isinstance(value, tuple | list) else (value,)
            pending.extend((child, path) for child in children if isinstance(child, Node))
    return paths


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
