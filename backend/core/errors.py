"""The shop's one vocabulary of refusals, the same in GraphQL and REST."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum


class ErrorCode(StrEnum):
    """Why a request was refused. Clients branch on these; messages are for people."""

    MALFORMED = "MALFORMED"
    INVALID = "INVALID"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    TOO_LONG = "TOO_LONG"
    INVALID_CURSOR = "INVALID_CURSOR"
    NOT_FOUND = "NOT_FOUND"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    TOO_LARGE = "TOO_LARGE"
    TOO_COMPLEX = "TOO_COMPLEX"
    RATE_LIMITED = "RATE_LIMITED"
    TOKEN_INVALID = "TOKEN_INVALID"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    WRONG_CREDENTIALS = "WRONG_CREDENTIALS"
    WRONG_CODE = "WRONG_CODE"
    WEAK_PASSWORD = "WEAK_PASSWORD"
    CONFLICT = "CONFLICT"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    NO_LONGER_SOLD = "NO_LONGER_SOLD"
    CART_EMPTY = "CART_EMPTY"
    TOTAL_CHANGED = "TOTAL_CHANGED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    ORDER_STATUS = "ORDER_STATUS"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"

    @property
    def http_status(self) -> int:
        """The HTTP status that says the same."""
        return _HTTP_STATUS.get(self, 422)


# What is not listed is 422: understood, and refused for what it says.
_HTTP_STATUS = {
    ErrorCode.MALFORMED: 400,
    ErrorCode.TOO_COMPLEX: 400,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.TOKEN_INVALID: 401,
    ErrorCode.TOKEN_EXPIRED: 401,
    ErrorCode.WRONG_CREDENTIALS: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.CONFLICT: 409,
    ErrorCode.OUT_OF_STOCK: 409,
    ErrorCode.NO_LONGER_SOLD: 409,
    ErrorCode.CART_EMPTY: 409,
    ErrorCode.TOTAL_CHANGED: 409,
    ErrorCode.IDEMPOTENCY_KEY_REUSED: 409,
    ErrorCode.ORDER_STATUS: 409,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}


class ShopError(Exception):
    """A refusal that the person asking can understand; nothing was written.

    Subclasses fix the code. Raised inside `atomic`, rendered by `core.graphql` and `core.rest`.

    Args:
        message: what was wrong and what the rule is, for people.
        field: the parameter it is about, by the name it has in the services; dots lead into it.

    Attributes:
        path: where the client gave that parameter; the field itself unless `fields_named` says else.
    """

    code = ErrorCode.INVALID

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.path: Sequence[str] = field.split(".") if field else []


@contextmanager
def fields_named(paths: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Make refusals name their field as the client calls it.

    Args:
        paths: for each parameter of a service that is called otherwise, the path of the argument.
    """
    try:
        yield
    except ShopError as error:
        error.path = paths.get(error.field or "", error.path)
        raise


class Malformed(ShopError):
    """The request could not be read at all."""

    code = ErrorCode.MALFORMED


class Invalid(ShopError):
    """A value is not of the kind that is asked for."""


class OutOfRange(ShopError):
    """A number is below or above what is accepted."""

    code = ErrorCode.OUT_OF_RANGE


class TooLong(ShopError):
    """A text or list is longer than what is accepted."""

    code = ErrorCode.TOO_LONG


class InvalidCursor(ShopError):
    """A cursor is broken, or belongs to another sort order."""

    code = ErrorCode.INVALID_CURSOR


class NotFound(ShopError):
    """What the request names does not exist, or is not for this viewer."""

    code = ErrorCode.NOT_FOUND


class Conflict(ShopError):
    """Somebody else has changed what this is about in the same moment."""

    code = ErrorCode.CONFLICT


class Unauthenticated(ShopError):
    """Only somebody who is logged in may do this."""

    code = ErrorCode.UNAUTHENTICATED


class Forbidden(ShopError):
    """This viewer may not do this."""

    code = ErrorCode.FORBIDDEN


class TooLarge(ShopError):
    """The request or a part of it has more bytes than are accepted."""

    code = ErrorCode.TOO_LARGE


class UnsupportedMediaType(ShopError):
    """The body is of a content type that is not read here."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class Unavailable(ShopError):
    """A service that this needs does not answer; the same request may succeed later."""

    code = ErrorCode.UNAVAILABLE


class RateLimited(ShopError):
    """Too many tries; nothing was tried this time.

    Attributes:
        retry_after: whole seconds until it is worth trying again.
    """

    code = ErrorCode.RATE_LIMITED

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many tries. Try again in {retry_after} seconds.")
        self.retry_after = retry_after
