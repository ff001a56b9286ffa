"""Error codes and exceptions, shared by GraphQL and REST."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from backend.core.request_language import render_message

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# The `Retry-After` of UNAVAILABLE. Most outages are restarts, and a retry costs little.
UNAVAILABLE_RETRY_SECONDS = 5
SERVICE_UNAVAILABLE = _("The service is temporarily unavailable. Try again in a moment.")


class ErrorCode(StrEnum):
    """Machine-readable error codes. Clients should branch on the code and show the message."""

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
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
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
    PROMO_CODE_NOT_FOUND = "PROMO_CODE_NOT_FOUND"
    PROMO_CODE_EXPIRED = "PROMO_CODE_EXPIRED"
    PROMO_CODE_USED_UP = "PROMO_CODE_USED_UP"
    PROMO_CODE_MINIMUM_TOTAL = "PROMO_CODE_MINIMUM_TOTAL"
    PROMO_CODE_NOT_APPLICABLE = "PROMO_CODE_NOT_APPLICABLE"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"

    @property
    def http_status(self) -> int:
        """The HTTP status code of REST responses with this error."""
        return _HTTP_STATUS.get(self, 422)

    @property
    def description(self) -> str:
        """The meaning, for the documentation of both APIs."""
        return _DESCRIPTIONS[self]


# Codes that are not listed have status 422: the request is well-formed but its content is refused.
_HTTP_STATUS = {
    ErrorCode.MALFORMED: 400,
    ErrorCode.TOO_COMPLEX: 400,
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED: 400,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.TOKEN_INVALID: 401,
    ErrorCode.TOKEN_EXPIRED: 401,
    ErrorCode.WRONG_CREDENTIALS: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.PROMO_CODE_NOT_FOUND: 404,
    ErrorCode.PERSISTED_QUERY_NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.CONFLICT: 409,
    ErrorCode.OUT_OF_STOCK: 409,
    ErrorCode.NO_LONGER_SOLD: 409,
    ErrorCode.CART_EMPTY: 409,
    ErrorCode.TOTAL_CHANGED: 409,
    ErrorCode.IDEMPOTENCY_KEY_REUSED: 409,
    ErrorCode.ORDER_STATUS: 409,
    ErrorCode.PROMO_CODE_EXPIRED: 409,
    ErrorCode.PROMO_CODE_USED_UP: 409,
    ErrorCode.PROMO_CODE_MINIMUM_TOTAL: 409,
    ErrorCode.PROMO_CODE_NOT_APPLICABLE: 409,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}

_DESCRIPTIONS = {
    ErrorCode.MALFORMED: "The request cannot be parsed.",
    ErrorCode.INVALID: "A value has the wrong type or format.",
    ErrorCode.OUT_OF_RANGE: "A number is outside the accepted range.",
    ErrorCode.TOO_LONG: "A text or a list is too long.",
    ErrorCode.INVALID_CURSOR: "A cursor is malformed or belongs to another sort order.",
    ErrorCode.NOT_FOUND: "The object does not exist or is not visible to the viewer.",
    ErrorCode.UNAUTHENTICATED: "The request requires a login.",
    ErrorCode.FORBIDDEN: "The viewer is not allowed to do this.",
    ErrorCode.METHOD_NOT_ALLOWED: "The URL does not accept the HTTP method.",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "The content type of the body is not supported.",
    ErrorCode.TOO_LARGE: "The request or a part of it has more bytes than are accepted.",
    ErrorCode.TOO_COMPLEX: "The request takes more work than is accepted.",
    ErrorCode.PERSISTED_QUERY_NOT_FOUND: "The hash is not registered. Send the query with the hash, once.",
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED: "Persisted queries are off. Send queries without a hash.",
    ErrorCode.RATE_LIMITED: "There were too many attempts. Retry after the reported number of seconds.",
    ErrorCode.TOKEN_INVALID: "A token is invalid or its session has ended. Log in again.",
    ErrorCode.TOKEN_EXPIRED: "The access token has expired. Refresh it.",
    ErrorCode.WRONG_CREDENTIALS: "The e-mail address or the password is wrong.",
    ErrorCode.WRONG_CODE: "The code from the mail is wrong or has expired.",
    ErrorCode.WEAK_PASSWORD: "The new password is too easy to guess.",
    ErrorCode.CONFLICT: "A concurrent change conflicts with this request. Retry it.",
    ErrorCode.OUT_OF_STOCK: "The stock is insufficient.",
    ErrorCode.NO_LONGER_SOLD: "A product in the cart is no longer sold.",
    ErrorCode.CART_EMPTY: "The cart is empty.",
    ErrorCode.TOTAL_CHANGED: "The total of the cart differs from the expected total.",
    ErrorCode.IDEMPOTENCY_KEY_REUSED: "The idempotency key belongs to a different request.",
    ErrorCode.ORDER_STATUS: "The current status of the order does not allow this.",
    ErrorCode.PROMO_CODE_NOT_FOUND: "The promo code does not exist or is not active.",
    ErrorCode.PROMO_CODE_EXPIRED: "The promo code is not valid yet or has expired.",
    ErrorCode.PROMO_CODE_USED_UP: "The promo code has no uses left, in total or for this customer.",
    ErrorCode.PROMO_CODE_MINIMUM_TOTAL: "The total of the cart is below the minimum of the promo code.",
    ErrorCode.PROMO_CODE_NOT_APPLICABLE: "The promo code does not apply to this cart or customer.",
    ErrorCode.UNAVAILABLE: "A required service does not respond. The same request may succeed later.",
    ErrorCode.INTERNAL: "An internal error occurred. It has been logged.",
}


class ShopError(Exception):
    """An error caused by the content of a request. Nothing was written.

    Subclasses set the code. Services raise it inside `atomic`; `core.graphql` and `core.rest` render it.

    Args:
        text: the message for people, a lazy translation; it says what is wrong and what is accepted.
        field: the invalid parameter by its name in the service, with dots for nested values.
        params: values of the placeholders of the text, such as `%(maximum)s`.

    Attributes:
        path: the location of the parameter in the request: the field, unless `map_error_fields` maps it.
        is_about_argument: false if the field is a header, or a line of the cart that is ordered.
        is_about_viewer: whether the viewer could not be determined, so that no part of the request runs.
        others: further errors of the same request, which are reported after this one.
    """

    code = ErrorCode.INVALID
    is_about_argument = True
    is_about_viewer = False

    def __init__(
        self,
        text: "StrOrPromise",
        *,
        field: str | None = None,
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.params = params
        self.field = field
        self.path: Sequence[str] = field.split(".") if field else []
        self.others: Sequence[ShopError] = []

    @property
    def message(self) -> str:
        """The message in the language of the request."""
        return render_message(self.text, self.params)

    def __str__(self) -> str:
        """Return the message in the active language, for logs and commands."""
        return self.text % self.params if self.params else str(self.text)


@contextmanager
def map_error_fields(paths: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Map the fields of errors to the names that the client uses.

    Args:
        paths: the paths in the request of the service parameters that have another name there.
    """
    try:
        yield
    except ShopError as error:
        for each in (error, *error.others):
            each.path = paths.get(each.field or "", each.path)
        raise


@contextmanager
def collect_errors(errors: list[ShopError]) -> Iterator[None]:
    """Append an error to a list instead of raising it. `raise_collected` raises all errors of the list."""
    try:
        yield
    except ShopError as error:
        errors += [error, *error.others]


def raise_collected(errors: Sequence[ShopError]) -> None:
    """Raise the first error, which carries the others. Do nothing without errors."""
    if errors:
        errors[0].others = errors[1:]
        raise errors[0]


class Malformed(ShopError):
    """The request cannot be parsed."""

    code = ErrorCode.MALFORMED


class Invalid(ShopError):
    """A value has the wrong type or format."""


def refuse_repeated_parameters(
    parameters: Iterable[tuple[str, Sequence[str]]], lists: Collection[str] = ()
) -> None:
    """Refuse query parameters that a URL has more than once. Only one of the values would count.

    Args:
        parameters: names with their values.
        lists: names of the parameters that may be repeated.

    Raises:
        Invalid: a parameter is repeated.
    """
    for name, values in parameters:
        if len(values) > 1 and name not in lists:
            raise Invalid(
                _("The parameter %(name)r must not be repeated."),
                field=name[:100],
                params={"name": name[:100]},
            )


class OutOfRange(ShopError):
    """A number is outside the accepted range."""

    code = ErrorCode.OUT_OF_RANGE


class TooLong(ShopError):
    """A text or a list is too long."""

    code = ErrorCode.TOO_LONG


class TooComplex(ShopError):
    """The request takes more work than is accepted."""

    code = ErrorCode.TOO_COMPLEX


class InvalidCursor(ShopError):
    """A cursor is malformed or belongs to another sort order."""

    code = ErrorCode.INVALID_CURSOR


class NotFound(ShopError):
    """The requested object does not exist or is not visible to the viewer."""

    code = ErrorCode.NOT_FOUND


class Conflict(ShopError):
    """A concurrent change conflicts with this request."""

    code = ErrorCode.CONFLICT


class Unauthenticated(ShopError):
    """The request requires a login."""

    code = ErrorCode.UNAUTHENTICATED


class Forbidden(ShopError):
    """The viewer is not allowed to do this."""

    code = ErrorCode.FORBIDDEN


class TooLarge(ShopError):
    """The request or a part of it has more bytes than are accepted."""

    code = ErrorCode.TOO_LARGE


class UnsupportedMediaType(ShopError):
    """The content type of the body is not supported."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class Unavailable(ShopError):
    """A required service does not respond. The same request may succeed later."""

    code = ErrorCode.UNAVAILABLE


class RateLimited(ShopError):
    """There were too many attempts. This one was not made.

    Attributes:
        retry_after: whole seconds until the next attempt is allowed.
    """

    code = ErrorCode.RATE_LIMITED

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            ngettext_lazy(
                "Too many attempts. Try again in %(seconds)s second.",
                "Too many attempts. Try again in %(seconds)s seconds.",
                "seconds",
            ),
            params={"seconds": retry_after},
        )
        self.retry_after = retry_after
