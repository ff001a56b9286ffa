"""Registration and login in REST, so that a legacy client can do without GraphQL."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from backend.accounts import services
from backend.core.rest import LOGIN_REQUIRED, ApiRequest, Problem
from backend.core.viewer import client_address

# `auth=None` where one gets a token, or comes without: an old one that a client still sends is no matter.
router = Router(tags=["accounts"])

_REFUSALS = {400: Problem, 415: Problem, 422: Problem, 429: Problem, 503: Problem}


class _Body(Schema):
    model_config = ConfigDict(extra="forbid")


class Registration(_Body):
    email: str
    password: str
    language: str = Field("en", description="Of the mails: `ru` or `en`.")


class Confirmation(_Body):
    email: str
    code: str


class Email(_Body):
    email: str


class Login(_Body):
    email: str
    password: str


class Refresh(_Body):
    refresh_token: str


class Tokens(Schema):
    access_token: str
    refresh_token: str = Field(description="Good for one `POST /auth/refresh`.")
    expires_in: int = Field(description="Seconds for which the access token is good.")


class Accepted(Schema):
    """The same answer for a known and an unknown address."""

    status: str = "accepted"


@router.post("/register", auth=None, response={202: Accepted, **_REFUSALS}, summary="Register")
def register(request: HttpRequest, payload: Registration) -> Any:
    """Take a registration and mail a six-digit code."""
    services.register(**payload.dict(), address=client_address(request))
    return Status(202, Accepted())


@router.post("/confirm", auth=None, response={200: Accepted, **_REFUSALS}, summary="Confirm a registration")
def confirm(request: HttpRequest, payload: Confirmation) -> Any:
    """Confirm by the mailed code; then log in."""
    services.confirm(**payload.dict(), address=client_address(request))
    return Accepted(status="confirmed")


@router.post("/resend", auth=None, response={202: Accepted, **_REFUSALS}, summary="Mail a new code")
def resend(request: HttpRequest, payload: Email) -> Any:
    """Mail a new code, at most once a minute."""
    services.resend_confirmation(**payload.dict(), address=client_address(request))
    return Status(202, Accepted())


@router.post("/login", auth=None, response={200: Tokens, 401: Problem, **_REFUSALS}, summary="Log in")
def log_in(request: HttpRequest, payload: Login) -> Any:
    """Open a session; send its access token as `Authorization: Bearer …`."""
    return services.log_in(**payload.dict(), address=client_address(request))


@router.post(
    "/refresh", auth=None, response={200: Tokens, 401: Problem, **_REFUSALS}, summary="Get new tokens"
)
def refresh(request: HttpRequest, payload: Refresh) -> Any:
    """Use a refresh token up for a new pair."""
    return services.refresh(**payload.dict(), address=client_address(request))


@router.post(
    "/logout",
    response={204: None, 401: Problem, 503: Problem},
    summary="Log out",
    openapi_extra=LOGIN_REQUIRED,
)
def log_out(request: ApiRequest) -> Any:
    """End the session of the access token."""
    services.log_out(viewer=request.auth)
    return Status(204, None)
