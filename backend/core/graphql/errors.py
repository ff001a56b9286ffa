"""How refusals and faults look in GraphQL."""

import logging
import re
from typing import Any

import strawberry
from django.db import InterfaceError, OperationalError
from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSyntaxError,
    Node,
    ObjectFieldNode,
    parse,
)
from graphql.validation.validate import ValidationAbortedError
from strawberry.utils.str_converters import to_camel_case

from backend.core.errors import ErrorCode, RateLimited, ShopError

logger = logging.getLogger(__name__)

strawberry.enum(ErrorCode, description="Why a request was refused.")

# What graphql-core says of a number that is well-formed and too large.
_BEYOND_INT = "Int cannot represent non 32-bit signed integer value"
_INVALID_VARIABLE = re.compile(
    r"Variable '\$(\w+)' has invalid value(?: at ([\w.\[\]]+))?:"
    r"(?: Expected value of type '\w+' (?:not )?to include \w+ field '(\w+)')?"
)


@strawberry.type
class UserError:
    """Why a mutation did nothing."""

    code: ErrorCode
    message: str
    field: list[str] | None = strawberry.field(description="The path of the argument that it is about.")


# Refusals that are about the request or the shop, not about what was put into it.
_TOP_LEVEL = {
    ErrorCode.UNAUTHENTICATED,
    ErrorCode.FORBIDDEN,
    ErrorCode.RATE_LIMITED,
    ErrorCode.UNAVAILABLE,
}


def user_errors(error: ShopError, *within: str) -> list[UserError]:
    """Return a refusal as a mutation's payload carries it; raise what belongs to the top level.

    Args:
        within: the argument that holds the fields, such as "input".
    """
    if error.code in _TOP_LEVEL:
        raise error
    path = [*within, *(to_camel_case(part) for part in error.path)] if error.path else []
    return [UserError(code=error.code, message=error.message, field=path or None)]


def render_error(error: GraphQLError) -> dict[str, Any]:
    """Return an error as the response carries it: with a code, and without anything internal."""
    rendered: dict[str, Any] = {"message": error.message}
    if error.locations:
        rendered["locations"] = [location.formatted for location in error.locations]
    if error.path:
        rendered["path"] = error.path
    original = error.original_error
    if isinstance(original, ShopError):
        rendered["extensions"] = {"code": original.code, "field": list(original.path) or None}
        if isinstance(original, RateLimited):
            rendered["extensions"]["retryAfter"] = original.retry_after
    elif isinstance(original, OperationalError | InterfaceError):
        rendered["message"] = "A service that this needs does not answer. Try again in a moment."
        rendered["extensions"] = {"code": ErrorCode.UNAVAILABLE, "field": None}
    elif original is None or isinstance(original, GraphQLError):
        rendered["extensions"] = {"code": _code_of(error), "field": _field_of(error)}
    else:
        rendered["message"] = "Something went wrong on our side."
        rendered["extensions"] = {"code": ErrorCode.INTERNAL, "field": None}
    return rendered


def log_error(error: GraphQLError) -> None:
    """Log what is the shop's own fault, with its traceback; a refusal is not worth a line."""
    original = error.original_error
    if original is None or isinstance(original, ShopError | GraphQLError):
        return
    if isinstance(original, OperationalError | InterfaceError):
        logger.warning("The database does not answer: %s", original)
    else:
        logger.error("A resolver failed at %s", error.path, exc_info=original)


def _code_of(error: GraphQLError) -> ErrorCode:
    if isinstance(error, ValidationAbortedError):
        return ErrorCode.TOO_COMPLEX
    if isinstance(error, GraphQLSyntaxError):
        return (
            ErrorCode.TOO_COMPLEX if "Document contains more than" in error.message else ErrorCode.MALFORMED
        )
    if _BEYOND_INT in error.message:
        return ErrorCode.OUT_OF_RANGE
    return ErrorCode((error.extensions or {}).get("code", ErrorCode.INVALID))


def _field_of(error: GraphQLError) -> list[str] | None:
    """Find the field or argument that an error of parsing, validation or coercion is about."""
    if match := _INVALID_VARIABLE.match(error.message):
        variable, path, field = match.groups()
        return [variable, *re.findall(r"\w+", path or ""), *([field] if field else [])]
    node = error.nodes[0] if error.nodes else None
    if node is None or node.loc is None:
        return None
    # Nodes do not know their parents, so the document is read again up to this one.
    path_to_node = _arguments_around(parse(node.loc.source), node.loc.start)
    if not path_to_node and isinstance(node, FieldNode):
        return [node.name.value]
    return path_to_node or None


def _arguments_around(node: Node, position: int) -> list[str]:
    """Return the names of the arguments and input fields that enclose a position, outermost first."""
    for key in node.keys:
        value = getattr(node, key)
        for child in value if isinstance(value, tuple | list) else [value]:
            if isinstance(child, Node) and child.loc and child.loc.start <= position < child.loc.end:
                inner = _arguments_around(child, position)
                return (
                    [child.name.value, *inner] if isinstance(child, ArgumentNode | ObjectFieldNode) else inner
                )
    return []
