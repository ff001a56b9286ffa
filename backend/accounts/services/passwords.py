"""Change a password with the old one, or reset it with a code sent by e-mail."""

import uuid

from backend.accounts.codes import Purpose
from backend.accounts.email_addresses import normalize_email
from backend.accounts.models import MAY_LOG_IN, Session, User
from backend.accounts.password_hashing import hash_password
from backend.accounts.services.credentials import (
    lock_account,
    require_account,
    require_password,
    require_session,
)
from backend.accounts.services.email_codes import enqueue_code_email, redeem_account_code
from backend.accounts.services.rate_limits import hit_code_limits, reset_login_limits, reset_password_limit
from backend.accounts.services.validation import validate_new_password
from backend.core.db import atomic_or_conflict
from backend.core.digests import digest_secret
from backend.core.errors import ShopError, collect_errors, raise_collected
from backend.core.viewer import Viewer


def change_password(*, viewer: Viewer, old_password: str, new_password: str) -> None:
    """Set a new password and end the viewer's other sessions.

    Raises:
        Unauthenticated: the viewer is a guest.
        WrongCredentials: the old password is wrong.
        WeakPassword, TooLong: the new password is not acceptable.
        RateLimited: there were too many attempts with an old password.
    """
    user_id, session_id = require_session(viewer)
    user = require_account(user_id)
    require_password(user, old_password, field="old_password")
    validate_new_password(new_password, user, field="new_password")
    _replace_password(user, hash_password(new_password), session_id)


def request_password_reset(*, email: str, address: str) -> None:
    """Send a password reset code to a confirmed account. The caller does not learn whether it exists.

    Staff receive none: access to a mailbox must not be enough to get into the admin, where staff passwords
    are set.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register_account`.
    """
    enqueue_code_email(Purpose.PASSWORD_RESET, email=email, address=address)


def reset_password(*, email: str, code: str, new_password: str, address: str) -> None:
    """Set a new password with a code sent by e-mail, and end all sessions.

    Raises:
        WeakPassword, TooLong: the new password is not acceptable; the code stays valid.
        WrongCode: see `codes.redeem_code`.
        Invalid, RateLimited, Unavailable: as for `register_account`.
    """
    errors: list[ShopError] = []
    owner = User()
    with collect_errors(errors):
        owner.email = email = normalize_email(email)
    with collect_errors(errors):
        validate_new_password(new_password, owner, field="new_password")
    raise_collected(errors)
    hit_code_limits(Purpose.PASSWORD_RESET, email, address)
    # Hashing is slow, so it is done before the row is locked. Unknown addresses take the same steps, so
    # that the response time does not reveal them.
    user_id = _reset_password(email, code, hash_password(new_password))
    reset_login_limits(email, address)
    reset_password_limit(user_id)


@atomic_or_conflict
def _replace_password(user: User, hashed: str, session_id: uuid.UUID) -> None:
    """Store a new hash and end the sessions except for one."""
    lock_account(user, field="old_password")
    User.objects.filter(pk=user.pk).update(password=hashed)
    Session.objects.filter(user=user).exclude(pk=session_id).delete()
    Session.objects.filter(pk=session_id).update(password_digest=digest_secret(hashed))


@atomic_or_conflict
def _reset_password(email: str, code: str, hashed: str) -> int:
    """Store a new hash, end all sessions and redeem the code. Return the id of the account."""
    users = User.objects.select_for_update(of=("self",))
    user = users.filter(MAY_LOG_IN, email=email, is_staff=False).first()
    user_id = user.pk if user else 0
    User.objects.filter(pk=user_id).update(password=hashed)
    Session.objects.filter(user_id=user_id).delete()
    # No lock is taken after this, so no deadlock can repeat it.
    redeem_account_code(Purpose.PASSWORD_RESET, email, code, user)
    return user_id
