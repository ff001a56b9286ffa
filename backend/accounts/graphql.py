"""Accounts in GraphQL."""

from typing import cast

import strawberry
import strawberry_django
from strawberry import auto

from backend.accounts import models, selectors, services
from backend.accounts.services import TokenPair
from backend.core.errors import ShopError
from backend.core.graphql import Column, Info, UserError, user_errors
from backend.core.pagination import Window
from backend.orders.graphql import Order, OrderConnection
from backend.orders.selectors import get_order, list_orders


@strawberry_django.type(models.User, field_cls=Column)
class User:
    """The viewer's own account."""

    id: strawberry.ID
    email: str
    name: auto
    language: str
    date_joined: auto

    @strawberry_django.field(description="The viewer's own orders, the newest first.")
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

    @strawberry_django.field(description="The viewer's own order with this number.")
    def order(self, info: Info, number: str) -> Order | None:
        return cast("Order | None", get_order(info.context.viewer, number))


@strawberry.type
class AccountPayload:
    """What became of a change: nothing was done if there are errors."""

    errors: list[UserError]


@strawberry.type
class UserPayload:
    """The changed account, or why it was not changed."""

    user: User | None
    errors: list[UserError]


@strawberry.type
class TokenPayload:
    """The tokens of a login, or why there are none."""

    access_token: str | None
    refresh_token: str | None
    expires_in: int | None = strawberry.field(
        description="Seconds for which the access token is good; the refresh token gets a new pair, once."
    )
    user: User | None
    errors: list[UserError]

    @classmethod
    def of(cls, pair: TokenPair) -> "TokenPayload":
        """Show a login."""
        return cls(
            access_token=pair.access_token,
            refresh_token=pair.refresh_token,
            expires_in=pair.expires_in,
            user=cast(User, pair.user),
            errors=[],
        )

    @classmethod
    def refused(cls, error: ShopError) -> "TokenPayload":
        """Show why there is no login."""
        return cls(
            access_token=None,
            refresh_token=None,
            expires_in=None,
            user=None,
            errors=user_errors(error, "input"),
        )


@strawberry.input
class RegisterInput:
    email: str
    password: str
    language: str = strawberry.field(default="en", description='Of the mails: "ru" or "en".')


@strawberry.input
class ConfirmInput:
    email: str
    code: str


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
    code: str
    new_password: str


@strawberry.input
class AccountInput:
    name: str | None = None
    language: str | None = None


@strawberry.input
class AccountDeleteInput:
    password: str


@strawberry.type
class AccountsQuery:
    @strawberry.field(description="The viewer's own account; null for a guest.")
    def me(self, info: Info) -> User | None:
        return cast("User | None", selectors.get_account(info.context.viewer))


@strawberry.type
class AccountsMutation:
    @strawberry.mutation(
        description="Take a registration and mail a code. The answer is the same for a known address."
    )
    def account_register(self, info: Info, input: RegisterInput) -> AccountPayload | None:
        try:
            services.register(
                email=input.email,
                password=input.password,
                language=input.language,
                address=info.context.address,
            )
        except ShopError as error:
            return AccountPayload(errors=user_errors(error, "input"))
        return AccountPayload(errors=[])

    @strawberry.mutation(description="Confirm a registration by the mailed code; then log in.")
    def account_confirm(self, info: Info, input: ConfirmInput) -> AccountPayload | None:
        try:
            services.confirm(email=input.email, code=input.code, address=info.context.address)
        except ShopError as error:
            return AccountPayload(errors=user_errors(error, "input"))
        return AccountPayload(errors=[])

    @strawberry.mutation(description="Mail a new code, at most once a minute.")
    def account_confirmation_resend(self, info: Info, input: EmailInput) -> AccountPayload | None:
        try:
            services.resend_confirmation(email=input.email, address=info.context.address)
        except ShopError as error:
            return AccountPayload(errors=user_errors(error, "input"))
        return AccountPayload(errors=[])

    @strawberry.mutation(description="Log in.")
    def token_create(self, info: Info, input: LoginInput) -> TokenPayload | None:
        try:
            pair = services.log_in(email=input.email, password=input.password, address=info.context.address)
        except ShopError as error:
            return TokenPayload.refused(error)
        return TokenPayload.of(pair)

    @strawberry.mutation(description="Get new tokens for a refresh token, which is used up.")
    def token_refresh(self, info: Info, input: RefreshInput) -> TokenPayload | None:
        try:
            pair = services.refresh(refresh_token=input.refresh_token, address=info.context.address)
        except ShopError as error:
            return TokenPayload.refused(error)
        return TokenPayload.of(pair)

    @strawberry.mutation(description="Log out: end this session.")
    def token_revoke(self, info: Info) -> AccountPayload | None:
        services.log_out(viewer=info.context.viewer)
        return AccountPayload(errors=[])

    @strawberry.mutation(description="Log out on every device.")
    def token_revoke_all(self, info: Info) -> AccountPayload | None:
        services.log_out_everywhere(viewer=info.context.viewer)
        return AccountPayload(errors=[])

    @strawberry.mutation(description="Set a new password; the other sessions end.")
    def password_change(self, info: Info, input: PasswordChangeInput) -> AccountPayload | None:
        viewer = info.context.viewer
        try:
            services.change_password(
                viewer=viewer, old_password=input.old_password, new_password=input.new_password
            )
        except ShopError as error:
            return AccountPayload(errors=user_errors(error, "input"))
        return AccountPayload(errors=[])

    @strawberry.mutation(description="Mail a code for a new password. The answer is always the same.")
    def password_reset_request(self, info: Info, input: EmailInput) -> AccountPayload | None:
        try:
            services.request_password_reset(email=input.email, address=info.context.address)
        except ShopError as error:
            return AccountPayload(errors=user_errors(error, "input"))
        return AccountPayload(errors=[])

    @strawberry.mutation(description="Set a new password by the mailed code; every session ends.")
    def password_reset(self, info: Info, input: PasswordResetInput) -> AccountPayload | None:
        try:
            services.reset_password(
                email=input.email,
                code=input.code,
                new_password=input.new_password,
                address=info.context.address,
            )
        except ShopError as error:
            return AccountPayload(errors=user_errors(error, "input"))
        return AccountPayload(errors=[])

    @strawberry.mutation(description="Change what the account says of its owner.")
    def account_update(self, info: Info, input: AccountInput) -> UserPayload | None:
        viewer = info.context.viewer
        try:
            user = services.update_account(viewer=viewer, name=input.name, language=input.language)
        except ShopError as error:
            return UserPayload(user=None, errors=user_errors(error, "input"))
        return UserPayload(user=cast(User, user), errors=[])

    @strawberry.mutation(description="Delete the account and everything personal.")
    def account_delete(self, info: Info, input: AccountDeleteInput) -> AccountPayload | None:
        viewer = info.context.viewer
        try:
            services.delete_account(viewer=viewer, password=input.password)
        except ShopError as error:
            return AccountPayload(errors=user_errors(error, "input"))
        return AccountPayload(errors=[])
