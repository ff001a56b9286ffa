"""GraphQL types, queries and mutations of accounts."""

import strawberry
import strawberry_django
from strawberry import auto

from backend.accounts import models, selectors, services
from backend.accounts.services import TokenPair
from backend.core.graphql import Column, Info, UserError, refusals_as_payload
from backend.core.pagination import Window
from backend.orders.graphql import Order, OrderConnection
from backend.orders.selectors import get_order, list_orders


@strawberry_django.type(models.User, field_cls=Column)
class User:
    """The viewer's own account."""

    id: strawberry.ID
    email: str = strawberry_django.field(description="The login. It is always in lower case.")
    name: auto = strawberry_django.field(description="The name of the owner; empty if not set.")
    language: str = strawberry_django.field(
        description='Language of the mails to this account: "ru" or "en".'
    )
    date_joined: auto = strawberry_django.field(description="Date and time of the last registration.")

    @strawberry_django.field(description="The viewer's own orders, newest first.")
    def orders(
        self,
        info: Info,
        first: int | None = 20,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> OrderConnection:
        window = Window.of(first=first if last is None else None, after=after, last=last, before=before)
        return OrderConnection(page=list_orders(info.context.viewer, window))

    @strawberry_django.field(description="The viewer's own order with this number; null if there is none.")
    def order(self, info: Info, number: str) -> Order | None:
        return get_order(info.context.viewer, number)


@strawberry.type
class AccountPayload:
    """The result of a mutation. If `errors` is not empty, nothing has changed."""

    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class UserPayload:
    """The updated account. If `errors` is not empty, `user` is null and nothing has changed."""

    user: User | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class TokenPayload:
    """The tokens of a session. If `errors` is not empty, all other fields are null."""

    access_token: str | None = strawberry.field(
        default=None, description="Send it as `Authorization: Bearer <accessToken>`."
    )
    refresh_token: str | None = strawberry.field(default=None, description="Valid for one `tokenRefresh`.")
    expires_in: int | None = strawberry.field(
        default=None, description="Lifetime of the access token in seconds."
    )
    user: User | None = strawberry.field(default=None, description="The account of the session.")
    errors: list[UserError] = strawberry.field(default_factory=list)

    @classmethod
    def of(cls, pair: TokenPair) -> "TokenPayload":
        """Return the payload of a session."""
        return cls(
            access_token=pair.access_token,
            refresh_token=pair.refresh_token,
            expires_in=pair.expires_in,
            user=pair.user,
        )


@strawberry.input
class RegisterInput:
    email: str
    password: str
    language: str = strawberry.field(
        default="en", description='Language of the mails to this account: "ru" or "en".'
    )


@strawberry.input
class ConfirmInput:
    email: str
    code: str = strawberry.field(description="The six digits from the confirmation mail.")


@strawberry.input
class EmailInput:
    email: str


@strawberry.input
class LoginInput:
    email: str
    password: str


@strawberry.input
class RefreshInput:
    refresh_token: str


@strawberry.input
class PasswordChangeInput:
    old_password: str
    new_password: str


@strawberry.input
class PasswordResetInput:
    email: str
    code: str = strawberry.field(description="The six digits from the password reset mail.")
    new_password: str


@strawberry.input
class AccountInput:
    """New values of the account. Fields that are null or left out stay unchanged."""

    name: str | None = None
    language: str | None = strawberry.field(
        default=None, description='Language of the mails to this account: "ru" or "en".'
    )


@strawberry.input
class AccountDeleteInput:
    password: str


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
    def account_register(self, info: Info, input: RegisterInput) -> AccountPayload | None:
        services.register_account(
            email=input.email,
            password=input.password,
            language=input.language,
            address=info.context.address,
        )
        return AccountPayload()

    @strawberry.mutation(
        description="Confirm the e-mail address with the code sent to it. Log in afterwards."
    )
    @refusals_as_payload("input")
    def account_confirm(self, info: Info, input: ConfirmInput) -> AccountPayload | None:
        services.confirm_registration(email=input.email, code=input.code, address=info.context.address)
        return AccountPayload()

    @strawberry.mutation(
        description="Send a new confirmation code. Mails to one address are sent at most once a minute."
    )
    @refusals_as_payload("input")
    def account_confirmation_resend(self, info: Info, input: EmailInput) -> AccountPayload | None:
        services.resend_confirmation_code(email=input.email, address=info.context.address)
        return AccountPayload()

    @strawberry.mutation(description="Log in: open a session and return its tokens.")
    @refusals_as_payload("input")
    def token_create(self, info: Info, input: LoginInput) -> TokenPayload | None:
        pair = services.log_in(email=input.email, password=input.password, address=info.context.address)
        return TokenPayload.of(pair)

    @strawberry.mutation(
        description="Exchange a refresh token for new tokens. Reusing a refresh token ends its session."
    )
    @refusals_as_payload("input")
    def token_refresh(self, info: Info, input: RefreshInput) -> TokenPayload | None:
        pair = services.refresh_session(refresh_token=input.refresh_token, address=info.context.address)
        return TokenPayload.of(pair)

    @strawberry.mutation(description="Log out: end the current session. Its tokens become invalid.")
    def token_revoke(self, info: Info) -> AccountPayload | None:
        services.log_out(viewer=info.context.viewer)
        return AccountPayload()

    @strawberry.mutation(description="Log out on all devices: end all sessions of the account.")
    def token_revoke_all(self, info: Info) -> AccountPayload | None:
        services.log_out_everywhere(viewer=info.context.viewer)
        return AccountPayload()

    @strawberry.mutation(description="Set a new password and end all other sessions.")
    @refusals_as_payload("input")
    def password_change(self, info: Info, input: PasswordChangeInput) -> AccountPayload | None:
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
    def password_reset_request(self, info: Info, input: EmailInput) -> AccountPayload | None:
        services.request_password_reset(email=input.email, address=info.context.address)
        return AccountPayload()

    @strawberry.mutation(description="Set a new password with the code sent by e-mail, and end all sessions.")
    @refusals_as_payload("input")
    def password_reset(self, info: Info, input: PasswordResetInput) -> AccountPayload | None:
        services.reset_password(
            email=input.email,
            code=input.code,
            new_password=input.new_password,
            address=info.context.address,
        )
        return AccountPayload()

    @strawberry.mutation(description="Update the account.")
    @refusals_as_payload("input")
    def account_update(self, info: Info, input: AccountInput) -> UserPayload | None:
        viewer = info.context.viewer
        user = services.update_account(viewer=viewer, name=input.name, language=input.language)
        return UserPayload(user=user)

    @strawberry.mutation(description="Delete the account and all personal data.")
    @refusals_as_payload("input")
    def account_delete(self, info: Info, input: AccountDeleteInput) -> AccountPayload | None:
        viewer = info.context.viewer
        services.delete_account(viewer=viewer, password=input.password)
        return AccountPayload()
