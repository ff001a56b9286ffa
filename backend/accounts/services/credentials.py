"""Whether somebody is who they say: the account behind a viewer, and its password."""

import uuid

from django.contrib.auth.hashers import check_password, make_password

from backend.accounts.models import User
from backend.accounts.services.checks import MAX_PASSWORD_LENGTH
from backend.accounts.services.limits import LOGIN_PER_ACCOUNT
from backend.core.errors import ErrorCode, ShopError, Unauthenticated
from backend.core.throttling import count_try
from backend.core.viewer import Viewer


class WrongCredentials(ShopError):
    """There is no such account with this password."""

    code = ErrorCode.WRONG_CREDENTIALS


def signed_in(viewer: Viewer) -> tuple[int, uuid.UUID]:
    """Return the viewer's account and session."""
    if viewer.user_id is None or viewer.session_id is None:
        raise Unauthenticated("Log in first.")
    return viewer.user_id, viewer.session_id


def account_of(user_id: int) -> User:
    """Return the viewer's account, which another part of the same request may have deleted."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise logged_out()
    return user


def logged_out() -> Unauthenticated:
    return Unauthenticated("This account is no more.")


def fits(user: User, password: str) -> bool:
    """Check a password; a hash of an old kind is renewed, unless another password has been set."""

    def renew(password: str) -> None:
        renewed = make_password(password)
        if User.objects.filter(pk=user.pk, password=user.password).update(password=renewed):
            user.password = renewed

    return check_password(password[:MAX_PASSWORD_LENGTH], user.password, renew)


def require_password(user: User, password: str, *, field: str) -> None:
    count_try(LOGIN_PER_ACCOUNT, "login", user.email)
    if not fits(user, password):
        raise WrongCredentials("The password is wrong.", field=field)


def lock_unchanged(checked: User, *, field: str, message: str = "The password is wrong.") -> User | None:
    """Lock an account whose password has been checked; None if it is gone.

    Checking takes long, and no lock is held for it: another password may have been set meanwhile.

    Raises:
        WrongCredentials: it has, so what was checked is not the password any more.
    """
    user = User.objects.select_for_update().filter(pk=checked.pk).first()
    if user is not None and user.password != checked.password:
        raise WrongCredentials(message, field=field)
    return user
