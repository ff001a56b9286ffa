"""REST endpoints for registration and login, for clients that do not use GraphQL."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from backend.accounts import services
from backend.core.rest import LOGIN_REQUIRED, ApiRequest, Problem
from backend.core.viewer import client_address

# Routes with `auth=None` ignore access tokens, so that an expired one does not prevent a login.
router = Router(tags=["accounts"])

_REFUSALS = {400: Problem, 415: Problem, 422: Problem, 429: Problem, 503: Problem}


class _Body(Schema):
    model_config = ConfigDict(extra="forbid")


class Registration(_Body):
    email: str
    password: str
    language: str = Field("en", description="Language of the mails to this account: `ru` or `en`.")


class Confirmation(_Body):
    email: str
    code: str = Field(description="The six digits from the confirmation mail.")


class Email(_Body):
    email: str


class Login(_Body):
    email: str
    password: str


class Refresh(_Body):
    refresh_token: str


class Tokens(Schema):
    access_token: str = Field(description="Send it as `Authorization: Bearer <access_token>`.")
    refresh_token: str = Field(description="Valid for one `POST /auth/refresh`.")
    expires_in: int = Field(description="Lifetime of the access token in seconds.")


class Accepted(Schema):
    """The request was accepted. The response does not reveal whether the address has an account."""

    status: str = "accepted"


@router.post("/register", auth=None, response={202: Accepted, **_REFUSALS}, summary="Register an account")
def register(request: HttpRequest, payload: Registration) -> Any:
    """Create an unconfirmed account and send a six-digit code to its e-mail address."""
    services.register_account(**payload.dict(), address=client_address(request))
    return Status(202, Accepted())


@router.post("/confirm", auth=None, response={200: Accepted, **_REFUSALS}, summary="Confirm a registration")
def confirm(request: HttpRequest, payload: Confirmation) -> Any:
    """Confirm the e-mail address with the code sent to it. Log in afterwards."""
    services.confirm_registration(**payload.dict(), address=client_address(request))
    return Accepted(status="confirmed")


@router.post("/resend", auth=None, response={202: Accepted, **_REFUSALS}, summary="Resend the code")
def resend(request: HttpRequest, payload: Email) -> Any:
    """Send a new confirmation code. Mails to one address are sent at most once a minute."""
    services.resend_confirmation_code(**payload.dict(), address=client_address(request))
    return Status(202, Accepted())


@router.post("/login", auth=None, response={200: Tokens, 401: Problem, **_REFUSALS}, summary="Log in")
def log_in(request: HttpRequest, payload: Login) -> Any:
    """Open a session and return its tokens."""
    return services.log_in(**payload.dict(), address=client_address(request))


@router.post(
    "/refresh", auth=None, response={200: Tokens, 401: Problem, **_REFUSALS}, summary="Refresh the tokens"
)
def refresh(request: HttpRequest, payload: Refresh) -> Any:
    """Exchange a refresh token for new tokens. Reusing a refresh token ends its session."""
    return services.refresh_session(**payload.dict(), address=client_address(request))


@router.post(
    "/logout",
    response={204: None, 401: Problem, 503: Problem},
    summary="Log out",
    openapi_extra=LOGIN_REQUIRED,
)
def log_out(request: ApiRequest) -> Any:
    """End the session of the access token. Its tokens become invalid."""
    services.log_out(viewer=request.auth)
    return Status(204, None)
