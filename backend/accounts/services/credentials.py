"""Require a login session or a password."""

import uuid

from django.utils.translation import gettext_lazy as _

from backend.accounts.models import Session, User
from backend.accounts.password_hashing import hash_password, matches_hash
from backend.accounts.services.rate_limits import hit_password_limit, reset_password_limit
from backend.core.db import atomic_or_conflict
from backend.core.digests import digest_secret
from backend.core.errors import ErrorCode, ShopError, Unauthenticated
from backend.core.viewer import Viewer

_ACCOUNT_DELETED = _("This account has been deleted.")


class WrongCredentials(ShopError):
    """No account has this combination of e-mail address and password."""

    code = ErrorCode.WRONG_CREDENTIALS


def require_session(viewer: Viewer) -> tuple[int, uuid.UUID]:
    """Return the account id and the session id of a logged-in viewer.

    Raises:
        Unauthenticated: the viewer is a guest.
    """
    if viewer.user_id is None or viewer.session_id is None:
        raise Unauthenticated(_("Log in first."))
    return viewer.user_id, viewer.session_id


def require_account(user_id: int) -> User:
    """Return the account of a logged-in viewer.

    Raises:
        Unauthenticated: the account has been deleted, for example earlier in the same request.
    """
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Unauthenticated(_ACCOUNT_DELETED)
    return user


def check_password(user: User, password: str) -> bool:
    """Return whether a password is correct, and upgrade its hash if it is outdated; see `matches_hash`."""

    def upgrade_hash(password: str) -> None:
        upgraded = hash_password(password)
        if _upgrade_hash(user, upgraded):
            user.password = upgraded

    return matches_hash(password, user.password, upgrade_hash)


@atomic_or_conflict
def _upgrade_hash(user: User, upgraded: str) -> bool:
    """Replace the hash of a password, and return False if another request has just set a password."""
    if not User.objects.filter(pk=user.pk, password=user.password).update(password=upgraded):
        return False
    # The password is still the same, so its sessions stay open.
    sessions = Session.objects.filter(user=user, password_digest=digest_secret(user.password))
    sessions.update(password_digest=digest_secret(upgraded))
    return True


def require_password(user: User, password: str, *, field: str) -> None:
    """Check the password of a logged-in user, within a rate limit.

    Raises:
        WrongCredentials: the password is wrong.
        RateLimited, Unavailable: see `hit_password_limit`.
    """
    hit_password_limit(user.pk)
    if not check_password(user, password):
        raise WrongCredentials(_("The password is wrong."), field=field)
    reset_password_limit(user.pk)


def lock_account(user: User, *, field: str) -> User:
    """Lock an account after its password has been checked, and return it as it is now.

    Checking a password is slow, so it is done without a lock. Another request may have changed the password
    since.

    Raises:
        WrongCredentials: the password has changed since it was checked.
        Unauthenticated: the account has been deleted.
    """
    locked = User.objects.select_for_update().filter(pk=user.pk).first()
    if locked is None:
        raise Unauthenticated(_ACCOUNT_DELETED)
    if locked.password != user.password:
        raise WrongCredentials(_("The password is wrong."), field=field)
    return locked
