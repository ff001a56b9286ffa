"""GraphQL types, queries and mutations of accounts."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

import strawberry
import strawberry_django
from strawberry import auto

from backend.accounts import models, selectors, services
from backend.accounts.services import TokenPair
from backend.addresses.graphql import SavedAddress
from backend.addresses.selectors import list_addresses
from backend.core.graphql import (
    After,
    Before,
    First,
    Info,
    Last,
    Node,
    UserError,
    refusals_as_payload,
)
from backend.core.pagination import Window
from backend.orders.graphql import Order, OrderConnection
from backend.orders.guests import confirm_account
from backend.orders.selectors import get_order, list_orders

T = TypeVar("T")

_Input = Annotated[T, strawberry.argument(description="Input of the mutation.")]

_ERRORS = "Reasons why the request was refused; empty on success."
_EMAIL = "E-mail address of the account."
_NEW_CREDENTIAL = "New password, at least 8 characters; easily guessed passwords are refused."
_LANGUAGE = 'Language of messages and mails: "ru" or "en"'


@strawberry_django.type(models.User)
class User(Node):
    """The viewer's own account."""

    id: strawberry.ID = strawberry_django.field(
        field_name="global_id", description="Opaque id, unique among all types."
    )
    email: str = strawberry_django.field(
        description="E-mail address, which is also the login; always in lower case."
    )
    name: auto = strawberry_django.field(description="Name of the owner; empty if not set.")
    date_joined: auto = strawberry_django.field(description="Time of the last registration.")

    @strawberry_django.field(
        description=f"{_LANGUAGE}; null if messages follow the browser and mails the shop's default."
    )
    def language(self: models.User) -> str | None:
        return self.language or None

    @strawberry_django.field(description="The viewer's own orders, newest first.")
    def orders(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> OrderConnection:
        window = Window.from_arguments(
            first=first if last is None else None, after=after, last=last, before=before
        )
        return OrderConnection(page=list_orders(info.context.viewer, window))

    @strawberry_django.field(description="The viewer's own order with this number; null if there is none.")
    def order(
        self, info: Info, number: Annotated[str, strawberry.argument(description="Number of the order.")]
    ) -> Order | None:
        return get_order(info.context.viewer, number)

    @strawberry_django.field(
        description="The viewer's saved addresses: the default, and then the newest first."
    )
    def addresses(self, info: Info) -> list[SavedAddress]:
        return info.context.call_once(list_addresses, info.context.viewer)

    @strawberry_django.field(description="The viewer's default address; null if there are no addresses.")
    def default_address(self, info: Info) -> SavedAddress | None:
        return next(iter(info.context.call_once(list_addresses, info.context.viewer)), None)

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, models.User]:
        account = selectors.get_account(info.context.viewer)
        return {str(account.pk): account} if account else {}


@strawberry.type
class AccountPayload:
    """The result of a mutation. If `errors` is not empty, nothing has changed."""

    errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type
class UserPayload:
    """The updated account. If `errors` is not empty, `user` is null and nothing has changed."""

    user: User | None = strawberry.field(default=None, description="The account; null if there are errors.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type
class TokenPayload:
    """The tokens of a session. If `errors` is not empty, all other fields are null."""

    access_token: str | None = strawberry.field(
        default=None, description="Access token; send it as `Authorization: Bearer <accessToken>`."
    )
    refresh_token: str | None = strawberry.field(
        default=None,
        description="Refresh token, valid for one `tokenRefresh`. Repeated within ten seconds, it returns "
        "the same new token.",
    )
    expires_in: int | None = strawberry.field(
        default=None, description="Lifetime of the access token in seconds."
    )
    user: User | None = strawberry.field(default=None, description="The account of the session.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)

    @classmethod
    def from_tokens(cls, pair: TokenPair) -> "TokenPayload":
        """Return the payload of a session."""
        return cls(
            access_token=pair.access_token,
            refresh_token=pair.refresh_token,
            expires_in=pair.expires_in,
            user=pair.user,
        )


@strawberry.input
class RegisterInput:
    """A new account."""

    email: str = strawberry.field(description="E-mail address, to which a confirmation code is sent.")
    password: str = strawberry.field(description=_NEW_CREDENTIAL)
    language: str | None = strawberry.field(
        default=None, description=f"{_LANGUAGE}. By default, the one that Accept-Language prefers."
    )


@strawberry.input
class ConfirmInput:
    """A code from a confirmation mail."""

    email: str = strawberry.field(description=_EMAIL)
    code: str = strawberry.field(description="The six digits from the confirmation mail.")


@strawberry.input
class EmailInput:
    """The e-mail address of an account."""

    email: str = strawberry.field(description=_EMAIL)


@strawberry.input
class LoginInput:
    """The credentials of an account."""

    email: str = strawberry.field(description=_EMAIL)
    password: str = strawberry.field(description="Password of the account.")


@strawberry.input
class RefreshInput:
    """A refresh token."""

    refresh_token: str = strawberry.field(description="The newest refresh token of the session.")


@strawberry.input
class PasswordChangeInput:
    """The current and the new password."""

    old_password: str = strawberry.field(description="Current password.")
    new_password: str = strawberry.field(description=_NEW_CREDENTIAL)


@strawberry.input
class PasswordResetInput:
    """A code from a password reset mail, and a new password."""

    email: str = strawberry.field(description=_EMAIL)
    code: str = strawberry.field(description="The six digits from the password reset mail.")
    new_password: str = strawberry.field(description=_NEW_CREDENTIAL)


@strawberry.input
class AccountInput:
    """New values of the account. Fields that are left out stay unchanged."""

    name: str | None = strawberry.field(
        default=None, description="Name of the owner, up to 150 characters; unchanged if null."
    )
    language: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_LANGUAGE}. With null, messages follow Accept-Language."
    )


@strawberry.input
class AccountDeleteInput:
    """The confirmation that an account is to be deleted."""

    password: str = strawberry.field(description="Current password.")


@strawberry.type
class AccountsQuery:
    @strawberry.field(description="The viewer's own account; null for a guest.")
    def me(self, info: Info) -> User | None:
        return selectors.get_account(info.context.viewer)


@strawberry.type
class AccountsMutation:
    @strawberry.mutation(
        description="Create an unconfirmed account and send a six-digit code to its e-mail address. "
        "The response does not reveal whether the address already has an account."
    )
    @refusals_as_payload("input")
    def account_register(self, info: Info, input: _Input[RegisterInput]) -> AccountPayload | None:
        services.register_account(
            email=input.email,
            password=input.password,
            language=info.context.language if input.language is None else input.language,
            address=info.context.address,
        )
        return AccountPayload()

    @strawberry.mutation(
        description="Confirm the e-mail address with the code sent to it, and transfer the orders of guests "
        "with this address to the account. Log in afterwards."
    )
    @refusals_as_payload("input")
    def account_confirm(self, info: Info, input: _Input[ConfirmInput]) -> AccountPayload | None:
        confirm_account(email=input.email, code=input.code, address=info.context.address)
        return AccountPayload()

    @strawberry.mutation(
        description="Send a new confirmation code. Mails to one address are sent at most once a minute."
    )
    @refusals_as_payload("input")
    def account_confirmation_resend(self, info: Info, input: _Input[EmailInput]) -> AccountPayload | None:
        services.resend_confirmation_code(email=input.email, address=info.context.address)
        return AccountPayload()

    @strawberry.mutation(description="Log in: open a session and return its tokens.")
    @refusals_as_payload("input")
    def token_create(self, info: Info, input: _Input[LoginInput]) -> TokenPayload | None:
        pair = services.log_in(email=input.email, password=input.password, address=info.context.address)
        return TokenPayload.from_tokens(pair)

    @strawberry.mutation(
        description="Exchange a refresh token for new tokens. "
        "Repeating it returns the same refresh token for ten seconds; after that, it ends the session."
    )
    @refusals_as_payload("input")
    def token_refresh(self, info: Info, input: _Input[RefreshInput]) -> TokenPayload | None:
        try:
            pair = services.refresh_session(refresh_token=input.refresh_token, address=info.context.address)
        finally:
            # A reused token ends its session, which may be the viewer's.
            info.context.forget_viewer()
        return TokenPayload.from_tokens(pair)

    @strawberry.mutation(description="Log out: end the current session. Its tokens become invalid.")
    def token_revoke(self, info: Info) -> AccountPayload | None:
        services.log_out(viewer=info.context.viewer)
        info.context.forget_viewer()
        return AccountPayload()

    @strawberry.mutation(description="Log out on all devices: end all sessions of the account.")
    def token_revoke_all(self, info: Info) -> AccountPayload | None:
        services.log_out_everywhere(viewer=info.context.viewer)
        info.context.forget_viewer()
        return AccountPayload()

    @strawberry.mutation(description="Set a new password and end all other sessions.")
    @refusals_as_payload("input")
    def password_change(self, info: Info, input: _Input[PasswordChangeInput]) -> AccountPayload | None:
        viewer = info.context.viewer
        services.change_password(
            viewer=viewer, old_password=input.old_password, new_password=input.new_password
        )
        return AccountPayload()

    @strawberry.mutation(
        description="Send a password reset code. "
        "The response does not reveal whether the address has an account."
    )
    @refusals_as_payload("input")
    def password_reset_request(self, info: Info, input: _Input[EmailInput]) -> AccountPayload | None:
        services.request_password_reset(email=input.email, address=info.context.address)
        return AccountPayload()

    @strawberry.mutation(description="Set a new password with the code sent by e-mail, and end all sessions.")
    @refusals_as_payload("input")
    def password_reset(self, info: Info, input: _Input[PasswordResetInput]) -> AccountPayload | None:
        services.reset_password(
            email=input.email,
            code=input.code,
            new_password=input.new_password,
            address=info.context.address,
        )
        info.context.forget_viewer()
        return AccountPayload()

    @strawberry.mutation(description="Update the account.")
    @refusals_as_payload("input")
    def account_update(self, info: Info, input: _Input[AccountInput]) -> UserPayload | None:
        viewer = info.context.viewer
        user = services.update_account(
            viewer=viewer,
            name=input.name,
            language=None if input.language is strawberry.UNSET else input.language,
            is_language_reset=input.language is None,
        )
        return UserPayload(user=user)

    @strawberry.mutation(description="Delete the account and all personal data.")
    @refusals_as_payload("input")
    def account_delete(self, info: Info, input: _Input[AccountDeleteInput]) -> AccountPayload | None:
        viewer = info.context.viewer
        services.delete_account(viewer=viewer, password=input.password)
        info.context.forget_viewer()
        return AccountPayload()
