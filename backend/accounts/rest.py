"""REST endpoints for registration and login, for clients that do not use GraphQL."""

from typing import Annotated, Any, Literal

from django.conf import settings
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field, WithJsonSchema

from backend.accounts import services
from backend.accounts.email_addresses import MAX_EMAIL_LENGTH
from backend.accounts.password_hashing import MAX_PASSWORD_LENGTH
from backend.core.client_address import get_client_address
from backend.core.request_language import get_request_language
from backend.core.rest import LOGIN_REQUIRED, ApiRequest, ResponseModel, StrictBody, declare_problems
from backend.orders.guests import confirm_account

# Routes with `auth=None` ignore access tokens, so that an expired one does not prevent a login.
router = Router(tags=["accounts"])

_PROBLEMS = declare_problems(400, 409, 415, 422, 429, 503)


EmailAddress = Annotated[
    str,
    WithJsonSchema(
        {"type": "string", "format": "email", "maxLength": MAX_EMAIL_LENGTH, "examples": ["anna@example.com"]}
    ),
]
NewPassword = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "minLength": MinimumLengthValidator().min_length,
            "maxLength": MAX_PASSWORD_LENGTH,
            "examples": ["correct horse battery"],
        }
    ),
]
Password = Annotated[
    str,
    WithJsonSchema({"type": "string", "format": "password", "examples": ["correct horse battery"]}),
]
Language = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [code for code, _ in settings.LANGUAGES]})
]


class Registration(StrictBody):
    """A new account."""

    email: EmailAddress = Field(description="E-mail address of the account.")
    password: NewPassword = Field(
        description="Password. Common passwords, numbers and parts of the e-mail address are refused."
    )
    language: Language | None = Field(
        None,
        description="Language of messages and mails. By default, the one that Accept-Language prefers.",
    )


class Confirmation(StrictBody):
    """The code that confirms an e-mail address."""

    email: EmailAddress = Field(description="E-mail address of the account.")
    code: Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9]{6}$"})] = Field(
        description="The six digits from the confirmation mail."
    )


class Email(StrictBody):
    """The e-mail address of an account."""

    email: EmailAddress = Field(description="E-mail address of the account.")


class Login(StrictBody):
    """The credentials of an account."""

    email: EmailAddress = Field(description="E-mail address of the account.")
    password: Password = Field(description="Password of the account.")


class Refresh(StrictBody):
    """A refresh token."""

    refresh_token: str = Field(description="The `refresh_token` of the last login or refresh.")


class Tokens(ResponseModel):
    """The tokens of a session."""

    access_token: str = Field(description="Send it as `Authorization: Bearer <access_token>`.")
    refresh_token: str = Field(
        description="Send it to `POST /auth/refresh`, once. Repeated within ten seconds, it returns the same "
        "new token."
    )
    expires_in: int = Field(description="Lifetime of the access token in seconds.")


class Accepted(ResponseModel):
    """The request was accepted. The response does not reveal whether the address has an account."""

    status: Literal["accepted", "confirmed"] = Field(description="Result of the request.")


@router.post(
    "/register",
    auth=None,
    response={202: Accepted, **_PROBLEMS},
    operation_id="authRegister",
    summary="Register an account",
)
def register(request: HttpRequest, payload: Registration) -> Any:
    """Create an unconfirmed account and send a six-digit code to its e-mail address."""
    language = get_request_language(request) if payload.language is None else payload.language
    services.register_account(
        email=payload.email,
        password=payload.password,
        language=language,
        address=get_client_address(request),
    )
    return Status(202, Accepted(status="accepted"))


@router.post(
    "/confirm",
    auth=None,
    response={200: Accepted, **_PROBLEMS},
    operation_id="authConfirm",
    summary="Confirm a registration",
)
def confirm(request: HttpRequest, payload: Confirmation) -> Any:
    """Confirm the e-mail address with the code sent to it.

    The orders of guests with this address are transferred to the account. Log in afterwards.
    """
    confirm_account(**payload.dict(), address=get_client_address(request))
    return Accepted(status="confirmed")


@router.post(
    "/resend",
    auth=None,
    response={202: Accepted, **_PROBLEMS},
    operation_id="authResend",
    summary="Resend the code",
)
def resend(request: HttpRequest, payload: Email) -> Any:
    """Send a new confirmation code. Mails to one address are sent at most once a minute."""
    services.resend_confirmation_code(**payload.dict(), address=get_client_address(request))
    return Status(202, Accepted(status="accepted"))


@router.post(
    "/login",
    auth=None,
    response={200: Tokens, **declare_problems(401), **_PROBLEMS},
    operation_id="authLogIn",
    summary="Log in",
)
def log_in(request: HttpRequest, payload: Login) -> Any:
    """Open a session and return its tokens."""
    return services.log_in(**payload.dict(), address=get_client_address(request))


@router.post(
    "/refresh",
    auth=None,
    response={200: Tokens, **declare_problems(401), **_PROBLEMS},
    operation_id="authRefresh",
    summary="Refresh the tokens",
)
def refresh(request: HttpRequest, payload: Refresh) -> Any:
    """Exchange a refresh token for new tokens.

    Repeating it returns the same refresh token for ten seconds; after that, it ends the session.
    """
    return services.refresh_session(**payload.dict(), address=get_client_address(request))


@router.post(
    "/logout",
    response={204: None, **declare_problems(401, 503)},
    operation_id="authLogOut",
    summary="Log out",
    openapi_extra=LOGIN_REQUIRED,
)
def log_out(request: ApiRequest) -> Any:
    """End the session of the access token. Its tokens become invalid."""
    services.log_out(viewer=request.auth)
    return Status(204, None)
