"""Another password: by the old one, or by a mailed code."""

from django.contrib.auth.hashers import make_password
from django.db import transaction

from backend.accounts.codes import Purpose
from backend.accounts.emails import normal_email
from backend.accounts.models import MAY_LOG_IN, Session, User
from backend.accounts.services.checks import check_password_strength
from backend.accounts.services.credentials import (
    account_of,
    lock_unchanged,
    require_password,
    signed_in,
)
from backend.accounts.services.limits import count_code, forget_logins, forget_passwords
from backend.accounts.services.mailed_codes import mail_code, use_code
from backend.core.digests import digest_secret
from backend.core.viewer import Viewer


def change_password(*, viewer: Viewer, old_password: str, new_password: str) -> None:
    """Set a new password and end the viewer's other sessions.

    Raises:
        Unauthenticated: nobody is logged in.
        WrongCredentials: the old password is wrong.
        WeakPassword, TooLong: the new one is not fit.
        RateLimited: too many tries at the old one.
    """
    user_id, session_id = signed_in(viewer)
    user = account_of(user_id)
    require_password(user, old_password, field="old_password")
    check_password_strength(new_password, user, field="new_password")
    hashed = make_password(new_password)
    with transaction.atomic():
        lock_unchanged(user, field="old_password")
        User.objects.filter(pk=user.pk).update(password=hashed)
        Session.objects.filter(user=user).exclude(pk=session_id).delete()
        Session.objects.filter(pk=session_id).update(password_digest=digest_secret(hashed))


def request_password_reset(*, email: str, address: str) -> None:
    """Mail a code for a new password to the owner of a confirmed account; the caller learns nothing.

    Staff get none: their passwords are set in the admin, and a mailbox is not worth as much.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    mail_code(Purpose.PASSWORD_RESET, email=email, address=address)


def reset_password(*, email: str, code: str, new_password: str, address: str) -> None:
    """Set a new password by the code that was mailed, and end every session.

    Raises:
        WeakPassword, TooLong: the new password is not fit; the code stays good.
        WrongCode: see `codes.spend_code`.
        Invalid, RateLimited, Unavailable: as for `register`.
    """
    email = normal_email(email)
    check_password_strength(new_password, User(email=email), field="new_password")
    count_code(Purpose.PASSWORD_RESET, email, address)
    # Before the row is locked. All of this is done for unknown addresses too: it takes its time.
    hashed = make_password(new_password)
    with transaction.atomic():
        users = User.objects.select_for_update(of=("self",))
        user = users.filter(MAY_LOG_IN, email=email, is_staff=False).first()
        user_id = user.pk if user else 0
        User.objects.filter(pk=user_id).update(password=hashed)
        Session.objects.filter(user_id=user_id).delete()
        use_code(Purpose.PASSWORD_RESET, email, code, user)
    forget_logins(email, address)
    forget_passwords(user_id)
