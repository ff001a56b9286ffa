"""Whether somebody is who they say: the account behind a viewer, and its password."""

import uuid

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from backend.accounts.models import Session, User
from backend.accounts.services.checks import MAX_PASSWORD_LENGTH
from backend.accounts.services.limits import count_password, forget_passwords
from backend.core.digests import digest_secret
from backend.core.errors import ErrorCode, ShopError, Unauthenticated
from backend.core.viewer import Viewer


class WrongCredentials(ShopError):
    """There is no such account with this password."""

    code = ErrorCode.WRONG_CREDENTIALS


def signed_in(viewer: Viewer) -> tuple[int, uuid.UUID]:
    """Return the keys of the viewer's account and session.

    Raises:
        Unauthenticated: nobody is logged in.
    """
    if viewer.user_id is None or viewer.session_id is None:
        raise Unauthenticated("Log in first.")
    return viewer.user_id, viewer.session_id


def account_of(user_id: int) -> User:
    """Return the viewer's account, which another part of the same request may have deleted.

    Raises:
        Unauthenticated: it is gone.
    """
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise logged_out()
    return user


def logged_out() -> Unauthenticated:
    """Return the refusal for a viewer whose account is gone."""
    return Unauthenticated("This account is no more.")


def fits(user: User, password: str) -> bool:
    """Check a password; a hash of an old kind is renewed, unless another password has been set."""

    def renew(password: str) -> None:
        renewed = make_password(password)
        with transaction.atomic():
            if User.objects.filter(pk=user.pk, password=user.password).update(password=renewed):
                # It is the same password: what it has opened stays open.
                opened = Session.objects.filter(user=user, password_digest=digest_secret(user.password))
                opened.update(password_digest=digest_secret(renewed))
                user.password = renewed

    return check_password(password[:MAX_PASSWORD_LENGTH], user.password, renew)


def require_password(user: User, password: str, *, field: str) -> None:
    """Check the password of somebody who is logged in.

    Raises:
        WrongCredentials: it is wrong.
        RateLimited, Unavailable: see `count_password`.
    """
    count_password(user.pk)
    if not fits(user, password):
        raise WrongCredentials("The password is wrong.", field=field)
    forget_passwords(user.pk)


def lock_unchanged(checked: User, *, field: str) -> None:
    """Lock an account whose password has been checked.

    Checking takes long, and no lock is held for it: another password may have been set meanwhile.

    Raises:
        WrongCredentials: it has, so what was checked is not the password any more.
        Unauthenticated: the account is gone.
    """
    user = User.objects.select_for_update().filter(pk=checked.pk).first()
    if user is None:
        raise logged_out()
    if user.password != checked.password:
        raise WrongCredentials("The password is wrong.", field=field)
