"""REST endpoints for registration and login, for clients that do not use GraphQL."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from backend.accounts import services
from backend.core.rest import LOGIN_REQUIRED, ApiRequest, StrictBody, problems
from backend.core.viewer import client_address

# Routes with `auth=None` ignore access tokens, so that an expired one does not prevent a login.
router = Router(tags=["accounts"])

_PROBLEMS = problems(400, 415, 422, 429, 503)


class Registration(StrictBody):
    email: str
    password: str
    language: str = Field("en", description="Language of the mails to this account: `ru` or `en`.")


class Confirmation(StrictBody):
    email: str
    code: str = Field(description="The six digits from the confirmation mail.")


class Email(StrictBody):
    email: str


class Login(StrictBody):
    email: str
    password: str


class Refresh(StrictBody):
    refresh_token: str


class Tokens(Schema):
    access_token: str = Field(description="Send it as `Authorization: Bearer <access_token>`.")
    refresh_token: str = Field(description="Valid for one `POST /auth/refresh`.")
    expires_in: int = Field(description="Lifetime of the access token in seconds.")


class Accepted(Schema):
    """The request was accepted. The response does not reveal whether the address has an account."""

    status: str = "accepted"


@router.post("/register", auth=None, response={202: Accepted, **_PROBLEMS}, summary="Register an account")
def register(request: HttpRequest, payload: Registration) -> Any:
    """Create an unconfirmed account and send a six-digit code to its e-mail address."""
    services.register_account(**payload.dict(), address=client_address(request))
    return Status(202, Accepted())


@router.post("/confirm", auth=None, response={200: Accepted, **_PROBLEMS}, summary="Confirm a registration")
def confirm(request: HttpRequest, payload: Confirmation) -> Any:
    """Confirm the e-mail address with the code sent to it. Log in afterwards."""
    services.confirm_registration(**payload.dict(), address=client_address(request))
    return Accepted(status="confirmed")


@router.post("/resend", auth=None, response={202: Accepted, **_PROBLEMS}, summary="Resend the code")
def resend(request: HttpRequest, payload: Email) -> Any:
    """Send a new confirmation code. Mails to one address are sent at most once a minute."""
    services.resend_confirmation_code(**payload.dict(), address=client_address(request))
    return Status(202, Accepted())


@router.post("/login", auth=None, response={200: Tokens, **problems(401), **_PROBLEMS}, summary="Log in")
def log_in(request: HttpRequest, payload: Login) -> Any:
    """Open a session and return its tokens."""
    return services.log_in(**payload.dict(), address=client_address(request))


@router.post(
    "/refresh", auth=None, response={200: Tokens, **problems(401), **_PROBLEMS}, summary="Refresh the tokens"
)
def refresh(request: HttpRequest, payload: Refresh) -> Any:
    """Exchange a refresh token for new tokens. Reusing a refresh token ends its session."""
    return services.refresh_session(**payload.dict(), address=client_address(request))


@router.post(
    "/logout",
    response={204: None, **problems(401, 503)},
    summary="Log out",
    openapi_extra=LOGIN_REQUIRED,
)
def log_out(request: ApiRequest) -> Any:
    """End the session of the access token. Its tokens become invalid."""
    services.log_out(viewer=request.auth)
    return Status(204, None)
