"""The viewer of a request, read in the same way by both APIs."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.http import HttpRequest

from backend.core.request_limits import hit_account_limit
from backend.core.request_record import record_account_language


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user or guest who sends a request.

    Attributes:
        user_id: primary key of the account; None for a guest.
        session_id: primary key of the login session; None for a guest.
        is_staff: whether the account may use the admin.
        language: the language of the account; empty for a guest, and if the account has none.
        cart_token: the token of a guest's cart, as the client sent it; not validated.
    """

    user_id: int | None = None
    session_id: uuid.UUID | None = None
    is_staff: bool = False
    language: str = ""
    cart_token: str | None = None


# Returns the viewer that the value of an Authorization header identifies, or a guest if the value is empty.
# The accounts app implements it. Core imports no app, so the function is passed to both APIs.
Authenticate = Callable[[str], Viewer]


def get_viewer(request: HttpRequest, authenticate: Authenticate) -> Viewer:
    """Return the viewer of a request, from its Authorization and X-Cart-Token headers.

    A logged-in viewer also has a cart token if the client still sends the one it used as a guest.

    Raises:
        TokenInvalid, TokenExpired: the access token is not valid.
        RateLimited: the account has sent too many requests.
    """
    viewer = authenticate(request.headers.get("Authorization", ""))
    if viewer.user_id is not None:
        record_account_language(viewer.language)
        hit_account_limit(request, viewer.user_id)
    cart_token = request.headers.get("X-Cart-Token")
    return replace(viewer, cart_token=cart_token) if cart_token else viewer
